"""The deadline of the current request or job: what is left of it, and what is no longer begun."""

import math
from threading import Thread

import pytest

from chalicelib.foundation import deadline
from chalicelib.foundation.deadline import DeadlineExceeded


def test_without_a_deadline_there_is_no_end(time):
    assert deadline.remaining() == math.inf
    deadline.require(10**9)


def test_the_remaining_time_follows_the_clock(time):
    with deadline.within(10):
        time.advance(4)
        assert deadline.remaining() == 6
        time.advance(7)
        assert deadline.remaining() == -1
    assert deadline.remaining() == math.inf


def test_a_nested_deadline_only_shortens(time):
    with deadline.within(10):
        with deadline.within(60):
            assert deadline.remaining() == 10
        with deadline.within(3):
            assert deadline.remaining() == 3
        assert deadline.remaining() == 10


def test_work_longer_than_the_remaining_time_is_not_begun(time):
    with deadline.within(10):
        deadline.require(10)
        time.advance(1)
        with pytest.raises(DeadlineExceeded):
            deadline.require(10)


def test_a_wait_beyond_the_deadline_is_not_begun(time, monkeypatch):
    waits = []
    monkeypatch.setattr(deadline.time, "sleep", waits.append)
    with deadline.within(10):
        deadline.wait(2)
        with pytest.raises(DeadlineExceeded):
            deadline.wait(11)
    assert waits == [2]


def test_an_error_ends_the_deadline_too(time):
    with pytest.raises(ZeroDivisionError), deadline.within(1):
        raise ZeroDivisionError
    assert deadline.remaining() == math.inf


def test_another_thread_has_its_own_deadline(time):
    found = []
    with deadline.within(1):
        thread = Thread(target=lambda: found.append(deadline.remaining()))
        thread.start()
        thread.join()
    assert found == [math.inf]
