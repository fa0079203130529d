"""The stock ledger: for each event, a public chain of entries about its capacity, its held-back tickets, and its sales.

After a drop, it also gets API Gateway's figures for its line: how many requests there were, how long they took, and how many failed.

The module contains the entries, then the table, then the writers, and finally the signed document.

Each entry contains the hash of the entry before it. Entries are only ever added, under the next number, on condition that the number is
free. So entries never change, and the second of two writers is refused. Writers read the last entry first, so everything that they read
afterwards is at least as new. See docs/decisions/0194-stock-ledger.md.
"""

import zlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.catalog import sale_rules, snapshots
from chalicelib.catalog.model import Catalog, Event, HoldbackReason, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, memory, parallel, sdk_calls, secret_settings, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.inventory.display import read_shards_by_stock
from chalicelib.inventory.model import Hold, Shard, Stock, shard_ids

ALGORITHM = "fairgate stock ledger, 1"
TOTALS_SECONDS = 10  # between two entries with totals while people buy
PAGE_ENTRIES, MAX_PAGES = 50, 1_000_000

MINUTE = 60
MAX_MEASURED_SECONDS, MIN_MEASURED_SECONDS = 72 * 3600, 10 * MINUTE  # after the opening
SETTLING_SECONDS = 5 * MINUTE  # CloudWatch has all figures of a minute after this time
SECONDS_TO_MEASURE = 5  # for all drops in one run
GIVE_UP_SECONDS = 24 * 3600  # after MAX_MEASURED_SECONDS
BUCKET_SECONDS, MAX_BUCKETS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 3600, 7200), 60

EntryKind = Literal["change", "issue", "revoke", "totals", "figures"]
Cause = Literal["manager", "time", "sold_out", "file"]


class StockLine(Struct, frozen=True, omit_defaults=True):
    """The tickets of one kind, or, without `tier_id`, the limit of all kinds together. Fields without a value are left out.

    `capacity` is missing if there is no limit. `held_back` has the numbers by reason. Entries with totals also have the other fields.
    `issued` counts, by reason, the held-back tickets that were given or sold to somebody. `returned` counts all sold tickets that came
    back, and `unpaid` all reserved tickets that came back without a payment. `moving` tickets are on their way into or out of the stock. So
    `capacity` is `available` + `held` + `sold` + `moving` + all held-back tickets.
    """

    tier_id: str | None = None
    capacity: int | None = None
    held_back: dict[HoldbackReason, int] = {}
    available: int | None = None
    held: int | None = None
    sold: int | None = None
    returned: int | None = None
    unpaid: int | None = None
    moving: int | None = None
    issued: dict[HoldbackReason, int] = {}

    @property
    def definition(self) -> "StockLine":
        """The line without the totals, as the catalog defines it."""
        return StockLine(self.tier_id, self.capacity, self.held_back)


class IssuedTickets(Struct, frozen=True):
    """Complimentary tickets of one kind that were issued from the tickets held back for this reason, or are held back again."""

    tier_id: str
    reason: HoldbackReason
    quantity: int


class LateArrivals(Struct, frozen=True):
    """How many numbers each counter of the waiting room `room` has given to people who joined after the draw closed, at `closed_at`."""

    room: int
    closed_at: str
    counts: list[int]


class FiguresBucket(Struct, frozen=True, omit_defaults=True):
    """The number of `requests` in a part of the time, how many of them ended in `errors` (5xx), and percentiles of their response times."""

    requests: int
    errors: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None


class StageFigures(Struct, frozen=True):
    """What API Gateway measured for the whole stage while people were in the line of the waiting room `room`.

    Each of the `buckets` has the requests of `bucket_seconds`, from `since` on; the last one ends at `until`.
    """

    room: int
    since: str
    until: str
    bucket_seconds: int
    buckets: list[FiguresBucket]


