"""Every check of the project. `nox` runs the sessions that must pass for each change; `nox -l` lists all of them."""

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

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
FREE_THREADED = ["3.13t", "3.14t"]
EXTRAS = "cli,fastapi,sandbox"


def _runs(python: Path | str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603 - the path of a Python that was found
    except OSError:
        return False


def _find_pyenv_pythons() -> None:
    """Add to PATH the Pythons that pyenv has installed, since nox looks only there."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for version in PYTHONS + FREE_THREADED:
        found = shutil.which(f"python{version}")
        installed = [p.parent for p in sorted(root.glob(f"versions/*/bin/python{version}")) if _runs(p)]
        if installed and not (found and _runs(found)):
            os.environ["PATH"] = os.pathsep.join([str(installed[-1]), os.environ["PATH"]])


_find_pyenv_pythons()

# Two test runs cover both Pythons and both ends of the allowed dependency versions: the newest versions on the oldest
# Python, and the lowest versions on a newer one where it is installed. CI runs the other pairs in jobs of their own.
LOWEST_ON = "3.13" if shutil.which("python3.13") else PYTHONS[0]
nox.options.sessions = ["lint", "build", "types", "docs", "tests-3.11", f"lowest-{LOWEST_ON}"]

# Most of the installed modules are never imported. Python compiles those that are, at the first import.
os.environ["PIP_COMPILE"] = "0"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def _build(session: nox.Session, target: Path) -> None:
    session.install("build", *PROJECT["build-system"]["requires"])
    session.run_install("python", "-m", "build", "--no-isolation", "--outdir", str(target), silent=True)


def _built_wheel(session: nox.Session) -> str:
    """Return the wheel, built once per run: the sessions check what users install."""
    target = ROOT / "dist" / "checked"
    if not _built:
        session.run_install("python", "-c", "import shutil, sys; shutil.rmtree(sys.argv[1], True)", str(target))
        _build(session, target)
        _built.append(target)
    return str(next(target.glob("*.whl")))


_built: list[Path] = []


# Keeps the current directory off sys.path, so that the tests import the installed package and not the sources.
INSTALLED = {"PYTHONSAFEPATH": "1"}
# More workers than a small machine has cores, because many tests wait. Files run in their own order: by default those
# with few tests run last, and they are the slow ones. No worker is restarted: a test that hangs would hang it again.
IN_PARALLEL = ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart", "0"]
# Property tests run all their examples on the oldest Python, and ten of each on the others.
FEWER_EXAMPLES = ["--hypothesis-profile=few"]
# What the version of Python or of a library does not change, and what takes long: run on the oldest Python alone.
MEASURED_ONCE = [
    "tests/reliability",
    "tests/docs",
    "tests/files/test_memory.py",
    "tests/fastapi_extra/test_generator_page.py",
    "tests/cli/test_generate_in_a_terminal.py",
    "tests/cli/test_watch.py",
    "tests/cli/test_watch_accounts.py",
]
ELSEWHERE = [*FEWER_EXAMPLES, *(f"--ignore={path}" for path in MEASURED_ONCE)]


def _pytest(session: nox.Session, *command: str, env: dict[str, str] = INSTALLED) -> None:
    cache = ["-o", f"cache_dir={session.cache_dir / session.name}"]
    session.run(*command, *cache, *IN_PARALLEL, *session.posargs, env=env)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test the installed wheel with the newest dependencies; on the oldest Python, also measure coverage."""
    if session.python != PYTHONS[0] or session.posargs:
        session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
        _pytest(session, "pytest", *ELSEWHERE)
        return
    # The libraries of the cookbook are installed once: with the oldest Python.
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"), *_group("cookbook"))
    env = {**INSTALLED, "COVERAGE_FILE": str(session.cache_dir / "coverage")}
    session.run("coverage", "erase", env=env)
    _pytest(session, "coverage", "run", "-m", "pytest", env=env)
    session.run("coverage", "combine", "--quiet", env=env)
    session.run("coverage", "report", env=env)


@nox.session(python=[PYTHONS[0], "3.13"])
def lowest(session: nox.Session) -> None:
    """Test the installed wheel with the oldest dependency versions that its metadata allows."""
    project = PROJECT["project"]
    needed = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    floors = sorted({requirement.replace(">=", "==") for requirement in needed})
    constraints = session.cache_dir / "floors.txt"
    constraints.write_text("\n".join(floors), encoding="utf-8")
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"), "--constraint", str(constraints))
    _pytest(session, "pytest", *ELSEWHERE)


# What differs between the terminals and shells in which people run the suite. Widths are those of a real terminal.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "40 columns": {"COLUMNS": "40"},
    "80 columns": {"COLUMNS": "80"},
    "120 columns": {"COLUMNS": "120"},
    "200 columns": {"COLUMNS": "200"},
    "NO_COLOR": {"NO_COLOR": "1"},
    "FORCE_COLOR": {"FORCE_COLOR": "1"},
    "HTTP_PROXY": dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "a key": {"TRIVERSE_API_KEY": "tv-a-key-of-the-user", "TRIVERSE_BASE_URL": "http://127.0.0.1:9/api/v1"},
}


