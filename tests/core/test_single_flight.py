from __future__ import annotations

from triverse.core.single_flight import CachedResult, PendingCall, SingleFlight


def test_a_caller_after_the_end_of_a_request_does_not_wait_for_it() -> None:
    flight = SingleFlight[int]()
    call = flight.join("key", PendingCall())
    woken: list[str] = []
    assert call.add_waiter(lambda: woken.append("first")) is True
    call.outcome = CachedResult(5, at=1.0)
    flight.finish("key", call)
    assert woken == ["first"]
    assert call.finished is True
    assert call.add_waiter(lambda: woken.append("second")) is False
    following = PendingCall[int]()
    assert flight.join("key", following) is following
    flight.finish("key", call)
    assert woken == ["first"]
