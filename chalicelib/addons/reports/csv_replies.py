"""Lists as CSV, for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from chalicelib.edge import cursors
from chalicelib.edge.routes import Reply
from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput

# A spreadsheet takes a text that begins with one of these for a formula, which can send the sheet's data elsewhere
# (https://owasp.org/www-community/attacks/CSV_Injection). The last four are full-width forms of the first four.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

CSV_MEDIA_TYPES = ("text/csv",)

Cell = str | int | float | None


def csv_reply(query: Struct, header: Sequence[str] | None, rows: Iterable[Sequence[Cell]], next_cursor: str | None) -> Reply[Any]:
    """The page of a list that a query asks for, as CSV. If there is a next page, the header Link leads to it."""
    headers = {"Content-Type": "text/csv; charset=utf-8", "Cache-Control": "no-store"}
    return Reply(csv_text(header, rows), headers=headers | cursors.link_headers(query, next_cursor))


def csv_text(header: Sequence[str] | None, rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180) with one header line, or with none if it is a part that follows another.

    A text that a spreadsheet would compute gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    if header is not None:
        writer.writerow(header)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS) else cell


# Times in the queries of reports.

Time = Annotated[datetime, Meta(tz=True)]


def epoch_seconds(moment: datetime | None, path: str) -> int | None:
    """A time of a query in epoch seconds. Raises InvalidInput."""
    try:
        return clock.epoch_seconds(moment) if moment is not None else None
    except ValueError as error:
        raise InvalidInput(f"`{path}`: {error}.", path=path) from None
