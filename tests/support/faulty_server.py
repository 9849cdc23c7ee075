"""A server with random faults, in its own process, that counts every request."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from support.faults import FAULTS, Fault
from support.server import BALANCE, ME, Peer, Received, Server, answer, envelope
from support.subprocesses import beside

__all__ = ["KEY", "MIXED", "Counts", "RemoteServer", "faulty_server", "number_of"]

KEY = "tv-soak-key-{:08}"
ROOM = 4_000_000

# After a reset it is not known whether the server received the next request of the idle connection.
_UNCOUNTABLE = {"reset after the body"}
MIXED = [f for f in FAULTS if f.script is not None and f.context is None and f.name not in _UNCOUNTABLE]
# These end the connection before a request is read.
_UNREAD = {"hangs up at once", "reset at once"}

_SHARE_OF_FAULTS = 0.6
_SHARE_THAT_HANGS = 0.02


def number_of(key: str) -> int:
    """Return the number of the attempt that this key was made for."""
    return int(key.rpartition("-")[2])


@dataclass(frozen=True)
class Counts:
    """The counts of the server so far.

    Attributes:
        open: connections that are open now.
        connections: all connections, open or closed.
        unread: connections that it closed without reading anything.
        read: requests that it read.
    """

    open: int
    connections: int
    unread: int
    read: int


class FaultyPeer(Peer):
    """A connection that reads a limited number of requests, so that faults also happen on new connections."""

    left = 1

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer.server, peer._sock, peer.number)  # a second view of it

    def request(self, *, whole: bool = True) -> Received | None:
        self.left -= 1
        return super().request(whole=whole) if self.left >= 0 else None


@dataclass
class FaultyServer(Server):
    """Plays a fault on some connections. On the others it responds correctly to a random number of requests."""

    seed: int = 0
    unread: int = 0
    read: bytearray = field(default_factory=lambda: bytearray(ROOM))
    count: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.script = self._play

    def record(self, received: Received) -> None:
        with self._lock:
            self.count += 1
            self.read[number_of(received.header("Authorization"))] += 1

    def counts(self) -> Counts:
        with self._lock:
            return Counts(self.open_now, self.connections, self.unread, self.count)

    def _play(self, peer: Peer) -> None:
        chance = random.Random(f"{self.seed}-{peer.number}")  # noqa: S311 - seeded, to be reproducible
        brief = FaultyPeer(peer)
        if chance.random() < _SHARE_OF_FAULTS:
            self._play_fault(brief, _some_fault(chance))
        else:
            brief.left = chance.randrange(1, 60)
            _answer_well(brief)
        # A request that was sent while the server closed the connection is counted too.
        with suppress(OSError, ValueError):
            brief.half_close()
            while Peer.request(brief) is not None:
                pass

    def _play_fault(self, peer: Peer, fault: Fault) -> None:
        if fault.name in _UNREAD:
            with self._lock:
                self.unread += 1
        assert fault.script is not None
        fault.script(peer)


def _some_fault(chance: random.Random) -> Fault:
    hanging = [fault for fault in MIXED if fault.hangs]
    quick = [fault for fault in MIXED if not fault.hangs]
    return chance.choice(hanging if chance.random() < _SHARE_THAT_HANGS else quick)


def _answer_well(peer: Peer) -> None:
    while (received := peer.request()) is not None:
        number = float(number_of(received.header("Authorization")))
        whole = (
            {**ME, "web_credits_balance": number} if received.path.endswith("/me") else {**BALANCE, "balance": number}
        )
        peer.send(answer(envelope(whole)))


@dataclass(frozen=True)
class RemoteServer:
    """The server, as seen from the other process."""

    url: str
    _pipe: Connection

    def counts(self) -> Counts:
        self._pipe.send("counts")
        counts = self._pipe.recv()
        assert isinstance(counts, Counts)
        return counts

    def read(self) -> bytes:
        """Return how often the request of each attempt was read."""
        self._pipe.send("read")
        return self._pipe.recv_bytes()


def _serve(pipe: Connection, seed: int) -> None:
    with FaultyServer(seed=seed) as server:
        pipe.send(server.url)
        while (asked := pipe.recv()) != "end":
            if asked == "counts":
                pipe.send(server.counts())
            else:
                pipe.send_bytes(bytes(server.read))


@contextmanager
def faulty_server(seed: int) -> Generator[RemoteServer]:
    with beside(_serve, seed) as pipe:
        yield RemoteServer(pipe.recv(), pipe)
        pipe.send("end")
