"""Cancellation of an event or of one of its dates.

The sale stops at once. Then the sweep ends reservations and requests a refund for each order, in batches.

The refunds become due, and the sweep makes them at the provider as fast as the provider's rate allows (`refunds_at_provider.DueCases`).

A pass visits all purchases of the event that have ledger entries, in order of their ids. If tickets were still on hold when the pass began,
some of them may have been paid for since, so another pass follows: after a minute at first, and after an hour while a bank takes days to
decide. The stock is closed, so once nothing is on hold there can be no new orders, and the pass that begins then is the last pass. If the
provider still does not know a checkout's payment after a day, the checkout ends and becomes an open case, so that the cancellation can
finish. Free orders have no ledger entries and keep their tickets, but no door accepts these tickets. Complimentary orders have no ledger
entries either. A pass finds them last, among the event's tickets, so that their tickets become void and their owners get an email.

The cancellation of one date affects the tickets of the tiers that are valid only for cancelled dates. Their stock is not closed, but after
HEARD_SECONDS no instance sells from it. An order keeps its other tickets.
"""

import random
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import Language
from chalicelib.foundation import deadline, parallel
from chalicelib.foundation.log import logger
from chalicelib.inventory.display import read_shards_by_stock
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.purchases import settlement
from chalicelib.purchases import store as purchases
from chalicelib.purchases.errors import NotRefundable, OrderDisputed
from chalicelib.purchases.model import ACTIVE_STATES, DIRECT_ID_PREFIX, EVENT_CANCELLED, QUOTA_SUFFIX, Purchase
from chalicelib.purchases.refunds import refund_all_tickets
from chalicelib.tickets import service as tickets

# Table `event-cancellations`: one item for each cancelled event or date, with the progress of its refunds.

_ACTIVE, _FINISHED = "active", "finished"


class Cancellation(Struct, frozen=True, kw_only=True):
    """A cancelled event, or a cancelled date of an event. Times are epoch seconds.

    `position` is the last ticket or purchase that the current pass has processed; it is null at the start of a pass. `began_without_holds`
    means that nothing was on hold when the pass began, so the pass visits every order that there will ever be. `next_pass_at` is when the
    next pass may begin. `orders` and `disputed` count the refunded and the disputed orders that the current pass has visited, including
    those that earlier passes refunded. `unknown_payments` counts checkouts that ended because the provider does not know their payment.
    """

    event_id: str
    date_id: str | None = None
    by: str
    at: int
    position: str | None = None
    began_without_holds: bool = False
    reservations: int = 0
    orders: int = 0
    disputed: int = 0
    unknown_payments: int = 0
    next_pass_at: int = 0
    finished_at: int | None = None

    @property
    def key(self) -> str:
        return _key(self.event_id, self.date_id)

    @property
    def refund_id(self) -> str:
        """The id of the refund of each order: always the same, so that an order is refunded only once, however often it is visited."""
        return REFUND_ID if self.date_id is None else f"date-{self.date_id}-cancelled"

    def applies_to(self, event: Event) -> bool:
        """Return whether the event or the date is still cancelled in the catalog."""
        return event.status == "cancelled" or self.date_id in event.cancelled_date_ids

    def tier_ids(self, catalog: Catalog) -> set[str] | None:
        """Return the ids of the tiers whose tickets are refunded, or None for all tiers of the event."""
        if self.date_id is None:
            return None
        event = catalog.events[self.event_id]
        return {tier.id for tier in catalog.event_tiers(event.id) if event.for_tiers([tier]).status == "cancelled"}


class CancellationRow(dynamo.Table):
    """`progress` is `active` until all orders are refunded, then `finished`, so that one query finds the active cancellations.

    `event_id` is the id of the event, or of the event and the date with a # between them.
    """

    feature = "event-cancellations"
    contents = "Cancelled events and dates, and how many of their orders are refunded."
    personal_data = dynamo.PersonalData("ids of orders and users", export="no", erasure="stays, with the user id")

    progress = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    by = UnicodeAttribute()
    at = NumberAttribute()
    position = UnicodeAttribute(null=True)
    began_without_holds = BooleanAttribute(null=True)
    reservations = NumberAttribute(null=True)
    orders = NumberAttribute(null=True)
    disputed = NumberAttribute(null=True)
    unknown_payments = NumberAttribute(null=True)
    next_pass_at = NumberAttribute(null=True)
    finished_at = NumberAttribute(null=True)


