"""Accounts, as the service keeps them."""

from __future__ import annotations

from random import Random
from uuid import UUID

from attrs import define

__all__ = ["Account", "new_account"]


@define
class Account:
    """One account of the sandbox.

    Attributes:
        key: its API key. It opens nothing but the sandbox.
    """

    key: str
    id: UUID
    email: str
    plan_name: str | None
    api_credits: float
    frozen: float
    web_credits: float

    def info(self) -> dict[str, object]:
        """What `GET /users/me` says of it."""
        return {
            "id": str(self.id),
            "email": self.email,
            "web_credits_balance": self.web_credits,
            "api_credits_balance": self.api_credits,
            "plan_name": self.plan_name,
        }

    def balance(self) -> dict[str, object]:
        """What `GET /users/balance` says of it."""
        return {"balance": self.api_credits, "frozen": self.frozen}


def new_account(random: Random, email: str, plan_name: str | None, api_credits: float, web_credits: float) -> Account:
    """An account with an id and a key out of the given source of chance."""
    return Account(
        key=f"tv-sandbox-{random.getrandbits(128):032x}",
        id=UUID(int=random.getrandbits(128), version=4),
        email=email,
        plan_name=plan_name,
        api_credits=api_credits,
        frozen=0.0,
        web_credits=web_credits,
    )
