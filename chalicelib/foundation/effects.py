"""Whether the current request may have changed something that matters to its caller, so that an error reply can say so.

Whatever changes something says so before it is sent, and takes it back only if it was refused for certain. A lost answer is no
refusal: what was sent may have been done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock


class _Scope:
    """What a request has sent, counted: several threads may send changes at once."""

    def __init__(self) -> None:
        self.possible = 0
        self._lock = Lock()

    def add(self, change: int) -> None:
        with self._lock:
            self.possible += change


_scope: ContextVar[_Scope | None] = ContextVar("effects", default=None)
_is_counting: ContextVar[bool] = ContextVar("effects_count", default=True)


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
    token = _is_counting.set(False)
    try:
        yield
    finally:
        _is_counting.reset(token)


def begin() -> bool:
    """A change is about to be sent. Returns whether it counts; if so and it is refused for certain, `withdraw` it."""
    scope = _scope.get()
    if scope is None or not _is_counting.get():
        return False
    scope.add(1)
    return True


def withdraw() -> None:
    """A change for which `begin` returned True was refused for certain."""
    scope = _scope.get()
    if scope is not None:
        scope.add(-1)


def may_have_happened() -> bool:
    """Whether something that the request sent was done, or may have been done."""
    scope = _scope.get()
    return scope is not None and scope.possible > 0