class StockEntry(Struct, frozen=True, omit_defaults=True):
    """An entry of a stock ledger. Fields without a value are left out.

    `previous` is the SHA-256 (hex) of the entry before. A `change` has a `cause`: a manager, the time or the sell-out at which tickets were
    released, or the bootstrap file. An `issue` names the tickets that were `issued`, and a `revoke` the tickets that were `revoked` and are
    held back again. `totals` were counted between `counted_from` and `at`: if they are `exact`, nothing changed in between. After the draw
    of a waiting room, they also count its `late` arrivals. `figures` are added once, after the line of a drop.
    """

    number: int
    at: str
    previous: str
    kind: EntryKind
    lines: list[StockLine]
    cause: Cause | None = None
    issued: IssuedTickets | None = None
    revoked: IssuedTickets | None = None
    counted_from: str | None = None
    exact: bool | None = None
    late: LateArrivals | None = None
    figures: StageFigures | None = None

    def encode(self) -> bytes:
        """Return the entry as it is hashed: JSON without white space, with sorted keys."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def definition(self) -> list[StockLine]:
        return [line.definition for line in self.lines]


class StoredEntry(Struct, frozen=True):
    """An entry and its JSON, exactly as it was hashed. Another version may have written it, with fields that this version does not know."""

    entry: StockEntry
    body: bytes

    @property
    def hash(self) -> str:
        return sha256(self.body).hexdigest()


class StockLedgerView(Struct, frozen=True, kw_only=True):
    """A page of the stock ledger of an event, oldest entries first.

    `hash` is the SHA-256 (hex) of the page's last entry: of its JSON without white space and with sorted keys. `signature` (Ed25519, hex)
    signs the lines `algorithm`, `event_id`, the number of this entry and `hash`. The first entry's `previous` is the SHA-256 of the lines
    `algorithm` and `event_id`.
    """

    event_id: str
    algorithm: str
    page: int
    pages: int
    entries: list[StockEntry]
    hash: str
    signature: str
    public_key: str


def first_hash(event_id: str) -> str:
    """Return the hash that the first entry of an event names as the previous one."""
    return sha256(f"{ALGORITHM}\n{event_id}".encode()).hexdigest()


def define_lines(catalog: Catalog, event_id: str) -> list[StockLine] | None:
    """Return the tickets of an event as the catalog defines them. Returns None if the event is not published."""
    event = catalog.find_event(event_id)
    if event is None or event.removed or event.status == "draft":
        return None
    tiers = sorted(catalog.listed_tiers(event_id), key=lambda tier: tier.id)
    lines = [StockLine(public_id(tier), tier.capacity, _held_back(tier)) for tier in tiers]
    if event.pool_id is not None:
        held_back = sum((Counter(_held_back(tier)) for tier in tiers if not tier.removed), Counter[HoldbackReason]())
        lines.append(StockLine(None, event.capacity, dict(held_back)))
    return lines


def public_id(tier: Tier) -> str:
    """Return the id of a tier, or a pseudonym for a hidden tier, because anybody who knows the id can buy its tickets."""
    return tier.id if not tier.hidden else f"hidden:{sha256(tier.id.encode()).hexdigest()[:16]}"


def _held_back(tier: Tier) -> dict[HoldbackReason, int]:
    held_back = Counter[HoldbackReason]()
    for holdback in tier.active_holdbacks:
        held_back[holdback.reason] += holdback.quantity
    for release in tier.releases:
        held_back[_reason(tier, release.holdback_id)] += release.issued
    return dict(+held_back)


def _reason(tier: Tier, holdback_id: str) -> HoldbackReason:
    return next((holdback.reason for holdback in tier.holdbacks if holdback.id == holdback_id), "other")


# The table of entries. The functions' roles deny every change to it.


class StockLedgerRow(dynamo.Table):
    """An entry. `body` is its JSON, exactly as it was hashed, and compressed."""

    feature = "stock-ledger"
    contents = "The stock ledgers of events: capacities, holdbacks and totals, chained by hashes."
    personal_data = None

    event_id = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)
    body = BinaryAttribute(legacy_encoding=False)


def find_last(event_id: str) -> StoredEntry | None:
    """Return the last entry of an event, read with strong consistency. Returns None if there is none."""
    for row in StockLedgerRow.query(event_id, scan_index_forward=False, limit=1):
        body = zlib.decompress(row.body)
        return StoredEntry(memory.decoder(StockEntry).decode(body), body)
    return None


def cut_fork(event_id: str) -> int:
    """Delete the entries that do not follow from the entry before, because two regions have added entries. Returns their number.

    Only the recovery after the loss of a region may do this: functions cannot delete entries.
    """
    previous, wrong = first_hash(event_id), list[StockLedgerRow]()
    for row in StockLedgerRow.query(event_id, StockLedgerRow.number > 0):
        stored = StoredEntry(memory.decoder(StockEntry).decode(zlib.decompress(row.body)), zlib.decompress(row.body))
        if wrong or stored.entry.previous != previous:
            wrong.append(row)
        previous = stored.hash
    dynamo.batch_delete(wrong)
    return len(wrong)


def _put_item(event_id: str, new: StoredEntry) -> dynamo.TransactItem:
    """Return the transaction item that adds an entry. It fails if another entry has the number."""
    return dynamo.transact_put(_row(event_id, new), StockLedgerRow.number.does_not_exist())


def _put(event_id: str, new: StoredEntry) -> bool:
    return dynamo.put_if(_row(event_id, new), StockLedgerRow.number.does_not_exist())


def _row(event_id: str, new: StoredEntry) -> StockLedgerRow:
    return StockLedgerRow(event_id, new.entry.number, body=zlib.compress(new.body))


def _next(event_id: str, last: StoredEntry | None, kind: EntryKind, lines: list[StockLine], **fields: Any) -> StoredEntry:
    """Return the entry after the last one. Its time is never earlier, even if the clocks of two instances differ."""
    now = clock.iso(clock.now())
    if last is None:
        entry = StockEntry(1, now, first_hash(event_id), kind, lines, **fields)
    else:
        entry = StockEntry(last.entry.number + 1, max(now, last.entry.at), last.hash, kind, lines, **fields)
    return StoredEntry(entry, entry.encode())


# Changes: entries in the transaction that changes the catalog, or right after a bootstrap file was applied.


def change_items(before: Catalog, after: Catalog, event_ids: Iterable[str]) -> list[dynamo.TransactItem]:
    """Return the transaction items that record how a change of the catalog affects the stock of these events.

    Reads nothing if the stock is not affected. The transaction must require that the catalog is still as in `before`.
    """
    changed = [event_id for event_id in event_ids if define_lines(after, event_id) not in (None, define_lines(before, event_id))]
    return [item for event_id in sorted(changed) for item in _change_items(before, after, event_id)]


def _change_items(before: Catalog, after: Catalog, event_id: str) -> Iterator[dynamo.TransactItem]:
    last = find_last(event_id)
    missing = define_lines(before, event_id)  # if a crash has left out the entry of a file
    if missing is not None and (last is None or last.entry.definition != missing):
        last = _next(event_id, last, "change", missing, cause="file")
        yield _put_item(event_id, last)
    lines = define_lines(after, event_id)
    assert lines is not None
    if last is None or last.entry.definition != lines:
        yield _put_item(event_id, _next(event_id, last, "change", lines, cause=_cause(before, after, event_id)))


def _cause(before: Catalog, after: Catalog, event_id: str) -> Cause:
    """Return why tickets were released. If none were released, a manager has made the change."""
    for tier in after.listed_tiers(event_id):
        known = before.tiers[tier.id].releases if tier.id in before.tiers else []
        for release in tier.releases:
            if release not in known:
                return release.cause
    return "manager"


def changed_by_file(served: Catalog, planned: Catalog) -> list[str]:
    """Return the events whose stock a new version of the bootstrap file changes. `planned` has only the events of this version."""
    event_ids = {event.id for event in served.events.values() if event.managed_by == "bootstrap"} | planned.events.keys()
    return sorted(event_id for event_id in event_ids if define_lines(served, event_id) != define_lines(planned, event_id))


def record_file(catalog: Catalog, event_ids: Iterable[str]) -> None:
    """Add an entry with the catalog's definition to the ledgers of these events, unless the last entry already has this definition."""
    parallel.call_each(lambda event_id: _record_definition(event_id, find_last(event_id), catalog), list(event_ids))


