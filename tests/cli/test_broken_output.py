"""Full disks, closed streams and readers that stop: one line, no traceback, and the status of the command."""

from __future__ import annotations

import codecs
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from support.shell import COMMAND, environment, start

from triverse.cli import main


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `triverse` with this command line and redirection."""
    return subprocess.run(  # noqa: S603 - our own command
        ["/bin/sh", "-c", f"exec {shlex.join(COMMAND)} {command}"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("balance --sandbox > /dev/full", 1),
        ("balance --sandbox --json > /dev/full", 1),
        ("me --sandbox > /dev/full", 1),
        ("--help > /dev/full", 1),
        ("balance --help > /dev/full", 1),
        ("openapi > /dev/full", 1),
        ("completion bash > /dev/full", 1),
        ("doctor > /dev/full", 1),
        ("balance --sandbox --below 5000 > /dev/full", 3),
        ("balance --sandbox --below 5000 --json > /dev/full", 3),
        ("balance --sandbox --below 5 > /dev/full", 1),
    ],
)
def test_a_full_disk_is_one_line_and_keeps_a_status(command: str, status: int, unbuffered: str) -> None:
    done = shell(command, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == status
    assert done.stderr == "triverse: standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("me --sandbox --json >&-", 0),
        ("balance --sandbox >&-", 0),
        ("balance --sandbox --below 5000 >&-", 3),
        ("balance --sandbox --below 5000 >&- 2>&- <&-", 3),
        ("balance --bogus >&-", 2),
        ("balance --bogus 2>&-", 2),
        ("balance 2>&-", 2),
        ("balance --bogus 2> /dev/full", 2),
        ("--help >&-", 0),
        ("balance --sandbox --below 5 --quiet >&-", 0),
        ("balance --watch --sandbox --below nothing <&-", 2),
    ],
)
def test_a_closed_stream_has_a_status_and_at_most_one_line(command: str, status: int) -> None:
    done = shell(command)
    assert done.returncode == status
    assert len(done.stderr.splitlines()) <= 1
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("options", ["", "--json"])
def test_progress_that_cannot_be_shown_does_not_end_a_paid_task(options: str, tmp_path: Path) -> None:
    target = tmp_path / "helmet.glb"
    done = shell(f"generate brass --yes --sandbox -o {target} {options} 2> /dev/full")
    assert done.returncode == 0
    assert str(target) in done.stdout
    assert target.read_bytes()[:4] == b"glTF"


@pytest.mark.parametrize("command", ["quote --sandbox", "task watch 6b7f3c1e-1111-4222-8333-444455556666 --sandbox"])
def test_a_closed_standard_output_is_one_line(command: str) -> None:
    done = shell(f"{command} >&-")
    assert done.stderr == "triverse: standard output: Bad file descriptor\n"
    assert done.returncode == 0


@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("--below", "5000"), 3)])
def test_a_reader_that_stops_is_no_error(arguments: tuple[str, ...], status: int) -> None:
    read, write = os.pipe()
    os.close(read)
    writing = start("balance", "--sandbox", *arguments, stdout=write)
    os.close(write)
    assert writing.communicate(timeout=120)[1] == b""
    assert writing.returncode == status


def test_an_error_of_another_file_is_not_blamed_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(_: object) -> None:
        raise PermissionError(13, "Permission denied", "a-file")

    monkeypatch.setattr("triverse.cli.options.find_key", denied)
    assert main(["me"]) == 1
    assert capsys.readouterr().err == "triverse: [Errno 13] Permission denied: 'a-file'\n"


def test_a_directory_that_is_gone_is_named_by_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codecs.lookup("idna")  # Python 3.13.0 cannot load one in a directory that is gone
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("TRIVERSE_BASE_URL", "http://127.0.0.1:9")
    assert main(["doctor"]) == 2
    assert "Cause: Change to a directory that exists" in capsys.readouterr().out
