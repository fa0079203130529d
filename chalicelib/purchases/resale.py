"""Resale at the price that was paid: buyers offer tickets, and other buyers' payments move the seats.

A ticket for resale stays valid until it is sold. The resale stock of its tier and price counts it, and buyers hold tickets of this stock,
but no particular ticket. The transaction that makes the buyer's purchase paid takes the seats of the tickets that were listed first. The
protocol model in tests/proof/model defines the rules; see docs/decisions/0189-resale.md.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import holdbacks
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, Tier, is_resale_stock
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, log, parallel
from chalicelib.foundation.log import logger
from chalicelib.inventory.display import note_change
from chalicelib.inventory.model import Shard, shard_ids
from chalicelib.inventory.store import add_tickets_item, remove_tickets_item
from chalicelib.purchases import refunds, store
from chalicelib.purchases.errors import (
    NothingForResale,
    OrderDisputed,
    OrderNotFound,
    RefundInvalid,
    ReturnsClosed,
    TicketsBeingSold,
    TicketsNotReturnable,
)
from chalicelib.purchases.model import BuyerRecord, Purchase
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id
from chalicelib.tickets.store import list_for_resale_items, load_readable_tickets, query_listed_tickets, unlist_items, void_resold_items

MAX_ATTEMPTS = 5
LISTED_AT_ONCE = 40  # in one transaction: each ticket takes two items
PAGE_SIZE = 25  # tickets for resale that are read at once for a buyer
SWEPT_PAGE = 100
MANY = 200  # with more tickets for resale at one price, the sweep checks them only every ten minutes
SECONDS_FOR_PAGE = 3  # of the sweep; with less time left, a later run continues


class TicketForResale(Struct, frozen=True):
    """The number of a ticket that its buyer may offer for resale, or has offered, its price, and the fee that we keep of the price."""

    number: int
    price_cents: int
    fee_cents: int
    is_listed: bool


class Resale(Struct, frozen=True):
    """The tickets of an order that its buyer may offer for resale until `until` (epoch seconds), and the tickets that are offered."""

    tickets: list[TicketForResale]
    until: int


# Buyers offer their tickets and withdraw the offers.


def find_resale(purchase: Purchase, issued: Iterable[Ticket], now: int) -> Resale | None:
    """Return the tickets that the buyer of an order may offer for resale, or has offered. Returns None if there are none.

    `issued` are tickets of the order.
    """
    until = _deadline(purchase)
    if until is None or not purchase.is_order:
        return None
    is_open = now <= until and not purchase.is_disputed
    found = [ticket for ticket in issued if ticket.is_for_resale or (is_open and _refusal(purchase, ticket) is None)]
    listed = [TicketForResale(ticket.number, ticket.price_cents, _fee(purchase, ticket.number), ticket.is_for_resale) for ticket in found]
    return Resale(listed, until) if listed else None


def offer_tickets(purchase: Purchase, wanted: Sequence[str] | None, now: int) -> list[Ticket]:
    """Offer tickets of an order for resale. `wanted` are ticket ids; null means all tickets that can be offered. Safe to repeat.

    Returns all tickets of the order. Raises OrderNotFound, ReturnsClosed, OrderDisputed, RefundInvalid and TicketsNotReturnable.
    """
    if not purchase.was_order:
        raise OrderNotFound()
    for _ in range(MAX_ATTEMPTS):
        issued = tickets.load_purchase_tickets(purchase.id, purchase.quantity)
        selected = _select(issued, wanted)
        new = [ticket for ticket in selected if ticket.listed_at is None and _refusal(purchase, ticket) is None]
        refused = [ticket for ticket in selected if ticket not in new and not ticket.is_for_resale]
        if not new and not (refused and wanted is not None) and any(ticket.is_for_resale for ticket in selected):
            return issued  # a repeated request
        until = _deadline(purchase)
        if until is None or now > until:
            raise ReturnsClosed(refundable_until=None if until is None else clock.iso(until))
        if purchase.is_disputed:
            raise OrderDisputed()
        if refused and (wanted is not None or not new):
            raise TicketsNotReturnable(reason=_refusal(purchase, refused[0]))
        try:
            _list(purchase, new, now)
        except dynamo.ConditionFailed:  # a ticket was used, refunded, given away or listed in the meantime
            continue
        log.count("tickets_listed", len(new))
        logger.info("resale.offered", tickets=len(new), extra={"purchase_id": purchase.id, "event_id": purchase.event_id})
        return [replace(ticket, listed_at=now) if ticket in new else ticket for ticket in issued]
    raise dynamo.Contention("the tickets kept changing")


def withdraw_tickets(purchase: Purchase, wanted: Sequence[str] | None, now: int) -> list[Ticket]:
    """Withdraw tickets of an order from resale. `wanted` are ticket ids; null means all tickets that are for resale. Safe to repeat.

    Tickets that have been sold stay sold. Returns all tickets of the order. Raises OrderNotFound, RefundInvalid, and TicketsBeingSold if
    buyers hold the remaining tickets.
    """
    if not purchase.was_order:
        raise OrderNotFound()
    issued = tickets.load_purchase_tickets(purchase.id, purchase.quantity)
    listed = [ticket for ticket in _select(issued, wanted) if ticket.listed_at is not None]
    for stock_id, same in _by_stock(listed).items():
        for first in range(0, len(same), LISTED_AT_ONCE):
            portion = same[first : first + LISTED_AT_ONCE]
            details = {"tickets": [ticket.number for ticket in portion]}
            entry = audit.entry_item(f"order#{purchase.id}", "resale.withdrawn", purchase.user_id, now, details, event_id=purchase.event_id)
            try:
                _take_out(stock_id, portion, [entry])
            except dynamo.ConditionFailed:  # some were sold or withdrawn in the meantime, or buyers hold some
                withdrawn = [_unlist(stock_id, ticket) for ticket in portion]
                if not all(withdrawn):
                    raise TicketsBeingSold() from None
                issued = tickets.load_purchase_tickets(purchase.id, purchase.quantity)
    return [replace(ticket, listed_at=None) if ticket in listed else ticket for ticket in issued]


def has_listed(user_id: str, event_id: str) -> bool:
    """Return whether a user has offered tickets of an event for resale. Takes three round trips for a user with orders."""
    buyer = store.load_buyer(user_id, event_id)
    return buyer is not None and bool(find_sellers([buyer]))


def find_sellers(buyers: Iterable[BuyerRecord]) -> set[str]:
    """Return the ids of the buyers who have offered tickets for resale. Takes two round trips for up to 100 orders and 100 tickets."""
    orders = store.load_readable(order_id for buyer in buyers for order_id in buyer.orders)[0]
    may_resell = [order for order in orders.values() if order is not None and _deadline(order) is not None]
    found = load_readable_tickets(ticket_id(order.id, number) for order in may_resell for number in order.kept_tickets)
    return {ticket.owner_id for ticket in found if ticket.listed_at is not None}


def _select(issued: Sequence[Ticket], wanted: Sequence[str] | None) -> list[Ticket]:
    known = {ticket.id for ticket in issued}
    for position, wanted_id in enumerate(wanted or ()):
        if wanted_id not in known:
            raise RefundInvalid(f"This order has no ticket {wanted_id}.", path=f"$.tickets[{position}]")
    return [ticket for ticket in issued if wanted is None or ticket.id in wanted]


def _deadline(purchase: Purchase) -> int | None:
    """Return the last second in which tickets of an order may be offered. Returns None if they may not be offered at all."""
    event = purchase.event_in(catalog.snapshot())
    if event is None or purchase.returns is None or purchase.returns.policy != "resale" or event.status in ("cancelled", "past"):
        return None
    return purchase.returns.deadline(event.starts_at)


def _fee(purchase: Purchase, number: int) -> int:
    return purchase.returns.fee(purchase.ticket_price(number)) if purchase.returns is not None else 0


def _refusal(purchase: Purchase, ticket: Ticket) -> str | None:
    """Return the reason why the buyer cannot offer a ticket for resale, or None."""
    if (refusal := refunds.own_return_refusal(purchase, ticket)) is not None:
        return refusal
    if refunds.refundable_cents(purchase, [ticket.number], _fee(purchase, ticket.number)) == 0:
        return "free"
    return None if _matches_tier(ticket, catalog.snapshot().tiers.get(ticket.tier_id)) else "changed"


def _matches_tier(ticket: Ticket, tier: Tier | None) -> bool:
    """Return whether the ticket is what buyers of its tier expect. It is not if the tier has changed too much since the ticket was sold."""
    return tier is not None and not tier.removed and (ticket.admits, ticket.currency) == (tier.admits, tier.currency)


def _by_stock(listed: Iterable[Ticket]) -> dict[str, list[Ticket]]:
    """Return tickets for resale by their stock. Tickets of tiers that are not in the catalog are left out."""
    found: dict[str, list[Ticket]] = {}
    for ticket in listed:
        if (tier := catalog.snapshot().tiers.get(ticket.tier_id)) is not None:
            found.setdefault(tier.for_resale(ticket.price_cents).stock_id, []).append(ticket)
    return found


def _shard_id(stock_id: str) -> str:
    return shard_ids(stock_id, 1)[0]


def _list(purchase: Purchase, new: Sequence[Ticket], now: int) -> None:
    """Mark tickets as listed, and add them to their stocks. Raises TicketsNotReturnable and dynamo.ConditionFailed."""
    keys = list(dict.fromkeys((ticket.tier_id, ticket.price_cents) for ticket in new))

    def open_stocks() -> list[Tier | None]:
        return [holdbacks.open_resale_stock(*key, purchase.user_id, now) for key in keys]

    # Count the holds as sold first. After the resale, the seller's order no longer has the ticket, so the sweep would release its hold.
    _, tiers = parallel.both(lambda: refunds.convert_returned_holds(purchase, [ticket.number for ticket in new]), open_stocks)
    for key, tier in zip(keys, tiers, strict=True):
        if tier is None:
            raise TicketsNotReturnable(reason="changed")
        same = [ticket for ticket in new if (ticket.tier_id, ticket.price_cents) == key]
        for first in range(0, len(same), LISTED_AT_ONCE):
            portion = same[first : first + LISTED_AT_ONCE]
            details = {"tickets": [ticket.number for ticket in portion], "price_cents": tier.price_cents, "currency": purchase.currency}
            entry = audit.entry_item(f"order#{purchase.id}", "resale.offered", purchase.user_id, now, details, event_id=purchase.event_id)
            listed = [item for ticket in portion for item in list_for_resale_items(ticket, tier.stock_id, now)]
            dynamo.transact([*listed, add_tickets_item(_shard_id(tier.stock_id), len(portion)), entry])
            note_change(tier.stock_id)


def _take_out(stock_id: str, listed: Sequence[Ticket], items: Sequence[dynamo.TransactItem] = ()) -> None:
    """End the offers of tickets, and take them out of their stock. Raises dynamo.ConditionFailed."""
    ended = [item for ticket in listed for item in unlist_items(ticket, stock_id)]
    dynamo.transact([*ended, remove_tickets_item(_shard_id(stock_id), len(listed)), *items])
    note_change(stock_id)


def _unlist(stock_id: str, ticket: Ticket) -> bool:
    """Take a listed ticket out of its stock, unless it was sold or withdrawn in the meantime. Returns False if buyers hold all tickets."""
    try:
        _take_out(stock_id, [ticket])
    except dynamo.ConditionFailed as cancelled:
        return cancelled.failed(0)
    return True


# A buyer's payment moves the seats.


class Resold(Struct, frozen=True):
    """A paid purchase with its seats, the orders of the sellers before and after, and the items that move the seats."""

    purchase: Purchase
    others: list[tuple[Purchase, Purchase]]
    items: list[dynamo.TransactItem]


def take_seats(paid: Purchase, attempt: int, now: int) -> Resold:
    """Return a purchase with the seats of tickets for resale, to be saved in one transaction. Raises NothingForResale.

    The first `attempt` (0) takes the tickets that were listed first. If it fails because other buyers paid for the same tickets, later
    attempts choose among more and more tickets.
    """
    [line] = paid.lines
    chosen = _choose(paid, attempt)
    # The pool does not have the seats of holdbacks, and its holds belong to the first tickets, so the seats of holdbacks come last.
    holds = sorted((order.holds_of_tickets([ticket.number]) for ticket, order in chosen), key=len, reverse=True)
    seats = [seat for seat, *_ in holds]
    pool_seats = [pooled for _, *in_pool in holds for pooled in in_pool]
    others, items = [], [item for ticket, _ in chosen for item in void_resold_items(ticket, line.resale_holds[0].stock_id)]
    for order in {order.id: order for _, order in chosen}.values():
        numbers = sorted(ticket.number for ticket, seller in chosen if seller.id == order.id)
        after, money_items = refunds.plan_resold(order, numbers, paid.id, now)
        others.append((order, after))
        items += money_items
    return Resold(replace(paid, lines=[replace(line, holds=seats)], pool_holds=pool_seats), others, items)


def _choose(paid: Purchase, attempt: int) -> list[tuple[Ticket, Purchase]]:
    """Return as many tickets as the purchase needs, with the orders of their sellers. Raises NothingForResale."""
    [line] = paid.lines
    wanted = line.quantity * 2**attempt
    found = list[tuple[Ticket, Purchase]]()
    position: str | None = None
    while len(found) < wanted:
        page, position = query_listed_tickets(line.resale_holds[0].stock_id, position, PAGE_SIZE)
        fitting = [
            ticket
            for ticket in page
            if ticket.is_for_resale and ticket.owner_id != paid.user_id and (ticket.admits, ticket.currency) == (line.admits, paid.currency)
        ]
        orders = store.load_readable({ticket.purchase_id for ticket in fitting})[0]
        found += [(ticket, order) for ticket in fitting if (order := _seller(ticket, orders)) is not None]
        if position is None:
            break
    if len(found) < line.quantity:
        raise NothingForResale()
    found = found[:wanted]
    return found if attempt == 0 else random.sample(found, line.quantity)


def _seller(ticket: Ticket, orders: Mapping[str, Purchase | None]) -> Purchase | None:
    """Return the order of a ticket for resale, or None if it has changed so that the ticket cannot be sold."""
    order = orders.get(ticket.purchase_id)
    is_kept = order is not None and ticket.number in order.kept_tickets and order.user_id == ticket.owner_id
    return order if order is not None and is_kept and not order.is_disputed else None


# The sweep withdraws tickets that can no longer be sold.


def close_listings(shards: Iterable[Shard], events: Mapping[str, Event], now: int) -> int:
    """Take tickets that can no longer be sold out of the resale stocks among these shards. Returns their number.

    A ticket that buyers hold stays until they have paid or their time is up. `events` maps stock ids to events. An error in one stock does
    not stop the others.
    """
    closed = 0
    for shard in shards:
        event = events.get(shard.stock_id)
        if event is None or not is_resale_stock(shard.stock_id) or shard.capacity == shard.sold:
            continue
        if shard.capacity - shard.sold > MANY and (now // 60 + crc32(shard.id.encode())) % 10:
            continue
        try:
            closed += _close_listings(shard.stock_id, event, now)
        except Exception:  # an error in one stock must not stop the sweep of its event
            logger.exception("resale.not_closed", stock_id=shard.stock_id)
    return closed


def _close_listings(stock_id: str, event: Event, now: int) -> int:
    current, is_closed = catalog.snapshot(), event_phase(event, now) == "closed"
    closed, position = 0, None
    while deadline.remaining() >= SECONDS_FOR_PAGE:
        page, position = query_listed_tickets(stock_id, position, SWEPT_PAGE)
        for ticket in page:
            is_sellable = ticket.is_for_resale and _matches_tier(ticket, current.tiers.get(ticket.tier_id))
            if is_closed or not is_sellable or current.is_cancelled(event, [ticket.tier_id]):
                closed += _unlist(stock_id, ticket)
        if position is None:
            break
    if closed:
        logger.info("resale.closed", stock_id=stock_id, tickets=closed)
    return closed
