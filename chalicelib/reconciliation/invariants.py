"""What must hold at any time for the records of one order, ticket, shard or event, whatever was interrupted.

The writes that belong together are one transaction, so each rule holds between any two of them. Only reads that are minutes apart may
contradict each other. Each function yields a sentence for each rule that is broken.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct

from chalicelib.catalog.model import Catalog
from chalicelib.foundation.money import add_taxes
from chalicelib.inventory.model import Shard, Stock
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import FEE_SIGNS, LedgerEntry
from chalicelib.ledger.money_cases import Case
from chalicelib.purchases.model import ACTIVE_STATES, BuyerRecord, Purchase
from chalicelib.tickets import signature
from chalicelib.tickets.model import Ticket


class PurchaseRecords(Struct, frozen=True):
    """A purchase and everything that is stored about it. `buyer` is the buyer's record for the event."""

    purchase: Purchase
    tickets: Sequence[Ticket]
    entries: Sequence[LedgerEntry]
    cases: Sequence[Case]
    buyer: BuyerRecord | None


def check_purchase(records: PurchaseRecords) -> Iterator[str]:
    """Check a purchase, with its tickets, ledger entries, open cases and buyer's record."""
    purchase = records.purchase
    if purchase.was_order:
        yield from check_order(purchase, records.tickets)
        for ticket in records.tickets:
            yield from check_ticket(ticket)
    elif records.tickets:
        yield f"{purchase.id}: {purchase.state}, and it has the tickets {[ticket.id for ticket in records.tickets]}"
    yield from check_access_code(purchase)
    yield from check_ledger(purchase, records.entries)
    yield from check_cases(purchase, records.cases)
    yield from check_buyer(purchase, records.buyer)


def check_order(order: Purchase, tickets: Sequence[Ticket]) -> Iterator[str]:
    """Check that an order has exactly the tickets and seats it paid for, in the states that its refunds and disputes require."""
    expected = Counter({line.tier_id: line.quantity for line in order.lines})
    if Counter(ticket.tier_id for ticket in tickets) != expected:
        yield f"{order.id}: paid for {dict(expected)}, has {[ticket.id for ticket in tickets]}"
    paid_seats = sum(line.quantity * line.admits for line in order.lines)
    if sum(ticket.admits for ticket in tickets) != paid_seats:
        yield f"{order.id}: paid for {paid_seats} seats, has {[ticket.admits for ticket in tickets]}"
    signed = [ticket for ticket in tickets if signature.has_known_key(ticket.qr_sig)]  # tickets stay valid after their key was removed
    if any(not signature.is_genuine(ticket.qr_sig, ticket.id, ticket.event_id, ticket.code) for ticket in signed):
        yield f"{order.id}: a ticket's signature is not ours"
    if sum(hold.quantity for line in order.lines for hold in line.holds) != order.quantity:
        yield f"{order.id}: its holds do not add up to its quantity"
    kept_state = "frozen" if order.is_disputed else "valid"
    states = {ticket.number: ticket.state for ticket in tickets}
    if states != {number: kept_state if number in order.kept_tickets else "void" for number in states}:
        yield f"{order.id}: a {order.state} order with the tickets {order.kept_tickets} has the ticket states {states}"
    void = [number for refund in order.refunds for number in refund.tickets]
    void += [number for dispute in order.disputes for number in dispute.voided]
    if len(set(void)) < len(void):
        yield f"{order.id}: a ticket was made void twice: {void}"
    if order.is_order != bool(order.kept_tickets):
        yield f"{order.id}: {order.state}, with the tickets {order.kept_tickets}"


def check_ticket(ticket: Ticket) -> Iterator[str]:
    """Check that a ticket admitted too many people on a date only by overrides, and that each of its seats has at most one guest."""
    dates = {checkin.date for checkin in ticket.checkins}
    if len(dates) > 1:
        for date in dates:
            yield from check_ticket(ticket.with_checkins_on(date))
        return
    overridden = sum(checkin.count for checkin in ticket.checkins if checkin.override_reason)
    scanned_seats = {checkin.seat for checkin in ticket.checkins}
    counts = [[checkin.count for checkin in ticket.checkins if checkin.seat == seat] for seat in scanned_seats]
    if any(inside < 0 for people in counts for inside in accumulate(people)):
        yield f"{ticket.id}: more people went out than were in: {ticket.checkins}"
    if sum(checkin.count for checkin in ticket.checkins_inside) != ticket.inside_count:
        yield f"{ticket.id}: {ticket.inside_count} people are in, and the check-ins of the present people are {ticket.checkins_inside}"
    if not 0 <= ticket.inside_count <= ticket.admits + overridden:
        yield f"{ticket.id}: {ticket.inside_count} of {ticket.admits} are in"
    if any(checkin.count == 0 for checkin in ticket.checkins) or len({checkin.id for checkin in ticket.checkins}) < len(ticket.checkins):
        yield f"{ticket.id}: has the check-ins {ticket.checkins}"
    seats = [guest.seat for guest in ticket.guests]
    if seats != sorted(set(seats) & set(range(1, ticket.admits + 1))):
        yield f"{ticket.id}: has guests of the seats {seats}"
    admitted = [checkin.seat for checkin in ticket.checkins_inside if checkin.seat is not None and not checkin.override_reason]
    if len(set(admitted)) < len(admitted) or any(abs(checkin.count) != 1 for checkin in ticket.checkins if checkin.seat is not None):
        yield f"{ticket.id}: the guests of the seats {admitted} came in"


