"""Whether the current request may have changed something that matters to its caller, so that an error reply can say so.

Whatever changes something says so before it is sent, and takes it back only if it was refused for certain. A lost answer is no
refusal: what was sent may have been done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class _Scope:
    """What a request has sent. A counter, because several changes may be on their way at once."""

    __slots__ = ("is_counting", "possible")

    def __init__(self) -> None:
        self.possible = 0
        self.is_counting = True


_scope: ContextVar[_Scope | None] = ContextVar("effects", default=None)


@contextmanager
def observed() -> Iterator[None]:
    """Observe the changes that the block sends."""
    token = _scope.set(_Scope())
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def uncounted() -> Iterator[None]:
    """What the block changes is ours alone: counters, locks and kept replies, which no caller asked for."""
    scope = _scope.get()
    before = scope is not None and scope.is_counting
    if scope is not None:
        scope.is_counting = False
    try:
        yield
    finally:
        if scope is not None:
            scope.is_counting = before


def begin() -> bool:
    """A change is about to be sent. Returns whether it counts; if so and it is refused for certain, `withdraw` it."""
    scope = _scope.get()
    if scope is None or not scope.is_counting:
        return False
    scope.possible += 1
    return True


def withdraw() -> None:
    """A change for which `begin` returned True was refused for certain."""
    scope = _scope.get()
    if scope is not None:
        scope.possible -= 1


def may_have_happened() -> bool:
    """Whether something that the request sent was done, or may have been done."""
    scope = _scope.get()
    return scope is not None and scope.possible > 0
