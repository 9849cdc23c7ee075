"""What commands print: the same plain text to a terminal and to a pipe, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from triverse.api.users import UserBalance, UserInfo
from triverse.cli.exit_codes import printable

__all__ = ["credits_text", "print_balance", "print_facts", "print_json", "print_user", "sent"]


def credits_text(amount: float) -> str:
    """An amount of credits, without a `.0` that says nothing."""
    return str(int(amount)) if amount.is_integer() else repr(amount)


def sent(result: UserInfo | UserBalance) -> dict[str, object]:
    """The object as the service sent it, with fields that this version does not know."""
    return result.to_dict()


def print_json(value: Mapping[str, object]) -> None:
    """One JSON object on one line."""
    print(json.dumps(value, default=str), flush=True)  # noqa: T201 - printing is what a command does


def print_facts(facts: Mapping[str, object]) -> None:
    """One fact a line: its name, and its value in a column of its own."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {printable(value)}")  # noqa: T201 - as above


def print_user(user: UserInfo) -> None:
    """Who the key belongs to."""
    print_facts(
        {
            "email": user.email,
            "plan": user.plan_name or "none",
            "API credits": credits_text(user.api_credits_balance),
            "web credits": credits_text(user.web_credits_balance),
            "id": user.id,
        }
    )


def print_balance(balance: UserBalance) -> None:
    """What the credits are."""
    print_facts(
        {
            "available": credits_text(balance.balance),
            "frozen": credits_text(balance.frozen),
            "total": credits_text(balance.total),
        }
    )