def begin_cancellation_item(cancellation: Cancellation) -> dynamo.TransactItem:
    """Return the transaction item that begins the refunds of an event. The caller writes it with the cancellation."""
    return dynamo.transact_put(_row(_ACTIVE, cancellation))


def begin_cancellation(cancellation: Cancellation) -> None:
    """Begin the refunds of an event that is already cancelled, unless they have begun."""
    dynamo.put_if(_row(_ACTIVE, cancellation), CancellationRow.event_id.does_not_exist())


def find_cancellation(event_id: str, date_id: str | None = None) -> Cancellation | None:
    """Load the cancellation of an event or a date, finished or not, with strongly consistent reads. Returns None if there is none."""
    key = _key(event_id, date_id)
    row = CancellationRow.find(_ACTIVE, key) or CancellationRow.find(_FINISHED, key)
    return _cancellation(row) if row is not None else None


def list_active_cancellations() -> Iterator[Cancellation]:
    """List the unfinished cancellations, with strongly consistent reads."""
    return map(_cancellation, CancellationRow.query(_ACTIVE))


def save_cancellation(cancellation: Cancellation) -> None:
    """Save the progress of the refunds. If two runs are concurrent, the last save wins, and some orders are visited twice."""
    _row(_ACTIVE, cancellation).save()


def finish_cancellation(cancellation: Cancellation) -> None:
    """Move a cancellation to the finished cancellations."""
    dynamo.transact(
        [dynamo.transact_delete(CancellationRow(_ACTIVE, cancellation.key)), dynamo.transact_put(_row(_FINISHED, cancellation))]
    )


def _key(event_id: str, date_id: str | None) -> str:
    return event_id if date_id is None else f"{event_id}#{date_id}"


def _row(progress: str, cancellation: Cancellation) -> CancellationRow:
    return CancellationRow(
        progress,
        cancellation.key,
        by=cancellation.by,
        at=cancellation.at,
        position=cancellation.position,
        began_without_holds=cancellation.began_without_holds,
        reservations=cancellation.reservations,
        orders=cancellation.orders,
        disputed=cancellation.disputed,
        unknown_payments=cancellation.unknown_payments,
        next_pass_at=cancellation.next_pass_at,
        finished_at=cancellation.finished_at,
    )


def _cancellation(row: CancellationRow) -> Cancellation:
    event_id, _, date_id = row.event_id.partition("#")
    return Cancellation(
        event_id=event_id,
        date_id=date_id or None,
        by=row.by,
        at=int(row.at),
        position=row.position,
        began_without_holds=bool(row.began_without_holds),
        reservations=int(row.reservations or 0),
        orders=int(row.orders or 0),
        disputed=int(row.disputed or 0),
        unknown_payments=int(row.unknown_payments or 0),
        next_pass_at=int(row.next_pass_at or 0),
        finished_at=int(row.finished_at) if row.finished_at is not None else None,
    )


BATCH = 100  # purchases, which are read in one round trip; the position is saved after each batch
TICKETS_AT_ONCE = 2000  # tickets that a pass searches for complimentary orders before it saves the position
ORDERS_AT_ONCE = 8
SECONDS_RESERVED = 3  # no batch begins with less than this much time left
HEARD_SECONDS = 60  # after this time, every instance knows that the event is cancelled
PASS_SECONDS = (60, 3600)  # from one pass to the next: as long as the cancellation has taken so far, within these limits
# If the provider still does not know a payment after this time, we give up on it. By then, the reconciliation has covered the time of the
# checkout.
UNKNOWN_SECONDS = 86_400
FIRST_ID, LAST_ID = "0", "z" * 26
# The position of a ticket begins with this prefix, so it sorts after the positions of all purchases. It has the form of an id, because the
# previous version reads it as an id.
_TICKETS = "zz."

REFUND_ID = "event-cancelled"


class OrdersFailed(Exception):
    """The refund of some orders of an event could not be requested. The next run continues with the first of them."""


_Outcome = Literal["refunded", "was_refunded", "disputed", "other", "failed"]


def cancel_event(
    event_id: str,
    actor: str,
    now: int,
    reason: str | None = None,
    date_id: str | None = None,
    reasons: Mapping[Language, str] | None = None,
) -> Cancellation:
    """Cancel an event or one of its dates permanently and begin the refunds. A repeated call returns the progress of the refunds.

    Cancelling its last date cancels the event. Buyers read the `reason`, or one of the `reasons` in their language. Raises NotFound, and
    ManagedByBootstrap for an event from the bootstrap file that is not cancelled there.
    """

    def build(event: Event) -> Cancellation:
        return Cancellation(event_id=event_id, date_id=None if event.status == "cancelled" else date_id, by=actor, at=now)

    def items(event: Event) -> list[dynamo.TransactItem]:
        return [begin_cancellation_item(build(event))]

    event = catalog.cancel(event_id, actor, now, items, reason=reason, reasons=reasons, date_id=date_id)
    new = build(event)
    existing = find_cancellation(event_id, new.date_id)
    if existing is None or _may_have_been_reinstated(event, existing):  # the bootstrap file cancelled the event
        begin_cancellation(new)
        return new
    return existing


