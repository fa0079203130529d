"""Runs an action just before one of the store calls of a block, in the same thread, to simulate a concurrent change."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from chalicelib.dynamodb import dynamo


@contextmanager
def interfere_before(number: int, act: Callable[[], Any]):
    """Run `act` just before store call `number` (from 1) of the block. Yields a list that then contains the result of `act`."""
    calls, happened = 0, []

    def interfere(**_):
        nonlocal calls
        calls += 1
        if calls == number:
            happened.append(act())

    events = dynamo.client().meta.events
    events.register("before-call.dynamodb", interfere)
    try:
        yield happened
    finally:
        events.unregister("before-call.dynamodb", interfere)
