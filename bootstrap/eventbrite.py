"""Convert the reports of Eventbrite to a bootstrap file, and to rows for `import-tickets` and `import-waitlist`.

The report on attendees has a row for each ticket, the report on orders a row for each order. Eventbrite has renamed its columns several
times, and organizers choose which of them a report has; `COLUMNS` has the names in use. Other columns are questions to buyers, unless
`_OTHER_COLUMN` matches them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from bootstrap.sale_import import SaleImport, SoldTickets, left_out, name_uniquely, without_empty
from bootstrap.stripe_import import ImportDefaults
from bootstrap.ticket_file import FileUnusable, is_address, read_table
from chalicelib.bootstrap_file.findings import DocumentFault, InvalidDocument, quoted
from chalicelib.bootstrap_file.validation import Tree
from chalicelib.catalog.custom_options import MAX_OPTIONS
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.money import to_minor_units

# The names of a field's column, in lower case, best first; "no." and "number" are written "#".
COLUMNS = {
    "barcode": ("barcode #", "barcode"),
    "order": ("order #", "order id"),
    "first_name": ("attendee first name", "first name"),
    "last_name": ("attendee last name", "last name", "attendee surname", "surname"),
    "email": ("attendee email", "email", "email address"),
    "buyer_email": ("buyer email", "purchaser email"),
    "quantity": ("quantity", "ticket quantity", "tickets requested"),
    "ticket_type": ("ticket type", "ticket name", "ticket"),
    "price_tier": ("price tier", "ticket tier"),
    "status": ("attendee status", "status"),
    "paid": ("total paid", "ticket price", "ticket total"),
    "currency": ("currency",),
    "event": ("event name", "event"),
    "event_id": ("event id",),
    "start_date": ("event start date", "event date"),
    "start_time": ("event start time",),
    "timezone": ("event timezone", "event time zone"),
    "venue": ("event location", "venue name"),
}
# Columns that are neither fields nor questions: what the reports say about orders, money, addresses and seats.
_OTHER_COLUMN = re.compile(
    r"(order|buyer|purchaser|home|shipping|billing|work|attendee|guest|ticket|event|payment|seat(ing)?|table|delivery|check-?in|gross|net"
    r"|eventbrite|fees?|tax(es)?|royalty|discount|promo|affiliate|utm|prefix|suffix|group|notes?|name|gender|age|birth date|job title"
    r"|company|website|blog|(cell |mobile )?phone|county|currency|quantity|total|price|date|venue|barcode)\b.*(?<!\?)"
)
ADMITTED = ("attending", "checked in")
NO_LONGER_WAITING = ("purchased", "claimed", "attending", "registered", "removed", "deleted", "declined", "expired")
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%b %d, %Y", "%B %d, %Y", "%a, %b %d, %Y", "%A, %B %d, %Y", "%d %b %Y", "%d %B %Y")
SLASHED_DATES = ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y")
TIMES = ("%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
_DAY_AND_TIME = re.compile(r"(.*?\d)[T, ]+(\d{1,2}(?::\d\d){1,2}(?: ?[AaPp][Mm])?)")
MAX_EVENT_ID_LENGTH, MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_WAITING = 60, 100, 200, 100
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)


class ReportRow(Struct, frozen=True):
    """A row that begins in `line`: its values by the fields of COLUMNS, and the buyer's answers by their questions."""

    line: int
    fields: dict[str, str]
    answers: dict[str, str]

    def __getitem__(self, field: str) -> str:
        return self.fields.get(field, "")


class Report(Struct, frozen=True):
    """A report of Eventbrite: the columns of its fields, its questions to buyers, its other columns that have values, and its rows."""

    file: Path
    columns: dict[str, str]
    questions: list[str]
    unused: list[str]
    rows: list[ReportRow]


