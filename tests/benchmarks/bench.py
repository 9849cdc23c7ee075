"""Measures every contender, and writes what came of it to `docs/evidence/benchmarks.md`.

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
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import trustme
from benchmarks.plan import ENVIRONMENTS, HOME, ROWS, SCRIPTS, Row, Script
from benchmarks.report import Entry, page

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
CLIENT_CORE, SERVER_CORE = 0, 1
SCRIPT_ROUNDS: Final = 11


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without what would change what is measured."""
    drop = ("CA_BUNDLE", "SSL_CERT", "PROXY", "PYTHONPATH", "VIRTUAL_ENV")
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
        authority.cert_pem.write_to_path(str(self._trusted))
        self._own = certificates / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(self._own))

    def python(self, contender: str) -> str:
        """The Python of a contender's environment."""
        return str(self._environments / HOME.get(contender, contender) / "bin" / "python")

    def build(self) -> None:
        """Make the environments that are missing, and put this package's newest state into those that hold it."""
        for name, packages in ENVIRONMENTS.items():
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
        """For the contenders. Our authority only where it is needed: it is read faster than the usual ones."""
        trusted = str(self._trusted)
        names = {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted} if "tls" in server else {}
        return clean_environment(**names, PYTHONPATH=str(HERE.parent))


def measure_row(machine: Machine, row: Row) -> Entry:
    """Let the contenders work in turn."""
    names = ["triverse", *row.contenders]
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(worker(machine, row, name)) for name in names}
        for name in names:
            ask(workers[name], max(20, row.at_once), row.at_once)
        busy, began = machine.server_cpu(), time.perf_counter()
        for number in range(min(3, row.rounds) if machine.quick else row.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                taken[name].append(ask(workers[name], row.calls, row.at_once))
        busy = (machine.server_cpu() - busy) / (time.perf_counter() - began)
    times = {
        name: {what: [one[what] / row.calls for one in answers] for what in ("wall", "cpu")}
        for name, answers in taken.items()
    }
    failed = {name: sum(one["failed"] for one in answers) for name, answers in taken.items()}
    return Entry(
        row.title, row.measure, "µs a call", {n: summary(t) for n, t in times.items()}, row.goals, failed, busy
    )


@contextmanager
def worker(machine: Machine, row: Row, name: str) -> Generator[subprocess.Popen[str]]:
    """One contender, in a process of its own."""
    command = [
        machine.python(name),
        "-m",
        "benchmarks.worker",
        f"{row.kind}_{name}",
        machine.url(row.server),
        str(CLIENT_CORE),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=machine.environment(row.server)) as process:
        yield process


def ask(process: subprocess.Popen[str], calls: int, at_once: int) -> dict[str, float]:
    """Give a worker its work."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps({"calls": calls, "at_once": at_once}) + "\n")
    process.stdin.flush()
    answer: dict[str, float] = json.loads(process.stdout.readline())
    return answer


def summary(times: dict[str, list[float]]) -> dict[str, float]:
    """20th percentile and median, in millionths."""
    picked: dict[str, float] = {}
    for what, values in times.items():
        picked[f"{what} p20"] = sorted(values)[len(values) // 5] * 1e6
        picked[f"{what} median"] = median(values) * 1e6
    return picked


def measure_script(machine: Machine, script: Script) -> Entry:
    """Run whole processes in turn."""
    names = list(script.code)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range((3 if machine.quick else SCRIPT_ROUNDS) + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            value = run_script(machine, script, name)
            if number:  # the first round only warms the caches of the disk
                taken[name].append(value)
    unit = "MiB" if script.measure == "memory" else "µs"
    figures = {name: summary({script.measure: values}) for name, values in taken.items()}
    return Entry(script.title, script.measure, unit, figures, script.goals, {}, 0.0)


# Of the process itself: what the system counts for a child begins with the memory of its parent.
MOST_MEMORY: Final = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def run_script(machine: Machine, script: Script, name: str) -> float:
    """One process: its seconds, its mebibytes (in millions, as seconds are), or what it prints."""
    code = script.code[name].replace("URL", machine.url("plain")) + MOST_MEMORY
    command = [machine.python(name), "-c", code]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=machine.environment())
    took = time.perf_counter() - began
    *printed, kibibytes = done.stdout.split()
    if script.measure == "memory":
        return float(kibibytes) / 1024 / 1e6
    return float(printed[0]) if script.measure == "printed" else took


def within_itself(machine: Machine) -> Iterator[Entry]:
    """What triverse does at once, against what it does alone."""
    few, many = (measure_row(machine, Row("", "async", "slow", (), 1000, n, 5, "cpu")) for n in (10, 200))
    figures = {"200 in flight": many.figures["triverse"], "10 in flight": few.figures["triverse"]}
    title = "200 in flight, against 10 in flight"
    yield Entry(title, "cpu", "µs a call", figures, {"10 in flight": 1.25}, many.failed, many.busy)
    yield measure_row(machine, Row("1,500 at once, defaults", "async", "slow", ("httpx",), 1500, 1500, 2))


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
        target = ROOT / "docs" / "evidence" / "benchmarks.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(entries, machine.versions()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
