"""Compare our records with each other: purchases with their tickets, ledger entries and cases, and the stock with the tickets.

Once a day, a pass reads the records of the whole stage. Each run of the job reads a part of them, within a budget, and the next run
continues there. A pass repairs nothing, because a repair without a known cause may do more harm. Each difference is an open case until it
has disappeared. There is one exception: add-ons catch up on changes to orders that they have missed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import is_resale_stock, is_split_off
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import addons, clock, deadline, log, parallel
from chalicelib.foundation.log import logger
from chalicelib.inventory.model import Hold, Shard, Stock, shard_ids, stocks_of
from chalicelib.inventory.store import read_shards
from chalicelib.inventory.store import scan_slice as scan_shards
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases import queries
from chalicelib.purchases.errors import FATAL_ERRORS
from chalicelib.purchases.model import Purchase
from chalicelib.reconciliation import invariants
from chalicelib.reconciliation.invariants import PurchaseRecords
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id
from chalicelib.tickets.store import position_at, query_changed_tickets, query_listed_tickets

DAY_SECONDS = 86_400
# A run reads about this many items, each of which costs about one read unit. A day of such runs costs about 0.15 dollars.
READS_PER_RUN = 10_000
SECONDS_PER_RUN = 120
SECONDS_PER_SLICE = 20  # no slice begins with less time left
SLICE = 100  # purchases, shards or tickets that are checked together
SETTLE_SECONDS = 60  # longer than a change takes to become readable; the time of a change is when its request began to write
MAX_OPEN = 100  # open differences; more are only logged, for example after tables were restored to different points in time
FOUND_CHARACTERS = 500  # of each sentence in a case
_FINDING = "records_differ-"

Part = Literal["purchase", "shard", "event", "done"]


class EventCount(Struct, frozen=True):
    """A count of the tickets of an event, up to the `position` in the list of its tickets. `sold` is by stock.

    The count ends at the position `until`, because a ticket that changes moves to the end of the list, where it would count again.
    `version` is the sum of the versions of the event's shards when the count began.
    """

    event_id: str
    version: int
    position: str
    until: str
    sold: dict[str, int]


class Progress(Struct, frozen=True):
    """Where a pass continues: with the `part` of the records, after the id `after`. It began at `began_at` (epoch seconds).

    `open` names the records with an open case.
    """

    began_at: int
    part: Part = "purchase"
    after: str | None = None
    count: EventCount | None = None
    open: list[tuple[Part, str]] = []


class RecordsReport(Struct):
    """What a run has read, and how many records contradict each other. `reads` is an estimate in items."""

    purchases: int = 0
    shards: int = 0
    events: int = 0
    reads: int = 0
    differences: int = 0
    skipped: list[str] = field(default_factory=list)


class ProgressRow(dynamo.Table):
    feature = "reconciliation"

    id = UnicodeAttribute(hash_key=True)
    at = NumberAttribute()
    progress = StructAttribute(Progress)


_ID = "records"


def run(now: int, *, whole: bool = False) -> RecordsReport:
    """Continue the pass of the day, within the budget of a run, and return the report of this run.

    With `whole`, begin a new pass and read everything, however long that takes.
    """
    return _Run(now).finish(whole)


class _Run:
    def __init__(self, now: int) -> None:
        self._now, self._report = now, RecordsReport()
        row = ProgressRow.find(_ID)
        self._progress = row.progress if row is not None else Progress(now)
        self._open = set(self._progress.open)

    def finish(self, whole: bool) -> RecordsReport:
        progress = self._progress
        if whole or (progress.part == "done" and self._now - progress.began_at >= DAY_SECONDS):
            progress = Progress(self._now)
        with deadline.within(math.inf if whole else SECONDS_PER_RUN):
            try:
                if deadline.remaining() >= SECONDS_PER_SLICE:
                    self._recheck()
                while progress.part != "done" and deadline.remaining() >= SECONDS_PER_SLICE:
                    progress = self._check_slice(progress)
                    if self._report.reads >= READS_PER_RUN and not whole:
                        break
            finally:
                ProgressRow(_ID, at=self._now, progress=replace(progress, open=sorted(self._open))).save()
        log.count("reconciliation_findings", self._report.differences)
        return self._report

    def _check_slice(self, progress: Progress) -> Progress:
        """Check the next slice. Returns where the pass continues."""
        match progress.part:
            case "purchase":
                purchases, after = queries.scan_slice(progress.after, SLICE)
                self._report.purchases += len(purchases)
                self._check_purchases([purchase.id for purchase in purchases if _is_checked(purchase)])
                self._catch_up([purchase for purchase in purchases if purchase.was_order])
                return replace(progress, after=after, part="purchase" if after is not None else "shard")
            case "shard":
                shards, after = scan_shards(progress.after, SLICE)
                self._report.shards += len(shards)
                self._check_shards(shards)
                return replace(progress, after=after, part="shard" if after is not None else "event")
        return self._check_event(progress)

    def _check_purchases(self, ids: Sequence[str]) -> None:
        for purchase_id, differences in zip(ids, parallel.call_each(_find_differences, ids), strict=True):
            self._update("purchase", purchase_id, differences)
        self._report.reads += 10 * len(ids)

    def _catch_up(self, orders: Sequence[Purchase]) -> None:
        """Let the add-ons catch up on these orders. If they fail, each order is passed on alone, so that it cannot hold up the others."""
        try:
            for catch_up in addons.hooks("catch_up"):
                self._report.reads += catch_up(orders)
        except Exception as error:
            if _stops_run(error):
                raise
            if len(orders) > 1:
                for order in orders:
                    self._catch_up([order])
            else:
                logger.exception("reconciliation.not_dealt_with", purchase_id=orders[0].id)
                self._report.differences += 1

    def _check_shards(self, shards: Sequence[Shard]) -> None:
        for shard in shards:
            self._update("shard", shard.id, [*invariants.check_shard(shard)])
        self._report.reads += len(shards)

    def _recheck(self) -> None:
        """Check the records with an open case again, so that a case closes soon after its repair. Events wait for the next pass."""
        self._check_purchases([record_id for part, record_id in self._open if part == "purchase"])
        open_ids = {record_id for part, record_id in self._open if part == "shard"}
        shards = read_shards(open_ids)
        self._check_shards(shards)
        for deleted_id in open_ids - {shard.id for shard in shards}:
            self._update("shard", deleted_id, [])

    def _update(self, part: Part, record_id: str, differences: Sequence[str]) -> None:
        """Open a case for a record's differences, or close the case if there are none."""
        if not differences:
            if (part, record_id) in self._open:
                money_cases.close_finding(*_finding(part, record_id))
                self._open.discard((part, record_id))
            return
        self._report.differences += 1
        logger.error("reconciliation.records_differ", part=part, record_id=record_id, extra={"found": differences})
        if (part, record_id) in self._open or len(self._open) < MAX_OPEN:
            found = [text[:FOUND_CHARACTERS] for text in differences]
            money_cases.open_finding(*_finding(part, record_id), self._now, {"found": found})
            self._open.add((part, record_id))

    def _check_event(self, progress: Progress) -> Progress:
        """Count the next tickets of an event. An event that cannot be checked is a difference, and the pass continues with the next."""
        event_id = progress.count.event_id if progress.count is not None else _next_event(progress.after or "")
        if event_id is None:
            return replace(progress, part="done", after=None)
        try:
            return self._count_tickets(progress, event_id)
        except Exception as error:
            if _stops_run(error):
                raise
            logger.exception("reconciliation.not_dealt_with", event_id=event_id)
            self._update("event", event_id, [f"{event_id}: could not be checked: {type(error).__name__}"])
            return replace(progress, after=event_id, count=None)

    def _count_tickets(self, progress: Progress, event_id: str) -> Progress:
        """Count the next tickets of an event. After its last ticket, compare the numbers with its stock, if the stock has not changed."""
        count = progress.count
        if count is None:
            until = position_at(clock.now() - SETTLE_SECONDS)
            count = EventCount(event_id, _version(self._read_shards(event_id)), position_at(0), until, {})
        found, position = query_changed_tickets(count.event_id, count.position, SLICE, count.until)
        self._report.reads += 2 * len(found) + 4
        current, sold = catalog.snapshot(), Counter(count.sold)
        found = _sold(found)
        if found and current.holdback_shard_counts([event_id]):
            issued, found = _split_from_holdbacks(found)
            self._report.reads += len(found) + len(issued)
            sold.update(issued)
        for tier_id, quantity in Counter(ticket.tier_id for ticket in found).items():
            if (tier := current.tiers.get(tier_id)) is not None:
                sold.update(dict.fromkeys(current.tier_shard_counts(tier), quantity))
        if position is not None:
            return replace(progress, count=replace(count, position=position, sold=dict(sold)))
        self._compare_stock(count, sold)
        return replace(progress, after=count.event_id, count=None)

    def _compare_stock(self, count: EventCount, sold: Counter[str]) -> None:
        """Compare the number of sold tickets with the stock. The stock may have more, because it counts tickets sold elsewhere."""
        self._report.events += 1
        before = catalog.load_current()
        shards = self._read_shards(count.event_id)
        if _version(shards) != count.version:
            self._report.skipped.append(count.event_id)
            return
        unconverted, stocks = _unconverted(shards), stocks_of(shards)
        # Tickets are held back or released while this runs, so a contradiction counts only with both catalogs, before and after the read.
        limits, also_later = (
            [*invariants.check_holdbacks(current, [count.event_id], stocks), *invariants.check_dates(current, [count.event_id], stocks)]
            for current in (before, catalog.load_current())
        )
        differences = [
            f"{stock_id}: there are {sold[stock_id]} valid tickets, but the stock counts {stock.sold} as sold and {unconverted[stock_id]} "
            "as paid and still on hold"
            for stock_id, stock in sorted(stocks.items())
            if sold[stock_id] > stock.sold + unconverted[stock_id]
        ]
        differences += self._compare_resale(count, stocks, unconverted)
        self._update("event", count.event_id, [*differences, *(limits if also_later else [])])

    def _compare_resale(self, count: EventCount, stocks: Mapping[str, Stock], unconverted: Counter[str]) -> list[str]:
        """Compare the tickets for resale at each price with their stock, which also counts the tickets that were resold.

        Returns no differences if the stocks or the paid purchases have changed since they were read: the next pass compares them.
        """
        expected = {
            stock_id: stock.capacity - stock.sold - unconverted[stock_id]
            for stock_id, stock in sorted(stocks.items())
            if is_resale_stock(stock_id)
        }
        if not expected:
            return []
        listed = {stock_id: self._count_listings(stock_id) for stock_id in expected}
        differences = [
            f"{stock_id}: {listed[stock_id]} tickets are for resale, and the stock has {quantity}"
            for stock_id, quantity in expected.items()
            if listed[stock_id] != quantity
        ]
        if differences:
            shards = self._read_shards(count.event_id)
            if _version(shards) != count.version or _unconverted(shards) != unconverted:
                self._report.skipped.append(count.event_id)
                return []
        return differences

    def _count_listings(self, stock_id: str) -> int:
        """Return the number of tickets for resale in a stock. An entry of the list whose ticket is not for resale does not count."""
        total, position = 0, None
        while True:
            listed, position = query_listed_tickets(stock_id, position, SLICE)
            total += len(listed)
            self._report.reads += 1 + len(listed)
            if position is None:
                return total

    def _read_shards(self, event_id: str) -> list[Shard]:
        current = catalog.snapshot()
        counts = current.all_shard_counts([event_id])
        ids = [shard_id for stock_id, count in counts.items() for shard_id in shard_ids(stock_id, count)]
        self._report.reads += len(ids)
        return read_shards(ids)


