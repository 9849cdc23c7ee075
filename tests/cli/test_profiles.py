from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.server import answer, envelope, serving

from triverse.cli import main
from triverse.cli.keys import config_file

KEYS = {"work": "key-of-work-1234", "home": "key-of-home-1234"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file, which only its owner can read."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    path = config_file()
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    return path


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that is installed, and holds one key."""
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, name):\n"
        "    if name == 'locked': raise RuntimeError('no prompt here')\n"
        f"    return {KEYS['work']!r} if (service, name) == ('triverse', 'work') else None\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "keyring", raising=False)


def key_sent(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Return the key that a command sends."""
    with serving(lambda _: answer(envelope({"balance": 1, "frozen": 0}))) as server:
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        assert main(["balance", *arguments]) == 0
    (authorization,) = server.authorizations
    return authorization.removeprefix("Bearer ")


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the error message of a command that cannot find its key."""
    assert main(["balance", *arguments]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert not any(key in error for key in KEYS.values())
    return error


def test_a_profile_holds_a_key(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(f"[profiles]\nhome = '{KEYS['home']}'\nwork = '{KEYS['work']}'\n", encoding="utf-8")
    assert key_sent(monkeypatch, "--profile", "work") == KEYS["work"]


def test_a_profile_names_an_environment_variable(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[profiles]\nwork = 'env:KEY_OF_WORK'\n", encoding="utf-8")
    monkeypatch.setenv("KEY_OF_WORK", KEYS["work"])
    assert key_sent(monkeypatch, "--profile", "work") == KEYS["work"]


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("reference", ["keyring:", "keyring:work"])
def test_a_profile_names_the_keyring(reference: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(f"[profiles]\nwork = '{reference}'\n", encoding="utf-8")
    assert key_sent(monkeypatch, "--profile", "work") == KEYS["work"]


def test_a_profile_wins_over_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(f"[profiles]\nwork = '{KEYS['work']}'\n", encoding="utf-8")
    monkeypatch.setenv("TRIVERSE_API_KEY", KEYS["home"])
    assert key_sent(monkeypatch, "--profile", "work") == KEYS["work"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused_with_the_chmod_to_type(
    mode: int, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(f"[profiles]\nwork = '{KEYS['work']}'\n", encoding="utf-8")
    config.chmod(mode)
    assert f"chmod 600 {config}\n" in refusal(capsys, "--profile", "work")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[profiles]\nhome = 'env:X'\nlab = 'env:Y'\n", "has no profile 'work' under [profiles] (there: home, lab)"),
        ("[profiles]\n", "has no profile 'work' under [profiles] (there: none)"),
        ("", "has no table [profiles]"),
        ("profiles = 1", "has no table [profiles]"),
        ("[profiles\n", "is not valid TOML (at line 1, column 10)"),
        ("[profiles]\nwork = 1\n", "work under [profiles] must be text in quotes"),
        ("[profiles]\nwork = 'env:NOT_SET'\n", "the environment variable that 'work' names with env: is not set"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(
    text: str, message: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(text, encoding="utf-8")
    assert message in refusal(capsys, "--profile", "work")


def test_a_file_that_is_not_text_is_explained(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_bytes(b"\xff")
    assert "it is not UTF-8" in refusal(capsys, "--profile", "work")


def test_a_file_that_is_not_there_is_explained(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.unlink()
    assert f"cannot read {config}: No such file or directory" in refusal(capsys, "--profile", "work")


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("home", "the keyring has no key of 'home': keyring set triverse home"),
        ("locked", "the keyring did not return the key of 'locked' (RuntimeError: no prompt here)"),
    ],
)
def test_a_keyring_without_the_key_is_explained(
    name: str, message: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(f"[profiles]\n{name} = 'keyring:'\n", encoding="utf-8")
    assert message in refusal(capsys, "--profile", name)


def test_a_missing_keyring_is_one_line_with_the_install_command(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("[profiles]\nwork = 'keyring:'\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert refusal(capsys, "--profile", "work") == "triverse: keyring is not installed: pip install keyring\n"
