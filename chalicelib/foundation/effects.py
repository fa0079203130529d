"""Track whether the current request may have changed something that matters to its caller, so that an error reply can say so.

Callers `begin` a change before they send it, and `withdraw` it only if it was certainly refused. A lost response is not a refusal, because
the change may have been made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock


class _Scope:
    """The number of changes that a request may have made. Several threads may send changes at once."""

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
    """Do not count the block's changes. This is for counters, locks and stored replies, which no caller requested."""
    token = _is_counting.set(False)
    try:
        yield
    finally:
        _is_counting.reset(token)


def begin() -> bool:
    """Count a change before it is sent. Returns whether it was counted; only then may `withdraw` take it back."""
    scope = _scope.get()
    if scope is None or not _is_counting.get():
        return False
    scope.add(1)
    return True


def withdraw() -> None:
    """Take back a change for which `begin` returned True, because it was certainly refused."""
    scope = _scope.get()
    if scope is not None:
        scope.add(-1)


def may_have_happened() -> bool:
    """Return whether the request has changed something, or may have."""
    scope = _scope.get()
    return scope is not None and scope.possible > 0