def _finding(part: Part, record_id: str) -> tuple[str, str]:
    """Return the two ids of the case for a record. A shard's case belongs to its stock. The ids have no `#`, `:` or `/`."""
    if part == "shard":
        stock_id, _, number = record_id.rpartition("#")
        return stock_id.translate(str.maketrans(":/", "..")), f"{_FINDING}{part}-{number}"
    return record_id, f"{_FINDING}{part}"


def _is_checked(purchase: Purchase) -> bool:
    """Return whether the purchase may have tickets, ledger entries or cases. Most purchases of a drop are reservations that expired."""
    return purchase.state != "expired" or purchase.payment is not None or bool(purchase.refunds)


def _find_differences(purchase_id: str) -> list[str]:
    """Return the rules that a purchase breaks. If the purchase changes meanwhile, returns none: the reads belong to different states."""
    try:
        purchase = queries.load_purchase(purchase_id)
        if purchase is None:
            return []
        records = PurchaseRecords(
            purchase,
            tickets.load_purchase_tickets(purchase.id, purchase.quantity + 1),
            ledger.list_purchase_entries(purchase.event_id, purchase.id),
            money_cases.list_purchase_cases(purchase.id),
            queries.load_buyer(purchase.user_id, purchase.event_id),
        )
        differences = [*invariants.check_purchase(records)]
        after = queries.load_purchase(purchase_id) if differences else purchase
    except Exception as error:
        if _stops_run(error):
            raise
        logger.exception("reconciliation.not_dealt_with", purchase_id=purchase_id)
        return [f"{purchase_id}: could not be checked: {type(error).__name__}"]
    return differences if after is not None and after.version == purchase.version else []


