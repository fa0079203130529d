"""The CSV file of tickets that another system sold: its columns, rows and faults."""

import csv
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from chalicelib.accounts.model import Email
from chalicelib.bootstrap_file.findings import quoted
from chalicelib.catalog.model import Tier
from chalicelib.edge.csv_replies import unescaped
from chalicelib.purchases.direct_orders import CodeUnusable, SoldTicket, import_code
from chalicelib.tickets.model import Attendee

# The fields of a row, and whether they are required. Columns have these names unless the command maps others.
FIELDS = {"code": True, "tier": True, "name": False, "email": False, "buyer_email": False}
DELIMITERS = ",;\t"


class FileUnusable(Exception):
    """The file cannot be used at all; the message names the reason and the remedy."""


class RowFault(Struct, frozen=True):
    """The reason why the row that starts in line `line` cannot be imported; `field` is the wrong field."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.message}"


class Row(Struct, frozen=True):
    """The ticket of the row that starts in line `line`."""

    line: int
    ticket: SoldTicket


def file_digest(file: Path) -> str:
    """Return the SHA-256 of the file in hex. Raises FileUnusable."""
    try:
        with file.open("rb") as content:
            digest = sha256()
            while chunk := content.read(1 << 16):
                digest.update(chunk)
            return digest.hexdigest()
    except OSError as error:
        raise FileUnusable(f"{file} cannot be read ({error.strerror or error})") from None


def read_rows(file: Path, columns: Mapping[str, str], tiers: Mapping[str, Tier], tier_names: Mapping[str, str]) -> Iterator[Row | RowFault]:
    """Yield the rows of the file one by one, so that large files fit into memory. Skips empty rows.

    `columns` maps a field to its column, if that has another name. `tiers` are the event's, by id. `tier_names` maps a name in the file to
    a tier's id; the file may also use a tier's id or its name in the catalog. Raises FileUnusable.
    """
    known, table = _known_tiers(tiers, tier_names), read_table(file)
    _, header = next(table, (1, []))
    positions = _find_columns(header, columns)
    for line, cells in table:
        values = {field: cells[position].strip() if position < len(cells) else "" for field, position in positions.items()}
        yield _read_row(line, values, known)


def read_table(file: Path, delimiters: str = DELIMITERS) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each row of a CSV file, beginning with the header. Skips empty rows.

    An apostrophe with which `csv_text` has escaped a formula is removed. Raises FileUnusable.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            reader, line = csv.reader(lines, delimiter=max(delimiters, key=first.count), strict=True), 1
            for cells in reader:
                if line == 1 or any(cell.strip() for cell in cells):
                    yield line, list(map(unescaped, cells))
                line = reader.line_num + 1
    except OSError as error:
        raise FileUnusable(f"{file} cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise FileUnusable(f"{file} is not UTF-8 ({error.reason}). Save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise FileUnusable(f"{file}, near line {reader.line_num}: {error}") from None


def _find_columns(header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    positions = {}
    if unknown := sorted(columns.keys() - FIELDS.keys()):
        raise FileUnusable(f"--map {unknown[0]}=...: this field does not exist; the fields are {', '.join(FIELDS)}")
    for field, is_required in FIELDS.items():
        name = columns.get(field, field)
        if names.count(name.strip().lower()) > 1:
            raise FileUnusable(f"The file has several columns {quoted(name)}. Rename all but one.")
        if name.strip().lower() in names:
            positions[field] = names.index(name.strip().lower())
        elif is_required or field in columns:
            listed = ", ".join(map(quoted, header)) or "none"
            raise FileUnusable(
                f"The file has no column {quoted(name)}. Its columns are: {listed}. Name the right one: --map {field}=COLUMN"
            )
    return positions


def _known_tiers(tiers: Mapping[str, Tier], tier_names: Mapping[str, str]) -> dict[str, str]:
    for name, tier_id in tier_names.items():
        if tier_id not in tiers:
            raise FileUnusable(f"--tier {name}={tier_id}: the event has no tier {quoted(tier_id)}. Its tiers are: {', '.join(tiers)}")
    by_name = {tier.name.lower(): tier.id for tier in tiers.values()}
    by_id = {tier_id.lower(): tier_id for tier_id in tiers}
    return by_name | by_id | {name.strip().lower(): tier_id for name, tier_id in tier_names.items()}


def _read_row(line: int, values: Mapping[str, str], known_tiers: Mapping[str, str]) -> Row | RowFault:
    try:
        code = import_code(values["code"])
    except CodeUnusable as error:
        return RowFault(line, "code", f"{quoted(values['code'])} {error}")
    tier_id = known_tiers.get(values["tier"].lower())
    if tier_id is None:
        return RowFault(line, "tier", f"{quoted(values['tier'])} is not a tier of the event; name the tier: --tier NAME=TIER_ID")
    name, email, buyer_email = (values.get(field, "") for field in ("name", "email", "buyer_email"))
    for field, address in (("email", email), ("buyer_email", buyer_email)):
        if address and not is_address(address):
            return RowFault(line, field, f"{quoted(address)} is not an email address")
    try:
        attendee = msgspec.convert({"name": name, "email": email or None}, Attendee) if name or email else None
    except msgspec.ValidationError:
        return RowFault(line, "name", "is longer than 500 characters")
    return Row(line, SoldTicket(code, tier_id, attendee, buyer_email or email or None))


def is_address(text: str) -> bool:
    """Return whether a text is an email address."""
    try:
        msgspec.convert(text, Email)
    except msgspec.ValidationError:
        return False
    return True
