"""Search for bytes that violate a guarantee, by atheris; keep inputs that reach new branches, and write the evidence.

`python -m fuzz.run SECONDS` runs each target this long, two targets at a time. Inputs that violate a guarantee are left
in `finds/`: add a test for each, copy it to the corpus, and describe it in `regressions.toml`.
`python -m fuzz.run TARGET OPTION…` is one run of atheris, with the options of libFuzzer.
"""

from __future__ import annotations

import datetime as dt
import io
import logging
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from coverage import Coverage

HERE: Final = Path(__file__).parent
CORPUS: Final = HERE / "corpus"
FINDS: Final = HERE / "finds"
PAGE: Final = Path("docs/evidence/fuzz.md")

LIMITS: Final = ("-max_len=1024", "-timeout=10", "-rss_limit_mb=3000", "-print_final_stats=1")
# The packages that parse the bytes of a response, whose branches are counted.
WATCHED: Final = ["triverse", "httpcore", "h11"]

TARGETS: Final = {
    "transport": "any bytes in answer to a request, through the sync client, httpcore and h11",
    "answer": "status, headers and body, packed or not, through the exchange into six types of result",
    "headers": "headers that steer: how long to wait, by which clock, the request's id",
    "sequence": "one outcome after the other: answers and broken connections, under any policy",
    "sandbox": "requests to the sandbox's ASGI application",
}


class Run(NamedTuple):
    """The results of one target."""

    target: str
    executions: int
    seconds: int
    branches: int
    kept: int
    finds: int


def fuzz_one(target: str, options: list[str]) -> None:
    """Fuzz in this process. It ends when libFuzzer ends."""
    fuzzer: Any = import_module("atheris")  # it has no types, and is not installed for type checks
    with fuzzer.instrument_imports(include=WATCHED):
        check = import_module("fuzz.targets").TARGETS[target]
        for path in (CORPUS / target).iterdir():  # so that late imports are instrumented too
            check(path.read_bytes())

    def note_finds(data: bytes) -> None:
        try:
            check(data)
        except BaseException:
            (FINDS / f"{target}-{sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    logging.getLogger("triverse").addHandler(logging.NullHandler())
    # To merge, libFuzzer starts itself again by its first argument, so that must be the whole command.
    fuzzer.Setup([f"{shlex.quote(sys.executable)} -m fuzz.run {target}", *options], note_finds)
    fuzzer.Fuzz()


def fuzz(target: str, seconds: int) -> Run:
    """Fuzz in a new process, then keep the smallest set of inputs that reaches the same branches."""
    with tempfile.TemporaryDirectory() as found, tempfile.TemporaryDirectory() as smallest:
        options = [f"-max_total_time={seconds}", f"-dict={HERE / 'words.dict'}", f"-artifact_prefix={FINDS}/{target}-"]
        output = libfuzzer(target, *LIMITS, *options, found, str(CORPUS / target))
        libfuzzer(target, *LIMITS, "-set_cover_merge=1", smallest, str(CORPUS / target), found)
        kept = keep(CORPUS / target, Path(smallest))
    return Run(
        target,
        executions=number(r"stat::number_of_executed_units: (\d+)", output),
        seconds=number(r"Done \d+ runs in (\d+) second", output),
        branches=number(r" cov: (\d+) ft:", output),
        kept=kept,
        finds=len(list(FINDS.glob(f"{target}-*"))),
    )


def libfuzzer(target: str, *options: str) -> str:
    """Run atheris and return its output."""
    command = [sys.executable, "-m", "fuzz.run", target, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # noqa: S603 - this program
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        print(text[-4000:])  # noqa: T201 - the output of a program
    return text


def number(pattern: str, text: str) -> int:
    """Return the last number that matches."""
    return int((re.findall(pattern, text) or ["0"])[-1])


def keep(corpus: Path, smallest: Path) -> int:
    """Replace the corpus by the smallest set. Return its number of files."""
    files = sorted(smallest.iterdir())
    for path in [path for path in corpus.iterdir() if files]:
        path.unlink()
    for path in files:
        shutil.copy(path, corpus / path.name[:16])
    return len(files)


def covered() -> float:
    """Return the percentage of the core's lines and branches that the corpus runs."""
    watch = Coverage(data_file=None, config_file=False, branch=True, source_pkgs=["triverse.core"])
    with watch.collect():
        for target, check in import_module("fuzz.targets").TARGETS.items():
            for path in (CORPUS / target).iterdir():
                check(path.read_bytes())
    return watch.report(file=io.StringIO())


def page(runs: list[Run]) -> str:
    """Return the evidence as Markdown."""
    rows = "".join(
        f"| {run.target}: {TARGETS[run.target]} | {run.executions:,} | {run.seconds:,} | {run.branches:,} | {run.kept} "
        f"| {run.finds} |\n"
        for run in runs
    )
    total, seconds = sum(run.executions for run in runs), sum(run.seconds for run in runs)
    found = "".join(
        f"- {find['what']}\n" for find in tomllib.loads((HERE / "regressions.toml").read_text("utf-8"))["find"]
    )
    return f"""# Fuzzing

atheris generates bytes, records which branches of the code they reach, and continues with those that reach new ones.
Each input must give the right value or a `TriverseError`: no other exception, no run longer than ten seconds, no key
in the text of the error, and the next call must get its own response. **{total:,} executions** in {seconds:,} seconds
found **{sum(run.finds for run in runs) or "nothing"}** that violates this.

Run on {dt.datetime.now(dt.UTC):%Y-%m-%d} by `nox -s fuzz`, with CPython {platform.python_version()}, atheris
{version("atheris")}, httpx {version("httpx")}, httpcore {version("httpcore")} and h11 {version("h11")}.

| target | executions | seconds | branches reached | inputs kept | finds |
|---|---|---|---|---|---|
{rows}
Branches are counted in `triverse`, httpcore and h11. The inputs in `tests/fuzz/corpus/` are the smallest set
that reaches all of these branches; they run {covered():.1f} % of the lines and branches of `triverse/core`. The test
suite runs them at every change, together with variations by Hypothesis.

## What fuzzing has found

Each of these is fixed and has a test.

{found}"""


def main(arguments: list[str]) -> int:
    """Fuzz one target with the given options, or all of them."""
    if arguments and arguments[0] in TARGETS:
        fuzz_one(arguments[0], arguments[1:])
    shutil.rmtree(FINDS, ignore_errors=True)
    FINDS.mkdir()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(partial(fuzz, seconds=int(arguments[0])), TARGETS))
    PAGE.write_text(page(runs), "utf-8")
    return int(any(run.finds for run in runs))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
