"""What a client looks like in a debugger or a log: short, of use, and without its key."""

from __future__ import annotations

import traceback

import pytest
from support.clients import KEY, MODES, Mode, drive

from triverse import AsyncTriverse, ConfigurationError, Triverse

each_client = pytest.mark.parametrize("kind", [Triverse, AsyncTriverse])


@each_client
def test_a_client_says_what_it_is_and_where_its_calls_go(kind: type[Triverse | AsyncTriverse]) -> None:
    client = kind(KEY)
    assert repr(client) == f"<{kind.__name__} https://api.triverse.ai/api/v1>"
    assert repr(client.with_options(max_retries=0)) == repr(client)
    assert repr(kind(lambda: KEY, base_url="http://[::1]:8080")) == f"<{kind.__name__} http://[::1]:8080/>"


@pytest.mark.parametrize("mode", MODES)
def test_a_closed_client_says_so_and_so_do_its_views(mode: Mode) -> None:
    def sync_way(client: Triverse) -> list[str]:
        views = client, client.with_options(), client.with_options()
        views[1].close()
        one_closed = [repr(view) for view in views]
        client.close()
        return one_closed + [repr(view) for view in views]

    async def async_way(client: AsyncTriverse) -> list[str]:
        views = client, client.with_options(), client.with_options()
        await views[1].aclose()
        one_closed = [repr(view) for view in views]
        await client.aclose()
        return one_closed + [repr(view) for view in views]

    closed = [said.endswith(", closed>") for said in drive(mode, sync_way, async_way)]
    assert closed == [False, True, False, True, True, True]


@each_client
def test_a_key_in_the_base_url_is_not_shown(kind: type[Triverse | AsyncTriverse]) -> None:
    assert repr(kind(KEY, base_url=f"https://gateway.example/{KEY}")) == (
        f"<{kind.__name__} https://gateway.example/[redacted]>"
    )
    with pytest.raises(ConfigurationError) as refused:
        kind(KEY, base_url=f"https://user:{KEY}@gateway.example")
    told = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    ours = [frame for frame in told.stack if "triverse/clients" in frame.filename]
    assert ours
    assert all(KEY not in (frame.locals or {}).get("self", "") for frame in ours)


class Tagged(Triverse):
    """Of a subclass of the user's own."""


def test_a_subclass_goes_by_its_own_name() -> None:
    assert repr(Tagged(KEY)).startswith("<Tagged https://")