def check_access_code(purchase: Purchase) -> Iterator[str]:
    """Check that a purchase that could be reserved only with an access code has kept the code, and exactly one use of it.

    Also check that tickets of a holdback come from its stock.
    """
    uses = sum(hold.quantity for hold in purchase.promo_holds)
    if purchase.needs_code and (purchase.promo_code is None or uses != 1):
        yield f"{purchase.id}: needs an access code, and has {uses} uses of the code {purchase.promo_code}"
    stock_ids = {hold.stock_id for line in purchase.lines for hold in line.holds}
    is_from_holdback = all(stock_id.endswith(f"/{purchase.holdback_id}") for stock_id in stock_ids)
    if purchase.holdback_id is not None and not (purchase.needs_code and is_from_holdback):
        yield f"{purchase.id}: its tickets come from {sorted(stock_ids)}, and its code opens the holdback {purchase.holdback_id}"


def check_ledger(purchase: Purchase, entries: Sequence[LedgerEntry]) -> Iterator[str]:
    """Check that a purchase's ledger entries add up to the money received, less refunds and the money that banks took for disputes."""
    net: Counter[str] = Counter()
    for entry in entries:
        net[entry.currency] += entry.amount_cents if entry.kind == "captured" else 0
    for refund in purchase.refunds:
        net[refund.currency] -= refund.amount_cents if refund.status in ("pending", "succeeded") else 0
    for dispute in purchase.disputes:
        net[dispute.currency] -= dispute.amount_cents if dispute.status in ("open", "lost") else 0
    balance = {currency: ledger.balances(entries).get(currency, 0) for currency in net}
    if balance != net:
        yield f"{purchase.id}: the ledger adds up to {balance}, the purchase to {dict(net)}"
    yield from _check_fees(purchase, entries)
    yield from _check_included(purchase, entries)
    if purchase.was_order and not purchase.has_external_refund:
        expected = _expected_balance(purchase)
        if balance.get(purchase.currency, 0) != expected:
            yield f"{purchase.id}: the ledger adds up to {balance}; its tickets, fees, refunds and disputes to {expected}"


def _check_fees(purchase: Purchase, entries: Sequence[LedgerEntry]) -> Iterator[str]:
    """Check that an order has the fee on which its payment was opened, and that no refund returned more fee than was taken."""
    own = purchase.payment
    fees = [entry for entry in entries if entry.kind in FEE_SIGNS]
    if purchase.was_order and own is not None:
        taken = -sum(entry.net_cents for entry in fees if entry.kind == "fee" and entry.reference == own.payment_intent_id)
        agreed = own.connected.fee_cents if own.connected is not None else 0
        if taken != agreed:
            yield f"{purchase.id}: the fee in the ledger is {taken}, and {agreed} was agreed"
    if sum(entry.net_cents for entry in fees) > 0:
        yield f"{purchase.id}: refunds have returned more of the operator's fee than was taken"


def _check_included(purchase: Purchase, entries: Sequence[LedgerEntry]) -> Iterator[str]:
    """Check that an order's ledger entries have the taxes and the fee of the money that the buyer has paid and has not got back."""
    due = [share for refund in purchase.refunds if refund.status == "due" for share in refund.taxes]
    expected = add_taxes([*purchase.kept_taxes, *due]) if purchase.was_order else []
    recorded = add_taxes(share for entry in entries for share in entry.taxes)
    if [share for share in expected if share.gross_cents] != [share for share in recorded if share.gross_cents]:
        yield f"{purchase.id}: the ledger has the taxes {recorded}, and the purchase has {expected}"
    due_fee = sum(refund.included_fee_cents for refund in purchase.refunds if refund.status == "due")
    expected_fee = purchase.kept_included_fee_cents + due_fee if purchase.was_order else 0
    recorded_fee = sum(entry.included_fee_cents for entry in entries)
    if expected_fee != recorded_fee:
        yield f"{purchase.id}: the ledger has the fee {recorded_fee} in the prices, and the purchase has {expected_fee}"


def _expected_balance(order: Purchase) -> int:
    """Return the cents that the shop should have: kept tickets, fees and refunds still owed, less what banks took beyond voided tickets."""
    tickets_and_fees = sum(map(order.ticket_price, order.kept_tickets)) + sum(refund.fee_cents for refund in order.refunds)
    due = sum(refund.amount_cents for refund in order.refunds if refund.status in ("due", "failed"))
    taken = sum(dispute.amount_cents for dispute in order.disputes if dispute.status != "won")
    voided = sum(order.ticket_price(number) for dispute in order.disputes for number in dispute.voided)
    return tickets_and_fees + due + voided - taken


