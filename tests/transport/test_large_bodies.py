from __future__ import annotations

import random
from itertools import pairwise
from types import SimpleNamespace

import h11
import pytest
from support.clients import MODES, Mode, drive
from support.file_server import Sent, accepted, serving_files
from support.files import PNG

from triverse import AsyncTriverse, Triverse
from triverse.transport.large_bodies import BodyBuffer, expect_large_body, http11_connection

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
BODY = random.Random(1).randbytes(40_000)  # noqa: S311 - the same each time
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"".join(
    b"%x\r\n%b\r\n" % (end - start, BODY[start:end]) for start, end in pairwise([0, 3, 20_000, 33_333, 40_000])
)
RESPONSES = {
    "length": HEAD + b"Content-Length: 40000\r\n\r\n" + BODY,
    "bytes after the end": HEAD + b"Content-Length: 39000\r\n\r\n" + BODY,
    "short": HEAD + b"Content-Length: 50000\r\n\r\n" + BODY,
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + b"0\r\n\r\n",
    "wrong chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + b"no number\r\n",
    "until the end": HEAD + b"Connection: close\r\n\r\n" + BODY,
}


def wrapped(parser: h11.Connection) -> SimpleNamespace:
    """A connection of httpcore's, through a proxy."""
    return SimpleNamespace(_connection=SimpleNamespace(_h11_state=parser, READ_NUM_BYTES=65536))


def parsed(response: bytes, sizes: list[int], *, large: bool) -> tuple[object, ...]:
    """What h11 makes of a response that comes in parts of these sizes."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    parser.send(h11.EndOfMessage())
    body, ended, trailing = b"", False, (b"", False)
    places = [0, *sizes, len(response), len(response)]
    for start, end in pairwise(sorted(places)):
        parser.receive_data(response[start:end])
        try:
            while not ended and (event := parser.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response) and large:
                    expect_large_body(wrapped(parser))
                if isinstance(event, h11.Data):
                    body += event.data
                ended = ended or isinstance(event, h11.EndOfMessage)
        except h11.RemoteProtocolError as error:
            return body, ended, str(error)
        trailing = parser.trailing_data
    return body, ended, trailing


@pytest.mark.parametrize("name", RESPONSES)
def test_h11_understands_a_response_in_parts_as_without_larger_reads(name: str) -> None:
    response, chance = RESPONSES[name], random.Random(2)  # noqa: S311 - the same each time
    for _ in range(30):
        sizes = [chance.randrange(len(response)) for _ in range(chance.randrange(6))]
        assert parsed(response, sizes, large=True) == parsed(response, sizes, large=False)


def test_a_part_that_is_needed_as_a_whole_is_not_copied() -> None:
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    parser.receive_data(HEAD + b"Content-Length: 40000\r\n\r\n")
    parser.next_event()
    connection = wrapped(parser)
    expect_large_body(connection)
    expect_large_body(connection)
    http11 = http11_connection(connection)
    assert http11 is not None
    assert http11.READ_NUM_BYTES == 1024 * 1024
    parser.receive_data(BODY)
    event = parser.next_event()
    assert isinstance(event, h11.Data)
    assert event.data is BODY


def test_what_is_no_connection_by_h11_is_left_alone() -> None:
    for connection in (object(), SimpleNamespace(_h11_state=object()), SimpleNamespace(_h11_state=None)):
        expect_large_body(connection)
        assert not hasattr(connection, "READ_NUM_BYTES")
    assert http11_connection(object()) is None


@pytest.mark.parametrize("mode", MODES)
def test_a_connection_is_used_again_after_a_large_body(mode: Mode) -> None:
    large = BODY * 100

    def sync_way(client: Triverse) -> list[bytes]:
        with client.tasks.stream(TASK) as one:
            first = one.read()
        client.uploads.image(PNG)
        with client.tasks.stream(TASK) as other:
            return [first, other.read()]

    async def async_way(client: AsyncTriverse) -> list[bytes]:
        async with client.tasks.stream(TASK) as one:
            first = await one.read()
        await client.uploads.image(PNG)
        async with client.tasks.stream(TASK) as other:
            return [first, await other.read()]

    with serving_files(lambda got: accepted(got) if got.method == "POST" else Sent(body=large)) as server:
        assert drive(mode, sync_way, async_way, base_url=server.url) == [large, large]
        assert server.connections == 1


def test_the_buffer_has_all_that_h11_has_received() -> None:
    parser = h11.Connection(h11.CLIENT)
    buffer = BodyBuffer(parser._receive_buffer)  # pyright: ignore[reportPrivateUsage, reportArgumentType]  # the class that is wrapped
    buffer += bytearray(b"one\r\n")
    buffer += b"two\r\n"
    assert (len(buffer), bytes(buffer)) == (10, b"one\r\ntwo\r\n")
