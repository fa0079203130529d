"""The only place that reads the time. Tests set it with `override` and never sleep."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_source: Callable[[], float] = time.time


def now() -> int:
    """Seconds since the epoch, rounded down, as times are stored."""
    return int(_source())


def precise_now() -> float:
    """Seconds since the epoch with a fraction, for ids and for measuring durations."""
    return _source()


def iso(epoch_seconds: int) -> str:
    """ISO 8601 in UTC with `Z`, the format of times in JSON replies."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def override(source: Callable[[], float]) -> Iterator[None]:
    """Take the time from `source` while the block runs, in all threads."""
    global _source
    previous, _source = _source, source
    try:
        yield
    finally:
        _source = previous
