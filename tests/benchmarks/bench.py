"""Measure every contender and write `docs/evidence/benchmarks.md` and its chart.

    PYTHONPATH=tests python -m benchmarks.bench ENVIRONMENTS [--quick]

`ENVIRONMENTS` is a folder for the environments of the contenders; what is there already is used again. Client and
server have a core each. Contenders take turns, round by round, in an order that rotates: so what disturbs the machine
disturbs all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import certifi
import trustme
from benchmarks.plan import ENVIRONMENTS, HOME, ROWS, SCRIPTS, Row, Script
from benchmarks.report import Entry, chart, page

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
CLIENT_CORE, SERVER_CORE = 0, 1
SCRIPT_ROUNDS: Final = 21
FEW, MUCH = "10 in flight", "200 in flight"


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without what would change what is measured."""
    drop = ("CA_BUNDLE", "SSL_CERT", "PROXY", "PYTHON", "PIP_COMPILE", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not any(part in name.upper() for part in drop)}
    return {**kept, "TRIPO_DISABLE_GEO_DETECTION": "1", "NO_COLOR": "1", **extra}


class Machine:
    """The server, and the environments."""

    def __init__(self, environments: Path, certificates: Path, quick: bool) -> None:  # noqa: FBT001 - of the command line
        self._environments = environments.resolve()
        self.quick = quick
        self._ports: dict[str, int] = {}
        authority = trustme.CA()
        self._trusted = certificates / "trusted.pem"
        # Beside all the others, as where people add an authority of their own.
        self._trusted.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
        self._own = certificates / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(self._own))

    def python(self, contender: str) -> str:
        """The Python of a contender's environment."""
        return str(self._environments / HOME.get(contender, contender) / "bin" / "python")

    def build(self, names: Iterable[str] = tuple(ENVIRONMENTS)) -> None:
        """Make the environments that are missing, and put this package's newest state into those that hold it."""
        for name in names:
            packages = ENVIRONMENTS[name]
            folder, python = self._environments / name, self._environments / name / "bin" / "python"
            if folder.exists() and not name.startswith("triverse"):
                continue
            if not folder.exists():
                subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            subprocess.run(command, check=True, cwd=ROOT, env=clean_environment())
            if name.startswith("triverse"):
                subprocess.run(
                    [*command, "--force-reinstall", "--no-deps"], check=True, cwd=ROOT, env=clean_environment()
                )

    def versions(self) -> str:
        """Release of each contender."""
        code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
        found: list[str] = []
        for name in (name for name in ENVIRONMENTS if "-" not in name):
            command = [self.python(name), "-c", code, name]
            found.append(f"{name} {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}")
        return ", ".join(found)

    @contextmanager
    def serving(self) -> Generator[None]:
        """Run the service meanwhile."""
        command = [sys.executable, str(HERE / "server.py"), str(SERVER_CORE), str(self._own)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            self._ports = json.loads(server.stdout.readline())
            try:
                yield
            finally:
                server.terminate()

    def url(self, server: str) -> str:
        """Where the service is."""
        return f"http{'s' if 'tls' in server else ''}://127.0.0.1:{self._ports[server]}"

    def server_cpu(self) -> float:
        """Seconds that the server has been busy."""
        with urllib.request.urlopen(self.url("plain") + "/cpu") as answer:  # noqa: S310 - loopback
            return float(json.load(answer))

    def environment(self, server: str = "plain") -> dict[str, str]:
        """For the contenders. Our authority only where it is needed: else each trusts the ones that it comes with."""
        trusted = str(self._trusted)
        names = {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted} if "tls" in server else {}
        # What is measured is what was installed and compiled, not the sources in the directory where it runs.
        return clean_environment(**names, PYTHONPATH=str(HERE.parent), PYTHONSAFEPATH="1")


Result: TypeAlias = dict[str, float]


def in_turns(work: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """Let each do its work in each round, in an order that rotates."""
    names = list(work)
    results: dict[str, list[Result]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(work[name]())
    return results


def busy_from_now(machine: Machine) -> Callable[[], float]:
    """Tells what part of the time the server has been busy since."""
    busy, began = machine.server_cpu(), time.perf_counter()
    return lambda: (machine.server_cpu() - busy) / (time.perf_counter() - began)


def a_call(results: dict[str, list[Result]], calls: dict[str, int]) -> dict[str, Result]:
    """What each took for one call."""
    return {
        name: summary({what: [one[what] / calls[name] for one in given] for what in ("wall", "cpu")})
        for name, given in results.items()
    }


def failures(results: dict[str, list[Result]]) -> Result:
    """How many calls failed."""
    return {name: sum(one["failed"] for one in given) for name, given in results.items()}


def measure_row(machine: Machine, row: Row) -> Entry:
    """Let the contenders work in turn."""
    names = ["triverse", *row.contenders]
    with ExitStack() as stack:
        workers = {name: stack.enter_context(worker(machine, row.server, name, row.kind)) for name in names}
        for name in names:
            ask(workers[name], max(20, row.at_once), row.at_once)
        work = {name: partial(ask, workers[name], row.calls, row.at_once) for name in names}
        busy = busy_from_now(machine)
        results = in_turns(work, min(3, row.rounds) if machine.quick else row.rounds)
        part = busy()
    figures = a_call(results, dict.fromkeys(names, row.calls))
    return Entry(row.title, row.measure, "µs a call", figures, row.goals, failures(results), part)


@contextmanager
def worker(machine: Machine, server: str, name: str, kind: str) -> Generator[subprocess.Popen[str]]:
    """One contender, in a process of its own."""
    arguments = [f"{kind}_{name}", machine.url(server), str(CLIENT_CORE)]
    command = [machine.python(name), "-m", "benchmarks.worker", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=machine.environment(server)) as process:
        yield process


def ask(process: subprocess.Popen[str], calls: int, at_once: int) -> Result:
    """Give a worker its work."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({"calls": calls, "at_once": at_once}) + "\n")
    process.stdin.flush()
    answer: Result = json.loads(process.stdout.readline())
    return answer


def summary(times: dict[str, list[float]]) -> Result:
    """20th percentile and median, in millionths."""
    picked: Result = {}
    for what, values in times.items():
        picked[f"{what} p20"] = sorted(values)[len(values) // 5] * 1e6
        picked[f"{what} median"] = median(values) * 1e6
    return picked


def measure_script(machine: Machine, script: Script) -> Entry:
    """Run whole processes in turn."""
    work = {name: partial(run_script, machine, script, name) for name in script.code}
    in_turns(work, 1)  # only to warm the caches of the disk
    results = in_turns(work, 3 if machine.quick else SCRIPT_ROUNDS)
    unit = "MiB" if script.measure == "memory" else "µs"
    figures = {
        name: summary({script.measure: [one[script.measure] for one in given]}) for name, given in results.items()
    }
    return Entry(script.title, script.measure, unit, figures, script.goals, {}, 0.0)


# Of the process itself: what the system counts for a child begins with the memory of its parent.
MOST_MEMORY: Final = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def run_script(machine: Machine, script: Script, name: str) -> Result:
    """One process: its seconds, its mebibytes (in millions, as seconds are), and what it prints."""
    code = script.code[name].replace("URL", machine.url("plain")) + MOST_MEMORY
    command = [machine.python(name), "-c", code]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=machine.environment())
    took = time.perf_counter() - began
    *printed, kibibytes = done.stdout.split()
    said = float(printed[0]) if script.measure == "printed" else 0.0
    return {"wall": took, "memory": float(kibibytes) / 1024 / 1e6, "printed": said}


def within_itself(machine: Machine) -> Iterator[Entry]:
    """What triverse takes for much at once, against what it takes for less."""
    with (
        worker(machine, "slow", "triverse", "async") as client,
        worker(machine, "slow", "triverse", "accounts") as many,
    ):
        jobs = {"10,000 accounts": (many, 10_000, 1), FEW: (client, 1_000, 10), MUCH: (client, 1_000, 200)}
        for process, _, at_once in jobs.values():
            ask(process, 200, at_once)
        busy = busy_from_now(machine)
        results = in_turns({name: partial(ask, *job) for name, job in jobs.items()}, 3 if machine.quick else 7)
        part = busy()
    figures, failed = a_call(results, {name: calls for name, (_, calls, _) in jobs.items()}), failures(results)
    for more, less, goal in ((MUCH, FEW, 1.25), ("10,000 accounts", MUCH, 1.15)):
        pair = {name: figures[name] for name in (more, less)}
        yield Entry(f"{more}, against {less}", "cpu", "µs a call", pair, {less: goal}, failed, part)


def main(environments: str, *options: str) -> None:
    """Measure all, and write the page."""
    with tempfile.TemporaryDirectory() as certificates:
        machine = Machine(Path(environments), Path(certificates), "--quick" in options)
        machine.build()
        with machine.serving():
            entries: list[Entry] = []
            for row in ROWS:
                entries.append(measure_row(machine, row))
                print(entries[-1].title, entries[-1].ratios(), flush=True)
            entries += within_itself(machine)
            entries += [measure_script(machine, script) for script in SCRIPTS]
        docs = ROOT / "docs"
        (docs / "evidence" / "benchmarks.md").write_text(page(entries, machine.versions()), encoding="utf-8")
        (docs / "assets" / "benchmarks.svg").write_text(chart(entries), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
