from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from triverse import UserBalance, UserInfo
from triverse.sandbox import Sandbox
from triverse.sandbox.openapi import document

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(document())
    return loaded


def test_the_committed_description_is_current() -> None:
    assert COMMITTED.read_bytes() == document(), "write it anew: triverse openapi > docs/openapi.json"


def test_the_sandbox_serves_its_own_description() -> None:
    with Sandbox().serve() as url:
        response = httpx.get(f"{url}/openapi.json")
        at_the_root = httpx.get(url.removesuffix("/api/v1") + "/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.content == at_the_root.content
    assert response.json() == described() | {"servers": [{"url": "/api/v1"}]}


def test_both_endpoints_and_the_errors_are_described() -> None:
    told = described()
    assert told["openapi"] == "3.1.0"
    for path in ("/users/me", "/users/balance"):
        assert {"200", "401", "403", "429", "500", "503"} <= told["paths"][path]["get"]["responses"].keys()
    assert (
        "2010: insufficient API credits" in told["components"]["schemas"]["Error"]["properties"]["code"]["description"]
    )


def test_the_fields_are_those_of_the_results() -> None:
    schemas = described()["components"]["schemas"]
    for result, required in (
        (UserInfo, {"id", "email", "web_credits_balance", "api_credits_balance"}),
        (UserBalance, {"balance", "frozen"}),
    ):
        schema = schemas[result.__name__]
        assert set(schema["required"]) == required
        assert all(field["description"] for field in schema["properties"].values())
    properties = schemas["UserInfo"]["properties"]
    assert properties["id"]["format"] == "uuid"
    assert properties["plan_name"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
