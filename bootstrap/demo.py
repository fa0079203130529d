"""The demo catalog of ten events. Its dates move by whole days, so that the events are always in the near future."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bootstrap.files import read_file
from chalicelib.rollouts.dates import DAY, DAY_AND_TIME
from chalicelib.rollouts.trees import Tree

FILE = Path(__file__).parent / "demo-tickets.json"


def load() -> Tree:
    """The demo as it is written; all of its dates are relative to its date `generated`."""
    return read_file(FILE)


def shift_dates(document: Tree, today: date) -> Tree:
    """A copy of a document in which `generated` is `today` and every other date and time is as many days away from it as before."""
    days = today - date.fromisoformat(document["generated"][:10])
    shifted: Tree = _shift(document, days)
    return shifted


def _shift(value: Any, days: timedelta) -> Any:
    match value:
        case dict():
            return {key: _shift(item, days) for key, item in value.items()}
        case list():
            return [_shift(item, days) for item in value]
        case str() if DAY.fullmatch(value):
            return (date.fromisoformat(value) + days).isoformat()
        case str() if DAY_AND_TIME.fullmatch(value):
            # The day moves and the wall clock stays, so that a concert at 20:00 is at 20:00 on both sides of a change to summer time.
            return (datetime.fromisoformat(value[:10]) + days).date().isoformat() + value[10:]
    return value
