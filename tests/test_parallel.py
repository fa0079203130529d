"""Calls that run at once: bounded, in the caller's context, and stopped by the first error."""

from contextvars import ContextVar
from threading import Barrier, Lock, get_ident

import pytest

from chalicelib import deadline, parallel
from chalicelib.parallel import FEW, MAX_THREADS, call_each


def test_many_calls_run_at_once_and_the_results_keep_their_order():
    together = Barrier(MAX_THREADS)  # opens only if as many calls as there are threads are under way at the same time

    def act(number):
        together.wait(timeout=10)
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


def test_a_few_calls_need_no_thread():
    assert set(call_each(lambda _: get_ident(), range(FEW))) == {get_ident()}
    assert call_each(str, []) == []


def test_the_threads_have_the_context_of_the_caller():
    variable = ContextVar("variable", default="")
    variable.set("of the caller")
    with deadline.within(60):
        assert set(call_each(lambda _: (variable.get(), deadline.remaining() <= 60), range(FEW + 1))) == {("of the caller", True)}


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