def _record_definition(event_id: str, last: StoredEntry | None, catalog: Catalog) -> StoredEntry | None:
    """Add the catalog's definition if the last entry has another. Returns the last entry, or None if another writer was faster."""
    lines = define_lines(catalog, event_id)
    if lines is None or (last is not None and last.entry.definition == lines):
        return last
    new = _next(event_id, last, "change", lines, cause="file")
    return new if _put(event_id, new) else None


def issue_items(tier: Tier, holdback_id: str, quantity: int) -> list[dynamo.TransactItem]:
    """Return the transaction items that record the issue of complimentary tickets. Returns no items before the event has a ledger."""
    last = find_last(tier.event_id)
    if last is None:
        return []
    issued = IssuedTickets(public_id(tier), _reason(tier, holdback_id), quantity)
    return [_put_item(tier.event_id, _next(tier.event_id, last, "issue", last.entry.definition, issued=issued))]


def revoke_items(event_id: str, tier_id: str, holds: Iterable[Hold]) -> list[dynamo.TransactItem]:
    """Return the transaction items that record the return of complimentary tickets with these holds to their holdback.

    Returns no items once the event is cancelled, because then all complimentary tickets come back.
    """
    catalog = snapshots.load_current()
    event, tier = catalog.events.get(event_id), catalog.tiers.get(tier_id)
    if event is None or event.status == "cancelled" or tier is None:
        return []
    holdbacks = {shard_ids(tier.holdback_stock_id(holdback_id), 1)[0]: holdback_id for holdback_id in tier.issuing}
    found = [hold for hold in holds if hold.shard_id in holdbacks]
    last = find_last(event_id) if found else None
    if last is None:
        return []
    revoked = IssuedTickets(public_id(tier), _reason(tier, holdbacks[found[0].shard_id]), sum(hold.quantity for hold in found))
    return [_put_item(event_id, _next(event_id, last, "revoke", last.entry.definition, revoked=revoked))]


