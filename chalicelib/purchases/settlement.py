"""What becomes of money: a payment that came in ends in tickets or in a refund, whatever the purchase has been through meanwhile."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import dynamo, log, settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnough, StockClosed
from chalicelib.payments import service as payments
from chalicelib.payments.model import Intent, Payment
from chalicelib.purchases import store
from chalicelib.purchases.model import LIVE, Line, Purchase, State
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Issue, Ticket
from chalicelib.tickets.model import Line as TicketLine

_ATTEMPTS = 5


class Settled(Struct, frozen=True):
    """How it ended: an order with its tickets, or a purchase without any. `repeated`: it had ended so before."""

    purchase: Purchase
    tickets: list[Ticket]
    repeated: bool


def captured(purchase: Purchase, intent: Intent, now: int) -> Settled:
    """The provider has the money. Ends in an order, also for a purchase that was over but can have its tickets again, else in a refund."""
    for _ in range(_ATTEMPTS):
        settled = _settled(purchase, intent, now)
        if settled is not None:
            return settled
        again = store.load(purchase.id)
        if again is None:
            break
        purchase = again
    raise dynamo.StoreUnavailable("the purchase kept changing")


def pay(purchase: Purchase, payment: Payment, now: int) -> Settled | None:
    """`paying -> paid` with its tickets; None if the purchase has changed since it was read."""
    issue = _issue(purchase, payment, now)
    return _issued(purchase, payment, issue, now) if store.pay(purchase, payment, issue.items, now) else None


def moved(purchase: Purchase, state: State, payment: Payment) -> Purchase:
    """The purchase as a compare-and-set that succeeded has left it; spares reading it again."""
    return replace(purchase, state=state, version=purchase.version + 1, payment=payment)


def _settled(purchase: Purchase, intent: Intent, now: int) -> Settled | None:
    """None if the purchase has changed since it was read."""
    payment = purchase.payment
    assert payment is not None, "money comes in for what was checked out"
    if purchase.state == "paid":
        return Settled(purchase, tickets.of_purchase(purchase.id, purchase.quantity), repeated=True)
    if purchase.state == "refunded":
        return _give_back(purchase, repeated=True)
    if not intent.pays(payment):
        # Never a ticket for another sum: somebody has changed the payment behind our back.
        log.count("payment_mismatches")
        log.warning("payment.mismatch", purchase_id=purchase.id, expected=payment.amount_cents, received=intent.amount_received)
        return _refund(purchase, now)
    if purchase.state == "paying":
        return pay(purchase, replace(payment, status="captured"), now)
    return _late(purchase, payment, now)


def _late(purchase: Purchase, payment: Payment, now: int) -> Settled | None:
    """Money for a purchase that is over: its tickets again if they can be had, under new holds, else the money goes back."""
    log.count("late_payments")
    event, limit = catalog.snapshot().events.get(purchase.event_id), settings.current().event_purchase_limit
    try:
        again = replace(purchase, lines=_hold_again(purchase, now))
    except (NotEnough, StockClosed):
        return _refund(purchase, now)
    paid = replace(payment, status="captured")
    issue = _issue(again, paid, now)
    refused = store.revive(again, paid, event.limit(limit) if event else limit, issue.items, now)
    if refused is None:
        return _issued(again, paid, issue, now)
    inventory.end_holds("release", again.holds)
    return None if refused == "changed" else _refund(purchase, now)


def _issue(purchase: Purchase, payment: Payment, now: int) -> Issue:
    lines = [_ticket_line(line, payment.currency) for line in purchase.lines]
    return tickets.issue(purchase.id, purchase.user_id, purchase.event_id, lines, now)


def _issued(purchase: Purchase, payment: Payment, issue: Issue, now: int) -> Settled:
    """From here on it is an order. A crash before the conversion leaves a hold that recovery converts."""
    inventory.end_holds("convert", purchase.holds)
    log.count("orders_paid")
    log.count("tickets_issued", len(issue.tickets))
    facts = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    log.info("order.paid", total_cents=purchase.total_cents, late=purchase.state != "paying", **facts)
    log.info("ticket.issued", tickets=len(issue.tickets), **facts)
    return Settled(replace(moved(purchase, "paid", payment), ended_at=now), issue.tickets, repeated=False)


def _hold_again(purchase: Purchase, now: int) -> list[Line]:
    until = now + settings.current().hold_seconds
    tiers = catalog.snapshot().tiers
    lines: list[Line] = []
    try:
        for line in purchase.lines:
            tier = tiers.get(line.tier_id)
            if tier is None:
                raise NotEnough(0, line.quantity, [])
            holds = inventory.take(tier.stock_id, tier.shards, line.quantity, purchase.id, until, now)
            lines.append(replace(line, holds=holds))
    except Exception:
        inventory.end_holds("release", _holds(lines))
        raise
    return lines


def _refund(purchase: Purchase, now: int) -> Settled | None:
    """The arbiter first, so that nobody issues tickets any more; then the provider. A crash between leaves `refund_due`."""
    payment = purchase.payment
    assert payment is not None
    due = replace(payment, status="refund_due")
    if not store.refuse_money(purchase, due, now):
        return None
    if purchase.state in LIVE:
        inventory.end_holds("release", purchase.holds)
    log.count("refunds")
    log.info("payment.refunded", purchase_id=purchase.id, event_id=purchase.event_id, amount_cents=payment.amount_cents)
    return _give_back(replace(moved(purchase, "refunded", due), ended_at=now), repeated=False)


def _give_back(purchase: Purchase, *, repeated: bool) -> Settled:
    payment = purchase.payment
    if payment is not None and payment.status == "refund_due":
        payments.give_back(payment, purchase.id)
        done = replace(payment, status="refunded")
        if store.note_payment(purchase, done):
            purchase = moved(purchase, "refunded", done)
    return Settled(purchase, [], repeated)


def _holds(lines: Sequence[Line]) -> list[Hold]:
    return [hold for line in lines for hold in line.holds]


def _ticket_line(line: Line, currency: str) -> TicketLine:
    return TicketLine(
        tier_id=line.tier_id,
        quantity=line.quantity,
        admits=line.admits,
        price_cents=line.price_cents,
        currency=currency,
    )
