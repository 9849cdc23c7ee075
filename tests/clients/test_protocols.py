"""What the namespaces need of a client: the same in both worlds, and both clients have it."""

from __future__ import annotations

import pytest

from triverse import AsyncTriverse, Triverse
from triverse.api import protocols
from triverse.clients.async_purse import AsyncPurse
from triverse.clients.purse import Purse


def methods(cls: type) -> set[str]:
    return {name for name in vars(cls) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("need", "async_need", "sync_class", "async_class"),
    [
        (protocols.Sender, protocols.AsyncSender, Triverse, AsyncTriverse),
        (protocols.Purse, protocols.AsyncPurse, Purse, AsyncPurse),
    ],
)
def test_what_is_needed_is_the_same_in_both_worlds_and_is_there(
    need: type, async_need: type, sync_class: type, async_class: type
) -> None:
    assert methods(need)
    assert methods(need) == methods(async_need)
    assert methods(need) <= methods(sync_class)
    assert methods(need) <= methods(async_class)
