"""One call of each contender: a GET over a reused connection, from bytes to a validated object.

Each function imports its own library, because its environment has no other contender.
"""
# pyright: basic, reportMissingImports=false
# mypy: ignore-errors

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

KEY: Final = "tsk_0123456789abcdef"
HEADERS: Final = {"Authorization": f"Bearer {KEY}"}
PATH: Final = "/api/v1/users/balance"

Call: TypeAlias = Callable[[], object]
AsyncCall: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Balance:
    """The result, as a user would write it by hand."""

    balance: float
    frozen: float


def checked(answer: Any) -> Balance:
    """Validate the body by hand."""
    data = answer["data"]
    if answer["code"] != 0 or not isinstance(data["balance"], float) or not isinstance(data["frozen"], float):
        raise ValueError(answer)
    return Balance(data["balance"], data["frozen"])


def sync_triverse(url: str) -> Call:
    """This package."""
    from triverse import Triverse

    return Triverse(KEY, base_url=f"{url}/api/v1").users.balance


def async_triverse(url: str) -> AsyncCall:
    """This package."""
    from triverse import AsyncTriverse

    return AsyncTriverse(KEY, base_url=f"{url}/api/v1").users.balance


def accounts_triverse(url: str) -> Callable[[int], Awaitable[int]]:
    """This package, for many accounts; returns the number of failures."""
    from triverse import AsyncTriverse

    client = AsyncTriverse(KEY, base_url=f"{url}/api/v1")

    async def all_of(count: int) -> int:
        keys = {str(number): f"{KEY}{number}" for number in range(count)}
        return sum([account.balance is None async for account in client.balances(keys)])

    return all_of


def async_triverse_on_aiohttp(url: str) -> AsyncCall:
    """This package, over the user's own client on aiohttp."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    from triverse import AsyncTriverse

    client = httpx.AsyncClient(transport=AiohttpTransport())
    return AsyncTriverse(KEY, base_url=f"{url}/api/v1", http_client=client).users.balance


def sync_httpx(url: str) -> Call:
    """Bare httpx."""
    import httpx

    client = httpx.Client(headers=HEADERS)
    return lambda: checked(client.get(url + PATH).raise_for_status().json())


def async_httpx(url: str) -> AsyncCall:
    """Bare httpx."""
    import httpx

    client = httpx.AsyncClient(headers=HEADERS)

    async def call() -> Balance:
        return checked((await client.get(url + PATH)).raise_for_status().json())

    return call


async_httpx_with_sniffio = async_httpx


def sync_httpx2(url: str) -> Call:
    """The successor of httpx."""
    import httpx2

    client = httpx2.Client(headers=HEADERS)
    return lambda: checked(client.get(url + PATH).raise_for_status().json())


def async_httpx2(url: str) -> AsyncCall:
    """The successor of httpx."""
    import httpx2

    client = httpx2.AsyncClient(headers=HEADERS)

    async def call() -> Balance:
        return checked((await client.get(url + PATH)).raise_for_status().json())

    return call


def async_aiohttp(url: str) -> AsyncCall:
    """aiohttp with its default limits. Its session is created at the first call, in the event loop."""
    import aiohttp

    session: list[aiohttp.ClientSession] = []

    async def call() -> Balance:
        if not session:
            session.append(aiohttp.ClientSession(headers=HEADERS))
        async with session[0].get(url + PATH) as response:
            response.raise_for_status()
            return checked(await response.json())

    return call


def sync_requests(url: str) -> Call:
    """requests, with a session."""
    import requests

    session = requests.Session()
    session.headers.update(HEADERS)

    def call() -> Balance:
        response = session.get(url + PATH, timeout=15)
        response.raise_for_status()
        return checked(response.json())

    return call


def sync_requests_get(url: str) -> Call:
    """requests as in the examples of the service's documentation: a connection for each call."""
    import requests

    def call() -> Balance:
        response = requests.get(url + PATH, headers=HEADERS, timeout=15)
        response.raise_for_status()
        return checked(response.json())

    return call


def sync_niquests(url: str) -> Call:
    """niquests, with a session."""
    import niquests

    session = niquests.Session()
    session.headers.update(HEADERS)

    def call() -> Balance:
        response = session.get(url + PATH, timeout=15)
        response.raise_for_status()
        return checked(response.json())

    return call


def sync_openai(url: str) -> Call:
    """The SDK of OpenAI."""
    from openai import OpenAI

    client = OpenAI(api_key=KEY, base_url=f"{url}/v1")
    return lambda: client.models.retrieve("m")


def async_openai(url: str) -> AsyncCall:
    """The SDK of OpenAI."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1")
    return lambda: client.models.retrieve("m")


def sync_stripe(url: str) -> Call:
    """The SDK of Stripe."""
    from stripe import StripeClient

    client = StripeClient(KEY, base_addresses={"api": url})
    return client.v1.balance.retrieve


def sync_elevenlabs(url: str) -> Call:
    """The SDK of ElevenLabs."""
    from elevenlabs.client import ElevenLabs

    client = ElevenLabs(api_key=KEY, base_url=url)
    return client.user.subscription.get


def async_tripo3d(url: str) -> AsyncCall:
    """The SDK of Tripo; it opens a connection for each call."""
    from tripo3d import TripoClient

    client: list[TripoClient] = []

    async def call() -> object:
        if not client:
            client.append(TripoClient(api_key=KEY, v3_base_url=url))
        return await client[0].get_balance()

    return call


def sync_githubkit(url: str) -> Call:
    """A modern SDK of GitHub."""
    from githubkit import GitHub

    github = GitHub(KEY, base_url=url, http_cache=False)
    return lambda: github.rest.codes_of_conduct.get_conduct_code("c").parsed_data
