from __future__ import annotations

import email.utils
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triverse.core.headers import Headers
from triverse.core.retry import backoff, retry_after

NEW_YEAR = 1767225600.0


def seconds(value: str, date: str | None = None) -> float | None:
    raw = [(b"retry-after", value.encode("latin-1"))]
    if date is not None:
        raw.append((b"date", date.encode("latin-1")))
    return retry_after(Headers(raw), lambda: NEW_YEAR)


@pytest.mark.parametrize(("value", "wait"), [("0", 0.0), ("3", 3.0), (" 07 ", 7.0), ("2.5", 2.5), ("3\x1d", 3.0)])
def test_seconds_are_seconds(value: str, wait: float) -> None:
    assert seconds(value) == wait


@pytest.mark.parametrize(
    "value",
    [
        "Thu, 01 Jan 2026 00:00:30 GMT",
        "Thursday, 01-Jan-26 00:00:30 GMT",
        "Thu Jan  1 00:00:30 2026",
        "Thu, 01 Jan 2026 01:00:30 +0100",
        "Thu, 01 Jan 2026 00:00:30 -0000",
    ],
)
def test_a_date_in_any_form_of_http_is_seconds_from_now(value: str) -> None:
    assert seconds(value) == 30.0


def test_a_date_counts_from_the_servers_date_header_if_there_is_one() -> None:
    assert seconds("Thu, 01 Jan 2026 00:00:30 GMT", date="Thu, 01 Jan 2026 00:00:20 GMT") == 10.0
    assert seconds("Thu, 01 Jan 2026 00:00:30 GMT", date="nonsense") == 30.0


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its time zone")
def test_a_date_without_a_zone_is_utc_wherever_the_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    try:
        assert seconds("Thu Jan  1 00:00:30 2026") == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_date_in_the_past_is_now() -> None:
    assert seconds("Wed, 31 Dec 2025 23:59:59 GMT") == 0.0


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "+1", "1e3", "NaN", "inf", "0x1", "1.", ".5", "1,5", "5; x", "9" * 400]
)
def test_garbage_is_ignored(value: str) -> None:
    assert seconds(value) is None


@pytest.mark.parametrize(
    "value",
    ["Thu, 99 Jan 2026 00:00:30 GMT", "Thu, 01 Jan 99999 00:00:30 GMT", "Thu, 01 Jan 2026 00:00:30 +9999999999"],
)
def test_a_date_that_is_none_is_ignored(value: str) -> None:
    assert seconds(value) is None


def test_without_the_header_there_is_nothing_to_wait_for() -> None:
    assert retry_after(Headers(), lambda: NEW_YEAR) is None


DATES = st.datetimes().map(email.utils.format_datetime) | st.from_regex(
    r"\A(Mon|Tue|xx)?,? ?[0-9]{1,3}[ -](Jan|Feb|Foo)[ -][0-9]{1,9} [0-9]{1,3}:[0-9]{1,3}(:[0-9]+)? ?"
    r"([+-][0-9]{1,12}|GMT|EST)?\Z"
)


@given(
    value=st.text(st.characters(max_codepoint=255), max_size=40) | DATES | st.decimals().map(str),
    date=st.none() | st.text(st.characters(max_codepoint=255), max_size=40) | DATES,
)
def test_any_header_gives_a_wait_or_none(value: str, date: str | None) -> None:
    wait = seconds(value, date)
    assert wait is None or (math.isfinite(wait) and wait >= 0)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded(retry: int, jitter: float) -> None:
    assert 0 <= backoff(retry, jitter) <= min(8.0, 0.5 * 2 ** min(retry, 10))
