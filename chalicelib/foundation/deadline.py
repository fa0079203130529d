"""The deadline of the current request or job. Code checks it before it calls another service or waits.

The edge sets the deadline of each request and job to a time before Lambda would end it without a reply. The deadline also applies to the
threads of `parallel`. Commands and tests of single functions have no deadline.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chalicelib.foundation import clock

_ends_at: ContextVar[float] = ContextVar("deadline", default=math.inf)  # on the clock of `clock.monotonic`


class DeadlineExceeded(Exception):
    """Too little time is left to begin another call or wait. Earlier calls may have taken effect."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the block at most `seconds`; the earliest of nested deadlines applies."""
    token = _ends_at.set(min(_ends_at.get(), clock.monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(token)


def remaining() -> float:
    """Return the seconds left: 0 or less if the deadline has passed, and infinity if there is no deadline."""
    return _ends_at.get() - clock.monotonic()


def require(seconds: float) -> None:
    """Raise DeadlineExceeded unless at least `seconds` are left."""
    if remaining() < seconds:
        raise DeadlineExceeded(f"less than {seconds:g} s are left")


def wait(seconds: float) -> None:
    """Wait, or raise DeadlineExceeded immediately if the deadline would come first."""
    require(seconds)
    time.sleep(seconds)
