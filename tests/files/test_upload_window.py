from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triverse.clients.upload_window import UploadWindows
from triverse.core.secret import Secret

KEY = Secret("tv-key-for-tests-0123456789")


def test_the_eleventh_upload_waits_until_the_first_is_a_minute_old() -> None:
    window = UploadWindows().of(KEY)
    assert [window.reserve(100.0 + number) for number in range(10)] == [100.0 + number for number in range(10)]
    assert window.reserve(110.0) == 160.5
    assert window.reserve(110.0) == 161.5
    assert window.reserve(300.0) == 300.0


def test_each_key_has_a_window_of_its_own() -> None:
    windows = UploadWindows()
    for number in range(10):
        windows.of(KEY).reserve(float(number))
    assert windows.of(Secret("another-key-0123456789")).reserve(10.0) == 10.0
    assert windows.of(Secret("tv-key-for-tests-0123456789")).reserve(10.0) == 60.5


def test_a_reservation_can_be_taken_back() -> None:
    window = UploadWindows().of(KEY)
    for _ in range(10):
        window.reserve(5.0)
    window.release(5.0)
    assert window.reserve(6.0) == 6.0
    window.release(99.0)
    UploadWindows().of(KEY).release(1.0)


def test_keys_that_are_no_longer_used_are_forgotten() -> None:
    windows = UploadWindows()
    for number in range(1000):
        windows.of(Secret(f"key-number-{number:010}")).reserve(float(number))
    assert len(windows.starts) < 70
    assert "key-number" not in repr(windows.starts)


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_no_more_than_ten_uploads_start_in_any_minute(steps: list[tuple[float, bool]]) -> None:
    window, now, starts = UploadWindows().of(KEY), 0.0, list[float]()
    for pause, taken_back in steps:
        now += pause
        start = window.reserve(now)
        assert start >= now
        if taken_back:
            window.release(start)
        else:
            starts.append(start)
    starts.sort()
    assert all(later - first >= 60 for first, later in zip(starts, starts[10:], strict=False))


def test_threads_do_not_get_the_same_place() -> None:
    windows = UploadWindows()
    with ThreadPoolExecutor(20) as threads:
        starts = sorted(threads.map(windows.of(KEY).reserve, [0.0] * 100))
    assert starts == [60.5 * (number // 10) for number in range(100)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_child_keeps_the_count_although_a_thread_held_the_lock() -> None:
    windows = UploadWindows()
    for _ in range(10):
        windows.of(KEY).reserve(0.0)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with windows.lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if windows.of(KEY).reserve(1.0) == 60.5 else 1)
    release.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
