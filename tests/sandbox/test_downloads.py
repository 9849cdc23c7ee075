from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from support.sandbox_api import PNG, Api

from triverse.sandbox import Sandbox, SandboxSettings, SandboxTask
from triverse.sandbox.storage import signed_url


def finished(**settings: Any) -> tuple[Api, SandboxTask, bytes]:
    """A sandbox with a task that succeeded, and the bytes of its result."""
    api = Api(SandboxSettings(**settings), task_seconds=0)
    task = api.create()
    return api, task, api.sandbox.model_of(task)


def signed(api: Api, key: str) -> str:
    """Return the URL of a file in the storage."""
    return signed_url(api.account.tasks.environment, "http://127.0.0.1", key)


def test_a_download_is_the_model_under_the_documented_name() -> None:
    api, task, model = finished()
    response = api.http.get(f"/tasks/download/{task.uuid}")
    assert (response.status_code, response.content) == (200, model)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{task.uuid}.glb"'
    assert response.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("flow", ["image-generation", "model-preview-render"])
def test_a_flow_that_makes_images_gives_a_picture(flow: str) -> None:
    api = Api(task_seconds=0)
    task = api.create(flow=flow, model_file="http://a/b.glb")
    response = api.http.get(f"/tasks/download/{task.uuid}")
    assert response.content.startswith(b"\x89PNG")
    assert response.headers["Content-Disposition"].endswith('.png"')
    assert api.get(f"/tasks/url/{task.uuid}")[1]["kind"] == "image"


def test_the_url_of_an_asset_needs_no_key_and_refuses_one() -> None:
    api, task, model = finished()
    status, data = api.get(f"/tasks/url/{task.uuid}")
    assert status == 200
    assert data.keys() == {"download_url", "preview_url", "asset_id", "kind"}
    assert data["kind"] == "model"
    assert api.anonymous.get(data["download_url"]).content == model
    assert api.anonymous.get(data["preview_url"]).headers["Content-Type"] == "image/png"
    refused = api.http.get(data["download_url"])
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/xml")


def test_the_url_of_an_asset_expires_at_the_time_of_the_setting() -> None:
    api, task, model = finished(url_seconds=60)
    url = api.get(f"/tasks/url/{task.uuid}")[1]["download_url"]
    api.clock.now += 60
    assert api.anonymous.get(url).content == model
    api.clock.now += 1
    expired = api.anonymous.get(url)
    assert expired.status_code == 403
    assert "expired" in expired.text
    renewed = api.get(f"/tasks/url/{task.uuid}")[1]["download_url"]
    assert api.anonymous.get(renewed).content == model


@pytest.mark.parametrize("change", [("expires=", "expires=9"), ("output", "other"), ("signature=", "signature=ä")])
def test_a_url_that_was_changed_is_refused(change: tuple[str, str]) -> None:
    api, task, _ = finished()
    url = api.get(f"/tasks/url/{task.uuid}")[1]["download_url"].replace(*change)
    assert api.anonymous.get(url).status_code == 403


def test_the_storage_only_answers_get_and_knows_its_files() -> None:
    api, task, _ = finished()
    url: str = api.get(f"/tasks/url/{task.uuid}")[1]["download_url"]
    assert api.anonymous.post(url).headers["Allow"] == "GET"
    assert api.anonymous.get("http://127.0.0.1/storage/").status_code == 403
    shown = api.create(flow="image-to-model", image_file=api.account.uploads.add(PNG).file_key)
    assert api.anonymous.get(api.status(shown)["input"]["image_url"]).content == PNG
    ada = api.sandbox.add_account()
    assert api.anonymous.get(signed(api, ada.uploads.add(PNG).file_key)).content == PNG
    assert api.anonymous.get(signed(api, "tasks/none")).status_code == 404
    other = Sandbox(clock=api.clock)
    parts = urlsplit(url)
    assert other.handle("GET", f"{parts.path}?{parts.query}", []).status == 404


def test_a_task_that_has_not_succeeded_has_no_asset() -> None:
    api = Api(task_seconds=None)
    task = api.create()
    for path in (f"/tasks/url/{task.uuid}", f"/tasks/download/{task.uuid}"):
        assert api.get(path)[1]["code"] == 2005
    task.fail()
    assert api.get(f"/tasks/url/{task.uuid}")[0] == 409
    assert api.get("/tasks/url/00000000-0000-4000-8000-000000000000")[1]["code"] == 1006


