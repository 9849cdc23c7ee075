# These tests need private names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import threading

import pytest

from triverse.transport.cancel import AbortedError, CancelToken


def test_cancelling_calls_all_callbacks_and_refuses_new_ones() -> None:
    token, called = CancelToken(), list[str]()
    token.on_cancel(lambda: called.append("kept"))

    def removed() -> None:
        called.append("removed")

    token.on_cancel(removed)
    token.remove(removed)
    token.check()
    token.cancel()
    assert (called, token.cancelled) == (["kept"], True)
    with pytest.raises(AbortedError):
        token.on_cancel(removed)
    with pytest.raises(AbortedError):
        token.check()
    token.cancel()
    assert "removed" not in called


def test_a_pause_ends_when_the_token_is_cancelled() -> None:
    token = CancelToken()
    token.pause(0)
    timer = threading.Timer(0.01, token.cancel)
    timer.start()
    with pytest.raises(AbortedError):
        token.pause(60)
    timer.join()
    with pytest.raises(AbortedError):
        token.pause(60)


def test_a_forked_child_cancels_nothing_even_if_the_lock_was_held() -> None:
    token, called = CancelToken(), list[int]()
    token.on_cancel(lambda: called.append(1))
    holding, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with token._lock:
            holding.set()
            forked.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    child = os.fork()
    if not child:
        token.cancel()
        os._exit(len(called))
    forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
