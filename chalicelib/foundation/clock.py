"""The only place that reads the time. Tests set it with `override` and never sleep."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

MIN_YEAR, MAX_YEAR = 1970, 9998  # one year before Python's last year, so that offsets and days can be added
YEAR_RULE = f"the year must be between {MIN_YEAR} and {MAX_YEAR}"

# The type of times in JSON replies, as `iso` writes them.
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time", "examples": ["2026-09-01T19:00:00Z"]})]

_source: Callable[[], float] = time.time
_monotonic_source: Callable[[], float] = time.monotonic


def now() -> int:
    """Seconds since the epoch, rounded down, as times are stored."""
    return int(_source())


def precise_now() -> float:
    """Seconds since the epoch with a fraction, for ids."""
    return _source()


def monotonic() -> float:
    """Seconds since an arbitrary moment, for measuring durations: unlike the time of day, this clock is never set."""
    return _monotonic_source()


@lru_cache(maxsize=1024)
def iso(epoch_seconds: int) -> str:
    """ISO 8601 in UTC with `Z`, the format of times in JSON replies. Cached, because replies show the same times again and again."""
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat()[:19] + "Z"


def local(epoch_seconds: int, timezone: str) -> datetime:
    """The local time of a moment in a timezone, given by its IANA name; in UTC if this machine does not know the zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # not needed at a cold start

    try:
        return datetime.fromtimestamp(epoch_seconds, ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError):
        return datetime.fromtimestamp(epoch_seconds, UTC)


def epoch_seconds(moment: datetime) -> int:
    """A time that a person wrote, with its offset, as epoch seconds; raises ValueError if its year breaks `YEAR_RULE`."""
    if not MIN_YEAR <= moment.year <= MAX_YEAR:
        raise ValueError(YEAR_RULE)
    return int(moment.timestamp())


@contextmanager
def override(source: Callable[[], float]) -> Iterator[None]:
    """Take the time, including `monotonic`, from `source` while the block runs, in all threads."""
    global _source, _monotonic_source
    previous = _source, _monotonic_source
    _source = _monotonic_source = source
    try:
        yield
    finally:
        _source, _monotonic_source = previous
