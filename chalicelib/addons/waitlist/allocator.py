"""The allocator offers returned tickets to the waitlist one by one, and records how earlier offers ended.

The allocator reads the line and the stock, plans offers (`offer_plan`), and makes one offer at a time. Each offer is a transaction that
fails unless its entry is still waiting and this allocator still holds the lease on the line. If an offer fails because the data has
changed, the allocator reads everything again, so that nobody is passed over because of outdated figures.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.waitlist import kept_stocks, store
from chalicelib.addons.waitlist.model import LAST_DAY_SECONDS, Entry, EntryState, Line, offer_ends_at
from chalicelib.addons.waitlist.offer_plan import PlannedOffer, Turns, plan_offers
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, ids, log, settings
from chalicelib.inventory.model import NotEnoughTickets, PoolMismatch, SalePaused
from chalicelib.purchases import offers, queries
from chalicelib.purchases.errors import ActiveReservationExists, PurchaseLimitExceeded
from chalicelib.purchases.model import ACTIVE_STATES, Purchase

MAX_ROUNDS = 100  # per run; each round reads the line and the stock again, and makes as many offers as it can
SECONDS_FOR_OFFER = 3  # no offer is started with less time left


class AllocationReport(Struct):
    """The counts of a run: new offers, offers that ended, and entries that were deferred because their buyers could not get an offer."""

    offered: int = 0
    ended: int = 0
    deferred: int = 0


def allocate_all(now: int) -> AllocationReport:
    """Run the allocator for all events with a line. An error in one event does not stop the others; a store error stops the run."""
    total = AllocationReport()
    for line in store.list_lines():
        if deadline.remaining() < SECONDS_FOR_OFFER:
            break
        try:
            report = allocate(line, now)
        except dynamo.STORE_ERRORS:
            raise
        except Exception:
            log.exception("waitlist.event_failed", event_id=line.event_id)
            continue
        total.offered, total.ended = total.offered + report.offered, total.ended + report.ended
        total.deferred += report.deferred
    return total


def allocate(line: Line, now: int) -> AllocationReport:
    """Record ended offers, and offer returned tickets unless another allocator holds the lease. Safe to repeat or to run in parallel."""
    current = catalog.find_snapshot(lambda catalog: line.event_id in catalog.events)
    event, report = current.find_event(line.event_id), AllocationReport()
    if event is None:
        return report
    report.ended = end_offers(event.id, now)
    if event_phase(event, now) in ("closed", "cancelled") or not event.has_waitlist:
        if line.stock_ids:
            kept_stocks.release_stocks(current, event, line)
            store.remove_stocks(line, line.stock_ids)
        elif not store.list_offered(event.id):
            store.delete_line(line)
        return report
    allocator = ids.new_id()
    if not store.take_lease(event.id, allocator, now):
        return report
    try:
        _offer_all(current, event, allocator, now, report)
    finally:
        store.end_lease(event.id, allocator)
    return report


def end_offers(event_id: str, now: int) -> int:
    """Mark the event's finished offers as accepted, declined or expired. Returns their number."""
    offered = store.list_offered(event_id)
    purchases = queries.load_many(entry.purchase_id for entry in offered if entry.purchase_id is not None)
    ended = [entry for entry in offered if not _is_open(purchases.get(entry.purchase_id or ""))]
    for entry in ended:
        end_offer(entry, purchases.get(entry.purchase_id or ""), now)
    return len(ended)


def end_offer(entry: Entry, purchase: Purchase | None, now: int) -> Entry:
    """Record the outcome of an offer that has ended. `purchase` is None if it has been deleted. Safe to repeat."""
    if purchase is not None:
        offers.return_tickets(purchase)
    after = replace(entry, state=offer_state(purchase, now), ended_at=now)
    store.end_offer(entry, after)
    return after


def offer_state(purchase: Purchase | None, now: int) -> EntryState:
    """Return the state of an entry whose offer is this purchase: `offered` while the offer is open, then its outcome."""
    if purchase is not None and purchase.was_order:
        return "accepted"
    if purchase is not None and purchase.state == "cancelled" and not purchase.is_declined:
        return "declined"
    # An offer stays open past its deadline while the bank is still deciding on a payment.
    return "offered" if purchase is not None and (purchase.is_active(now) or purchase.state == "paying") else "expired"


def make_offer(
    event: Event, entry: Entry, tier: Tier, allocator: str | None, now: int, extra: Callable[[str], list[dynamo.TransactItem]]
) -> Purchase:
    """Hold the tickets for an entry, and mark the entry as offered. Raises what `offers.create_offer` raises."""
    chosen = settings.current()
    until = offer_ends_at(event, tier, chosen.waitlist_offer_seconds, chosen.waitlist_shortest_offer_seconds, now)

    def items_for(purchase_id: str) -> list[dynamo.TransactItem]:
        return [*store.offer_items(entry, purchase_id, until, allocator), *extra(purchase_id)]

    return offers.create_offer(entry.user_id, event, tier, entry.quantity, entry.id, until, items_for, now, entry.language)


def _offer_all(current: Catalog, event: Event, allocator: str, now: int, report: AllocationReport) -> None:
    chosen = settings.current()
    turns = Turns(chosen.waitlist_patience_seconds, chosen.waitlist_keep_seconds)
    skipped: set[str] = set()
    for _ in range(MAX_ROUNDS):
        if deadline.remaining() < SECONDS_FOR_OFFER:
            return
        line = store.find_line(event.id) or Line(event_id=event.id)
        places = store.list_places(event.id)
        stock = kept_stocks.read_free_stock(current, event, line, places, now)
        if stock.has_released:
            continue
        kept_back = turns if event.last_sale_at - now > LAST_DAY_SECONDS else None
        plan = plan_offers(places, stock.supplies, stock.free, now, kept_back, skipped)
        for entry in plan.passed:
            store.note_passed(entry, now)
        if not _make_offers(event, plan.offers, allocator, now, skipped, report):
            return


def _make_offers(event: Event, planned: list[PlannedOffer], allocator: str, now: int, skipped: set[str], report: AllocationReport) -> bool:
    """Make planned offers until one cannot be made. Returns whether to read the line and the stock again and continue."""
    for offer in planned:
        try:
            offers.check_buyer(offer.entry.user_id, event, offer.entry.quantity)
            make_offer(event, offer.entry, offer.tier, allocator, now, lambda _: [])
        except (ActiveReservationExists, PurchaseLimitExceeded):
            skipped.add(offer.entry.id)
            report.deferred += 1
            return True
        except offers.Conflict:
            return (store.find_line(event.id) or Line(event_id=event.id)).leased_by == allocator
        except PoolMismatch:
            catalog.refresh_snapshot()
            return False
        except (NotEnoughTickets, SalePaused) as refusal:
            log.info("waitlist.not_offered", event_id=event.id, reason=refusal.code)
            return False
        report.offered += 1
        if deadline.remaining() < SECONDS_FOR_OFFER:
            return False
    return False


def _is_open(purchase: Purchase | None) -> bool:
    return purchase is not None and purchase.state in ACTIVE_STATES
