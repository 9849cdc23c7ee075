"""Faults of downloads, in process and on a port."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from support.sandbox_api import Clock

from triverse.sandbox import Fault, Sandbox, SandboxTask
from triverse.sandbox.mock_transport import Transport

WAYS = ("in process", "served")


class Download:
    """A task that succeeded, and a client that downloads it."""

    def __init__(self, sandbox: Sandbox, http: httpx.Client, url: str, task: SandboxTask) -> None:
        self.sandbox, self.task = sandbox, task
        self.model = sandbox.model_of(task)
        self._http, self._url = http, f"{url}/tasks/download/{task.uuid}"
        self.received = b""

    def get(self, fault: Fault, **headers: str) -> httpx.Response:
        """Download with this fault. `received` has the bytes that arrive, even if the connection breaks."""
        self.received = b""
        self.sandbox.faults.add(fault, times=1)
        with self._http.stream("GET", self._url, headers=headers) as response:
            for chunk in response.iter_raw():
                self.received += chunk
        return response


@pytest.fixture(scope="module", params=WAYS)
def download(request: pytest.FixtureRequest) -> Iterator[Download]:
    sandbox = Sandbox(task_seconds=0, clock=Clock())
    headers = {"Authorization": f"Bearer {sandbox.demo.key}"}
    with sandbox.serve() as url, httpx.Client(headers=headers) as outside:
        outside.post(f"{url}/tasks/text-to-model", json={"prompt": "a red chair"})
        (task,) = sandbox.demo.tasks
        if request.param == "served":
            yield Download(sandbox, outside, url, task)
        else:
            inside = httpx.Client(transport=Transport(sandbox), headers=headers)
            yield Download(sandbox, inside, "http://127.0.0.1/api/v1", task)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("after", [0.0, 0.05, 0.5, 0.95, 7])
def test_a_download_breaks_off_at_the_share_of_the_fault(download: Download, after: float, *, reset: bool) -> None:
    with pytest.raises(httpx.TransportError):
        download.get(Fault.truncated(after, reset=reset))
    expected = after if isinstance(after, int) else int(after * len(download.model))
    assert download.model.startswith(download.received)
    if not reset:  # a reset may discard bytes that were sent before it
        assert len(download.received) == expected


@pytest.mark.parametrize(
    "fault", [Fault.refused(), Fault.reset(), Fault.reset(processed=True)], ids=["refused", "before", "after"]
)
def test_a_connection_that_is_refused_or_reset_gives_nothing(download: Download, fault: Fault) -> None:
    with pytest.raises(httpx.TransportError):
        download.get(fault)
    assert download.received == b""


def test_a_range_can_be_ignored(download: Download) -> None:
    assert download.get(Fault.range_ignored(), Range="bytes=10-").status_code == 200
    assert download.received == download.model
    assert download.get(Fault.range_ignored()).status_code == 200


def test_a_range_can_be_stated_wrongly(download: Download) -> None:
    size = len(download.model)
    shifted = download.get(Fault.wrong_range(offset=3), Range="bytes=10-19")
    assert shifted.headers["Content-Range"] == f"bytes 13-22/{size}"
    other = download.get(Fault.wrong_range(total=1), Range="bytes=10-19")
    assert other.headers["Content-Range"] == f"bytes 10-19/{size + 1}"
    assert "Content-Range" not in download.get(Fault.wrong_range(offset=3)).headers


@pytest.mark.parametrize("value", ['W/"1"', '"other"', None])
def test_an_etag_can_be_replaced_or_left_out(download: Download, value: str | None) -> None:
    assert download.get(Fault.etag(value)).headers.get("ETag") == value


@pytest.mark.parametrize("difference", [-4, 4])
def test_the_header_of_a_model_can_state_another_length(download: Download, difference: int) -> None:
    download.get(Fault.glb_length(difference))
    assert len(download.received) == len(download.model)
    assert int.from_bytes(download.received[8:12], "little") == len(download.model) + difference
    assert download.received[12:] == download.model[12:]


def test_only_a_model_has_such_a_header(download: Download) -> None:
    download.get(Fault.glb_length(4), Range="bytes=10-19")
    assert download.received == download.model[10:20]


@pytest.mark.parametrize("name", ["../../a.glb", 'a"b\\c', "NUL"])
def test_a_download_can_have_any_file_name(download: Download, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert download.get(Fault.filename(name)).headers["Content-Disposition"] == f'attachment; filename="{quoted}"'


def test_a_page_can_come_instead_of_a_model(download: Download) -> None:
    assert download.get(Fault.html(200)).headers["Content-Type"] == "text/html"
    assert download.received.startswith(b"<!DOCTYPE html>")


def test_a_download_can_lead_elsewhere(download: Download) -> None:
    response = download.get(Fault.redirect("http://127.0.0.1:9/elsewhere", status=302))
    assert (response.status_code, response.headers["Location"]) == (302, "http://127.0.0.1:9/elsewhere")


def test_a_model_can_trickle(download: Download) -> None:
    assert download.get(Fault.trickled(0), Range="bytes=0-99").status_code == 206
    assert download.received == download.model[:100]


def test_faults_that_change_a_success_leave_other_responses_alone() -> None:
    sandbox = Sandbox()
    for fault in (Fault.range_ignored(), Fault.wrong_range(total=1), Fault.glb_length(1), Fault.wrong_types()):
        sandbox.faults.add(fault, times=1)
        usual = Sandbox().handle("GET", "/users/me", [])
        assert sandbox.handle("GET", "/users/me", []).body == usual.body
    sandbox.faults.add(Fault.wrong_types(), match=lambda request: request.path == "/storage/x")
    assert b"Error" in sandbox.handle("GET", "/storage/x", []).body
