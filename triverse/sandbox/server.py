"""The sandbox on a real port, by uvicorn."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from triverse.core.errors import ConfigurationError
from triverse.sandbox.asgi import TRANSPORT, application
from triverse.sandbox.errors import ERROR_SPECS
from triverse.sandbox.http import failure

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from triverse.sandbox.activity import Activity
    from triverse.sandbox.sandbox import LoggedCall, Sandbox

__all__ = ["run_server", "serve_in_thread"]

# Keep a refused connection open this long: closing at once would send a reset to a client that is still sending, and it
# would never see the response.
_LINGER: Final = 1.0
# Time for just-accepted sockets to become connections that shutdown can close.
_ACCEPT_GRACE_SECONDS: Final = 0.05
_LAST_PORT: Final = 65535

_null_logger: Final = logging.getLogger("triverse.sandbox.server")
_null_logger.addHandler(logging.NullHandler())


@contextmanager
def serve_in_thread(sandbox: Sandbox) -> Generator[str]:
    """Serve on a free loopback port, in a thread, and yield the base URL."""
    # uvicorn leaves them open if it is ended before it has started.
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in _listen("127.0.0.1", 0)]
        server = _server(sandbox, lambda: None)
        thread = threading.Thread(target=server.run, args=(listeners,), name="triverse-sandbox", daemon=True)
        thread.start()
        try:
            yield _base_url(listeners)
        finally:
            server.should_exit = True
            thread.join()


def run_server(  # noqa: PLR0913 - one argument for each thing that the command sets
    sandbox: Sandbox,
    *,
    host: str = "127.0.0.1",
    port: int = 8787,
    ready: Callable[[str], object],
    activity: Activity | None = None,
    on_request: Callable[[LoggedCall], object] | None = None,
) -> None:
    """Serve until Ctrl-C or a signal to end.

    Args:
        sandbox: what to serve.
        host: address to listen at. At one of the network, it also listens at the loopback address.
        port: port to listen at; 0 for a free one.
        ready: is called with the base URL for programs on this machine as soon as the server accepts requests.
        activity: tasks that start and end meanwhile; None for none.
        on_request: is called after each request with its entry of the log; None leaves `sandbox.on_request` as it is.

    Raises:
        ConfigurationError: it cannot listen there.
    """
    sandbox.on_request = on_request or sandbox.on_request
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in _listen(host, port)]
        url = _base_url(listeners)
        with suppress(KeyboardInterrupt), nullcontext() if activity is None else activity.running():
            _server(sandbox, lambda: ready(url)).run(listeners)


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listen at this address, and if it is one of the network, also at the loopback address under the same port.

    The SDK refuses plain http:// to other hosts than loopback, so programs on this machine need the loopback address.
    """
    listener = _listen_at(host, port)
    address, free_port = listener.getsockname()[:2]
    if ipaddress.ip_address(address).is_loopback or ipaddress.ip_address(address).is_unspecified:
        return [listener]
    with suppress(ConfigurationError):  # another program has the port there
        return [_listen_at("127.0.0.1", free_port), listener]
    return [listener]


def _listen_at(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        message = f"a port is a number from 0 to {_LAST_PORT}, not {port}"
        raise ConfigurationError(message)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        message = f"cannot listen at {host} port {port}: {error}. Choose another port, or 0 for a free one"
        raise ConfigurationError(message) from error


def _base_url(listeners: Sequence[socket.socket]) -> str:
    """Return the URL for programs on this machine."""
    address, port = listeners[0].getsockname()[:2]
    if ipaddress.ip_address(address).is_unspecified:
        address = "::1" if address == "::" and not socket.has_dualstack_ipv6() else "127.0.0.1"
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/api/v1"


def _server(sandbox: Sandbox, ready: Callable[[], object]) -> Server:
    config = Config(
        application(sandbox),
        http=SandboxProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    return ReadyServer(config, ready)


class ReadyServer(Server):
    """A uvicorn server that calls back once it handles requests and signals."""

    def __init__(self, config: Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and call back."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, also if a client connects at the last moment and stays. uvicorn would wait for it."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(_ACCEPT_GRACE_SECONDS)
        await super().shutdown(sockets)


class SandboxProtocol(H11Protocol):
    """uvicorn's protocol, which also passes the connection to the application and refuses with the envelope."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - whatever uvicorn hands over
        super().__init__(*args, **kwargs)
        self.logger = _null_logger
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Let the application reach the connection."""
        super().connection_made(transport)
        # Head and body are two writes. With Nagle's algorithm the second waits for a delayed ACK: 44 ms a request.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app: ASGIApp = _with_transport(self.app, transport)

    def data_received(self, data: bytes) -> None:
        """Read on, also after a request that was refused."""
        if not self._refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, with the documented envelope."""
        self._refused = True
        if self.cycle is None or self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]  # None before the first request
            self.transport.write(_refusal(msg))
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)

    def shutdown(self) -> None:
        """Close at once: a request without a response has met a fault that keeps it waiting."""
        self.transport.abort()


def _with_transport(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {TRANSPORT: transport}
        await app(scope, receive, send)

    return with_transport


def _refusal(message: str) -> bytes:
    response = failure(ERROR_SPECS[1004]._replace(message=message, suggestion="Send HTTP/1.1 with smaller headers."))
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {len(response.body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + response.body
