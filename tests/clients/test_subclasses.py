"""Subclasses of the clients with an `__init__`, state and methods of their own."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TypeVar

import pytest
from support.clients import KEY
from support.server import serving

from triverse import AsyncTriverse, Request, Response, Triverse

T = TypeVar("T")


class CountingClient(Triverse):
    def __init__(self, base_url: str) -> None:
        super().__init__(KEY, base_url=base_url)
        self.paths: Counter[str] = Counter()

    def send(self, request: Request[T]) -> Response[T]:
        self.paths[request.path] += 1
        return super().send(request)


class CountingAsyncClient(AsyncTriverse):
    def __init__(self, base_url: str) -> None:
        super().__init__(KEY, base_url=base_url)
        self.paths: Counter[str] = Counter()

    async def send(self, request: Request[T]) -> Response[T]:
        self.paths[request.path] += 1
        return await super().send(request)


def test_every_way_to_make_a_call_goes_through_a_subclass() -> None:
    with serving() as server, CountingClient(server.url) as client:
        client.users.balance()
        client.users.balance(max_age=60)
        next(client.users.watch_balance())
        client.users.wait_for_balance(1)
        list(client.balances({"one": KEY, "two": KEY}))
        client.with_options(max_retries=0).users.balance()
        copy.copy(client).users.balance()
        client.execute(Request("GET", "/users/balance", object))
    assert client.paths == {"/users/balance": 9}


@pytest.mark.anyio
async def test_every_way_to_make_an_async_call_goes_through_a_subclass() -> None:
    with serving() as server:
        async with CountingAsyncClient(server.url) as client:
            await client.users.balance()
            await client.users.balance(max_age=60)
            await anext(aiter(client.users.watch_balance()))
            await client.users.wait_for_balance(1)
            assert [account.error async for account in client.balances({"one": KEY, "two": KEY})] == [None, None]
            await client.with_options(max_retries=0).users.balance()
            await copy.copy(client).users.balance()
            await client.execute(Request("GET", "/users/balance", object))
    assert client.paths == {"/users/balance": 9}


def test_a_view_is_of_the_same_class_and_has_the_same_state() -> None:
    client = CountingClient("https://api.example/v1")
    for view in (client.with_options(api_key="another-key"), copy.copy(client)):
        assert type(view) is CountingClient
        assert view.paths is client.paths


def test_a_subclass_can_use_namespaces_in_its_own_properties() -> None:
    class Renamed(Triverse):
        @property
        def account(self) -> object:
            return self.users.me()

    with serving() as server, Renamed(KEY, base_url=server.url) as client:
        assert client.account == client.users.me()
