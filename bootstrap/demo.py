"""The demo's ten events, always in the near future: all dates move by whole days, from the day they were written for to today."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bootstrap.parse import Tree, read
from bootstrap.times import DAY, INSTANT

FILE = Path(__file__).parent / "demo-tickets.json"


def document() -> Tree:
    """The demo as it is written, with `generated` as the day that all of its dates are relative to."""
    return read(FILE)


def shifted(document: Tree, today: date) -> Tree:
    """A copy of a document in which `generated` is `today` and every other date and time lies as far from it as before."""
    days = today - date.fromisoformat(document["generated"][:10])
    moved: Tree = _moved(document, days)
    return moved


def _moved(value: Any, days: timedelta) -> Any:
    match value:
        case dict():
            return {key: _moved(item, days) for key, item in value.items()}
        case list():
            return [_moved(item, days) for item in value]
        case str() if DAY.fullmatch(value):
            return (date.fromisoformat(value) + days).isoformat()
        case str() if INSTANT.fullmatch(value):
            # The day is moved and the wall clock stays, so that a concert at 20:00 is at 20:00 on both sides of a time change.
            return (datetime.fromisoformat(value[:10]) + days).date().isoformat() + value[10:]
    return value