def test_a_task_that_succeeded_may_have_no_asset_or_no_preview() -> None:
    api, task, _ = finished(assets=False)
    assert api.get(f"/tasks/url/{task.uuid}")[1]["code"] == 4042
    api.settings(previews=False)
    assert "preview_url" not in api.get(f"/tasks/url/{task.uuid}")[1]


@pytest.mark.parametrize(
    ("header", "first", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, None),
        ("bytes=10-19", 10, 20),
        ("bytes=-7", -7, None),
        ("bytes=5-999999999", 5, None),
    ],
)
def test_a_range_is_honoured(header: str, first: int, stop: int | None) -> None:
    api, task, model = finished()
    response = api.http.get(f"/tasks/download/{task.uuid}", headers={"Range": header})
    assert (response.status_code, response.content) == (206, model[first:stop])
    start = first % len(model)
    last = start + len(response.content) - 1
    assert response.headers["Content-Range"] == f"bytes {start}-{last}/{len(model)}"


@pytest.mark.parametrize("header", ["bytes=999999999-", "bytes=20-10"])
def test_a_range_outside_the_file_is_refused(header: str) -> None:
    api, task, model = finished()
    response = api.http.get(f"/tasks/download/{task.uuid}", headers={"Range": header})
    assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{len(model)}")


@pytest.mark.parametrize("header", ["lines=1-2", "bytes=1-2,5-6", "bytes=", "bytes=-"])
def test_a_range_of_another_kind_is_ignored(header: str) -> None:
    api, task, model = finished()
    response = api.http.get(f"/tasks/download/{task.uuid}", headers={"Range": header})
    assert (response.status_code, response.content) == (200, model)


@pytest.mark.parametrize(("etag", "status"), [("strong", 206), ("weak", 200), ("missing", 200), ("changing", 200)])
def test_if_range_continues_only_with_an_equal_strong_etag(etag: str, status: int) -> None:
    api, task, _ = finished(etag=etag)
    path = f"/tasks/download/{task.uuid}"
    seen = api.http.get(path).headers.get("ETag")
    assert (seen is None) == (etag == "missing")
    response = api.http.get(path, headers={"Range": "bytes=10-", "If-Range": seen or '"none"'})
    assert response.status_code == status


def test_ranges_can_be_switched_off() -> None:
    api, task, model = finished(ranges=False)
    response = api.http.get(f"/tasks/download/{task.uuid}", headers={"Range": "bytes=10-"})
    assert (response.status_code, response.content) == (200, model)
    assert "Accept-Ranges" not in response.headers


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_a_download_may_begin_with_redirects(hops: int) -> None:
    api, task, model = finished(redirects=hops)
    response = api.http.get(f"/tasks/download/{task.uuid}")
    followed = 0
    while response.status_code == 307:
        followed += 1
        response = api.anonymous.get(response.headers["Location"])
    assert (followed, response.content) == (hops, model)


def test_a_large_model_streams_from_a_port() -> None:
    sandbox = Sandbox(task_seconds=0, settings=SandboxSettings(model_bytes=30_000_000))
    with sandbox.client() as client:
        created = client.request("POST", "/tasks/text-to-model", json={"prompt": "a red chair"})
    assert isinstance(created, dict)
    with sandbox.serve() as url:
        headers = {"Authorization": f"Bearer {sandbox.demo.key}"}
        with httpx.stream("GET", f"{url}/tasks/download/{created['task_uuid']}", headers=headers) as response:
            assert response.headers["Content-Length"] == "30000000"
            assert sum(map(len, response.iter_raw())) == 30_000_000


def test_urls_have_the_address_that_the_client_used() -> None:
    sandbox = Sandbox(task_seconds=0)
    with sandbox.serve() as url, httpx.Client(headers={"Authorization": f"Bearer {sandbox.demo.key}"}) as http:
        created = http.post(f"{url}/tasks/text-to-model", json={"prompt": "a red chair"}).json()["data"]
        data = http.get(f"{url}/tasks/url/{created['task_uuid']}").json()["data"]
        assert httpx.get(data["download_url"]).content == sandbox.model_of(sandbox.demo.tasks[0])
