"""Parallel calls to the store, because many calls of 5 ms each, one after the other, would take seconds."""

from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Thread
from typing import Any, TypeVar, cast

MAX_THREADS = 32  # the client of the store has 64 connections
FEW = 1  # up to this number of calls run without threads; simulations set a higher number, because they cannot schedule threads

T = TypeVar("T")
R = TypeVar("R")


def call_each(act: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call `act` with each item, up to MAX_THREADS at once and in any order. Returns the results in the order of the items.

    The threads have the caller's context, such as its deadline and request id. If a call raises, no further call begins, and the error is
    raised once the running calls have ended.
    """
    if len(items) <= FEW:
        return [act(item) for item in items]
    results: dict[int, R] = {}
    errors: dict[int, BaseException] = {}
    threads = min(MAX_THREADS, len(items))

    def work(first: int) -> None:
        for number in range(first, len(items), threads):
            if errors:
                return
            try:
                results[number] = act(items[number])
            except BaseException as error:
                errors[number] = error

    started = [Thread(target=copy_context().run, args=(work, first)) for first in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(items))]


def both(first: Callable[[], T], second: Callable[[], R]) -> tuple[T, R]:
    """Make two independent calls at once, as `call_each` does, and return both results."""
    calls = cast(list[Callable[[], Any]], [first, second])
    first_result, second_result = call_each(lambda call: call(), calls)
    return first_result, second_result