# Totals: read from the shards by the functions that follow purchases and sweep. No request of a buyer does this.

_next_totals_at: Memory[str, int] = Memory()  # event id -> when this instance looks at the event again (epoch seconds)


def follow_sales(event_ids: Iterable[str], now: int) -> None:
    """Add totals for events whose tickets have moved, at most every TOTALS_SECONDS. A failure of the store is left to the sweep."""
    due = {event_id for event_id in event_ids if not 0 < _next_totals_at.entries.get(event_id, 0) - now <= TOTALS_SECONDS}
    for event_id in due:
        _next_totals_at.entries[event_id] = now + TOTALS_SECONDS
    try:
        record_totals(due, not_before=now - TOTALS_SECONDS)
    except dynamo.STORE_ERRORS:
        logger.exception("stock_ledger.not_written", events=len(due))


def record_totals(event_ids: Collection[str], *, not_before: int | None = None) -> list[StoredEntry | None]:
    """Add the totals of published events, after any change that a crash has left out. Adds nothing if the last entry has these totals.

    With `not_before` (epoch seconds), it also adds nothing to ledgers with later totals. Returns the last entries in the order of the ids,
    or None where there is none. Does nothing for an event if another writer is faster: that writer has newer totals, or the next call adds
    them.
    """
    ids = sorted(event_ids)
    if not ids:
        return []
    entries = parallel.call_each(find_last, ids)
    catalog = snapshots.load_current()  # after the entries, so it is at least as new

    def record(event_id: str, last: StoredEntry | None) -> StoredEntry | None:
        totals = None if last is None or last.entry.kind != "totals" else last.entry
        is_early = totals is not None and not_before is not None and totals.at > clock.iso(not_before)
        return last if is_early or define_lines(catalog, event_id) is None else _record(event_id, last, catalog)

    return parallel.call_each(lambda pair: record(*pair), list(zip(ids, entries, strict=True)))


def _record(event_id: str, last: StoredEntry | None, catalog: Catalog) -> StoredEntry | None:
    last = _record_definition(event_id, last, catalog)
    if last is None:
        return None
    counted_from = clock.iso(clock.now())
    shards, is_exact = _read_shards(catalog, event_id)
    lines, late = _count(catalog, event_id, shards), _count_late(catalog.events[event_id])
    if last.entry.kind == "totals" and (last.entry.lines, last.entry.late) == (lines, late) and (last.entry.exact or not is_exact):
        return last
    new = _next(event_id, last, "totals", lines, counted_from=min(counted_from, clock.iso(clock.now())), exact=is_exact, late=late)
    return new if _put(event_id, new) else None


