"""Measure every contender and write `docs/evidence/benchmarks.md` and its chart.

    PYTHONPATH=tests python -m benchmarks.bench ENVIRONMENTS [--quick]

`ENVIRONMENTS` is a folder for the environments of the contenders; existing ones are used again. Client and server have
a core each. Contenders take turns in each round, in an order that rotates, so that other load on the machine affects
all of them.
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
    """Return the environment without variables that would change the measurements."""
    drop = ("CA_BUNDLE", "SSL_CERT", "PROXY", "PYTHON", "PIP_COMPILE", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not any(part in name.upper() for part in drop)}
    return {**kept, "TRIPO_DISABLE_GEO_DETECTION": "1", "NO_COLOR": "1", **extra}


class Machine:
    """The server, and the environments."""

    def __init__(self, environments: Path, certificates: Path, quick: bool) -> None:  # noqa: FBT001 - an option of the command line
        self._environments = environments.resolve()
        self.quick = quick
        self._ports: dict[str, int] = {}
        authority = trustme.CA()
        self._trusted = certificates / "trusted.pem"
        # The test authority is added to the default ones, as users add an authority.
        self._trusted.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
        self._own = certificates / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(self._own))

    def python(self, contender: str) -> str:
        """Return the Python of a contender's environment."""
        return str(self._environments / HOME.get(contender, contender) / "bin" / "python")

    def build(self, names: Iterable[str] = tuple(ENVIRONMENTS)) -> None:
        """Create missing environments, and reinstall this package in the environments that contain it."""
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
        """Return the version of each contender."""
        code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
        found: list[str] = []
        for name in (name for name in ENVIRONMENTS if "-" not in name):
            command = [self.python(name), "-c", code, name]
            found.append(f"{name} {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}")
        return ", ".join(found)

    @contextmanager
    def serving(self) -> Generator[None]:
        """Run the service."""
        command = [sys.executable, str(HERE / "server.py"), str(SERVER_CORE), str(self._own)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            self._ports = json.loads(server.stdout.readline())
            try:
                yield
            finally:
                server.terminate()

    def url(self, server: str) -> str:
        """Return the URL of the service."""
        return f"http{'s' if 'tls' in server else ''}://127.0.0.1:{self._ports[server]}"

    def server_cpu(self) -> float:
        """Return the CPU seconds of the server."""
        with urllib.request.urlopen(self.url("plain") + "/cpu") as answer:  # noqa: S310 - loopback
            return float(json.load(answer))

    def environment(self, server: str = "plain") -> dict[str, str]:
        """Return the environment of the contenders. Only for TLS does it set the test authority."""
        trusted = str(self._trusted)
        names = {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted} if "tls" in server else {}
        # PYTHONSAFEPATH: the installed package is measured, not the sources in the working directory.
        return clean_environment(**names, PYTHONPATH=str(HERE.parent), PYTHONSAFEPATH="1")


Result: TypeAlias = dict[str, float]


def in_turns(work: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """Run each function in each round, in an order that rotates."""
    names = list(work)
    results: dict[str, list[Result]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(work[name]())
    return results


def busy_from_now(machine: Machine) -> Callable[[], float]:
    """Return a function that returns the share of the time since this call in which the server was busy."""
    busy, began = machine.server_cpu(), time.perf_counter()
    return lambda: (machine.server_cpu() - busy) / (time.perf_counter() - began)


def a_call(results: dict[str, list[Result]], calls: dict[str, int]) -> dict[str, Result]:
    """Return the times of one call for each contender."""
    return {
        name: summary({what: [one[what] / calls[name] for one in given] for what in ("wall", "cpu")})
        for name, given in results.items()
    }


def failures(results: dict[str, list[Result]]) -> Result:
    """Return the number of failed calls of each contender."""
    return {name: sum(one["failed"] for one in given) for name, given in results.items()}


def measure_row(machine: Machine, row: Row) -> Entry:
    """Measure the contenders of a row in turn."""
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
    """Run one contender in its own process."""
    arguments = [f"{kind}_{name}", machine.url(server), str(CLIENT_CORE)]
    command = [machine.python(name), "-m", "benchmarks.worker", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=machine.environment(server)) as process:
        yield process


def ask(process: subprocess.Popen[str], calls: int, at_once: int) -> Result:
    """Let a worker make calls, and return its measurement."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({"calls": calls, "at_once": at_once}) + "\n")
    process.stdin.flush()
    answer: Result = json.loads(process.stdout.readline())
    return answer


def summary(times: dict[str, list[float]]) -> Result:
    """Return the 20th percentile and the median, in millionths."""
    picked: Result = {}
    for what, values in times.items():
        picked[f"{what} p20"] = sorted(values)[len(values) // 5] * 1e6
        picked[f"{what} median"] = median(values) * 1e6
    return picked


def measure_script(machine: Machine, script: Script) -> Entry:
    """Measure whole processes in turn."""
    work = {name: partial(run_script, machine, script, name) for name in script.code}
    in_turns(work, 1)  # fills the caches of the disk
    results = in_turns(work, 3 if machine.quick else SCRIPT_ROUNDS)
    unit = "MiB" if script.measure == "memory" else "µs"
    figures = {
        name: summary({script.measure: [one[script.measure] for one in given]}) for name, given in results.items()
    }
    return Entry(script.title, script.measure, unit, figures, script.goals, {}, 0.0)


# Read in the process itself, because the system's maximum for a child includes the memory of its parent.
MOST_MEMORY: Final = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def run_script(machine: Machine, script: Script, name: str) -> Result:
    """Run one process. Return its seconds, its MiB (in millions, like the seconds), and the number that it prints."""
    code = script.code[name].replace("URL", machine.url("plain")) + MOST_MEMORY
    command = [machine.python(name), "-c", code]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=machine.environment())
    took = time.perf_counter() - began
    *printed, kibibytes = done.stdout.split()
    number = float(printed[0]) if script.measure == "printed" else 0.0
    return {"wall": took, "memory": float(kibibytes) / 1024 / 1e6, "printed": number}


def within_itself(machine: Machine) -> Iterator[Entry]:
    """Compare triverse with itself: many calls at once with fewer calls at once."""
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
    """Make all measurements, and write the page."""
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
