"""Clients that are pickled for other processes: they have their own connections, and the pickle has no key."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

import httpx
import pytest
from distributed import Client, LocalCluster
from support.clients import KEY
from support.pickles import fetch_total, fetch_total_async, key_of_this_process, repickled
from support.server import serving

from triverse import AsyncTriverse, ConfigurationError, Timeout, Triverse

# Dask has no types.
DASK: Final[Any] = Client
LOCAL_CLUSTER: Final[Any] = LocalCluster

each_client = pytest.mark.parametrize("kind", [Triverse, AsyncTriverse])


@pytest.fixture
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    yield
    for child in multiprocessing.active_children():
        child.join(10)


@pytest.mark.usefixtures("key_in_the_environment")
def test_multiprocessing_with_spawn_takes_clients() -> None:
    with serving() as server:
        client, async_client = Triverse(base_url=server.url), AsyncTriverse(base_url=server.url)
        client.users.balance()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            results = (
                pool.submit(fetch_total, client).result(60),
                pool.submit(fetch_total_async, async_client).result(60),
            )
        assert client.users.balance().total == 125.0
    assert [total for _, total in results] == [125.0] * 2
    assert all(process != os.getpid() for process, _ in results)
    assert server.authorizations == [f"Bearer {KEY}"] * 4


@pytest.mark.usefixtures("key_in_the_environment")
def test_dask_takes_clients_to_two_workers() -> None:
    with (
        serving() as server,
        LOCAL_CLUSTER(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        DASK(cluster) as dask,
    ):
        client = Triverse(base_url=server.url)
        workers: list[str] = list(dask.scheduler_info()["workers"])
        futures = [dask.submit(fetch_total, client, workers=[worker], pure=False) for worker in workers]
        results: list[tuple[int, float]] = dask.gather(futures)
    assert len({process for process, _ in results}) == 2
    assert [total for _, total in results] == [125.0] * 2


@each_client
def test_the_key_is_read_again_where_the_client_is_unpickled(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    pickled = pickle.dumps(kind())
    assert KEY.encode() not in pickled
    monkeypatch.delenv("TRIVERSE_API_KEY")
    with pytest.raises(ConfigurationError, match="TRIVERSE_API_KEY"):
        pickle.loads(pickled)  # noqa: S301 - made in this test
    monkeypatch.setenv("TRIVERSE_API_KEY", "tv-key-of-another-process")
    with serving() as server:
        monkeypatch.setenv("TRIVERSE_BASE_URL", server.url)
        with repickled(Triverse()) as client:
            client.users.balance()
    assert server.authorizations == ["Bearer tv-key-of-another-process"]


def test_a_callable_is_pickled_with_the_client() -> None:
    with serving() as server, repickled(Triverse(key_of_this_process, base_url=server.url)) as client:
        client.users.balance()
        client.with_options(max_retries=0).users.balance()
        repickled(client.with_options(max_retries=0)).users.balance()
    assert server.authorizations == ["Bearer tv-key-from-a-function"] * 3


@each_client
def test_a_client_with_its_key_as_text_refuses_to_be_pickled(
    kind: type[Triverse | AsyncTriverse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    for client in (kind(KEY), kind().with_options(api_key=KEY)):
        with pytest.raises(TypeError, match="TRIVERSE_API_KEY") as refused:
            pickle.dumps(client)
        assert KEY not in str(refused.value)


@pytest.mark.anyio
async def test_a_client_with_an_http_client_refuses_to_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVERSE_API_KEY", KEY)
    with httpx.Client() as http_client, pytest.raises(TypeError, match="http_client"):
        pickle.dumps(Triverse(http_client=http_client))
    async with httpx.AsyncClient() as async_http_client:
        with pytest.raises(TypeError, match="http_client"):
            pickle.dumps(AsyncTriverse(http_client=async_http_client))


class Named(Triverse):
    def __init__(self, name: str, base_url: str) -> None:
        super().__init__(key_of_this_process, base_url=base_url, timeout=Timeout(read=3), deadline=9, max_connections=1)
        self.name = name


def test_options_and_the_state_of_subclasses_survive() -> None:
    with serving() as server, Named("ours", server.url) as client:
        twin = repickled(client.with_options(max_retries=0))
        assert (type(twin), twin.name, repr(twin)) == (Named, "ours", repr(client))
        assert twin.users.balance().total == 125.0
        twin.close()
        assert client.users.balance().total == 125.0


@pytest.mark.anyio
async def test_a_copy_shares_the_connections() -> None:
    with serving() as server:
        with Triverse(KEY, base_url=server.url) as client:
            copy.copy(client).users.balance()
            copy.copy(client).close()
            client.users.balance()
        async with AsyncTriverse(KEY, base_url=server.url) as async_client:
            await copy.copy(async_client).users.balance()
            await copy.copy(async_client).aclose()
            await async_client.users.balance()
    assert (server.connections, len(server.requests)) == (2, 4)
