"""Format lists as CSV for spreadsheets, and parse the times in their queries."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from chalicelib.edge import cursors
from chalicelib.edge.routes import Reply
from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput

# A spreadsheet treats text that begins with one of these signs, or with a control character, as a formula. A formula can send the sheet's
# data elsewhere (https://owasp.org/www-community/attacks/CSV_Injection). The last four signs are full-width forms of the first four.
# Spreadsheets in Spanish and other languages split lines at semicolons instead of commas. They then ignore quotes in the middle of a cell,
# so text after a semicolon or in a new line begins a cell too.
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20"
_FORMULA_START = re.compile(rf'(^(?=[ "]*[{_SIGNS}\t\r\n])|[;\t\r\n](?=[ "]*[{_SIGNS}]))')

_ESCAPED_START = re.compile(rf'(^|[;\t\r\n])\'(?=[ "]*[{_SIGNS}\t\r\n])')

CSV_MEDIA_TYPES = ("text/csv",)

Cell = str | int | float | None


def csv_reply(query: Struct, header: Sequence[str] | None, rows: Iterable[Sequence[Cell]], next_cursor: str | None) -> Reply[Any]:
    """Return a page of a list as CSV. If there is a next page, the `Link` header points to it."""
    headers = {"Content-Type": "text/csv; charset=utf-8", "Cache-Control": "no-store"}
    return Reply(csv_text(header, rows), headers=headers | cursors.link_headers(query, next_cursor))


def csv_part(query: Any, name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], next_cursor: str | None) -> Reply[Any]:
    """Return a part of a CSV file; the concatenated parts are the whole file. The `Link` header points to the next part.

    Only the first part has the header line and, with `query.bom`, the byte order mark that older spreadsheets need for UTF-8.
    """
    is_first = query.cursor is None
    reply = csv_reply(query, header if is_first else None, rows, next_cursor)
    headers = reply.headers | {"Content-Disposition": f'attachment; filename="{name}"'}
    return Reply(("\ufeff" if query.bom and is_first else "") + reply.body, headers=headers)


def csv_text(header: Sequence[str] | None, rows: Iterable[Sequence[Cell]]) -> str:
    """Format a table as CSV (RFC 4180). Pass no `header` for a part that continues an earlier part.

    Text that a spreadsheet would treat as a formula, even after a semicolon or in a new line, is prefixed with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    if header is not None:
        writer.writerow(header)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def _safe(cell: Cell) -> Cell:
    return _FORMULA_START.sub(r"\1'", cell) if isinstance(cell, str) else cell


def unescaped(cell: str) -> str:
    """Return the text in a cell that `csv_text` wrote."""
    return _ESCAPED_START.sub(r"\1", cell)


Time = Annotated[datetime, Meta(tz=True)]


def epoch_seconds(moment: datetime | None, path: str) -> int | None:
    """Convert a time from a query to epoch seconds. Raises InvalidInput."""
    try:
        return clock.epoch_seconds(moment) if moment is not None else None
    except ValueError as error:
        raise InvalidInput(f"`{path}`: {error}.", path=path) from None