@nox.session(python=PYTHONS[0])
def environments(session: nox.Session) -> None:
    """Run the tests in terminals of four widths, with NO_COLOR, FORCE_COLOR or a proxy set, and with a key set."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
    selection = session.posargs or ["tests", "--ignore=tests/reliability", "--ignore=tests/fuzz"]
    for name, variables in ENVIRONMENTS.items():
        session.log("with %s", name)
        columns = variables.get("COLUMNS", "80")
        command = ["pytest", "-q", *IN_PARALLEL, *selection]
        session.run("python", "tests/support/run_in_terminal.py", columns, *command, env={**INSTALLED, **variables})


@nox.session(python=PYTHONS[0])
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, and that every public name is fully annotated."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("types"))
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "triverse", env=INSTALLED)


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Check style and formatting, and that no package imports from a layer above its own."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def build(session: nox.Session) -> None:
    """Build wheel and sdist a second time, compare the bytes, and check the package metadata."""
    first = sorted(Path(_built_wheel(session)).parent.iterdir())
    second = ROOT / "dist" / "second"
    shutil.rmtree(second, ignore_errors=True)
    _build(session, second)
    for path in first:
        if path.read_bytes() != (second / path.name).read_bytes():
            session.error(f"{path.name} differs between two builds of the same sources")
    session.install("twine")
    session.run("twine", "check", "--strict", *map(str, first))


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """Build the documentation site into `site/`; any warning fails the build."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("docs"))
    env = {"NO_MKDOCS_2_WARNING": "1"}
    session.run("mkdocs", "build", "--strict", "--config-file", "docs/mkdocs/mkdocs.yml", *session.posargs, env=env)


@nox.session(python=PYTHONS[0])
def conformance(session: nox.Session) -> None:
    """Compare the served sandbox with its OpenAPI description, using Schemathesis."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("conformance"))
    session.run("pytest", "tests/sandbox/test_conformance.py", *session.posargs, env=INSTALLED)


@nox.session(python=PYTHONS[0])
def mutation(session: nox.Session) -> None:
    """Change the core in one place at a time and count what no test notices; writes docs/evidence/mutation.md."""
    session.install(f".[{EXTRAS}]", *_group("mutation"))
    # mutmut changes a copy of the sources, and the tests must import that copy.
    session.run("python", "-m", "pip", "uninstall", "--yes", "triverse", silent=True)
    # The limit stops mutants that allocate without end. The stack is deeper, because mutmut adds frames to each call.
    program = "import sys; sys.setrecursionlimit(3000); from mutmut.__main__ import cli; cli()"
    run = 'ulimit -v 6000000; exec python -c "$0" run "$@"'
    env = {"PYTHONPATH": str(ROOT / "tests")}
    session.run("bash", "-c", run, program, *session.posargs, external=True, env=env)
    session.run("python", "tests/mutation/report.py")


@nox.session(python=PYTHONS[0])
def faults(session: nox.Session) -> None:
    """Measure every network fault with every client, with memory; `--write` writes docs/evidence/fault-matrix.md."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
    session.run("python", "tests/reliability/test_faults.py", *session.posargs, env=INSTALLED)


@nox.session(python=[PYTHONS[0], *FREE_THREADED])
def races(session: nox.Session) -> None:
    """Make 120,000 calls (or as many as given) for many tenants over one client, also on free-threaded Pythons."""
    session.install(_built_wheel(session), "pytest", "trio")
    session.run("python", "tests/reliability/test_races.py", *session.posargs, env=INSTALLED)


@nox.session(python=PYTHONS[0])
def fuzz(session: nox.Session) -> None:
    """Fuzz with atheris, 300 seconds (or as many as given) for each target; writes docs/evidence/fuzz.md."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("fuzz"))
    session.run("python", "-m", "fuzz.run", *(session.posargs or ["300"]), env={**INSTALLED, "PYTHONPATH": "tests"})


@nox.session(python=PYTHONS[0])
def soak(session: nox.Session) -> None:
    """Run a hundred workers against mixed faults for three minutes (or as given); writes docs/evidence/soak.md."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", *_group("test"))
    # glibc keeps freed memory in one arena per few threads. With a single arena, a leak is visible.
    env = {**INSTALLED, "MALLOC_ARENA_MAX": "1"}
    session.run("python", "tests/reliability/test_soak.py", *session.posargs, env=env)


@nox.session(python=PYTHONS[0])
def bench(session: nox.Session) -> None:
    """Measure triverse and other SDKs, interleaved; writes two pages of docs/evidence. Needs two idle cores."""
    session.install("trustme", "certifi")
    environments = session.cache_dir / "contenders"
    for program in ("benchmarks.bench", "benchmarks.transfers"):
        session.run("python", "-m", program, str(environments), *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session(python=PYTHONS[0])
def audit(session: nox.Session) -> None:
    """Look up known vulnerabilities of the dependencies. Needs the network, and fails without it."""
    session.install(f"{_built_wheel(session)}[{EXTRAS}]", "pip-audit")
    found = session.run("python", "-m", "pip", "freeze", "--exclude", "triverse", silent=True)
    audited = session.cache_dir / "audited.txt"
    audited.write_text(str(found), encoding="utf-8")
    # --strict: a package that cannot be looked up is a failure, not a pass.
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "--requirement", str(audited), *session.posargs)
