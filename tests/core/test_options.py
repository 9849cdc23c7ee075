from __future__ import annotations

import math

import pytest

from triverse import ConfigurationError, Timeout
from triverse.core.defaults import UNSET, value_or
from triverse.core.options import Policy, as_timeout, positive_int, seconds_from_zero


def test_the_defaults_are_the_documented_ones() -> None:
    assert Policy() == Policy(timeout=Timeout(), deadline=60.0, max_retries=2, refreshes_key=False)
    assert (Timeout().connect, Timeout().read, Timeout().write, Timeout().pool) == (5.0, 15.0, 15.0, None)


def test_a_number_stands_for_each_phase_but_the_wait_for_a_connection() -> None:
    assert as_timeout(3) == Timeout(connect=3, read=3, write=3, pool=None)
    assert as_timeout(Timeout(read=None)) == Timeout(read=None)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, -math.inf, True, "5", [5]])
@pytest.mark.parametrize("phase", ["connect", "read", "write", "pool"])
def test_a_timeout_that_is_no_positive_number_is_refused(phase: str, seconds: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Timeout(**{phase: seconds})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert str(caught.value) == f"{phase} must be a positive number of seconds or None, not {seconds!r}"


@pytest.mark.parametrize("seconds", [0, -1.5, math.nan, False, "5"])
def test_a_deadline_that_is_no_positive_number_is_refused(seconds: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Policy(deadline=seconds)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert str(caught.value) == f"deadline must be a positive number of seconds or None, not {seconds!r}"


@pytest.mark.parametrize("seconds", [1.1e9, 1e10, 10**400, math.inf])
def test_more_seconds_than_timers_accept_are_refused_with_the_limit(seconds: float) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Policy(deadline=seconds)
    limited = "deadline must be a positive number of seconds or None, 1e9 at most"
    assert str(caught.value) == f"{limited}, not {seconds!r}"
    with pytest.raises(ConfigurationError, match="timeout must be a positive number of seconds, 1e9 at most, not"):
        as_timeout(seconds)


@pytest.mark.parametrize("seconds", [None, 0.001, 1, 1e9])
def test_other_limits_are_taken(seconds: float | None) -> None:
    assert Policy(deadline=seconds).deadline == seconds
    assert Timeout(connect=seconds).connect == seconds


@pytest.mark.parametrize("value", [0, -1, "5", math.nan])
def test_a_timeout_in_one_number_is_refused_by_its_own_name(value: object) -> None:
    with pytest.raises(ConfigurationError, match="timeout must be a positive number of seconds, not"):
        as_timeout(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked


def test_a_number_too_long_to_be_written_is_refused_with_a_short_message() -> None:
    with pytest.raises(ConfigurationError, match=r"seconds, 1e9 at most, not int$"):
        as_timeout(10**5000)
    with pytest.raises(ConfigurationError) as caught:
        positive_int("max_connections", "9\n" * 10_000)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert len(str(caught.value)) < 2100


def test_unlimited_timeouts_are_given_phase_by_phase() -> None:
    with pytest.raises(ConfigurationError) as caught:
        as_timeout(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert str(caught.value) == "timeout must be seconds or a Timeout; Timeout(read=None) lifts one limit"


@pytest.mark.parametrize("count", [-1, 1.0, True, None, "2"])
def test_retries_that_are_no_count_are_refused(count: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Policy(max_retries=count)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert str(caught.value) == f"max_retries must be 0 or a positive whole number, not {count!r}"


def test_no_retries_are_fine() -> None:
    assert Policy(max_retries=0).max_retries == 0


@pytest.mark.parametrize("count", [0, -1, 1.0, True, None, "2"])
def test_a_limit_below_one_is_refused(count: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        positive_int("max_connections", count)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert str(caught.value) == f"max_connections must be a positive whole number, not {count!r}"


def test_a_limit_of_one_is_fine() -> None:
    assert positive_int("max_connections", 1) == 1


@pytest.mark.parametrize("value", [0, 0.0, 1.5])
def test_zero_seconds_are_fine_where_nothing_is_waited_for(value: float) -> None:
    assert seconds_from_zero("max_age", value) == value


@pytest.mark.parametrize("value", [-1, False, math.nan, "0"])
def test_other_values_than_zero_or_more_seconds_are_refused(value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        seconds_from_zero("max_age", value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # callers are not all type checked
    assert str(caught.value) == f"max_age must be a positive number of seconds, or 0, not {value!r}"


def test_unset_is_not_none() -> None:
    assert value_or(UNSET, 5) == 5
    assert value_or(None, 5) is None
    assert repr(UNSET) == "UNSET"
