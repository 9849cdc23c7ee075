"""A minimal Triverse in process, whose responses a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from triverse import AsyncTriverse

__all__ = ["BALANCE", "KEY", "USER", "failing", "ok", "service"]

KEY = "tv-the-applications-own-key"
USER: Mapping[str, object] = {
    "id": "6f2d1c9e-0a4b-4c7d-9e1f-2b3a4c5d6e7f",
    "email": "ada@example.com",
    "web_credits_balance": 3,
    "api_credits_balance": 100.5,
    "plan_name": None,
    "seats": 4,
}
BALANCE: Mapping[str, object] = {"balance": 100.5, "frozen": 20}


def ok(data: Mapping[str, object]) -> httpx.Response:
    """Return a successful response with this payload."""
    return httpx.Response(200, json={"code": 0, "message": "success", "data": data})


def failing(status: int, code: int = 0, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Return an error response."""
    body = {"code": code, "message": f"No {status}.", "suggestion": f"Correct {status}."}
    return httpx.Response(status, json=body, headers={"X-Request-ID": "r-1", **(headers or {})})


def service(answer: Callable[[httpx.Request], httpx.Response] | None = None) -> AsyncTriverse:
    """Return a client of a service that responds by this function; by default, every request succeeds."""
    transport = httpx.MockTransport(answer or _succeed)
    return AsyncTriverse(
        KEY, base_url="http://127.0.0.1", max_retries=0, http_client=httpx.AsyncClient(transport=transport)
    )


def _succeed(request: httpx.Request) -> httpx.Response:
    return ok(USER if request.url.path == "/users/me" else BALANCE)
