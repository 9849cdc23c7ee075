"""The measurements, the contenders and the goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

__all__ = ["ENVIRONMENTS", "HOME", "ROWS", "SCRIPTS", "Row", "Script"]

# The newest release of each, in its own environment because of conflicts: niquests replaces a dependency of requests.
ENVIRONMENTS: Final[dict[str, tuple[str, ...]]] = {
    "triverse": (".",),
    "triverse-aiohttp": (".", "httpx-aiohttp"),
    "triverse-cli": (".[cli,sandbox]",),
    "httpx": ("httpx",),
    "httpx-cli": ("httpx[cli]",),
    "httpx-sniffio": ("httpx", "sniffio"),
    "httpx2": ("httpx2",),
    "aiohttp": ("aiohttp",),
    "requests": ("requests",),
    "niquests": ("niquests",),
    "openai": ("openai",),
    "stripe": ("stripe",),
    "elevenlabs": ("elevenlabs",),
    "tripo3d": ("tripo3d", "aiohttp"),
    "githubkit": ("githubkit", "hishel<2"),
}
# The environments of contenders that have another name.
HOME: Final = {
    "requests_get": "requests",
    "httpx_with_sniffio": "httpx-sniffio",
    "triverse_on_aiohttp": "triverse-aiohttp",
    "triverse with its command": "triverse-cli",
    "httpx with its command": "httpx-cli",
    "100 accounts": "triverse",
    "2 ms": "triverse-cli",
}


@dataclass(frozen=True)
class Row:
    """One kind of work that several contenders do.

    Attributes:
        title: a short description of the work.
        kind: `sync` or `async`.
        server: the name of the server's port.
        contenders: the contenders beside triverse.
        calls: the number of calls in one round.
        at_once: the number of tasks or threads.
        rounds: the number of rounds.
        measure: the time that the goals limit: `wall` or `cpu`.
        goals: the highest ratio of triverse's figure to the contender's. With concurrent work, 1 / 5 means five times
            as many calls per second.
    """

    title: str
    kind: str
    server: str
    contenders: tuple[str, ...]
    calls: int
    at_once: int = 1
    rounds: int = 15
    measure: str = "wall"
    goals: dict[str, float] = field(default_factory=dict[str, float])


ROWS: Final = (
    Row(
        "sync, one after another",
        "sync",
        "plain",
        ("httpx", "httpx2", "requests", "requests_get", "niquests", "openai", "stripe", "elevenlabs", "githubkit"),
        calls=100,
        goals={"httpx": 0.80, "openai": 0.45, "stripe": 0.35, "requests": 0.50},
    ),
    Row(
        "sync, one after another, TLS",
        "sync",
        "tls",
        ("httpx", "requests", "requests_get"),
        calls=40,
        rounds=8,
        goals={"httpx": 0.80, "requests_get": 0.02},
    ),
    Row(
        "async, one after another",
        "async",
        "plain",
        ("httpx", "httpx_with_sniffio", "httpx2", "aiohttp", "openai", "tripo3d", "triverse_on_aiohttp"),
        calls=100,
        goals={"httpx": 0.60, "httpx_with_sniffio": 0.60, "openai": 0.62},
    ),
    Row(
        "async, one after another, TLS",
        "async",
        "tls",
        ("httpx", "aiohttp", "tripo3d", "triverse_on_aiohttp"),
        calls=40,
        rounds=8,
        goals={"httpx": 0.60, "tripo3d": 0.30},
    ),
    Row(
        "async, 200 in flight, server takes 20 ms",
        "async",
        "slow",
        ("httpx", "httpx_with_sniffio", "aiohttp", "openai", "triverse_on_aiohttp"),
        calls=1000,
        at_once=200,
        rounds=5,
        goals={"httpx": 1 / 5, "httpx_with_sniffio": 1 / 5, "openai": 1 / 4, "aiohttp": 1 / 0.55},
    ),
    Row(
        "async, 200 in flight, server takes 20 ms, TLS",
        "async",
        "slow_tls",
        ("httpx", "tripo3d"),
        calls=600,
        at_once=200,
        rounds=3,
        goals={"tripo3d": 1 / 2.5},
    ),
    Row(
        "50 threads on one client, server takes 20 ms",
        "sync",
        "slow",
        ("httpx", "requests"),
        calls=1000,
        at_once=50,
        rounds=5,
        measure="cpu",
        goals={"httpx": 0.50},
    ),
    Row("1,500 at once, defaults", "async", "slow", ("httpx",), calls=1500, at_once=1500, rounds=2),
)


@dataclass(frozen=True)
class Script:
    """A whole process, from start to end.

    Attributes:
        title: a short description of the work.
        measure: `wall`, `memory`, or `printed`: the number that the script prints.
        code: the program of each contender. The first one is compared with the others. `URL` is the service's URL.
        goals: the same as those of a `Row`.
    """

    title: str
    measure: str
    code: dict[str, str]
    goals: dict[str, float]


_FIRST_BALANCE: Final = {
    "triverse": "from triverse import Triverse; Triverse('tv-0123456789', base_url='URL/api/v1').users.balance()",
    "httpx": (
        "import httpx; c = httpx.Client(headers={'Authorization': 'Bearer x'});"
        " d = c.get('URL/api/v1/users/balance').raise_for_status().json()['data']; d['balance'], d['frozen']"
    ),
    "openai": "from openai import OpenAI; OpenAI(api_key='x', base_url='URL/v1').models.retrieve('m')",
    "tripo3d": (
        "import asyncio; from tripo3d import TripoClient;"
        " asyncio.run(TripoClient(api_key='tsk_x', v3_base_url='URL').get_balance())"
    ),
}
_SECOND: Final = (
    "import time; {make}; t = time.perf_counter(); c = [{client} for _ in range(20)]; "
    "print((time.perf_counter() - t) / 20)"
)
_ACCOUNTS: Final = """
import asyncio
from collections.abc import Mapping
from triverse import AsyncTriverse