def _count_late(event: Event) -> LateArrivals | None:
    """Read the room of an event and count its late arrivals. Returns None if the event has no room, or the draw has not been made."""
    line = sale_rules.read_line(event, clock.now()) if event.has_waiting_room else None
    return None if line is None or line.opened_at is None else LateArrivals(line.room, clock.iso(line.opened_at), list(line.late_counts))


def _read_shards(catalog: Catalog, event_id: str) -> tuple[Mapping[str, Sequence[Shard]], bool]:
    """Read the stocks of an event twice. Returns them, and whether both reads found the same versions. If so, they are a snapshot."""
    counts = {tier.stock_id: tier.shards for tier in catalog.listed_tiers(event_id)} | catalog.holdback_shard_counts([event_id])
    event = catalog.events[event_id]
    if event.pool_id is not None:
        counts[event.pool_id] = event.pool_shards
    first, second = read_shards_by_stock(counts), read_shards_by_stock(counts)
    versions = [{shard.id: shard.version for shards in found.values() for shard in shards} for found in (first, second)]
    return second, versions[0] == versions[1]


def _count(catalog: Catalog, event_id: str, shards: Mapping[str, Sequence[Shard]]) -> list[StockLine]:
    """Return the lines of a published event with the totals of these shards."""
    tiers: dict[str | None, Tier] = {public_id(tier): tier for tier in catalog.listed_tiers(event_id)}
    counted = []
    for line in define_lines(catalog, event_id) or []:
        tier, issued = tiers.get(line.tier_id), Counter[HoldbackReason]()
        stock = Stock.total_of(shards[catalog.events[event_id].pool_id or "" if tier is None else tier.stock_id])
        if tier is not None:
            for holdback_id in tier.issuing:
                own = Stock.total_of(shards[tier.holdback_stock_id(holdback_id)])
                issued[_reason(tier, holdback_id)] += own.sold + own.held
        is_limited = line.capacity is not None
        moving = (line.capacity or 0) - stock.available - stock.held - stock.sold - sum(line.held_back.values())
        counted.append(
            replace(
                line,
                available=stock.available if is_limited else None,
                held=stock.held,
                sold=stock.sold,
                returned=stock.returned,
                unpaid=stock.unpaid,
                moving=moving if is_limited else None,
                issued=dict(+issued),
            )
        )
    return counted


# Figures of the stage: added once for each drop by the sweep, so no buyer waits for them.

_next_looks_at: Memory[str, int] = Memory()  # event id -> when this instance looks at the line again (epoch seconds)
_emptied_at: Memory[tuple[str, int], int] = Memory()  # event id and room -> when this instance first saw that everybody had a turn


