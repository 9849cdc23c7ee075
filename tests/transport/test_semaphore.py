"""Threads get permits in the order in which they asked, and a thread that stops waiting loses no permit."""

from __future__ import annotations

import threading
import time

from triverse.transport.semaphore import FairSemaphore, Permit


def acquire(semaphore: FairSemaphore, timeout: float | None = None) -> Permit:
    permit = Permit()
    assert semaphore.try_acquire(permit) or semaphore.wait(permit, timeout)
    return permit


def is_full(semaphore: FairSemaphore, timeout: float = 0) -> bool:
    permit = Permit()
    refused = not semaphore.try_acquire(permit) and not semaphore.wait(permit, timeout)
    semaphore.release(permit)
    return refused


def test_threads_get_permits_in_the_order_in_which_they_came() -> None:
    semaphore, order = FairSemaphore(1), list[int]()
    first, permits = acquire(semaphore), [Permit() for _ in range(20)]
    queued = [threading.Event() for _ in permits]

    def take(number: int) -> None:
        semaphore.try_acquire(permits[number])
        queued[number].set()
        assert semaphore.wait(permits[number], None)
        order.append(number)
        semaphore.release(permits[number])

    threads = list[threading.Thread]()
    for number, event in enumerate(queued):
        threads.append(threading.Thread(target=take, args=(number,)))
        threads[-1].start()
        event.wait()
    semaphore.release(first)
    for thread in threads:
        thread.join()
    assert order == list(range(20))
    assert not is_full(semaphore)


def test_a_thread_that_gives_up_leaves_no_gap() -> None:
    semaphore = FairSemaphore(1)
    first = acquire(semaphore)
    assert is_full(semaphore, 0.01)
    assert is_full(semaphore)
    semaphore.release(first)
    acquire(semaphore, 0)
    assert is_full(semaphore)


def test_releasing_twice_gives_one_permit_back() -> None:
    semaphore = FairSemaphore(1)
    first = acquire(semaphore)
    semaphore.release(first)
    semaphore.release(first)
    acquire(semaphore, 0)
    assert is_full(semaphore)


def test_a_free_permit_needs_no_wait() -> None:
    semaphore, permit = FairSemaphore(1), Permit()
    assert semaphore.try_acquire(permit)
    assert semaphore.wait(permit, 0)


def test_a_permit_that_arrives_as_a_thread_gives_up_is_not_lost() -> None:
    semaphore = FairSemaphore(1)

    def take() -> None:
        permit = Permit()
        if not semaphore.try_acquire(permit):
            semaphore.wait(permit, 0.002)
        semaphore.release(permit)

    for _ in range(50):
        permit = acquire(semaphore)
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.002)
        semaphore.release(permit)
        thread.join()
    assert not is_full(semaphore)


def test_the_wait_of_another_thread_can_be_ended() -> None:
    semaphore, permit, queued, held = FairSemaphore(1), Permit(), threading.Event(), list[bool]()
    first = acquire(semaphore)

    def take() -> None:
        semaphore.try_acquire(permit)
        queued.set()
        held.append(semaphore.wait(permit, None))
        semaphore.release(permit)

    thread = threading.Thread(target=take)
    thread.start()
    queued.wait()
    permit.stop_waiting()
    thread.join()
    permit.stop_waiting()
    Permit().stop_waiting()
    assert held == [False]
    semaphore.release(first)
    assert not is_full(semaphore)


def test_a_permit_goes_to_the_next_in_the_queue_also_if_its_wait_was_just_ended() -> None:
    semaphore, holder, waiter = FairSemaphore(1), Permit(), Permit()
    assert semaphore.try_acquire(holder)
    assert not semaphore.try_acquire(waiter)
    waiter.stop_waiting()
    semaphore.release(holder)
    assert waiter.held