def read_report(file: Path, required: Sequence[str], named: Mapping[str, str]) -> Report:
    """Read a report; `named` has the columns that the operator names for fields. Raises FileUnusable."""
    if unknown := sorted(named.keys() - COLUMNS.keys()):
        raise FileUnusable(f"--map {unknown[0]}=...: this field does not exist; the fields are {', '.join(COLUMNS)}")
    table = read_table(file)
    _, header = next(table, (1, []))
    by_name = {_column_name(column): place for place, column in reversed(list(enumerate(header)))}
    places = {}
    for field, names in COLUMNS.items():
        wanted = [*([named[field]] if field in named else []), *names]
        found = next((by_name[name] for name in map(_column_name, wanted) if name in by_name), None)
        if found is not None:
            places[field] = found
        elif field in required:
            listed = ", ".join(map(quoted, header)) or "none"
            raise FileUnusable(
                f"{file} has no column {quoted(wanted[0])}. Its columns are: {listed}. Add the column to the report at Eventbrite and "
                f"export the report again, or name the column that the report has: --map {field}=COLUMN"
            )
    others = [place for place in by_name.values() if place not in places.values() and header[place].strip()]
    questions = {header[place]: place for place in sorted(others) if not _OTHER_COLUMN.fullmatch(_column_name(header[place]))}
    rows, filled = [], set[int]()
    for line, cells in table:
        if len(cells) > len(header):
            raise FileUnusable(f"{file}: line {line}: the row has more columns than the header")
        row = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
        filled |= {place for place in others if row[place]}
        answers = {name: row[place] for name, place in questions.items()}
        rows.append(ReportRow(line, {field: row[place] for field, place in places.items()}, answers))
    unused = [header[place] for place in sorted(filled - set(questions.values()))]
    return Report(file, {field: header[place] for field, place in places.items()}, list(questions), unused, rows)


def check_named(named: Mapping[str, str], reports: Sequence[Report]) -> None:
    """Raise FileUnusable unless each column that the operator names is in a report."""
    for field, column in named.items():
        if not any(_column_name(column) == _column_name(report.columns.get(field, "")) for report in reports):
            raise FileUnusable(f"--map {field}={column}: no report has this column")


def _column_name(text: str) -> str:
    return re.sub(r"\s*(#|\bno\b\.?|\bnumber\b)$", " #", " ".join(text.split()).lower())


def convert(
    attendees: Report,
    orders: Report | None,
    currency: str | None,
    timezone: str | None,
    defaults: ImportDefaults,
    name: str | None,
    *,
    is_open: bool,
) -> SaleImport:
    """Convert the reports. Without `is_open`, nobody can buy the tickets yet. Raises InvalidDocument and FileUnusable."""
    notes: list[str] = []
    buyers = {row["order"]: row["buyer_email"] or row["email"] for row in orders.rows} if orders else {}
    moving = _moving_rows(attendees, notes)
    currency = currency or _only_currency(attendees, moving)
    ids = _event_ids(attendees, name)
    tickets = SoldTickets(dict.fromkeys(ids[row.line] for row in moving))
    types: dict[str, list[ReportRow]] = defaultdict(list)
    for row in moving:
        ticket_id = _id(MAX_ID_LENGTH, ".", ids[row.line], row["ticket_type"] or "ticket", row["price_tier"])
        types[ticket_id].append(row)
        _add_tickets(row, attendees, ids[row.line], ticket_id, buyers.get(row["order"], ""), tickets)
    prices = {ticket_id: {_price(row, attendees, tickets) for row in rows} for ticket_id, rows in types.items()}
    tickets.raise_faults(str(attendees.file))
    tree: Tree = {"version": "Eventbrite reports", "events": {}, "ticket_types": {}}
    for event_id in tickets.rows:
        first = next(row for row in moving if ids[row.line] == event_id)
        tree["events"][event_id] = _event(event_id, first, timezone, defaults, name, notes)
    options = _options(attendees, moving, notes)
    for order, (ticket_id, rows) in enumerate(types.items()):
        price, sold = max(prices[ticket_id]), tickets.sold[ticket_id]
        if len(prices[ticket_id]) > 1:
            notes.append(
                f"ticket type {ticket_id}: buyers paid {len(prices[ticket_id])} different amounts; its price is the highest, {price}"
            )
        if (defaults.capacity or 0) < sold:
            notes.append(f"ticket type {ticket_id}: has the {sold} tickets that were sold and none left; raise its max_quantity")
        try:
            price_cents = to_minor_units(price, currency, "price")
        except InvalidInput as error:
            place = f"the price of {_type_name(rows[0])}"
            raise InvalidDocument([DocumentFault(place, str(error), str(attendees.file))]) from None
        tree["ticket_types"][ticket_id] = {
            "id": ticket_id,
            "event_id": ids[rows[0].line],
            "name": _type_name(rows[0])[:MAX_NAME_LENGTH],
            "price_cents": price_cents,
            "currency": currency,
            "status": "available" if is_open else "coming-soon",
            "max_quantity": max(sold, defaults.capacity or 0),
            "display_order": order,
            **without_empty(options=options),
        }
    name_uniquely(tree["ticket_types"].values())
    return SaleImport(tree, tickets.rows, len({row["order"] or str(row.line) for row in moving}), notes)


