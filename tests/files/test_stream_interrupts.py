"""After a Ctrl-C at the end of a step of a stream, its connection is closed, and the client works."""

from __future__ import annotations

import pytest
from support.clients import KEY
from support.file_server import file_response, serving_files
from support.files import glb

from triverse import Triverse

TASK = "7d0f2c4e-1b3a-4c5d-8e6f-9a0b1c2d3e4f"
MODEL = glb(400_000)
END_OF_A_STEP = "triverse.transport.pool.PoolGuard.end"
CLOSE = "triverse.transport.reply_stream.ReplyStream.close"


@pytest.mark.parametrize("moment", [END_OF_A_STEP, CLOSE])
def test_an_interrupt_at_the_end_of_a_step_closes_the_connection(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_once(_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with (
        serving_files(lambda got: file_response(MODEL, got)) as server,
        Triverse(KEY, base_url=server.url, max_connections=1) as client,
    ):
        download = client.tasks.stream(TASK).__enter__()
        monkeypatch.setattr(moment, interrupt_once)
        with pytest.raises(KeyboardInterrupt):
            download.read() if moment == END_OF_A_STEP else download.__exit__(None, None, None)
        assert server.settled()
        with client.tasks.stream(TASK) as download:
            assert download.read() == MODEL
