"""`import-tickets`: check the whole file against the event, then import its tickets. One faulty row prevents the whole import.

Only a digest of each row's code is kept in memory, so a file may have many rows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from bootstrap.ticket_file import Row, RowFault, file_digest, read_rows
from chalicelib.audit import service as audit
from chalicelib.bootstrap_file.findings import quoted
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.foundation import clock, secret_settings
from chalicelib.inventory.model import NotEnoughTickets, finite
from chalicelib.purchases import direct_orders
from chalicelib.tickets.model import has_our_code_format
from chalicelib.tickets.store import find_ticket_id

T = TypeVar("T")

CHECKED = 100  # rows looked up in one round trip
MAX_FAULTS = 1000  # faults listed


class Source(Struct, frozen=True):
    """A file, the way to read it (see `ticket_file.read_rows`), and the event of its tickets."""

    file: Path
    columns: Mapping[str, str]
    tier_names: Mapping[str, str]
    event: Event
    tiers: Mapping[str, Tier]

    def rows(self) -> Iterator[Row | RowFault]:
        return read_rows(self.file, self.columns, self.tiers, self.tier_names)


class TierReport(Struct, frozen=True):
    """The number of tickets to import for a tier, and the number it has left; None: the tier has no limit of its own."""

    new: int
    available: int | None


class ImportReport(Struct, frozen=True, kw_only=True):
    """The result of a check. `known` counts rows that were imported before. `faults` lists the first MAX_FAULTS of `fault_count`.

    `shortages` names the tiers that have fewer tickets left than the file needs.
    """

    digest: str
    new: int
    known: int
    fault_count: int
    faults: list[RowFault]
    tiers: dict[str, TierReport]
    shortages: list[str]

    @property
    def is_refused(self) -> bool:
        """Whether the check forbids the import."""
        return bool(self.fault_count or self.shortages)


class EventUnusable(Exception):
    """Tickets of this event cannot be imported; the message names the reason."""


class ImportStopped(Exception):
    """The stock ran out, or the file changed, during the import. `written` tickets are imported; a second run imports the others."""

    def __init__(self, why: str, written: int) -> None:
        self.written = written
        super().__init__(why)


def find_source(file: Path, event_id: str, columns: Mapping[str, str], tier_names: Mapping[str, str]) -> Source:
    """Return the file with its event in the catalog. Raises EventUnusable, and SettingsError without the keys that sign tickets."""
    secret_settings.signing_keys("ticket_keys")
    current, event = find_event(event_id)
    tiers = {tier.id: tier for tier in current.event_tiers(event_id) if not tier.removed}
    return Source(file, columns, tier_names, event, tiers)


def find_event(event_id: str) -> tuple[Catalog, Event]:
    """Return the catalog and the event to import into. Raises EventUnusable."""
    current = catalog.load_current()
    event = current.events.get(event_id)
    if event is None or event.deleted_at is not None or event.removed:
        raise EventUnusable(f"There is no event {quoted(event_id)}. The events are: {', '.join(sorted(current.events)) or 'none'}")
    if event.status == "cancelled":
        raise EventUnusable(f"The event {quoted(event_id)} is cancelled, so its tickets would admit nobody.")
    return current, event


def check(source: Source) -> ImportReport:
    """Check every row against the event, the other rows and earlier imports. Writes nothing. Raises FileUnusable."""
    lines_of_codes: dict[bytes, int] = {}
    faults: list[RowFault] = []
    fault_count = known = 0
    new: Counter[str] = Counter()
    for chunk in _chunks(source.rows(), CHECKED):
        found = direct_orders.find_imported([row.ticket for row in chunk if isinstance(row, Row)])
        for row in chunk:
            fault = row if isinstance(row, RowFault) else _find_repetition(row, lines_of_codes)
            if fault is None and isinstance(row, Row):
                existing = found.get(row.ticket.code)
                if existing is None:
                    fault = _find_cancelled(source, row) or _find_own_code(row)
                    new[row.ticket.tier_id] += fault is None
                elif (existing.event_id, existing.tier_id) == (source.event.id, row.ticket.tier_id):
                    known += 1
                else:
                    text = (
                        f"{quoted(row.ticket.code)} was already imported for the tier {existing.tier_id} of the event {existing.event_id}"
                    )
                    fault = RowFault(row.line, "code", text)
            if fault is not None:
                fault_count += 1
                faults += [fault] if len(faults) < MAX_FAULTS else []
    stock = direct_orders.EventStock(source.event, source.tiers)
    return ImportReport(
        digest=file_digest(source.file),
        new=new.total(),
        known=known,
        fault_count=fault_count,
        faults=faults,
        tiers={tier_id: TierReport(count, finite(stock.by_tier[tier_id].available)) for tier_id, count in sorted(new.items())},
        shortages=_shortages(source.event, stock, new),
    )


def write(source: Source, report: ImportReport, actor: str) -> Iterator[int]:
    """Import the tickets that the check found to be new. From time to time, yields the number imported so far.

    The first batch also writes an entry to the audit log. Raises ImportStopped.
    """
    stock = direct_orders.EventStock(source.event, source.tiers)
    details = {"file": source.file.name, "sha256": report.digest, "tickets": {tier_id: tier.new for tier_id, tier in report.tiers.items()}}
    entry = [audit.entry_item(f"event#{source.event.id}", "tickets.imported", actor, clock.now(), details)]
    written = 0
    for chunk in _chunks(source.rows(), direct_orders.BATCH):
        batch = [row.ticket for row in chunk if isinstance(row, Row)]
        if len(batch) < len(chunk):
            raise ImportStopped("the file has changed since it was checked", written)
        try:
            added = direct_orders.import_batch(source.event, source.tiers, stock, batch, entry, clock.now())
        except NotEnoughTickets as error:
            raise ImportStopped(
                f"other tickets of the event were sold in the meantime, and only {error.details['available']} are left", written
            ) from None
        if added:
            written, entry = written + added, []
        yield written


def _find_repetition(row: Row, lines_of_codes: dict[bytes, int]) -> RowFault | None:
    """Remember the row's code and line. Returns a fault if an earlier row has the same code."""
    first_line = lines_of_codes.setdefault(sha256(row.ticket.code.encode()).digest()[:16], row.line)
    return None if first_line == row.line else RowFault(row.line, "code", f"{quoted(row.ticket.code)} is already in line {first_line}")


def _find_cancelled(source: Source, row: Row) -> RowFault | None:
    """Return a fault if the row's tier is valid only for dates that are cancelled."""
    tier = source.tiers[row.ticket.tier_id]
    if source.event.for_tiers([tier]).status != "cancelled":
        return None
    return RowFault(row.line, "tier", f"all dates of the tier {quoted(tier.id)} are cancelled, so its tickets would admit nobody")


def _find_own_code(row: Row) -> RowFault | None:
    """Return a fault if a ticket of this shop has the code, as in a file that was exported here."""
    ticket_id = find_ticket_id(row.ticket.code) if has_our_code_format(row.ticket.code) else None
    return None if ticket_id is None else RowFault(row.line, "code", f"{quoted(row.ticket.code)} is the code of the ticket {ticket_id}")


def _shortages(event: Event, stock: direct_orders.EventStock, new: Counter[str]) -> list[str]:
    wanted = [(f"tier {tier_id}", count, stock.by_tier[tier_id].available) for tier_id, count in sorted(new.items())]
    if stock.pool is not None:
        wanted.append((f"event {event.id}", new.total(), stock.pool.available))
    return [f"{name}: {count} tickets to import, but {available} left" for name, count, available in wanted if count > available]


def _chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