def _may_have_been_reinstated(event: Event, cancellation: Cancellation) -> bool:
    """Return whether the bootstrap file may have put the event back on sale after its refunds were finished, and cancelled it again."""
    return event.managed_by == "bootstrap" and cancellation.finished_at is not None and event.updated_at > cancellation.finished_at


def process_cancellations(now: int) -> int | None:
    """Continue unfinished cancellations until the time is used up. Every part is safe to repeat.

    Returns how many orders got a refund, or None if some orders failed; the next run retries these orders. The events take turns, a batch
    of orders each, and another event comes first in each run, so neither a large event nor a failure keeps other events waiting. Raises the
    store's errors if the cancellations cannot be read.
    """
    running = deque(_steps(cancellation, now) for cancellation in list_active_cancellations())
    running.rotate(now // 60)
    refunded, has_failed = 0, False
    while running and deadline.remaining() >= SECONDS_RESERVED:
        steps = running.popleft()
        try:
            refunded += next(steps)
        except StopIteration:
            continue
        except Exception:
            logger.exception("event_cancellation.interrupted")
            has_failed = True
            continue
        running.append(steps)
    return None if has_failed else refunded


def _steps(cancellation: Cancellation, now: int) -> Iterator[int]:
    """Continue one cancellation. Each step processes a batch of orders, saves the progress, and yields how many orders got a refund."""
    current = catalog.load_current()
    event = current.find_event(cancellation.event_id)
    if event is None or not cancellation.applies_to(event):
        logger.warning("event_cancellation.not_cancelled", event_id=cancellation.event_id)
        # The bootstrap file has put the event back on sale. If it cancels the event again, a new pass must visit all orders.
        save_cancellation(Cancellation(event_id=cancellation.event_id, date_id=cancellation.date_id, by=cancellation.by, at=now))
        return
    tier_ids = cancellation.tier_ids(current)
    if cancellation.position is None:
        if now < cancellation.next_pass_at:
            return
        cancellation = _begin_pass(event, tier_ids, cancellation, now)
    begin = cancellation.position or FIRST_ID
    ids = _purchase_ids(event.id, begin)
    while batch := list(islice(ids, BATCH)):
        results = _refund_batch(cancellation, tier_ids, batch, now)
        results_before_failure = results[: results.index("failed")] if "failed" in results else results
        if results_before_failure:
            orders = cancellation.orders + results_before_failure.count("refunded") + results_before_failure.count("was_refunded")
            disputed = cancellation.disputed + results_before_failure.count("disputed")
            cancellation = replace(cancellation, position=batch[len(results_before_failure) - 1], orders=orders, disputed=disputed)
            save_cancellation(cancellation)
        if len(results_before_failure) < len(batch):
            raise OrdersFailed(event.id)
        yield results.count("refunded")
    for batch, position in _complimentary_batches(event.id, begin):
        if "failed" in _refund_batch(cancellation, tier_ids, batch, now):
            raise OrdersFailed(event.id)
        cancellation = replace(cancellation, position=position)
        save_cancellation(cancellation)
        yield 0
    _end_pass(cancellation, now)


def _begin_pass(event: Event, tier_ids: Collection[str] | None, cancellation: Cancellation, now: int) -> Cancellation:
    """End the reservations for these tiers, or for all tiers, while there is time, and record whether any tickets were on hold.

    Some reservations cannot end now, for example because their payment is in progress.
    """
    current = catalog.load_current()
    counts = current.all_shard_counts([event.id])
    if tier_ids is not None:
        tiers = [tier for tier in current.event_tiers(event.id) if tier.id in tier_ids]
        own = {stock.stock_id for tier in tiers for stock in (tier, *tier.resale_tiers)}
        own |= {stock_id for tier in tiers for stock_id in tier.holdback_shard_counts}
        counts = {stock_id: count for stock_id, count in counts.items() if stock_id in own}
    by_stock = read_shards_by_stock(counts)
    shards = [shard for stock_shards in by_stock.values() for shard in stock_shards]
    # The quotas of the box office belong to no purchase, and the box office of a cancelled event sells nothing.
    holders = {hold_id.partition(".")[0] for shard in shards for hold_id in shard.holds if not hold_id.endswith(QUOTA_SUFFIX)}
    found, _ = purchases.load_readable(holders)
    active = [purchase for purchase in found.values() if purchase is not None and purchase.state in ACTIVE_STATES]
    with deadline.within(deadline.remaining() / 2):  # the rest is for the refunds
        ended = _end_reservations(active, now)
        unknown = _end_unknown_payments(active, now)
    # The stock of a date or of an event in the bootstrap file stays open, and complimentary tickets are issued even from closed stocks. But
    # after HEARD_SECONDS no instance sells or issues tickets.
    is_closed = tier_ids is None and not any(shard.is_open for shard in shards) and not current.holdback_shard_counts([event.id])
    is_stopped = is_closed or now - cancellation.at >= HEARD_SECONDS
    is_quiet = is_stopped and not holders
    reservations, unknown_payments = cancellation.reservations + ended, cancellation.unknown_payments + unknown
    return replace(
        cancellation, began_without_holds=is_quiet, reservations=reservations, unknown_payments=unknown_payments, orders=0, disputed=0
    )


def _end_reservations(active: Iterable[Purchase], now: int) -> int:
    """End reservations while there is time and the provider answers. Reservations without a payment come first. Returns how many ended.

    Expired reservations are left to hold recovery, which asks about many payments at once and postpones reservations that cannot end. A
    failure delays no refund: the hold expires by itself or, if the buyer pays after all, another pass refunds the order.
    """
    ended = 0
    for purchase in sorted(active, key=lambda purchase: purchase.payment is not None):
        if deadline.remaining() < SECONDS_RESERVED:
            break
        if not purchase.is_active(now):
            continue
        try:
            outcome = purchases.retry_on_conflict(purchase, lambda current: _end_reservation(current, now))
        except Exception:
            logger.exception("event_cancellation.reservation_left", purchase_id=purchase.id)
            continue
        if outcome == "unknown":
            break
        ended += outcome == "ended"
    return ended


def _end_unknown_payments(active: Sequence[Purchase], now: int) -> int:
    """End checkouts that expired at least UNKNOWN_SECONDS ago and whose payment the provider does not know. Returns their number.

    Each checkout gets a finding. If the buyer pays after all, the payment is refunded, because the purchase has ended and the event is
    cancelled.
    """
    ended = 0
    for purchase in random.sample(active, len(active)):  # in a fixed order, payments that wait for a bank could come first in each run
        payment = purchase.payment
        if deadline.remaining() < SECONDS_RESERVED:
            break
        if payment is None or payment.provider_id is None or now < purchase.expires_at + UNKNOWN_SECONDS:
            continue
        try:
            if payments.external_provider(payment.provider).find_payment_by_id(payment.provider_id, payment.account) is None:
                _open_finding(purchase, now, f"payment_unknown-{payment.provider_id}", provider=payment.provider)
                settlement.finish_cancellation(purchase, None, "expired", now)
                ended += 1
        except ProviderUnavailable:
            break
        except Exception:
            logger.exception("event_cancellation.payment_left", purchase_id=purchase.id)
    return ended


def _end_reservation(purchase: Purchase, now: int) -> str:
    if purchase.state not in ACTIVE_STATES:
        return "not_active"
    return settlement.cancel_purchase(purchase, "cancelled", now).outcome


def _end_pass(cancellation: Cancellation, now: int) -> None:
    if not cancellation.began_without_holds:
        shortest, longest = PASS_SECONDS
        pause = min(max(shortest, now - cancellation.at), longest)
        save_cancellation(replace(cancellation, position=None, next_pass_at=now + pause))
        return
    finish_cancellation(replace(cancellation, finished_at=now))
    logger.info("event_cancellation.finished", event_id=cancellation.event_id, orders=cancellation.orders, disputed=cancellation.disputed)


def _purchase_ids(event_id: str, after: str) -> Iterator[str]:
    """Yield the ids of the event's purchases that have ledger entries, in order, after the id `after`."""
    last = after
    for entry in ledger.list_entries_between(event_id, after, LAST_ID):
        if entry.purchase_id != last:
            last = entry.purchase_id
            yield last


def _complimentary_batches(event_id: str, after: str) -> Iterator[tuple[list[str], str]]:
    """Yield batches of ids of imported and complimentary orders after the position `after`, each with the position of its last ticket.

    If complimentary tickets were issued from the event's holdbacks, reads the keys of all tickets of the event; otherwise, reads nothing. A
    batch may be empty, because an event can have more tickets than one run can read.
    """
    if not catalog.snapshot().holdback_shard_counts([event_id]):
        return
    after_ticket = after.removeprefix(_TICKETS).replace("_", "#", 1) if after.startswith(_TICKETS) else None
    ids, count, position = set[str](), 0, ""
    for purchase_id, changed in tickets.list_purchase_ids(event_id, after_ticket):
        if purchase_id.startswith(DIRECT_ID_PREFIX):
            ids.add(purchase_id)
        count, position = count + 1, _TICKETS + changed.replace("#", "_", 1)
        if len(ids) == BATCH or count == TICKETS_AT_ONCE:
            yield sorted(ids), position
            ids, count = set(), 0
    if count:
        yield sorted(ids), position


def _refund_batch(cancellation: Cancellation, tier_ids: Collection[str] | None, ids: Sequence[str], now: int) -> list[_Outcome]:
    """Request a refund for each order among these purchases. The sweep creates the refunds at the provider.

    A purchase that this version cannot decode gets a finding, so that it delays no other refund.
    """
    found, unreadable = purchases.load_readable(ids)
    outcomes: dict[str, _Outcome] = {}

    def refund(purchase: Purchase) -> _Outcome:
        return _try_refund(cancellation, tier_ids, purchase, now)

    for purchase_id in unreadable:
        money_cases.open_finding(purchase_id, cancellation.refund_id, now, {"event_id": cancellation.event_id, "reason": EVENT_CANCELLED})
    for group in _without_common_shards([purchase for purchase in found.values() if purchase is not None]):
        for purchase, outcome in zip(group, parallel.call_each(refund, group), strict=True):
            outcomes[purchase.id] = outcome
    return [outcomes.get(purchase_id, "other") for purchase_id in ids]


def _without_common_shards(found: Iterable[Purchase]) -> list[list[Purchase]]:
    """Group purchases so that no two purchases of a group return seats to the same shard, where only one transaction succeeds at a time."""
    groups: list[tuple[list[Purchase], set[str]]] = []
    for purchase in found:
        shards = {hold.shard_id for hold in purchase.holds}
        fitting = (group for group in groups if len(group[0]) < ORDERS_AT_ONCE and shards.isdisjoint(group[1]))
        group = next(fitting, None)
        if group is None:
            group = ([], set())
            groups.append(group)
        group[0].append(purchase)
        group[1].update(shards)
    return [purchases_of_group for purchases_of_group, _ in groups]


def _try_refund(cancellation: Cancellation, tier_ids: Collection[str] | None, purchase: Purchase, now: int) -> _Outcome:
    try:
        return _refund(cancellation, tier_ids, purchase, now)
    except Exception as error:
        if isinstance(error, dynamo.STORE_ERRORS) and not dynamo.is_invalid_data(error):
            logger.exception("event_cancellation.order_failed", purchase_id=purchase.id)
            return "failed"
        # Any other error would happen again. It must not delay the other orders, so a person must look at this order.
        logger.exception("event_cancellation.order_left", purchase_id=purchase.id)
        _open_finding(purchase, now, cancellation.refund_id)
        return "other"


def _refund(cancellation: Cancellation, tier_ids: Collection[str] | None, purchase: Purchase, now: int) -> _Outcome:
    if purchase.id.startswith(DIRECT_ID_PREFIX) and not purchase.is_complimentary:
        return "other"  # imported or sold at the box office: the seller has the money and refunds it
    if not purchase.kept_tickets_of(tier_ids):
        was_refunded = any(refund.id.startswith(cancellation.refund_id) for refund in purchase.refunds)
        return "was_refunded" if was_refunded and not purchase.is_complimentary else "other"
    try:
        refund_all_tickets(purchase, EVENT_CANCELLED, cancellation.refund_id, cancellation.by, now, by_sweep=True, tier_ids=tier_ids)
    except NotRefundable:  # another request has just refunded the order
        return "other"
    except OrderDisputed:
        _open_finding(purchase, now, cancellation.refund_id)
        return "disputed"
    return "other" if purchase.is_complimentary else "refunded"


def _open_finding(purchase: Purchase, now: int, finding_id: str, **details: str) -> None:
    amount = {"amount_cents": purchase.total_cents, "currency": purchase.currency}
    money_cases.open_finding(purchase.id, finding_id, now, {"event_id": purchase.event_id, "reason": EVENT_CANCELLED, **amount, **details})
