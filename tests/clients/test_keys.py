"""Where the key comes from, when a callable is called, and that a key is sent with its own requests only."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Generator

import anyio
import anyio.lowlevel
import pytest
from support.clients import KEY, MODES, Mode, drive
from support.server import BALANCE, ME, Received, Responder, answer, envelope, serving

from triverse import AsyncTriverse, AuthenticationError, ConfigurationError, DeadlineExceededError, Triverse

each_mode = pytest.mark.parametrize("mode", MODES)

DENIED = answer({"code": 1001, "message": "who are you?"}, 401)


def only(key: str) -> Responder:
    """A server that accepts one key."""
    return lambda received: answer(envelope(BALANCE)) if received.header("Authorization") == f"Bearer {key}" else DENIED


class Keys:
    """Returns one key after another."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]


@each_mode
def test_the_key_is_read_from_the_environment_when_the_client_is_made(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(only("tv-from-environment")) as server:
        monkeypatch.setenv("TRIVERSE_API_KEY", "tv-from-environment")
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        with Triverse() as client:
            assert client.users.balance().total == 125.0

        async def main() -> float:
            async with AsyncTriverse() as client:
                return (await client.users.balance()).total

        if mode != "sync":
            assert anyio.run(main, backend=mode) == 125.0


def test_a_client_without_a_key_is_refused() -> None:
    for kind in (Triverse, AsyncTriverse):
        with pytest.raises(ConfigurationError, match="TRIVERSE_API_KEY"):
            kind()


@pytest.mark.parametrize(
    "key", ["", " tv-secret", "tv-secret\n", "tv-sec\x00ret", "tv-sécret", "tv-sec\rret", "tv\x7fsecret"]
)
def test_a_bad_key_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Triverse, AsyncTriverse):
        with pytest.raises(ConfigurationError) as caught:
            kind(key)
        assert not key or key not in shown(caught.value)
    with Triverse(KEY) as client, pytest.raises(ConfigurationError):
        client.with_options(api_key=key)
    if "\x00" not in key:
        monkeypatch.setenv("TRIVERSE_API_KEY", key)
        with pytest.raises(ConfigurationError):
            Triverse()


def shown(error: BaseException) -> str:
    """Return the message and the local variables of the package's frames. The test's own frame may hold the key."""
    rendered = traceback.TracebackException.from_exception(error, capture_locals=True)
    return str(error) + "".join(
        str(frame.locals)
        for frame in rendered.stack
        if "triverse/" in frame.filename.replace("\\", "/") and "tests" not in frame.filename
    )


@each_mode
def test_a_callable_is_called_for_each_attempt(mode: Mode) -> None:
    keys = Keys("tv-first-key", "tv-second-key")
    answers = [answer(b"", 503, {"Retry-After": "0"}), answer(envelope(BALANCE))]

    with serving(lambda _: answers.pop(0)) as server:
        drive(mode, lambda c: c.users.balance(), lambda c: c.users.balance(), base_url=server.url, api_key=keys)
    assert server.authorizations == ["Bearer tv-first-key", "Bearer tv-second-key"]
    assert keys.asked == 2


@each_mode
@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_rotated_key_is_renewed_within_the_call(mode: Mode, max_retries: int) -> None:
    keys = Keys("tv-old-key", "tv-new-key")
    with serving(only("tv-new-key")) as server:
        balance = drive(
            mode,
            lambda c: c.users.balance(),
            lambda c: c.users.balance(),
            base_url=server.url,
            api_key=keys,
            max_retries=max_retries,
        )
    assert balance.total == 125.0
    assert (len(server.requests), keys.asked) == (2, 2)


@each_mode
def test_a_wrong_key_of_a_callable_is_renewed_only_once(mode: Mode) -> None:
    keys = Keys("tv-wrong-key")
    with serving(only("tv-other")) as server, pytest.raises(AuthenticationError):
        drive(mode, lambda c: c.users.balance(), lambda c: c.users.balance(), base_url=server.url, api_key=keys)
    assert len(server.requests) == 2


@each_mode
def test_a_wrong_key_given_as_text_is_sent_once(mode: Mode) -> None:
    with serving(only("tv-other")) as server, pytest.raises(AuthenticationError):
        drive(mode, lambda c: c.users.balance(), lambda c: c.users.balance(), base_url=server.url)
    assert len(server.requests) == 1


@pytest.mark.anyio
async def test_the_async_client_accepts_an_async_callable() -> None:
    async def vault() -> str:
        await anyio.lowlevel.checkpoint()
        return "tv-from-the-vault"

    with serving(only("tv-from-the-vault")) as server:
        async with AsyncTriverse(vault, base_url=server.url) as client:
            assert (await client.users.balance()).total == 125.0


@pytest.mark.anyio
async def test_an_async_callable_is_bounded_by_the_deadline() -> None:
    async def stuck() -> str:
        await anyio.sleep_forever()
        return ""

    async with AsyncTriverse(stuck, deadline=0.05) as client:
        with pytest.raises(DeadlineExceededError, match="api_key"):
            await client.users.me()