def check_cases(purchase: Purchase, cases: Iterable[Case]) -> Iterator[str]:
    """Check that exactly the unfinished refunds and disputes are open cases, so that the sweep or an admin finds them.

    A person may have closed the case of a refund that failed for good.
    """
    recorded = {f"{case.kind}#{case.id}" for case in cases if case.kind != "finding"}
    expected = {f"refund#{refund.id}" for refund in purchase.refunds if refund.status in ("due", "pending")}
    expected |= {f"dispute#{dispute.id}" for dispute in purchase.disputes if dispute.status == "open"}
    failed = {f"refund#{refund.id}" for refund in purchase.refunds if refund.status == "failed"}
    for case in sorted((recorded ^ expected) - failed):
        yield f"{purchase.id}: {case} is open in the purchase or in the cases, but not in both"


def check_buyer(purchase: Purchase, record: BuyerRecord | None) -> Iterator[str]:
    """Check that the buyer's record for the event lists the purchase correctly: as active, as an order, or as a past order."""
    if record is None:
        if purchase.was_order or purchase.state in ACTIVE_STATES:
            yield f"{purchase.user_id}: has no record, and {purchase.id} is {purchase.state}"
        return
    if (record.active_id == purchase.id) != (purchase.state in ACTIVE_STATES):
        yield f"{purchase.user_id}: the record names {record.active_id} as active, and {purchase.id} is {purchase.state}"
    if (purchase.id in record.orders) != purchase.is_order:
        yield f"{purchase.user_id}: the record's orders are {set(record.orders)}, and {purchase.id} is {purchase.state}"
    if (purchase.id in record.past_orders) != (purchase.was_order and not purchase.is_order):
        yield f"{purchase.user_id}: the record's past orders are {set(record.past_orders)}, and {purchase.id} is {purchase.state}"


def check_shard(shard: Shard) -> Iterator[str]:
    """Check that nothing in a shard is negative, and that its numbers add up to its capacity."""
    if min(shard.available, shard.sold, shard.capacity) < 0:
        yield f"{shard.id}: something is negative: {shard}"
    if shard.available + shard.held + shard.sold != shard.capacity:
        yield f"{shard.id}: {shard.available} + {shard.held} + {shard.sold} is not {shard.capacity}"


def check_holdbacks(current: Catalog, event_ids: Iterable[str], stocks: Mapping[str, Stock]) -> Iterator[str]:
    """Check that the stocks of these events exclude held-back tickets, and that each holdback's stock has only its own tickets.

    Stocks that are not given are skipped.
    """
    for event in (current.events[event_id] for event_id in event_ids if event_id in current.events):
        tiers = [tier for tier in current.event_tiers(event.id) if (tier.held_back or tier.issuing) and not tier.removed]
        allowed = {tier.stock_id: tier.stock_capacity for tier in tiers}
        if tiers and event.pool_id is not None:
            allowed[event.pool_id] = current.pool_capacity(event)
        for tier in tiers:
            allowed |= {tier.holdback_stock_id(holdback_id): tier.holdback_capacity(holdback_id) for holdback_id in tier.issuing}
        for stock_id, capacity in allowed.items():
            if stock_id in stocks and stocks[stock_id].capacity > capacity:
                yield f"{stock_id}: has {stocks[stock_id].capacity} tickets, and may have only {capacity} because of holdbacks"


def check_dates(current: Catalog, event_ids: Iterable[str], stocks: Mapping[str, Stock]) -> Iterator[str]:
    """Check that no date of these events has more sold and held tickets than its capacity. Stocks that are not given are skipped."""
    for event in (current.events[event_id] for event_id in event_ids if event_id in current.events):
        for date in event.dates:
            tiers = [tier for tier in current.event_tiers(event.id) if tier.is_valid_on(date.id)]
            stock_ids = [stock_id for tier in tiers for stock_id in (tier.stock_id, *tier.holdback_shard_counts)]
            taken = sum(stocks[stock_id].sold + stocks[stock_id].held for stock_id in stock_ids if stock_id in stocks)
            if date.capacity is not None and taken > date.capacity:
                yield f"{event.id}: {taken} tickets are sold or held for the date {date.id}, which has a capacity of {date.capacity}"


def sold_tickets(purchase: Purchase) -> list[int]:
    """Return the tickets whose seats count as sold: tickets that the buyer keeps, and tickets refunded without returning the seat.

    The seat of a resold ticket counts for its new buyer.
    """
    kept = (refund for refund in purchase.refunds if not refund.seats_returned and refund.resold_to is None)
    return purchase.kept_tickets + [number for refund in kept for number in refund.tickets]
