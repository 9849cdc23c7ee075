from __future__ import annotations

import errno
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.clients import KEY, MODES, Mode, drive, run_async
from support.file_server import Cut, FileServer, Got, Handler, Sent, file_response, json_response, serving_files
from support.files import PNG, glb

from triverse import (
    AsyncTriverse,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    Progress,
    Triverse,
)

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
FILE = glb(400_000)
OLD = b"the old file"


def download(
    mode: Mode,
    server: FileServer,
    to: Path | str,
    max_retries: int = 2,
    api_key: str | Callable[[], str] = KEY,
    **how: object,
) -> Path:
    """Download once, with a new client."""

    def sync_way(client: Triverse) -> Path:
        return client.tasks.download(TASK, to, **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types

    async def async_way(client: AsyncTriverse) -> Path:
        return await client.tasks.download(TASK, to, **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types

    return drive(mode, sync_way, async_way, base_url=server.url, max_retries=max_retries, api_key=api_key)


def file(**how: object) -> Handler:
    return lambda got: file_response(FILE, got, **how)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # each test passes the right types


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunked", [0, 1])
def test_a_file_is_downloaded_under_the_name_of_the_server(mode: Mode, chunked: int, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with serving_files(file(name="Helm.bin", chunked=bool(chunked))) as server:
        path = download(mode, server, tmp_path, on_progress=seen.append)
        (got,) = server.requests
        assert server.settled()
    assert path == tmp_path / "Helm.glb"
    assert path.read_bytes() == FILE
    assert names(tmp_path) == ["Helm.glb"]
    assert (got.method, got.target) == ("GET", f"/api/v1/tasks/download/{TASK}")
    assert got.headers["authorization"] == f"Bearer {KEY}"
    assert got.headers["accept-encoding"] == "identity"
    assert seen == sorted(seen)
    assert seen[-1] == Progress(len(FILE), len(FILE))


@pytest.mark.parametrize("mode", MODES)
def test_a_large_file_is_written_whole(mode: Mode, tmp_path: Path) -> None:
    large = glb(5_000_001)
    with serving_files(
        lambda got: file_response(large, got, cut=Cut(3_000_000)), lambda got: file_response(large, got)
    ) as server:
        assert download(mode, server, tmp_path / "x.glb").read_bytes() == large


@pytest.mark.parametrize("mode", MODES)
def test_a_closed_client_refuses_transfers(mode: Mode, tmp_path: Path) -> None:
    with serving_files(file()) as server:

        def sync_way(client: Triverse) -> None:
            client.close()
            with pytest.raises(ConfigurationError, match="closed"):
                client.tasks.download(TASK, tmp_path)
            with pytest.raises(ConfigurationError, match="closed"):
                client.uploads.image(PNG)
            with pytest.raises(ConfigurationError, match="closed"), client.tasks.stream(TASK):
                raise NotImplementedError

        async def async_way(client: AsyncTriverse) -> None:
            await client.aclose()
            with pytest.raises(ConfigurationError, match="closed"):
                await client.tasks.download(TASK, tmp_path)
            with pytest.raises(ConfigurationError, match="closed"):
                await client.uploads.image(PNG)
            with pytest.raises(ConfigurationError, match="closed"):
                async with client.tasks.stream(TASK):
                    raise NotImplementedError

        drive(mode, sync_way, async_way, base_url=server.url)
        assert server.requests == []


CUTS = [Cut(len(FILE) * percent // 100, reset) for percent in range(0, 100, 5) for reset in (False, True)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("no_backoff")
def test_a_transfer_that_breaks_anywhere_is_continued(mode: Mode, tmp_path: Path) -> None:
    handlers = [file(cut=cut) for cut in CUTS if not cut.reset]
    with serving_files(*handlers, file()) as server:
        path = download(mode, server, tmp_path / "x.glb", max_retries=1)
        assert path.read_bytes() == FILE
        ranges = [got.headers.get("range") for got in server.requests]
        assert ranges[2:] == [f"bytes={cut.after}-" for cut in CUTS[2::2]]
        assert all(got.headers.get("if-range") == '"one"' for got in server.requests[2:])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("etag", [None, 'W/"weak"', '"one"'])
def test_a_transfer_that_breaks_and_stays_broken_leaves_the_old_file(
    mode: Mode, etag: str | None, tmp_path: Path
) -> None:
    target = tmp_path / "x.glb"
    target.write_bytes(OLD)
    for cut in CUTS:
        with serving_files(file(cut=cut, etag=etag), lambda _: Sent(0)) as server:
            with pytest.raises(ConnectionFailedError):
                download(mode, server, target, max_retries=0, overwrite=True)
            assert server.settled()
        assert target.read_bytes() == OLD
        assert names(tmp_path) == ["x.glb"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reset", [0, 1])
@pytest.mark.parametrize("second", ["no etag", "weak", "changed", "ignored", "wrong offset", "other total"])
@pytest.mark.usefixtures("no_backoff")
def test_a_file_that_cannot_be_continued_is_fetched_once_more(
    mode: Mode,
    reset: int,
    second: str,
    tmp_path: Path,
) -> None:
    changed = FILE[:-4] + b"next"

    def wrong(got: Got) -> Sent:
        if "range" not in got.headers:
            return file_response(changed, got)
        start, total = (1, len(FILE)) if second == "wrong offset" else (200_000, len(FILE) + 1)
        return Sent(206, {"Content-Range": f"bytes {start}-{len(FILE) - 1}/{total}"}, FILE[start:])

    first = {"no etag": None, "weak": 'W/"one"'}.get(second, '"one"')
    then: dict[str, Handler] = {
        "changed": lambda got: file_response(changed, got, etag='"two"'),
        "ignored": lambda got: file_response(changed, got, ranges=False),
    }
    plain: Handler = lambda got: file_response(changed, got, etag=first)  # noqa: E731 - like the other handlers
    fetched_again = plain if second in {"no etag", "weak"} else then.get(second, wrong)
    with serving_files(file(cut=Cut(200_000, bool(reset)), etag=first), fetched_again) as server:
        assert download(mode, server, tmp_path / "x.glb").read_bytes() == changed
    assert names(tmp_path) == ["x.glb"]


WRONG: dict[str, Sent] = {
    "a page": Sent(headers={"Content-Type": "text/html"}, body=b"<!DOCTYPE html><title>login</title>"),
    "an envelope": json_response({"code": 4042, "message": "no assets"}),
    "a longer glb": Sent(body=glb(1000, stated=999)),
    "a shorter glb": Sent(body=glb(1000, stated=1001)),
    "a chunked glb that is too long": Sent(body=glb(1000, stated=999), chunked=True),
    "a picture": Sent(body=PNG),
    "a compressed body": Sent(headers={"Content-Encoding": "gzip"}, body=glb(1000)),
    "nothing": Sent(body=b""),
    "no content": Sent(204),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_is_no_glb_never_appears_under_its_name(mode: Mode, kind: str, tmp_path: Path) -> None:
    with serving_files(lambda _: WRONG[kind]) as server:
        with pytest.raises(InvalidResponseError):
            download(mode, server, tmp_path / "x.glb")
        assert server.settled()
        assert len(server.requests) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_type_is_refused_after_the_first_bytes(mode: Mode, tmp_path: Path) -> None:
    with serving_files(lambda _: Sent(body=PNG + bytes(10**6), stall=1000)) as server:
        with pytest.raises(InvalidResponseError, match="a PNG image"):
            download(mode, server, tmp_path / "x.glb")
        assert server.settled()


@pytest.mark.parametrize("mode", MODES)
def test_a_chunked_glb_that_ends_early_is_a_broken_transfer(mode: Mode, tmp_path: Path) -> None:
    with (
        serving_files(lambda _: Sent(body=glb(1000, stated=1001), chunked=True)) as server,
        pytest.raises(ConnectionFailedError, match=r"1,000 of 1,001 bytes"),
    ):
        download(mode, server, tmp_path / "x.glb", max_retries=0)
    assert names(tmp_path) == []


@pytest.mark.parametrize("mode", MODES)
def test_an_existing_target_is_found_before_any_request(mode: Mode, tmp_path: Path) -> None:
    (tmp_path / "x.glb").symlink_to(tmp_path / "nowhere")
    with serving_files(file()) as server:
        with pytest.raises(FileExistsError):
            download(mode, server, tmp_path / "x.glb")
        with pytest.raises(FileNotFoundError):
            download(mode, server, tmp_path / "missing" / "x.glb")
        with pytest.raises(ConfigurationError, match=r"^overwrite"):
            download(mode, server, tmp_path, overwrite="yes")
        with pytest.raises(ConfigurationError, match=r"^to"):
            download(mode, server, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
        with pytest.raises(ConfigurationError, match=r"^on_progress"):
            download(mode, server, tmp_path, on_progress=5)
        assert server.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_an_existing_name_in_a_directory_is_found_before_the_file_comes(mode: Mode, tmp_path: Path) -> None:
    (tmp_path / "helmet.glb").write_bytes(OLD)
    with serving_files(lambda got: Sent(200, file_response(FILE, got).headers, FILE, stall=1000)) as server:
        with pytest.raises(FileExistsError) as refused:
            download(mode, server, tmp_path)
        assert server.settled()
    assert refused.value.filename == str(tmp_path / "helmet.glb")
    assert names(tmp_path) == ["helmet.glb"]


@pytest.mark.parametrize("mode", MODES)
def test_a_target_that_appears_meanwhile_is_kept(mode: Mode, tmp_path: Path) -> None:
    target = tmp_path / "x.glb"

    def plant(_: Progress) -> None:
        target.write_bytes(OLD)

    with serving_files(file()) as server, pytest.raises(FileExistsError):
        download(mode, server, target, on_progress=plant)
    assert target.read_bytes() == OLD
    assert names(tmp_path) == ["x.glb"]


@pytest.mark.parametrize("mode", MODES)
def test_redirects_are_followed_without_anything_of_the_user(
    mode: Mode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving_files(file()) as storage:

        def redirect(_: Got) -> Sent:
            return Sent(307, {"Location": f"{storage.origin}/x.glb?signature=s3cr3t", "Set-Cookie": "a=b"}, b"moved")

        with serving_files(redirect) as server:
            download(mode, server, tmp_path / "x.glb")
        (got,) = storage.requests
    assert got.target == "/x.glb?signature=s3cr3t"
    assert set(got.headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert KEY not in str(got)
    assert "s3cr3t" not in caplog.text
    assert (tmp_path / "x.glb").read_bytes() == FILE


@pytest.mark.parametrize("mode", MODES)
def test_a_key_that_the_service_puts_into_a_redirect_is_not_sent(
    mode: Mode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving_files(lambda _: Sent(403, body=f"<Error>{KEY}</Error>".encode())) as storage:
        with (
            serving_files(lambda _: Sent(302, {"Location": f"{storage.origin}/{KEY}/x?key={KEY}"})) as server,
            pytest.raises(PermissionDeniedError) as refused,
        ):
            download(mode, server, tmp_path)
        assert len(storage.requests) == 1
        assert KEY not in str(storage.requests)
    assert KEY not in str(refused.value)
    assert KEY not in repr(vars(refused.value))
    assert KEY not in caplog.text


def test_storage_gets_no_headers_of_the_users_own_client(tmp_path: Path) -> None:
    own = {"auth": ("user", "password"), "cookies": {"session": "c00kie"}, "headers": {"X-Tenant": "t3nant"}}

    async def asynchronous(url: str) -> None:
        async with (
            httpx.AsyncClient(**own) as http_client,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the types of httpx
            AsyncTriverse(KEY, base_url=url, http_client=http_client) as client,
        ):
            await client.tasks.download(TASK, tmp_path / "2.glb")
            await client.tasks.download(TASK, tmp_path / "2.png", preview=True)

    with serving_files(file(), lambda _: Sent(body=PNG), file(), lambda _: Sent(body=PNG)) as storage:

        def serve(got: Got) -> Sent:
            url = f"{storage.origin}/x?signature=1"
            if "/url/" in got.path:
                return json_response({"code": 0, "message": "", "data": {"download_url": url, "preview_url": url}})
            return Sent(302, {"Location": url, "Set-Cookie": "session=other"})

        with serving_files(serve) as server:
            with (
                httpx.Client(**own) as http_client,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the types of httpx
                Triverse(KEY, base_url=server.url, http_client=http_client) as client,
            ):
                client.tasks.download(TASK, tmp_path / "1.glb")
                client.tasks.download(TASK, tmp_path / "1.png", preview=True)
            run_async("asyncio", lambda: asynchronous(server.url))
        assert all(got.headers["x-tenant"] == "t3nant" for got in server.requests)
        assert len(storage.requests) == 4
        for got in storage.requests:
            assert not {"authorization", "cookie", "x-tenant"} & set(got.headers)
            assert KEY not in str(got)


@pytest.mark.parametrize("mode", MODES)
def test_a_fourth_redirect_is_refused(mode: Mode, tmp_path: Path) -> None:
    with serving_files(lambda _: Sent(302, {"Location": "/again?secret"})) as server:
        with pytest.raises(InvalidResponseError, match="more than 3 redirects") as refused:
            download(mode, server, tmp_path)
        assert len(server.requests) == 4
        assert refused.value.url == f"{server.origin}/again"
    assert refused.value.headers["Location"] == "/again"
    assert "secret" not in f"{refused.value} {vars(refused.value)} {pickle.dumps(refused.value)!r}"


@pytest.mark.parametrize("mode", MODES)
def test_a_task_without_assets_is_an_error_of_the_service(mode: Mode, tmp_path: Path) -> None:
    with serving_files(lambda _: json_response({"code": 4042, "message": "no assets"}, 404)) as server:
        with pytest.raises(NotFoundError, match="no assets") as missing:
            download(mode, server, tmp_path)
        assert str(missing.value.task_uuid) == TASK
        assert server.settled()


def test_a_key_is_renewed_after_a_401(tmp_path: Path) -> None:
    keys = iter(["old-key-0123456789", "new-key-0123456789"])
    refused = json_response({"code": 1001, "message": "unknown key"}, 401)
    with serving_files(lambda _: refused, file()) as server:
        download("sync", server, tmp_path, max_retries=0, api_key=lambda: next(keys))
        assert [got.headers["authorization"] for got in server.requests] == [
            "Bearer old-key-0123456789",
            "Bearer new-key-0123456789",
        ]


@pytest.mark.parametrize("mode", MODES)
def test_the_timeout_bounds_the_whole_download(mode: Mode, tmp_path: Path) -> None:
    with serving_files(lambda _: Sent(body=FILE, stall=100_000)) as server:
        with pytest.raises(DeadlineExceededError):
            download(mode, server, tmp_path / "x.glb", timeout=0.3)
        assert server.settled()
    assert names(tmp_path) == []


@pytest.mark.parametrize("mode", MODES)
def test_an_exception_of_the_callback_ends_the_download(mode: Mode, tmp_path: Path) -> None:
    error = LookupError("the user's own")

    def fail(progress: Progress) -> None:
        if progress.done > 200_000:
            raise error

    with serving_files(file()) as server:
        with pytest.raises(LookupError) as raised:
            download(mode, server, tmp_path, on_progress=fail)
        assert raised.value is error
        assert server.settled()
    assert names(tmp_path) == []


def test_async_callbacks_are_awaited_by_the_async_client_only(tmp_path: Path) -> None:
    seen: list[Progress] = []

    async def report(progress: Progress) -> None:
        seen.append(progress)

    def sneaky(progress: Progress) -> object:
        return report(progress)

    with serving_files(file()) as server:
        with pytest.raises(ConfigurationError, match="must not be asynchronous"):
            download("sync", server, tmp_path, on_progress=report)
        assert server.requests == []
        with pytest.raises(ConfigurationError, match="must not be asynchronous"):
            download("sync", server, tmp_path, on_progress=sneaky)
        assert names(tmp_path) == []
        download("asyncio", server, tmp_path, on_progress=report)
    assert seen[-1].done == len(FILE)


@pytest.mark.parametrize("mode", MODES)
def test_an_interrupt_leaves_nothing_behind(mode: Mode, tmp_path: Path) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with serving_files(file()) as server:
        with pytest.raises(KeyboardInterrupt):
            download(mode, server, tmp_path, on_progress=interrupt)
        assert server.settled()
    assert names(tmp_path) == []


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from triverse import Triverse
with Triverse("tv-key-for-tests-0123456789", base_url=sys.argv[1]) as client:
    try:
        client.tasks.download("{task}", Path(sys.argv[2]) / "x.glb")
    except OSError as error:
        print(error.errno)
"""


def test_a_disk_that_takes_no_more_propagates_as_its_own_error(tmp_path: Path) -> None:
    with serving_files(file()) as server:
        command = [sys.executable, "-c", FULL_DISK.replace("{task}", TASK), server.url, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))  # noqa: S603 - our own code
    assert done.stdout.split() == [str(errno.EFBIG)], done.stderr
    assert names(tmp_path) == []
