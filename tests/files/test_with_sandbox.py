"""Transfers against the sandbox: the whole way from an image to a file, and each of its faults of files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from support.clients import MODES, Mode, drive
from support.files import PNG

from triverse import AsyncTriverse, BadRequestError, InvalidResponseError, NotFoundError, RateLimitError, Triverse
from triverse.sandbox import Fault, Sandbox, SandboxSettings


def with_sandbox(mode: Mode, sandbox: Sandbox, directory: Path) -> Path:
    """Upload an image, create a task from it, wait for it, and download its model."""
    image = directory / "photo.png"
    image.write_bytes(PNG)

    def sync_way(client: Triverse) -> Path:
        task = client.tasks.wait(client.tasks.image_to_model(image).task_uuid)
        return client.tasks.download(task, directory)

    async def async_way(client: AsyncTriverse) -> Path:
        task = await client.tasks.wait((await client.tasks.image_to_model(image)).task_uuid)
        return await client.tasks.download(task, directory)

    with sandbox.serve() as url:
        return drive(mode, sync_way, async_way, base_url=url, api_key=sandbox.demo.key)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("redirects", [0, 3])
def test_an_image_becomes_a_model_on_the_disk(mode: Mode, redirects: int, tmp_path: Path) -> None:
    sandbox = Sandbox(task_seconds=0, settings=SandboxSettings(redirects=redirects))
    path = with_sandbox(mode, sandbox, tmp_path)
    task = sandbox.demo.tasks[-1]
    assert path.read_bytes() == sandbox.model_of(task)
    assert path.suffix == ".glb"
    assert sandbox.demo.uploads[-1].read() == PNG
    assert sandbox.demo.uploads[-1].filename == "photo.png"


Etag: TypeAlias = Literal["strong", "weak", "missing", "changing"]
ETAGS: tuple[Etag, ...] = ("strong", "weak", "missing", "changing")
FAULTS = {
    "cut": Fault.truncated(after=0.5),
    "reset": Fault.truncated(after=0.9, reset=True),
    "refused": Fault(status=503),
    "no answer": Fault.reset(),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("etag", ETAGS)
@pytest.mark.usefixtures("no_backoff")
def test_a_download_survives_each_break_of_the_network(mode: Mode, fault: str, etag: Etag, tmp_path: Path) -> None:
    sandbox = Sandbox(task_seconds=0, settings=SandboxSettings(etag=etag, model_bytes=300_000))
    sandbox.faults.add(FAULTS[fault], match="/tasks/download/{task_uuid}", times=1)
    path = with_sandbox(mode, sandbox, tmp_path)
    assert path.read_bytes() == sandbox.model_of(sandbox.demo.tasks[-1])
    assert not sandbox.faults.unused


@pytest.mark.parametrize("mode", MODES)
def test_a_page_in_place_of_the_model_is_refused(mode: Mode, tmp_path: Path) -> None:
    sandbox = Sandbox(task_seconds=0)
    sandbox.faults.add(Fault.html(status=200), match="/tasks/download/{task_uuid}")
    with pytest.raises(InvalidResponseError, match="HTML page"):
        with_sandbox(mode, sandbox, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("mode", MODES)
def test_refusals_of_the_service_are_its_own_errors(mode: Mode, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as missing:
        with_sandbox(mode, Sandbox(task_seconds=0, settings=SandboxSettings(assets=False)), tmp_path)
    assert missing.value.code == 4042
    moderated = SandboxSettings(moderation=lambda _: True)
    with pytest.raises(BadRequestError) as refused:
        with_sandbox(mode, Sandbox(task_seconds=0, settings=moderated), tmp_path)
    assert refused.value.code == 2008


def test_an_upload_too_many_is_refused_by_the_service(tmp_path: Path) -> None:
    sandbox = Sandbox(settings=SandboxSettings(uploads_per_minute=2))
    (tmp_path / "x.png").write_bytes(PNG)
    with sandbox.serve() as url, Triverse(sandbox.demo.key, base_url=url) as client:
        for _ in range(2):
            client.uploads.image(tmp_path / "x.png")
        with pytest.raises(RateLimitError):
            client.uploads.image(tmp_path / "x.png", timeout=1.0)
