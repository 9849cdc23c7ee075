from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from support.shell import environment

from triverse import UserBalance, UserInfo
from triverse.sandbox import Sandbox
from triverse.sandbox.flows import FLOWS
from triverse.sandbox.openapi import document
from triverse.sandbox.routes import ROUTES

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(document())
    return loaded


def test_the_committed_description_is_current() -> None:
    assert COMMITTED.read_bytes() == document(), "run: triverse openapi > docs/openapi.json"


def test_the_sandbox_serves_its_own_description() -> None:
    with Sandbox().serve() as url:
        response = httpx.get(f"{url}/openapi.json")
        at_the_root = httpx.get(url.removesuffix("/api/v1") + "/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.content == at_the_root.content
    assert response.json() == described() | {"servers": [{"url": "/api/v1"}]}


def test_both_endpoints_and_the_errors_are_described() -> None:
    description = described()
    assert description["openapi"] == "3.1.0"
    for path in ("/users/me", "/users/balance"):
        assert {"200", "401", "403", "429", "500", "503"} <= description["paths"][path]["get"]["responses"].keys()
    assert (
        "2010: insufficient API credits"
        in description["components"]["schemas"]["Error"]["properties"]["code"]["description"]
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


def test_python_without_docstrings_describes_the_same_fields() -> None:
    program = "import sys; from triverse.sandbox.openapi import document; sys.stdout.write(document().decode())"
    command = [sys.executable, "-OO", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())  # noqa: S603 - our own program
    bare, full = json.loads(done.stdout)["components"]["schemas"], described()["components"]["schemas"]
    for name in ("UserInfo", "UserBalance"):
        assert bare[name]["required"] == full[name]["required"]
        assert bare[name]["properties"].keys() == full[name]["properties"].keys()
    assert bare["Error"] == full["Error"]


def test_every_route_is_described() -> None:
    paths = described()["paths"]
    assert {(method, path) for path, methods in paths.items() for method in methods} == {
        (route.request.method.lower(), route.request.path) for route in ROUTES
    }
    for flow in FLOWS:
        body = paths[f"/tasks/{flow}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert {"client_order_id", "allow_duplicate"} < body["properties"].keys()
    (parameter,) = paths["/tasks/{task_uuid}"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"]) == ("task_uuid", "path")