class Keys(Mapping):
    def __len__(self): return COUNT
    def __iter__(self): return (str(number) for number in range(COUNT))
    def __getitem__(self, name): return "tv-0123456789" + name

async def main():
    async with AsyncTriverse("tv-0123456789", base_url="URL/api/v1") as client:
        async for account in client.balances(Keys()):
            assert account.balance

asyncio.run(main())
"""

# Nagle's algorithm against a delayed ACK would take 44 ms. The 20th percentile of 200 requests, as elsewhere.
_SERVED: Final = """
import time
from triverse import Triverse
from triverse.sandbox import Sandbox

sandbox = Sandbox()
with sandbox.serve() as url, Triverse(sandbox.demo.key, base_url=url) as client:
    times = []
    for _ in range(200):
        started = time.perf_counter()
        client.users.balance()
        times.append(time.perf_counter() - started)
    print(sorted(times)[40])
"""

SCRIPTS: Final = (
    Script(
        "import",
        "wall",
        {
            "triverse": "from triverse import Triverse, AsyncTriverse",
            "httpx": "import httpx",
            "httpx with its command": "import httpx",
            "openai": "from openai import OpenAI, AsyncOpenAI",
        },
        {"httpx": 0.60, "httpx with its command": 0.60, "openai": 0.12},
    ),
    Script(
        "fresh process to first balance",
        "wall",
        _FIRST_BALANCE,
        {"httpx": 1.25, "tripo3d": 0.65, "openai": 0.25},
    ),
    Script(
        "memory after import and one call",
        "memory",
        {name: code for name, code in _FIRST_BALANCE.items() if name != "tripo3d"},
        {"httpx": 1.10, "openai": 0.55},
    ),
    Script(
        "second client in a process",
        "printed",
        {
            "triverse": _SECOND.format(
                make="from triverse import Triverse; first = Triverse('tv-0123456789')",
                client="Triverse('tv-0123456789')",
            ),
            "httpx": _SECOND.format(make="import httpx; first = httpx.Client()", client="httpx.Client()"),
        },
        {"httpx": 0.02},
    ),
    Script(
        "`triverse balance --sandbox`, against `import httpx`",
        "wall",
        {
            "triverse with its command": "from triverse.cli import main; main(['balance', '--sandbox'])",
            "httpx": "import httpx",
        },
        {"httpx": 2.5},
    ),
    Script(
        "a request to a served sandbox, against 2 ms",
        "printed",
        {"triverse with its command": _SERVED, "2 ms": "print(0.002)"},
        {"2 ms": 1.0},
    ),
    Script(
        "memory after the balances of 10,000 accounts, against 100 (at most 10 MiB more)",
        "memory",
        {"triverse": _ACCOUNTS.replace("COUNT", "10_000"), "100 accounts": _ACCOUNTS.replace("COUNT", "100")},
        {"100 accounts": 1.2},
    ),
)
