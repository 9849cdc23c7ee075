"""Write the results of mutmut as a page of evidence. Fail if too many mutants survive, or one without a reason.

Run it after `mutmut run`, at the root of the project. `equivalent.toml` has the reasons by function and changed line,
because mutmut's numbers change with the code.
"""

from __future__ import annotations

import datetime as dt
import json
import platform
import re
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
RESULTS = Path("mutants/triverse/core")
PAGE = Path("docs/evidence/mutation.md")
REQUIRED = 96.0
# The first argument of `cast`, and names of encodings. A mutant that only changes these is equivalent.
CAST = re.compile(r'(?<=cast\()(None|"[^"]*")')
ENCODING = re.compile(r'"(latin-1|utf-8)"', re.IGNORECASE)

# Exit codes of pytest as mutmut records them. A mutant that breaks the test run counts as killed.
SURVIVED, NO_TESTS, NOT_RUN = 0, 33, None
# A run that was too slow: either the mutant hangs, which needs a reason in the file, or the machine was busy.
TOO_SLOW = {-24, 24, 36, 152, 255}


class Mutant(NamedTuple):
    """A mutant for which no test failed, and the reason."""

    function: str
    change: str
    reason: str
    only_casts: bool


def main() -> int:
    """Write the page. Return the exit status."""
    outcomes = read_outcomes()
    described = {name: describe(name, read_reasons("equivalent")) for name in having(outcomes, {SURVIVED, NO_TESTS})}
    for name in [name for name, mutant in described.items() if mutant.only_casts]:
        del outcomes[name], described[name]
    living = list(described.values())
    hanging = [describe(name, read_reasons("hang")) for name in having(outcomes, TOO_SLOW)]
    not_run = having(outcomes, {NOT_RUN})
    unexplained = [mutant for mutant in living + hanging if not mutant.reason]
    killed = len(outcomes) - len(living) - sum(not mutant.reason for mutant in hanging) - len(not_run)
    score = 100 * killed / len(outcomes)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(outcomes, sorted(living), sorted(hanging), score), "utf-8")
    for mutant in unexplained:
        print(f"no reason is given for {mutant.function}: {mutant.change}")  # noqa: T201 - the output of a program
    print(f"{score:.1f} % of {len(outcomes)} mutants were killed")  # noqa: T201 - the output of a program
    return int(score < REQUIRED or bool(unexplained) or bool(not_run))


def read_outcomes() -> dict[str, int | None]:
    """Return the outcome of each mutant."""
    outcomes: dict[str, int | None] = {}
    for path in sorted(RESULTS.glob("*.meta")):
        outcomes |= json.loads(path.read_text("utf-8"))["exit_code_by_key"]
    return outcomes


def having(outcomes: dict[str, int | None], codes: set[int] | set[None]) -> list[str]:
    """Return the names of the mutants with one of these outcomes."""
    return [name for name, code in outcomes.items() if code in codes]


def read_reasons(kind: str) -> dict[tuple[str, str], str]:
    """Return the reasons of one kind, by function and changed line."""
    table = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8"))
    return {(entry["function"], entry["change"]): entry["reason"] for entry in table[kind]}


def describe(name: str, reasons: dict[tuple[str, str], str]) -> Mutant:
    """Return the function, the change and the reason of a mutant."""
    diff = subprocess.run(  # noqa: S603 - mutmut
        [sys.executable, "-m", "mutmut", "show", name], capture_output=True, text=True, check=True
    ).stdout
    before, after = changed(diff, "-"), changed(diff, "+")
    function = name.rpartition("__mutmut_")[0].replace("x_", "", 1).replace("xǁ", "").replace("ǁ", ".")
    reason = reasons.get((function, after), "")
    if ENCODING.sub("", before) == ENCODING.sub("", after):
        reason = "Names of encodings are not case-sensitive in Python."
    return Mutant(function, after, reason, only_casts=CAST.sub("", before) == CAST.sub("", after))


def changed(diff: str, sign: str) -> str:
    """Join the lines with this sign."""
    lines = [line[1:].strip() for line in diff.splitlines() if line.startswith(sign) and not line.startswith(sign * 3)]
    return " ".join(lines)


def page(outcomes: dict[str, int | None], living: list[Mutant], hanging: list[Mutant], score: float) -> str:
    """Return the evidence as Markdown."""
    return f"""# Mutation testing of the core

mutmut changes the code of `triverse/core` in one place at a time and runs the tests. A change for which no test fails
is a mutant that survives. **{score:.1f} %** of {len(outcomes)} mutants are killed; at least {REQUIRED:.0f} % is
required, and each survivor needs a reason. Mutants that change only the type in a call of `typing.cast` do not count:
it does nothing when the program runs.

Run on {dt.datetime.now(dt.UTC):%Y-%m-%d} by `nox -s mutation`, with CPython {platform.python_version()}, mutmut
{version("mutmut")}, pytest {version("pytest")} and Hypothesis {version("hypothesis")}.

| file | mutants | survivors |
|---|---|---|
{rows(outcomes)}
## Survivors

These behave like the original code.

{bullets(living)}
## Killed by a hang

These make a test wait without end. Every other killed mutant makes a test fail.

{bullets(hanging)}"""


def rows(outcomes: dict[str, int | None]) -> str:
    """Return the rows of the table: the mutants and the survivors of each file."""
    mutants = Counter(name.split(".")[2] for name in outcomes)
    living = Counter(name.split(".")[2] for name in having(outcomes, {SURVIVED, NO_TESTS}))
    return "".join(f"| `triverse/core/{file}.py` | {mutants[file]} | {living[file]} |\n" for file in sorted(mutants))


def bullets(mutants: list[Mutant]) -> str:
    """Return a list of mutants with their reasons."""
    return "".join(f"- `{m.function}`: `` {m.change} ``  \n  {m.reason}\n" for m in mutants) or "None.\n"


if __name__ == "__main__":
    raise SystemExit(main())
