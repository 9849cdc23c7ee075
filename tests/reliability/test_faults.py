"""Each call against each fault returns the right value or raises one of our errors, before its deadline.

`python tests/reliability/test_faults.py` measures one cell of a client at a time, with its memory; `--write` writes it
down in docs/evidence/fault-matrix.md.
"""

from __future__ import annotations

import gc
import platform
import random
import ssl
import sys
import time
import tracemalloc
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import httpcore
import httpx
import pytest
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.clients import MODES, Mode
from support.fault_matrix import CASES, DEADLINE, Case, Measurement, expected, measure
from support.tls import trust

import triverse
from triverse.core.runtime import Runtime

AT_ONCE = 20
EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence" / "fault-matrix.md"


@contextmanager
def hasty(folder: Path) -> Generator[None]:
    """Make retries without pauses, and trust the test authority."""
    with pytest.MonkeyPatch.context() as patch:
        trust(patch, folder)
        runtime = Runtime(time.monotonic, time.time, lambda: 0.0, str)
        patch.setattr("triverse.clients.system.SYSTEM", runtime)
        yield


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Measurement]:
    """Measure all cells, several at the same time."""
    with hasty(tmp_path_factory.mktemp("trust")), ThreadPoolExecutor(AT_ONCE) as pool:
        shuffled = random.sample(CASES, len(CASES))
        return dict(zip(shuffled, pool.map(measure, shuffled), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault.name}, {case.mode}, {case.endpoint}")
def test_each_fault_ends_in_time_in_the_right_error_and_leaves_nothing_behind(
    case: Case, measured: dict[Case, Measurement]
) -> None:
    seen = measured[case]
    assert seen.kind == expected(case)
    if case.fault.hangs:
        # Other tests check the deadline more closely, without other work beside them.
        assert DEADLINE * 0.8 <= seen.seconds < DEADLINE + 5


def test_the_table_in_the_docs_has_these_cases(measured: dict[Case, Measurement]) -> None:
    rows = [line.split(" | ") for line in EVIDENCE.read_text().splitlines() if line.startswith("| ")][1:]
    documented = [(row[0].removeprefix("| "), row[1], row[2], row[3], row[4], row[5], row[6]) for row in rows]
    assert documented == [in_words(case, measured[case]) for case in CASES]


# The most MiB that a call may take. A body over the limit of 8 MiB takes more: its bytes, and copies of them.
LARGE = {"gzip bomb": 24.0, "body without end": 24.0}
USUAL = 4.0
# The most KiB that may be in use after the call.
MOST_KEPT = 64.0


def weigh(case: Case) -> tuple[Measurement, float, float]:
    """Measure a cell. Return the measurement, the MiB at the peak, and the KiB in use afterwards."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    seen = measure(case)
    _, peak = tracemalloc.get_traced_memory()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return seen, (peak - before) / 1024**2, (after - before) / 1024


def in_words(case: Case, seen: Measurement) -> tuple[str, ...]:
    kind = (str(part) for part in seen.kind)
    return case.fault.name, case.mode, case.endpoint, *kind


HEAD = """# Fault matrix

Each fault of the network against each client and each endpoint, over real sockets. `tests/reliability/test_faults.py`
measures every row in each build, and the build fails if an outcome differs or a limit is exceeded.

- **attempts**: with one retry allowed. If a call succeeds, a second call follows, to show that the connection works.
- **endpoint**: `quote` creates nothing, so it is tried again as a GET is; `text-to-model` is tried again under its id.
  The flow `text-to-mesh` documents no id, so it is tried again only if nothing was sent. `wait` polls once, and reports
  what a longer wait tolerates as its own timeout.
- **open, tasks**: connections and tasks that are left after the call, without one idle connection after a success.
- **ms**: of the last call, while each allocation is traced. A fault that hangs is ended by a deadline of
  {deadline:.0f} ms; the others have {patience:.0f} s.
- **peak**: the most MiB that the calls and the test's server used: less than {large:.0f} if the body exceeds the
  limit of 8 MiB, else less than {usual:.0f}.
- **kept**: KiB in use afterwards, less than {kept:.0f}.

{date}; triverse {triverse}, Python {python}, httpx {httpx}, httpcore {httpcore}, anyio {anyio}, trio {trio},
{ssl}, {system}.

| fault | client | endpoint | outcome | attempts | open | tasks | ms | peak | kept |
|---|---|---|---|---|---|---|---|---|---|
"""


def weighed(mode: Mode) -> list[str]:
    """Measure the cells of a client, one at a time, and return a row of the table for each.

    Raises:
        AssertionError: a measurement is not the expected one, or exceeds a limit.
    """
    cases = [case for case in CASES if case.mode == mode]
    rows: list[str] = []
    with TemporaryDirectory() as folder, hasty(Path(folder)):
        for case in cases:  # so that caches and late imports are not measured
            if case.fault.outcome is None or case.fault.name in LARGE:
                measure(case)
        gc.collect()
        gc.freeze()
        tracemalloc.start()
        for case in cases:
            seen, peak, kept = weigh(case)
            assert seen.kind == expected(case), (case, seen)
            assert peak < LARGE.get(case.fault.name, USUAL), (case, peak)
            assert kept < MOST_KEPT, (case, kept)
            numbers = f"{seen.seconds * 1000:.0f} | {peak:.1f} | {max(0.0, kept):.0f}"
            rows.append(f"| {' | '.join(in_words(case, seen))} | {numbers} |\n")
        tracemalloc.stop()
    return rows


def table() -> str:
    """Return the rows of all clients. Each client has its own process, so its memory is measured alone."""
    with ProcessPoolExecutor(len(MODES), get_context("spawn")) as pool:
        rows = {mode: iter(lines) for mode, lines in zip(MODES, pool.map(weighed, MODES), strict=True)}
    return "".join(next(rows[case.mode]) for case in CASES)


def write_evidence(rows: str) -> None:
    """Write the page."""
    head = HEAD.format(
        date=datetime.now(UTC).date().isoformat(),
        deadline=DEADLINE * 1000,
        patience=CASES[0].deadline,
        large=max(LARGE.values()),
        usual=USUAL,
        kept=MOST_KEPT,
        triverse=triverse.__version__,
        python=platform.python_version(),
        httpx=httpx.__version__,
        httpcore=httpcore.__version__,
        anyio=version("anyio"),
        trio=trio.__version__,
        ssl=ssl.OPENSSL_VERSION,
        system=platform.system(),
    )
    EVIDENCE.write_text(head + rows)


if __name__ == "__main__":
    measured_rows = table()
    if "--write" in sys.argv:
        write_evidence(measured_rows)
