"""How `triverse doctor` describes wrong settings: each in a sentence that names what to change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from triverse.cli import main

KEY = "tv-some-key"
NOWHERE = "http://127.0.0.1:9"
PLAIN_HTTP = (
    "Cause: TRIVERSE_BASE_URL must begin with https://, because anyone between here and the server can read the"
    " key over plain http://. For a mock or a gateway on a private network, set TRIVERSE_ALLOW_HTTP=1."
)


def examine(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """The line of the first check that failed, and the cause."""
    assert main(["doctor", *arguments]) == 2
    lines = capsys.readouterr().out.splitlines()
    return next(line for line in lines if line.startswith("FAIL")), lines[-1]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that are right, but lead nowhere."""
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    monkeypatch.setenv("TRIVERSE_BASE_URL", NOWHERE)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("api.triverse.ai", "Cause: TRIVERSE_BASE_URL must begin with https:// and name a host."),
        (
            "https://ada:secret@example.com",
            "Cause: TRIVERSE_BASE_URL must not contain a user name or password: set the key as TRIVERSE_API_KEY.",
        ),
        ("https://exa mple.com", "Cause: TRIVERSE_BASE_URL is not a URL, such as https://api.triverse.ai/api/v1."),
        (
            "http://example.com",
            PLAIN_HTTP,
        ),
    ],
)
def test_a_wrong_base_url_is_a_sentence_about_the_variable(
    url: str, cause: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", url)
    found = examine(capsys)
    assert found == ("FAIL  base URL              that of TRIVERSE_BASE_URL cannot be used", cause)


def test_plain_http_to_another_host_is_examined_if_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://nowhere.invalid/api/v1")
    monkeypatch.setenv("TRIVERSE_ALLOW_HTTP", "1")
    assert main(["doctor"]) == 4
    shown = capsys.readouterr().out
    assert "ok    base URL              http://nowhere.invalid/api/v1, from TRIVERSE_BASE_URL" in shown
    assert "Cause: The host name of nowhere.invalid cannot be resolved" in shown


def test_a_key_that_cannot_be_one_is_described_with_its_source(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", "Bearer abc")
    line, cause = examine(capsys)
    assert line == "FAIL  key                   from TRIVERSE_API_KEY, but it cannot be used"
    assert cause.startswith("Cause: The API key begins with `Bearer `")


def test_a_keyring_that_is_not_installed_is_a_check_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[profiles]\nwork = 'keyring:'\n", encoding="utf-8")
    config.chmod(0o600)
    monkeypatch.setattr("triverse.cli.keys.config_file", lambda: config)
    monkeypatch.setitem(sys.modules, "keyring", None)
    _, cause = examine(capsys, "--profile", "work")
    assert cause == (
        "Cause: The key of the profile is in the system's keyring, and keyring is not installed: pip install keyring."
    )


def test_a_module_that_is_missing_for_another_reason_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_key(_: str | None) -> None:
        raise ModuleNotFoundError("No module named 'other'", name="other")

    monkeypatch.setattr("triverse.cli.doctor.find_key", find_key)
    with pytest.raises(ModuleNotFoundError, match="other"):
        main(["doctor"])


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("ftp://ada:secret@127.0.0.1", "Cause: Correct HTTPS_PROXY or ALL_PROXY: it is not the URL of a proxy"),
        ("http://ada:secret@", "Cause: Correct HTTPS_PROXY or ALL_PROXY: it is not the URL of a proxy"),
        ("http://127.0.0.1:99999", "Cause: Correct HTTPS_PROXY or ALL_PROXY: it is not the URL of a proxy"),
        ("socks5://127.0.0.1", "Cause: The proxy in the environment is a SOCKS proxy, which needs a package: pip"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    url: str, cause: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing_found(_: str) -> None:
        return None

    monkeypatch.setattr("triverse.transport.environment.find_spec", nothing_found)
    monkeypatch.setenv("TRIVERSE_BASE_URL", "https://nowhere.invalid")
    monkeypatch.setenv("HTTPS_PROXY", url)
    line, found = examine(capsys)
    assert line == "FAIL  proxy                 the environment sets one that cannot be used"
    assert found.startswith(cause)
    assert "secret" not in found


def test_certificates_that_cannot_be_read_are_named_by_their_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIVERSE_BASE_URL", "https://nowhere.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", "/not/there.pem")
    _, cause = examine(capsys)
    assert cause == "Cause: Correct SSL_CERT_FILE=/not/there.pem, or unset it: it cannot be read as certificates."


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the current directory")
def test_a_current_directory_that_was_deleted_is_a_check_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    line, cause = examine(capsys)
    assert line.startswith("FAIL  disk ")
    assert cause == "Cause: Change to a directory that exists and can be written to."