@pytest.mark.anyio
async def test_without_a_deadline_an_async_callable_has_no_limit() -> None:
    async def slow() -> str:
        await anyio.sleep(0.01)
        return KEY

    with serving() as server:
        async with AsyncTriverse(slow, base_url=server.url, deadline=None) as client:
            assert (await client.users.balance()).total == 125.0


def test_the_sync_client_refuses_an_async_callable() -> None:
    async def vault() -> str:
        return KEY

    source: Callable[[], Awaitable[str]] = vault
    with Triverse(source) as client, pytest.raises(ConfigurationError, match="AsyncTriverse"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
        client.users.me()


@each_mode
def test_an_error_of_the_callable_is_the_cause(mode: Mode) -> None:
    def broken() -> str:
        raise LookupError("the vault is sealed")

    with serving() as server, pytest.raises(ConfigurationError, match="LookupError") as caught:
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url, api_key=broken)
    assert isinstance(caught.value.__cause__, LookupError)
    assert server.connections == 0


@each_mode
@pytest.mark.parametrize("bad", ["tv-bad-key\n", "", 7, None, b"tv-bytes"])
def test_a_bad_key_of_a_callable_is_refused_and_not_shown(mode: Mode, bad: object) -> None:
    with serving() as server, pytest.raises(ConfigurationError) as caught:
        drive(mode, lambda c: c.users.me(), lambda c: c.users.me(), base_url=server.url, api_key=lambda: bad)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]  # not all callers are type checked
    assert "the API key that the api_key callable returned " in str(caught.value)
    assert "tv-b" not in shown(caught.value)
    assert server.connections == 0


@each_mode
def test_views_share_connections_but_not_keys(mode: Mode) -> None:
    def sync_way(client: Triverse) -> None:
        for number in range(4):
            client.with_options(api_key=f"tv-tenant-{number}").users.balance()

    async def async_way(client: AsyncTriverse) -> None:
        for number in range(4):
            await client.with_options(api_key=f"tv-tenant-{number}").users.balance()

    with serving() as server:
        drive(mode, sync_way, async_way, base_url=server.url)
    assert server.authorizations == [f"Bearer tv-tenant-{number}" for number in range(4)]
    assert server.connections == 1


def test_a_view_is_made_without_a_connection() -> None:
    """A view takes some microseconds; a new client takes a thousand times as long over https."""
    with Triverse(KEY) as client:
        started = time.perf_counter()
        views = [client.with_options(api_key=f"tv-tenant-{number}") for number in range(1000)]
        seconds = time.perf_counter() - started
    assert len(views) == 1000
    assert seconds < 1


def whose(received: Received) -> bytes:
    """Return an account whose email address contains the key of the request."""
    name = received.header("Authorization").removeprefix("Bearer ")
    return answer(envelope({**ME, "email": f"{name}@example.com"}))


def test_threads_of_many_tenants_get_their_own_responses() -> None:
    wrong: list[str] = []

    def work(client: Triverse, tenant: int) -> None:
        mine = client.with_options(api_key=f"tv-tenant-{tenant:04}")
        wrong.extend(
            email for _ in range(15) if (email := mine.users.me().email) != f"tv-tenant-{tenant:04}@example.com"
        )

    with serving(whose) as server, Triverse(KEY, base_url=server.url, max_connections=8) as client:
        threads = [threading.Thread(target=work, args=(client, tenant)) for tenant in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(server.requests) == 600
    assert server.most_open <= 8


@pytest.mark.anyio
async def test_tasks_of_many_tenants_get_their_own_responses() -> None:
    wrong: list[str] = []

    async def work(client: AsyncTriverse, tenant: int) -> None:
        mine = client.with_options(api_key=f"tv-tenant-{tenant:04}")
        for _ in range(5):
            email = (await mine.users.me()).email
            if email != f"tv-tenant-{tenant:04}@example.com":
                wrong.append(email)

    with serving(whose) as server:
        async with (
            AsyncTriverse(KEY, base_url=server.url, max_connections=8) as client,
            anyio.create_task_group() as group,
        ):
            for tenant in range(60):
                group.start_soon(work, client, tenant)
        assert wrong == []
    assert len(server.requests) == 300


class Later:
    """An awaitable that is not a coroutine, as futures are."""

    def __await__(self) -> Generator[None, None, str]:
        yield from anyio.lowlevel.checkpoint().__await__()
        return KEY


def test_the_sync_client_refuses_a_callable_that_returns_an_awaitable() -> None:
    source: Callable[[], Awaitable[str]] = Later
    with Triverse(source) as client, pytest.raises(ConfigurationError, match="AsyncTriverse"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
        client.users.me()


@pytest.mark.anyio
async def test_the_async_client_awaits_what_a_callable_returns() -> None:
    with serving() as server:
        async with AsyncTriverse(Later, base_url=server.url) as client:
            assert (await client.users.balance()).total == 125.0
