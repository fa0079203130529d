"""The only place that reads the time. Tests move it with `replaced`; nothing ever sleeps to see time pass."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_source: Callable[[], float] = time.time


def now() -> int:
    """Seconds since the epoch, rounded down: the resolution in which the store keeps times."""
    return int(_source())


def precise_now() -> float:
    """Seconds since the epoch with a fraction, for ids and measured durations."""
    return _source()


def iso(epoch_seconds: int) -> str:
    """ISO 8601 in UTC with `Z`, as every JSON answer shows times."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def override(source: Callable[[], float]) -> Iterator[None]:
    """Let `source` tell the time while the block runs, in all threads."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
