"""The dates that promoters write, as instants."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?")


def zone(name: str | None) -> tzinfo:
    """A timezone by its IANA name, UTC for None; raises ValueError."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!a} is no IANA timezone, such as America/Denver") from None


def instant(text: str, where: tzinfo, *, end: bool = False) -> int:
    """Epoch seconds of a day (its first second there, or its last for an `end`) or of an ISO 8601 time; raises ValueError."""
    if DAY.fullmatch(text):
        day = date.fromisoformat(text)
        if end:
            following = datetime.combine(day + timedelta(days=1), time(), where)
            return _epoch(following) - 1
        return _epoch(datetime.combine(day, time(), where))
    if not INSTANT.fullmatch(text):
        raise ValueError(f"{ascii(text)[:60]} is neither YYYY-MM-DD nor an ISO 8601 time")
    moment = datetime.fromisoformat(text)
    return _epoch(moment if moment.tzinfo else moment.replace(tzinfo=where))


def _epoch(moment: datetime) -> int:
    if not 1970 <= moment.year <= 9998:
        raise ValueError("the year must be between 1970 and 9998")
    return int(moment.timestamp())
