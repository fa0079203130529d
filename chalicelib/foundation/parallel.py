"""Parallel calls to the store and to other companies, because many calls, one after the other, would take seconds or minutes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar, cast

from chalicelib.foundation import clock

MAX_THREADS = 32  # the client of the store has 64 connections
MIN_CALL_SECONDS = 0.1  # a shorter call to another company counts as this long
FEW = 1  # up to this number of calls run without threads; simulations set a higher number, because they cannot schedule threads

T = TypeVar("T")
R = TypeVar("R")

_pool = ThreadPoolExecutor(2 * MAX_THREADS, "parallel")  # its threads are used again, because it takes long to start one


def call_each(act: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call `act` with each item, up to MAX_THREADS at once and in any order. Returns the results in the order of the items.

    The threads have the caller's context, such as its deadline and request id. If a call raises, no further call begins, and the error is
    raised once the running calls have ended. The caller's own thread works too, so calls within calls end even if no other thread is free.
    """
    if len(items) <= FEW:
        return [act(item) for item in items]
    results: dict[int, R] = {}
    errors: dict[int, BaseException] = {}
    numbers = iter(range(len(items)))

    def work() -> None:
        for number in numbers:
            if errors:
                return
            try:
                results[number] = act(items[number])
            except BaseException as error:
                errors[number] = error

    helpers = [_pool.submit(copy_context().run, work) for _ in range(min(MAX_THREADS, len(items)) - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    if errors:
        raise errors[min(errors)]
    return [results.pop(number) for number in range(len(items))]  # the pool may keep a cancelled helper, and so `results`, for a moment


def call_in_rounds(act: Callable[[T], R], waiting: deque[T], rate: float) -> Iterator[tuple[T, R]]:
    """Call `act` with the items of a queue, in rounds of several at once, so that there are about `rate` calls a second.

    Yields each item with its result. More items may be added to the queue meanwhile. Errors are raised as in `call_each`.
    """
    seconds = 0.0  # that a call of the last round took; the median, because some may have waited before they were repeated

    def act_and_measure(item: T) -> tuple[R, float]:
        began_at = clock.monotonic()
        return act(item), clock.monotonic() - began_at

    while waiting:
        batch = [waiting.popleft() for _ in range(min(len(waiting), calls_at_once(rate, seconds)))]
        measured = call_each(act_and_measure, batch)
        seconds = sorted(taken for _, taken in measured)[len(measured) // 2]
        yield from ((item, result) for item, (result, _) in zip(batch, measured, strict=True))


def calls_at_once(rate: float, seconds: float) -> int:
    """Return how many calls at once make `rate` calls a second if each call takes `seconds`, by Little's law, from 1 to MAX_THREADS."""
    at_once = rate * max(seconds, MIN_CALL_SECONDS)
    return max(1, min(MAX_THREADS, int(at_once + 0.01)))  # a moving average only approaches the value from below


def both(first: Callable[[], T], second: Callable[[], R]) -> tuple[T, R]:
    """Make two independent calls at once, as `call_each` does, and return both results."""
    calls = cast(list[Callable[[], Any]], [first, second])
    first_result, second_result = call_each(lambda call: call(), calls)
    return first_result, second_result
