"""The dates that promoters write in a bootstrap file, as epoch seconds."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from chalicelib.foundation import clock
from chalicelib.rollouts.faults import quoted

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DAY_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?")


def timezone(name: str | None) -> tzinfo:
    """A timezone by its IANA name, UTC for None; raises ValueError."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown timezone {quoted(name)}; use an IANA name, such as America/Denver") from None


def epoch_seconds(text: str, zone: tzinfo, *, is_end: bool = False) -> int:
    """A day (its first second in `zone`, or its last one where it is an end) or an ISO 8601 time; raises ValueError."""
    if not (DAY.fullmatch(text) or DAY_AND_TIME.fullmatch(text)):
        raise ValueError(f"must be a day (2026-09-01) or an ISO 8601 time (2026-09-01T19:30:00-06:00), not {quoted(text)}")
    try:
        if not DAY.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return clock.epoch_seconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        day = date.fromisoformat(text)
        if is_end:
            return clock.epoch_seconds(datetime.combine(day + timedelta(days=1), time(), zone)) - 1
        return clock.epoch_seconds(datetime.combine(day, time(), zone))
    except OverflowError:
        raise ValueError(clock.YEAR_RULE) from None
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is not a valid date: {error}") from None
