from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from support.service import failing, service

from triverse import ConfigurationError
from triverse.fastapi import CurrentBalance, TriverseDep, get_triverse, install_error_handlers


def application(answer: Callable[[httpx.Request], httpx.Response]) -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    app.dependency_overrides[get_triverse] = lambda: service(answer)

    @app.websocket("/before")
    async def fail_before(websocket: WebSocket, balance: CurrentBalance) -> None:
        await websocket.accept()
        await websocket.send_json(balance.balance)

    @app.websocket("/after")
    async def fail_after(websocket: WebSocket, client: TriverseDep) -> None:
        await websocket.accept()
        await websocket.send_json((await client.users.balance()).balance)

    @app.websocket("/closed")
    async def fail_closed(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(1000)
        message = "too late"
        raise ConfigurationError(message)

    return app


def test_a_websocket_not_accepted_yet_is_refused_with_a_problem_document() -> None:
    client = TestClient(application(lambda _: failing(403, 2010)))
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/before"):
        pass
    assert refused.value.status_code == 402
    assert refused.value.json()["code"] == 2010


@pytest.mark.parametrize(("status", "code"), [(403, 1008), (503, 1013), (500, 1011)])
def test_an_accepted_websocket_is_closed_with_a_code_and_a_reason(status: int, code: int) -> None:
    number = 2010 if status == 403 else 0
    client = TestClient(application(lambda _: failing(status, number)))
    with client.websocket_connect("/after") as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    assert closed.value.code == code
    assert 0 < len(closed.value.reason.encode()) <= 123


def test_a_websocket_that_is_already_closed_stays_closed() -> None:
    client = TestClient(application(lambda _: failing(500, 0)))
    with client.websocket_connect("/closed") as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    assert closed.value.code == 1000


def test_a_server_without_denial_responses_gets_a_close_before_the_handshake() -> None:
    app = application(lambda _: failing(503, 5003))

    async def without_extension(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    with pytest.raises(WebSocketDisconnect) as closed, TestClient(without_extension).websocket_connect("/before"):
        pass
    assert closed.value.code == 1013


@pytest.mark.anyio
async def test_every_message_that_is_sent_belongs_to_the_websocket_protocol() -> None:
    sent: list[Message] = []
    incoming: Iterator[Message] = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}])

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "websocket",
        "path": "/after",
        "headers": [],
        "query_string": b"",
        "subprotocols": [],
        "extensions": {},
    }
    await application(lambda _: failing(500, 0))(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
