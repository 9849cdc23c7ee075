"""Tracebacks of `balances()` that show the variables of each frame do not show the keys of the accounts."""

from __future__ import annotations

from collections.abc import Generator, ItemsView, Iterator, Mapping

import pytest
from support.clients import KEY
from support.key_search import traceback_text
from support.server import serving

from triverse import AsyncTriverse, ConfigurationError, Triverse

TENANT = "tv-key-of-a-tenant-987654"


class Broken(Mapping[str, str]):
    """Raises after its first account."""

    def __getitem__(self, name: str) -> str:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(["first", "second"])

    def __len__(self) -> int:
        return 2

    def items(self) -> ItemsView[str, str]:
        return _pairs()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # an iterator is enough here


def _pairs() -> Generator[tuple[str, str], None, None]:
    yield "first", TENANT
    message = "the table of tenants is gone"
    raise LookupError(message)


def test_refused_accounts_are_not_shown() -> None:
    client = Triverse(KEY)
    with pytest.raises(ConfigurationError, match="not list") as caught:
        client.balances([TENANT])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
    assert TENANT not in traceback_text(caught.value)
    client.close()
    with pytest.raises(ConfigurationError, match="closed") as caught:
        client.balances({"first": TENANT})
    assert TENANT not in traceback_text(caught.value)


@pytest.mark.anyio
async def test_refused_accounts_of_an_async_client_are_not_shown() -> None:
    client = AsyncTriverse(KEY)
    with pytest.raises(ConfigurationError, match="not list") as caught:
        client.balances([TENANT])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
    assert TENANT not in traceback_text(caught.value)
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed") as caught:
        client.balances({"first": TENANT})
    assert TENANT not in traceback_text(caught.value)


def test_a_mapping_that_raises_shows_no_key_read_before() -> None:
    with serving() as server, Triverse(KEY, base_url=server.url, max_connections=1) as client:
        with pytest.raises(LookupError) as caught:
            list(client.balances(Broken()))
        assert TENANT not in traceback_text(caught.value)


@pytest.mark.anyio
async def test_an_async_loop_over_a_mapping_that_raises_shows_no_key() -> None:
    with serving() as server:
        async with AsyncTriverse(KEY, base_url=server.url, max_connections=1) as client:
            with pytest.raises(LookupError) as caught:
                async for _ in client.balances(Broken()):
                    pass
            assert TENANT not in traceback_text(caught.value)
