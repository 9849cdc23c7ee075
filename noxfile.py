"""Every check of the project. `nox` runs those that decide; `nox -l` lists the others, too."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "architecture", "build", "types", "docs", "tests", "lowest", "conformance"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
FREE_THREADED = ["3.13t", "3.14t"]
EXTRAS = "cli,fastapi,sandbox"


def _runs(python: Path | str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603 - a Python that was found
    except OSError:
        return False


def _find_pyenv_pythons() -> None:
    """Put the Pythons that pyenv has, but not on the path, where nox looks."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in PYTHONS + FREE_THREADED:
        found = shutil.which(f"python{version}")
        installed = [p.parent for p in sorted(root.glob(f"versions/*/bin/python{version}")) if _runs(p)]
        if installed and not (found and _runs(found)):
            os.environ["PATH"] = os.pathsep.join([str(installed[-1]), os.environ["PATH"]])


_find_pyenv_pythons()

# Nine environments are made, and little of what is in them is ever imported: that is compiled then, and kept.
os.environ["PIP_COMPILE"] = "0"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def _build(session: nox.Session, target: Path) -> None:
    session.install("build", *PROJECT["build-system"]["requires"])
    session.run_install("python", "-m", "build", "--no-isolation", "--outdir", str(target), silent=True)


def _built_wheel(session: nox.Session) -> str:
    """The wheel, built once a run: what is tested is what users install."""
    target = ROOT / "dist" / "checked"
    if not _built:
        session.run_install("python", "-c", "import shutil, sys; shutil.rmtree(sys.argv[1], True)", str(target))
        _build(session, target)
        _built.append(target)
    return str(next(target.glob("*.whl")))


_built: list[Path] = []


# The sources stay out of the way: what is tested is the installed package.
INSTALLED = {"PYTHONSAFEPATH": "1"}
# More at once than a small machine has cores, since many tests wait; and in the order of the files: by default, those
# of few tests come last, and they are the long ones. A test that hung would hang again in another worker.
IN_PARALLEL = ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart", "0"]
FAULT_MATRIX = "tests/reliability/test_faults.py"


def _pytest(session: nox.Session, *runner: str, env: dict[str, str] = INSTALLED) -> None:
    cache = ["-o", f"cache_dir={session.cache_dir / session.name}"]
    session.run(*runner, "pytest", *cache, *IN_PARALLEL, *session.posargs, env=env)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test the installed wheel with the newest dependencies; on the oldest Python, also measure coverage and memory."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
    if session.python != PYTHONS[0] or session.posargs:
        _pytest(session)
        return
    env = {**INSTALLED, "COVERAGE_FILE": str(session.cache_dir / "coverage")}
    session.run("coverage", "erase", env=env)
    _pytest(session, "coverage", "run", "-m", env=env)
    session.run("coverage", "combine", "--quiet", env=env)
    session.run("coverage", "report", env=env)
    session.run("python", FAULT_MATRIX, env=INSTALLED)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Test the installed wheel with the oldest dependencies that it says it works with."""
    project = PROJECT["project"]
    needed = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    floors = sorted({requirement.replace(">=", "==") for requirement in needed})
    constraints = session.cache_dir / "floors.txt"
    constraints.write_text("\n".join(floors), encoding="utf-8")
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"), "--constraint", str(constraints))
    _pytest(session)


@nox.session(python=PYTHONS[0])
def types(session: nox.Session) -> None:
    """Check the types, as mypy and as pyright see them, and that the public ones are complete."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("types"))
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "triverse", env=INSTALLED)


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Check style and form."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=PYTHONS[0])
def architecture(session: nox.Session) -> None:
    """Check that no room of the code imports what it may not."""
    session.install(*_group("lint"))
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def build(session: nox.Session) -> None:
    """Build wheel and sdist again: the same bytes must come out; then check what they say of themselves."""
    first = sorted(Path(_built_wheel(session)).parent.iterdir())
    second = ROOT / "dist" / "second"
    shutil.rmtree(second, ignore_errors=True)
    _build(session, second)
    for path in first:
        if path.read_bytes() != (second / path.name).read_bytes():
            session.error(f"{path.name} comes out different when it is built again")
    session.install("twine")
    session.run("twine", "check", "--strict", *map(str, first))


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """Build the documentation site into `site/`, with every warning an error."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("docs"))
    env = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "--strict", "--config-file", "docs/mkdocs/mkdocs.yml", *session.posargs, env=env)


@nox.session(python=PYTHONS[0])
def conformance(session: nox.Session) -> None:
    """Let Schemathesis compare the served sandbox with its OpenAPI description."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("conformance"))
    session.run("pytest", "tests/sandbox/test_conformance.py", *session.posargs, env=INSTALLED)


@nox.session(python=PYTHONS[0])
def mutation(session: nox.Session) -> None:
    """Change every line of the core and see whether a test notices; writes docs/evidence/mutation.md."""
    session.install(f".[{EXTRAS}]", *_group("mutation"))
    # mutmut changes a copy of the sources, and that is what the tests must import.
    session.run("python", "-m", "pip", "uninstall", "--yes", "triverse", silent=True)
    # Some mutants would eat all the memory there is.
    run = 'ulimit -v 6000000; exec mutmut run "$@"'
    session.run("bash", "-c", run, "mutmut", *session.posargs, external=True)
    session.run("python", "tests/mutation/report.py")


@nox.session(python=PYTHONS[0])
def faults(session: nox.Session) -> None:
    """Meet every fault of the network with every client; `--write` writes docs/evidence/fault-matrix.md."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
    session.run("python", FAULT_MATRIX, *session.posargs, env=INSTALLED)


@nox.session(python=[PYTHONS[0], *FREE_THREADED])
def races(session: nox.Session) -> None:
    """Let many tenants share a client for 120,000 calls, or so many; also on free-threaded Pythons that are found."""
    session.install(_built_wheel(session), "pytest", "trio")
    session.run("python", "tests/reliability/test_races.py", *session.posargs, env=INSTALLED)


@nox.session(python=PYTHONS[0])
def fuzz(session: nox.Session) -> None:
    """Let atheris look for bytes that break a promise; writes docs/evidence/fuzz.md. Seconds for each target: 300."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("fuzz"))
    session.run("python", "-m", "fuzz.run", *(session.posargs or ["300"]), env={**INSTALLED, "PYTHONPATH": "tests"})


@nox.session(python=PYTHONS[0])
def soak(session: nox.Session) -> None:
    """Let a hundred workers meet mixed faults for three minutes, or so many seconds; writes docs/evidence/soak.md."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
    # With an arena for each few threads, the C library would keep what is free, and hide what is not.
    env = {**INSTALLED, "MALLOC_ARENA_MAX": "1"}
    session.run("python", "tests/reliability/test_soak.py", *session.posargs, env=env)


@nox.session(python=PYTHONS[0])
def bench(session: nox.Session) -> None:
    """Measure us and the peers in turns; writes docs/evidence/benchmarks.md. Needs two quiet cores."""
    session.install("trustme", "certifi")
    environments = session.cache_dir / "contenders"
    session.run("python", "-m", "benchmarks.bench", str(environments), *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(python=PYTHONS[0])
def audit(session: nox.Session) -> None:
    """Ask whether any dependency has a known vulnerability. Needs the network, and fails where nobody answers."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", "pip-audit")
    found = session.run("python", "-m", "pip", "freeze", "--exclude", "triverse", silent=True)
    audited = session.cache_dir / "audited.txt"
    audited.write_text(str(found), encoding="utf-8")
    # Else what could not be asked for would pass for harmless.
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "--requirement", str(audited), *session.posargs)
