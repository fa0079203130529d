"""The demo catalog of ten events. Its dates move by whole days, so that the events always lie in the near future."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bootstrap.files import read_file
from chalicelib.bootstrap_file.document import DAY, DAY_AND_TIME
from chalicelib.bootstrap_file.validation import Tree

FILE = Path(__file__).parent / "demo-tickets.json"


def load() -> Tree:
    """Read the demo as it is stored; its dates are relative to its date `generated`."""
    return read_file(FILE)


def shift_dates(document: Tree, today: date) -> Tree:
    """Return a copy of the document that is `generated` on `today`, with every other date moved by the same number of days."""
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
            # The day moves but the wall clock stays, so that a concert at 20:00 starts at 20:00 in summer and in winter.
            return (datetime.fromisoformat(value[:10]) + days).date().isoformat() + value[10:]
    return value