def _stops_run(error: Exception) -> bool:
    """Return whether an error concerns all records, and not only the record that was read."""
    return isinstance(error, FATAL_ERRORS) and not dynamo.is_invalid_data(error)


def _next_event(after: str) -> str | None:
    """Return the first event id after this id whose event may have sold tickets, or None."""
    events = catalog.snapshot().events.values()
    return min((event.id for event in events if event.id > after and event.status != "draft"), default=None)


def _version(shards: Iterable[Shard]) -> int:
    """Return a number that changes whenever one of the shards changes."""
    return sum(shard.version for shard in shards)


def _sold(found: Sequence[Ticket]) -> list[Ticket]:
    """Return the tickets whose seats count as sold."""
    purchases = queries.load_many({ticket.purchase_id for ticket in found if ticket.state == "void"})
    sold_ids = {
        ticket_id(purchase.id, number) for purchase in filter(None, purchases.values()) for number in invariants.sold_tickets(purchase)
    }
    return [ticket for ticket in found if ticket.state != "void" or ticket.id in sold_ids]


def _split_from_holdbacks(found: Sequence[Ticket]) -> tuple[list[str], list[Ticket]]:
    """Return the stock ids of the tickets that count as sold in the stocks of holdbacks, and the other tickets.

    The seat decides, because the seller of a resold ticket may have had the seat from a holdback.
    """
    purchases = queries.load_many({ticket.purchase_id for ticket in found})
    issued, others = list[str](), list[Ticket]()
    for ticket in found:
        purchase = purchases.get(ticket.purchase_id)
        seats = purchase.holds_of_tickets([ticket.number]) if purchase is not None else []
        if any(is_split_off(seat.stock_id) for seat in seats):
            issued += [seat.stock_id for seat in seats]
        else:
            others.append(ticket)
    return issued, others


def _unconverted(shards: Iterable[Shard]) -> Counter[str]:
    """Return the tickets, by stock, that are paid and have not yet moved from held to sold."""
    holds = [Hold(shard.id, hold_id, quantity) for shard in shards for hold_id, (quantity, _) in shard.holds.items()]
    purchases = queries.load_many({hold.purchase_id for hold in holds})
    counts: Counter[str] = Counter()
    for hold in holds:
        purchase = purchases.get(hold.purchase_id)
        if purchase is not None and purchase.was_order and hold in purchase.holds:
            counts[hold.stock_id] += hold.quantity
    return counts
