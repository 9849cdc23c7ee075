"""The files around the package agree with each other: CI, release, metadata, changelog."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import cast

import pytest
import yaml
from support.markdown_snippets import ROOT

import triverse

NOXFILE = (ROOT / "noxfile.py").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML_FILES = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]


def sessions() -> set[str]:
    """Return the names of the nox sessions, with and without a Python."""
    names = set(re.findall(r"^def ([a-z]\w+)\(session", NOXFILE, re.MULTILINE))
    return names | {f"{name}-{version}" for name in names for version in pythons()}


def pythons() -> list[str]:
    """Return the Pythons that nox tests on."""
    listed = re.search(r"^PYTHONS = \[(.+)\]", NOXFILE, re.MULTILINE)
    assert listed is not None
    return re.findall(r'"([\d.]+)"', listed[1])


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_files_of_the_project_are_valid(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_sessions_that_exist(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    named = set(re.findall(r"session[:\s]+([a-z][\w.-]*)", text))
    assert named
    assert named <= sessions()


def test_ci_runs_every_default_session() -> None:
    listed = re.search(r"^nox\.options\.sessions = \[(.+)\]", NOXFILE, re.MULTILINE)
    assert listed is not None
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    for name in re.findall(r'"(\w+)"', listed[1]):
        assert f"session: {name}" in ci


def test_each_supported_python_has_a_classifier_and_a_session() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classifiers = cast("list[str]", project["classifiers"])
    listed = [name.rpartition(" ")[2] for name in classifiers if re.search(r":: 3\.\d+$", name)]
    assert listed == pythons()
    assert project["requires-python"] == f">={listed[0]}"
    assert f"Python {listed[0]} to {listed[-1]}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_changelog_has_a_section_for_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(triverse.__version__)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)


def test_the_files_that_people_look_for_are_there() -> None:
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md"):
        assert (ROOT / name).is_file()


def test_the_installed_metadata_names_the_licence() -> None:
    try:
        metadata = importlib.metadata.metadata("triverse")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("triverse is not installed; it is imported from the sources")
    assert metadata["License-Expression"] == "MIT"