def _moving_rows(attendees: Report, notes: list[str]) -> list[ReportRow]:
    """Return the rows whose tickets admit people. The others stay behind, with the status that Eventbrite gives them."""
    moving = [row for row in attendees.rows if not row["status"] or row["status"].lower() in ADMITTED]
    if not moving:
        raise FileUnusable(f"{attendees.file} has no row of an attendee whose status is Attending or Checked In")
    staying = Counter(row["status"] for row in attendees.rows if row["status"] and row["status"].lower() not in ADMITTED)
    notes += left_out({f"rows with the status {quoted(status)}": count for status, count in staying.items()})
    if scanned := sum(row["status"].lower() == "checked in" for row in moving):
        notes.append(f"{scanned} rows with the status Checked In: their tickets admit people here again")
    if "status" not in attendees.columns:
        notes.append("The report has no column Attendee Status: check that none of its tickets was refunded")
    if "paid" not in attendees.columns:
        notes.append("The report has no column Total Paid or Ticket price: correct the prices, which are 0")
    if attendees.unused:
        notes.append(f"columns that are left out: {', '.join(attendees.unused)}")
    return moving


def _only_currency(attendees: Report, rows: Sequence[ReportRow]) -> str:
    currencies = {row["currency"].upper() for row in rows} - {""}
    if len(currencies) != 1:
        listed = ", ".join(sorted(currencies)) or "none"
        raise FileUnusable(f"{attendees.file} must name one currency, and names {listed}. Name the currency of the prices: --currency EUR")
    return currencies.pop()


def _event_ids(attendees: Report, name: str | None) -> dict[int, str]:
    """Return the id of each row's event, by line.

    An id depends only on the event's name and number, so a later report has the same ids. If several dates have the same name and number,
    their ids also have the date.
    """
    starts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in attendees.rows:
        starts[name or row["event"], row["event_id"]].add(f"{row['start_date']} {row['start_time']}".strip())
    ids = {}
    for row in attendees.rows:
        title = name or row["event"]
        if not title:
            raise FileUnusable(f"{attendees.file}, line {row.line}: the report does not name the event. Name it: --name NAME")
        start = f"{row['start_date']} {row['start_time']}".strip() if len(starts[title, row["event_id"]]) > 1 else ""
        ids[row.line] = _id(MAX_EVENT_ID_LENGTH, "-", title, row["event_id"], start)
    return ids


def _id(max_length: int, separator: str, *texts: str) -> str:
    """Return an id made from texts that are not empty. Texts that differ in more than case and spaces get different ids."""
    parts = []
    for text in filter(None, texts):
        plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        is_exact = plain == text.lower().replace(" ", "-")
        parts.append(plain if is_exact else f"{plain}-{_digest(text)}".lstrip("-"))
    joined = separator.join(parts)
    return joined if len(joined) <= max_length else f"{joined[: max_length - 7]}-{_digest(joined)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:6]


def _type_name(row: ReportRow) -> str:
    return " - ".join(part for part in (row["ticket_type"], row["price_tier"]) if part) or "Ticket"


def _quantity(row: ReportRow) -> int:
    return max(1, int(row["quantity"])) if re.fullmatch(r"[0-9]{1,6}", row["quantity"]) else 1


def _add_tickets(row: ReportRow, attendees: Report, event_id: str, ticket_id: str, buyer: str, tickets: SoldTickets) -> None:
    """Add the tickets of a row, which may be several for one attendee."""
    place = f"line {row.line}, {attendees.columns['barcode']}"
    codes = [code for code in re.split(r"[\s,;]+", row["barcode"].strip("'=\"")) if code]
    email, buyer = row["email"], row["buyer_email"] or buyer or row["email"]
    tickets.check_address(email, f"line {row.line}, attendee")
    tickets.check_address(buyer, f"line {row.line}, buyer")
    if len(codes) != _quantity(row):
        tickets.faults[place] = f"the row has {_quantity(row)} tickets, and {len(codes)} barcodes"
        return
    for number, code in enumerate(codes, 1):
        if _SHORTENED.fullmatch(code):
            tickets.faults[place] = f"a spreadsheet has shortened {quoted(code)}; export the report again, and do not open it in one"
        elif tickets.check_code(code, place if len(codes) == 1 else f"{place} {number}", "barcode"):
            name = f"{row['first_name']} {row['last_name']}".strip()
            tickets.add(event_id, ticket_id, code, name=name, email=email, buyer_email=buyer)


def _price(row: ReportRow, attendees: Report, tickets: SoldTickets) -> Decimal:
    """Return what a buyer paid for one ticket of a row. Notes a fault if that is not an amount."""
    column = attendees.columns.get("paid", "")
    amount = _amount(row["paid"])
    if amount is None:
        tickets.faults[f"line {row.line}, {column}"] = f"{quoted(row['paid'])} is not an amount"
        return Decimal(0)
    return (amount / _quantity(row)).quantize(Decimal("0.01")) if "total" in column.lower() else amount


