"""The only place that reads the time. Tests set it with `override` and never sleep."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated

from msgspec import Meta

MIN_YEAR, MAX_YEAR = 1970, 9998  # a year less than Python's maximum, so that offsets and days can be added
YEAR_RULE = f"the year must be between {MIN_YEAR} and {MAX_YEAR}"

# The type of times in JSON replies, as `iso` writes them.
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time", "examples": ["2026-09-01T19:00:00Z"]})]

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z", examples=["2026-11-26"], description="A day, such as 2026-11-26.")]
# A day in a request, which must be in the calendar. Bootstrap files have the text of a `Day`, and their own checks.
Date = Annotated[date, Meta(examples=["2026-11-26"], description="A day, such as 2026-11-26.")]

_source: Callable[[], float] = time.time
_monotonic_source: Callable[[], float] = time.monotonic


def now() -> int:
    """Return the time in seconds since the epoch, rounded down. Times are stored in this form."""
    return int(_source())


def precise_now() -> float:
    """Return the time in seconds since the epoch with a fraction, for ids."""
    return _source()


def monotonic() -> float:
    """Return the seconds since an arbitrary moment, to measure durations. Unlike the time of day, this clock is never adjusted."""
    return _monotonic_source()


@lru_cache(maxsize=1024)
def iso(epoch_seconds: int) -> str:
    """Format a time for JSON replies: ISO 8601 in UTC with `Z`. Results are cached, because replies often show the same times."""
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat()[:19] + "Z"


def local(epoch_seconds: int, timezone: str) -> datetime:
    """Return a moment's local time in the timezone with this IANA name, or in UTC if this machine does not know the timezone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # not needed at a cold start

    try:
        return datetime.fromtimestamp(epoch_seconds, ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError):
        return datetime.fromtimestamp(epoch_seconds, UTC)


def epoch_seconds(moment: datetime) -> int:
    """Convert a time that a person wrote, with its offset, to epoch seconds. Raises ValueError if its year breaks `YEAR_RULE`."""
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