def record_figures(now: int) -> int:
    """Add API Gateway's figures to the ledgers of drops whose line has emptied, or which opened 72 hours ago. Returns their number.

    Does nothing outside AWS, and for a waiting room that nobody joined. Raises the errors of the store and of CloudWatch. The next run
    tries again, for a day after the 72 hours.
    """
    if settings.current().store_endpoint:
        return 0
    oldest = now - MAX_MEASURED_SECONDS - GIVE_UP_SECONDS
    events = [event for event in snapshots.snapshot().events.values() if event.has_waiting_room and event.status != "draft"]
    opened = deque(event for event in events if event.on_sale_at is not None and oldest < event.on_sale_at <= now)
    opened.rotate(now // MINUTE)  # so that an event whose figures fail does not block the others
    with deadline.within(SECONDS_TO_MEASURE):
        return sum(_record_figures(event, now) for event in opened if _next_looks_at.entries.get(event.id, 0) <= now)


def _record_figures(event: Event, now: int) -> bool:
    line = sale_rules.read_line(event, now)
    if line.began_at is None or line.last_place == 0:
        _next_looks_at.entries[event.id] = now + 10 * MINUTE
        return False
    until = _measured_until(event.id, line, line.began_at, now)
    if until is None or until + SETTLING_SECONDS > now:
        return False
    last = find_last(event.id)  # before the marker, so that nobody adds figures between the two
    marker = StockLedgerRow(event.id, -line.room, body=b"figures")
    if last is None or any(StockLedgerRow.query(event.id, StockLedgerRow.number == marker.number, limit=1)):
        _next_looks_at.entries[event.id] = now + 60 * MINUTE
        return False
    figures = _read_figures(line.room, line.began_at, until)
    if figures is None:
        return False
    new = _next(event.id, last, "figures", last.entry.definition, figures=figures)
    try:
        dynamo.transact([_put_item(event.id, new), dynamo.transact_put(marker, StockLedgerRow.number.does_not_exist())])
    except dynamo.ConditionFailed:  # another writer was faster, and the next run tries again
        return False
    return True


def _measured_until(event_id: str, line: sale_rules.Line, began_at: int, now: int) -> int | None:
    """Return the time until which a drop is measured. Returns None while people are waiting for their turn, for at most 72 hours.

    Only this instance knows when the line first emptied. A new instance finds a later moment, which does no harm.
    """
    latest = began_at + MAX_MEASURED_SECONDS
    if line.admitted_place >= line.last_place:
        _emptied_at.entries.setdefault((event_id, line.room), now)
    emptied_at = _emptied_at.entries.get((event_id, line.room))
    if emptied_at is None:
        return latest if now >= latest else None
    return min(latest, max(emptied_at, began_at + MIN_MEASURED_SECONDS))


def _read_figures(room: int, began_at: int, until: int) -> StageFigures | None:
    """Read from CloudWatch what API Gateway measured. Returns None if there are no requests, or not all figures yet."""
    seconds = next(seconds for seconds in BUCKET_SECONDS if until // seconds - began_at // seconds < MAX_BUCKETS)
    since, count = began_at - began_at % seconds, until // seconds - began_at // seconds + 1
    ends_at = until - until % MINUTE + MINUTE
    current = settings.current()
    dimensions = [{"Name": "ApiName", "Value": f"fairgate-{current.stage}"}, {"Name": "Stage", "Value": "api"}]
    queries = {
        name: {"Metric": {"Namespace": "AWS/ApiGateway", "MetricName": metric, "Dimensions": dimensions}, "Period": seconds, "Stat": stat}
        for name, (metric, stat) in _METRICS.items()
    }
    results = sdk_calls.read_metrics(current.region, queries, since, ends_at)
    if not results or not results.get("requests"):
        return None
    starts = range(since, since + count * seconds, seconds)
    measured = [{name: round(values[at]) for name, values in results.items() if at in values} for at in starts]
    buckets = [FiguresBucket(**{"requests": 0} | bucket) for bucket in measured]
    return StageFigures(room, clock.iso(since), clock.iso(ends_at), seconds, buckets)


# Field of a bucket -> metric of API Gateway, and its statistic.
_METRICS = {"requests": ("Count", "Sum"), "errors": ("5XXError", "Sum"), "p50_ms": ("Latency", "p50"), "p95_ms": ("Latency", "p95")}


# The document.


def load_page(event_id: str, page: int) -> StockLedgerView | None:
    """Return a signed page of an event's ledger. Returns None if there is no such page. The first page may be empty."""
    last = find_last(event_id)
    count = 0 if last is None else last.entry.number
    pages = max(1, -(-count // PAGE_ENTRIES))
    if not 0 <= page < pages:
        return None
    number = min(count, (page + 1) * PAGE_ENTRIES)  # of the page's last entry
    rows = StockLedgerRow.query(event_id, StockLedgerRow.number.between(page * PAGE_ENTRIES + 1, number)) if count else ()
    bodies = [zlib.decompress(row.body) for row in rows]
    digest = sha256(bodies[-1]).hexdigest() if bodies else first_hash(event_id)
    key = secret_settings.derived_signing_key("stock ledger")
    return StockLedgerView(
        event_id=event_id,
        algorithm=ALGORITHM,
        page=page,
        pages=pages,
        entries=[cast("StockEntry", msgspec.Raw(body)) for body in bodies],
        hash=digest,
        signature=key.sign(f"{ALGORITHM}\n{event_id}\n{number}\n{digest}".encode()).hex(),
        public_key=key.public_key().public_bytes_raw().hex(),
    )
