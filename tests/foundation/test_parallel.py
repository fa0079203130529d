"""Calls that run at once: bounded, in the caller's context, and stopped by the first error."""

from collections import deque
from contextvars import ContextVar
from threading import Barrier, Lock, current_thread

import pytest

from chalicelib.foundation import clock, deadline, parallel
from chalicelib.foundation.parallel import MAX_THREADS, both, call_each


def test_many_calls_run_at_once_and_the_results_keep_their_order():
    together = Barrier(MAX_THREADS)  # opens only if as many calls as there are threads are under way at the same time

    def act(number):
        together.wait(timeout=60)
        return number * 2

    assert call_each(act, range(2 * MAX_THREADS)) == [number * 2 for number in range(2 * MAX_THREADS)]


def test_never_more_than_the_bound_at_once():
    lock, running, most = Lock(), 0, 0

    def act(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    call_each(act, range(500))
    assert most <= MAX_THREADS


def test_one_call_needs_no_thread():
    assert call_each(lambda _: current_thread(), [1]) == [current_thread()]
    assert call_each(str, []) == []


def test_calls_within_calls_end_although_no_thread_is_free():
    def count(depth):
        return 1 if depth == 0 else sum(call_each(lambda _: count(depth - 1), range(MAX_THREADS)))

    assert count(3) == MAX_THREADS**3


def test_threads_are_used_again():
    together = Barrier(MAX_THREADS)

    def thread_of(_):
        together.wait(timeout=60)
        return current_thread()

    threads = {thread for _ in range(10) for thread in call_each(thread_of, range(MAX_THREADS))}
    assert current_thread() in threads
    assert len(threads) <= 1 + 2 * MAX_THREADS


def test_rounds_have_as_many_calls_as_the_rate_permits(monkeypatch):
    """A call takes two seconds, so with ten calls a second, twenty are made at once after the first round. One call is repeated later."""
    now, rounds = 0, []

    def act(number):
        nonlocal now
        now += 60 if number == 5 else 2
        return str(number)

    def call_each(act, batch):
        rounds.append(len(batch))
        return [act(item) for item in batch]

    monkeypatch.setattr(parallel, "call_each", call_each)
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    waiting = deque(range(30))
    for number, text in parallel.call_in_rounds(act, waiting, 10):
        assert text == str(number)
        waiting.extend([100] * (number == 0))
    assert rounds == [1, 20, 10]
    assert (parallel.calls_at_once(10, 0), parallel.calls_at_once(10, 60), parallel.calls_at_once(0.1, 1)) == (1, MAX_THREADS, 1)


def test_two_different_calls_are_made_at_once():
    together = Barrier(2)
    assert both(lambda: together.wait(timeout=60) >= 0, lambda: str(together.wait(timeout=60) >= 0)) == (True, "True")


def test_the_threads_have_the_context_of_the_caller():
    variable = ContextVar("variable", default="")
    variable.set("of the caller")
    with deadline.within(60):
        assert set(call_each(lambda _: (variable.get(), deadline.remaining() <= 60), range(2))) == {("of the caller", True)}


@pytest.mark.parametrize("error", [ValueError("five"), KeyboardInterrupt("five")])
def test_an_error_is_raised_and_begins_nothing_further(monkeypatch, error):
    monkeypatch.setattr(parallel, "MAX_THREADS", 1)
    begun = []

    def act(number):
        begun.append(number)
        if number == 5:
            raise error

    with pytest.raises(type(error), match="five"):
        call_each(act, range(100))
    assert begun == [0, 1, 2, 3, 4, 5]
