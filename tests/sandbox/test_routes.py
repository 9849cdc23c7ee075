from __future__ import annotations

import json

import httpx
import pytest
from attrs import frozen
from support.clients import MODES, Mode, run_async

from triverse import BadRequestError, NotFoundError, Request, UserBalance
from triverse.core.request import JSON
from triverse.sandbox import Account, Fault, Sandbox, SandboxRequest
from triverse.sandbox.openapi import document
from triverse.sandbox.routes import Route

ORDER: dict[str, JSON] = {"flow_name": "text-to-model", "params": {"prompt": "a red chair"}}


@frozen
class Order:
    flow_name: str
    params: dict[str, object]


def start(account: Account, received: SandboxRequest) -> UserBalance:
    """Freeze the cost, as the start of a task does."""
    account.freeze(float(received.json(dict[str, int])["cost"]))
    return account.balance


START = Route("start", Request("POST", "/orders", UserBalance, json={"cost": 1}), start)


def answer(body: bytes) -> tuple[int, dict[str, object]]:
    response = START.respond(Sandbox().demo, SandboxRequest.of("POST", "/orders", [], body))
    content: dict[str, object] = json.loads(response.body)
    return response.status, content


def test_a_route_responds_with_the_documented_envelope() -> None:
    data = {"balance": 1170.0, "frozen": 30.0}
    assert answer(b'{"cost": 30}') == (200, {"code": 0, "message": "success", "data": data})


def test_a_route_may_raise_a_documented_error() -> None:
    status, content = answer(b'{"cost": 5000}')
    assert (status, content["code"], content["message"]) == (403, 2010, "Insufficient API credits.")


def test_a_route_with_a_body_is_described_with_an_example() -> None:
    described = json.loads(document(routes=(START,)))["paths"]["/orders"]["post"]
    assert described["requestBody"]["content"]["application/json"]["example"] == {"cost": 1}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'{"cost": "30"}', "body.cost: expected a whole number, got a string"),
    ],
)
def test_an_error_names_what_is_wrong_with_a_body(body: bytes, problem: str) -> None:
    status, content = answer(body)
    assert (status, content["code"]) == (400, 1004)
    assert problem in str(content["message"])


def test_a_body_is_checked_as_strictly_as_a_response() -> None:
    received = SandboxRequest.of("POST", "/orders", [], json.dumps(ORDER).encode())
    assert received.json(Order) == Order("text-to-model", {"prompt": "a red chair"})
    with pytest.raises(BadRequestError, match=r"body\.flow_name: missing"):
        SandboxRequest.of("POST", "/orders", [], b"{}").json(Order)


class Reader:
    """Reads the body of each request to a sandbox."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        self.bodies: list[bytes] = []
        self.sandbox.faults.add(Fault(status=503), match=self)

    def __call__(self, received: SandboxRequest) -> bool:
        self.bodies.append(received.body)
        return False


@pytest.mark.parametrize("mode", MODES)
def test_bodies_are_received_in_process(mode: Mode) -> None:
    reader = Reader()
    if mode == "sync":
        with reader.sandbox.client() as client, pytest.raises(NotFoundError):
            client.request("POST", "/orders", json=ORDER)
    else:

        async def main() -> None:
            async with reader.sandbox.async_client() as client:
                with pytest.raises(NotFoundError):
                    await client.request("POST", "/orders", json=ORDER)

        run_async(mode, main)
    (body,) = reader.bodies
    assert json.loads(body) == ORDER


def test_bodies_are_received_by_the_port_up_to_1_mib() -> None:
    reader = Reader()
    with reader.sandbox.serve() as url:
        assert httpx.post(f"{url}/orders", json=ORDER).status_code == 404
        assert httpx.post(f"{url}/orders", content=b"x" * 5_000_000).status_code == 404
    small, large = reader.bodies
    assert json.loads(small) == ORDER
    assert large == b"x" * 1024 * 1024


def test_the_log_keeps_no_body() -> None:
    sandbox = Sandbox()
    sandbox.handle("POST", "/orders", [], b"a secret plan")
    assert sandbox.requests[0].request.body == b""
