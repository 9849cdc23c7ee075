"""The repr of clients: short, and without the key."""

from __future__ import annotations

import traceback

import pytest
from support.clients import KEY, MODES, Mode, drive

from triverse import AsyncTriverse, ConfigurationError, Triverse

each_client = pytest.mark.parametrize("kind", [Triverse, AsyncTriverse])


@each_client
def test_the_repr_has_class_and_base_url(kind: type[Triverse | AsyncTriverse]) -> None:
    client = kind(KEY)
    assert repr(client) == f"<{kind.__name__} https://api.triverse.ai/api/v1>"
    assert repr(client.with_options(max_retries=0)) == repr(client)
    assert repr(kind(lambda: KEY, base_url="http://[::1]:8080")) == f"<{kind.__name__} http://[::1]:8080/>"


@pytest.mark.parametrize("mode", MODES)
def test_the_repr_of_a_closed_client_and_its_views_contains_closed(mode: Mode) -> None:
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

    closed = [text.endswith(", closed>") for text in drive(mode, sync_way, async_way)]
    assert closed == [False, True, False, True, True, True]


@each_client
def test_a_key_in_the_base_url_is_not_shown(kind: type[Triverse | AsyncTriverse]) -> None:
    assert repr(kind(KEY, base_url=f"https://gateway.example/{KEY}")) == (
        f"<{kind.__name__} https://gateway.example/[redacted]>"
    )
    with pytest.raises(ConfigurationError) as refused:
        kind(KEY, base_url=f"https://user:{KEY}@gateway.example")
    shown = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "triverse/clients" in frame.filename]
    assert ours
    assert all(KEY not in (frame.locals or {}).get("self", "") for frame in ours)


class Tagged(Triverse):
    """A subclass that a user wrote."""


def test_the_repr_of_a_subclass_has_its_own_name() -> None:
    assert repr(Tagged(KEY)).startswith("<Tagged https://")
