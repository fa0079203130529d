"""How long the current request or job may still take: what waits for others asks here before it starts.

The edge sets a deadline for each request and job, below the time at which Lambda would end it without a reply. It holds for the
thread that set it; without one (a command line, a test of a single function) there is no end.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chalicelib.foundation import clock

_ends_at: ContextVar[float] = ContextVar("deadline", default=math.inf)  # on the clock of `clock.monotonic`


class DeadlineExceeded(Exception):
    """Too little time is left for another call or another wait, so it was not begun. Earlier ones may have taken effect."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the block at most `seconds`; of nested deadlines the earliest holds."""
    token = _ends_at.set(min(_ends_at.get(), clock.monotonic() + seconds))
    try:
        yield
    finally:
        _ends_at.reset(token)


def remaining() -> float:
    """Seconds that are left, 0 or less when there are none; infinity without a deadline."""
    return _ends_at.get() - clock.monotonic()


def require(seconds: float) -> None:
    """Raise DeadlineExceeded unless at least `seconds` are left."""
    if remaining() < seconds:
        raise DeadlineExceeded(f"less than {seconds:g} s are left")


def wait(seconds: float) -> None:
    """Wait, or raise DeadlineExceeded at once if the deadline would come first."""
    require(seconds)
    time.sleep(seconds)
