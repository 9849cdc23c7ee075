from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

import anyio
import pytest
from support.clients import run_async

from triverse import ConfigurationError
from triverse.core.callbacks import call_async, call_sync, check_callback
from triverse.transport.bodies import AsyncBodyStream, SyncBodyStream

CHUNKS = [bytes([number]) * 10 for number in range(40)]


class Body:
    content_type = "x/y"
    content_length = 400

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.awaited = 0

    def chunks(self) -> Iterator[bytes]:
        yield from CHUNKS

    def progress(self, sent: int) -> Pending | None:
        self.sent.append(sent)
        return Pending(self) if sent == 400 else None


class Pending:
    def __init__(self, body: Body) -> None:
        self._body = body

    def __await__(self) -> Iterator[None]:
        self._body.awaited += 1
        return iter(())


def test_a_sync_body_can_be_iterated_again() -> None:
    body = Body()
    stream = SyncBodyStream(body)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a simple source is enough here
    assert list(stream) == list(stream) == CHUNKS
    assert body.sent == [*range(10, 410, 10)] * 2


@pytest.mark.parametrize("mode", ["asyncio", "trio"])
def test_an_async_body_can_be_iterated_again(mode: str) -> None:
    async def main() -> None:
        body = Body()
        stream = AsyncBodyStream(body)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a simple source is enough here
        for _ in range(2):
            assert [chunk async for chunk in aiter(stream)] == CHUNKS
        assert body.sent == [*range(10, 410, 10)] * 2
        assert body.awaited == 2
        iterator = aiter(stream)
        assert aiter(iterator) is iterator

    run_async(mode, main)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of the modes


async def asynchronous(_: int) -> None:
    raise NotImplementedError


class Asynchronous:
    async def __call__(self, _: int) -> None:
        raise NotImplementedError


def test_a_callback_must_be_a_function() -> None:
    check_callback("on_update", None, may_be_async=False)
    check_callback("on_update", print, may_be_async=False)
    check_callback("on_update", asynchronous, may_be_async=True)
    with pytest.raises(ConfigurationError, match="on_update must be a function, not 5"):
        check_callback("on_update", 5, may_be_async=True)
    for callback in (asynchronous, Asynchronous()):
        with pytest.raises(ConfigurationError, match="on_update must not be asynchronous"):
            check_callback("on_update", callback, may_be_async=False)


@pytest.mark.parametrize("callback", [partial(Asynchronous()), partial(partial(asynchronous))])
def test_an_async_callback_is_refused_before_it_is_called(callback: object) -> None:
    with pytest.raises(ConfigurationError, match="on_update must not be asynchronous"):
        check_callback("on_update", callback, may_be_async=False)


async def generator(_: int) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("may_be_async", [False, True])
def test_an_async_generator_is_refused_since_it_would_never_run(may_be_async: bool) -> None:  # noqa: FBT001 - both clients
    for callback in (generator, partial(generator)):
        with pytest.raises(ConfigurationError, match="on_update must not be an async generator"):
            check_callback("on_update", callback, may_be_async=may_be_async)


def test_a_sync_call_refuses_an_awaitable() -> None:
    def pending(_: int) -> object:
        return Pending(Body())

    def coroutine(_: int) -> object:
        return asynchronous(1)

    seen: list[int] = []
    call_sync("on_update", seen.append, 1)
    assert seen == [1]
    for callback in (pending, coroutine):
        with pytest.raises(ConfigurationError, match="must not be asynchronous"):
            call_sync("on_update", callback, 1)


def test_an_async_call_returns_the_awaitable() -> None:
    async def wait(seconds: float) -> None:
        await anyio.sleep(seconds)

    async def main() -> None:
        assert call_async(print, "x") is None
        assert call_async(len, "x") is None
        pending = call_async(wait, 0.0)
        assert pending is not None
        await pending

    anyio.run(main)