def _amount(text: str) -> Decimal | None:
    """Return an amount that may have a currency, and separators of any country, or None if the text is not an amount."""
    digits = re.sub(r"[^0-9.,]", "", text)
    if not re.fullmatch(r"[.,]?[0-9][0-9.,]{0,20}", digits):
        return Decimal(0) if text.lower() in ("", "free") else None
    decimals = re.search(r"[.,]([0-9]{1,2})$", digits)
    whole = re.sub(r"[.,]", "", digits[: decimals.start()] if decimals else digits)
    return Decimal(f"{whole or 0}.{decimals[1] if decimals else 0}")


def _event(event_id: str, row: ReportRow, timezone: str | None, defaults: ImportDefaults, name: str | None, notes: list[str]) -> Tree:
    date = defaults.date
    if date is None and row["start_date"]:
        date = _date(row["start_date"], row["start_time"])
        if date is None:
            notes.append(f"event {event_id}: its start, {quoted(row['start_date'])}, is not a date, or may mean two days; name it: --date")
    return {
        "id": event_id,
        "name": (name or row["event"])[:MAX_NAME_LENGTH],
        **without_empty(date=date, venue=defaults.venue or row["venue"][:MAX_NAME_LENGTH]),
        "metadata": without_empty(timezone=timezone or row["timezone"]),
    }


def _date(day: str, time: str) -> str | None:
    """Return a date in ISO 8601, or None if the text may mean two days, such as 03/04/2027, or none."""
    days = {at.date() for form in (*DATES, *SLASHED_DATES) if (at := _parse(day, form))}
    if not days and (split := _DAY_AND_TIME.fullmatch(day)):
        return _date(split[1], split[2])
    if len(days) != 1:
        return None
    at = next((at for form in TIMES if (at := _parse(time.upper(), form))), None)
    return days.pop().isoformat() + (at.strftime("T%H:%M:%S") if at else "")


def _parse(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip(), form)
    except ValueError:
        return None


def _options(attendees: Report, rows: Sequence[ReportRow], notes: list[str]) -> list[Tree]:
    """Return the questions to buyers as options of each ticket type."""
    reason = f"is left out, because a ticket type has at most {MAX_OPTIONS} questions"
    notes += [f"question {quoted(question)}: {reason}" for question in attendees.questions[MAX_OPTIONS:]]
    if attendees.questions:
        notes.append("questions: every ticket type asks for a text, because the report has neither their types nor their choices")
    notes += left_out({"answers of buyers": sum(bool(answer) for row in rows for answer in row.answers.values())})
    kept = enumerate(attendees.questions[:MAX_OPTIONS])
    common: Tree = {"option_type": "text_input", "is_required": False, "per": "ticket"}
    return [{"id": f"question-{number + 1}", "label": text[:MAX_NAME_LENGTH], "display_order": number, **common} for number, text in kept]


def read_waiting(report: Report, tree: Tree) -> tuple[dict[str, list[dict[str, str]]], list[str]]:
    """Return the rows of `import-waitlist` by event, in the order of the report, and notes.

    A person who named no ticket type waits for all of the event's.
    """
    rows: dict[str, list[dict[str, str]]] = {event_id: [] for event_id in tree["events"]}
    notes: list[str] = []
    behind = Counter[str]()
    for row in report.rows:
        place = f"{report.file}: line {row.line}: left out, because"
        events = [event_id for event_id, event in tree["events"].items() if row["event"] in ("", event["name"])]
        types = tree["ticket_types"].values()
        wanted = [
            entry["id"]
            for entry in types
            if row["ticket_type"].casefold() in ("", entry["name"].casefold()) and [entry["event_id"]] == events
        ]
        if row["status"].lower() in NO_LONGER_WAITING:
            behind[f"people with the status {quoted(row['status'])}"] += 1
        elif not wanted:
            name = quoted(" ".join(filter(None, (row["event"], row["ticket_type"]))))
            notes.append(f"{place} {'several events have' if len(events) > 1 else 'the event does not sell'} its ticket type: {name}")
        elif not is_address(row["email"]):
            notes.append(f"{place} {quoted(row['email'])} is not an email address")
        else:
            rows[events[0]] += [{"email": row["email"], "tier": ticket_id} for ticket_id in wanted] * min(_quantity(row), MAX_WAITING)
    return rows, [*notes, *left_out(behind)]
