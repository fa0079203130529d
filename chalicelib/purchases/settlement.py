"""What becomes of money: a payment that came in ends in tickets or in a refund, whatever the purchase has been through meanwhile."""

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import log, settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, NotEnough, StockClosed
from chalicelib.payments.model import Intent, Payment
from chalicelib.purchases import books, happenings, orders, paying_back, store
from chalicelib.purchases.model import LIVE, Line, Purchase, Refund
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Issue, Ticket
from chalicelib.tickets.model import Line as TicketLine

_WHY = {"captured": "late", "captured_other": "amount_mismatch", "captured_twice": "duplicate"}


class Settled(Struct, frozen=True):
    """How it ended: an order with its tickets, or a purchase without any. `repeated`: it had ended so before."""

    purchase: Purchase
    tickets: list[Ticket]
    repeated: bool


def captured(purchase: Purchase, intent: Intent, now: int) -> Settled:
    """The provider has the money. Ends in an order, also for a purchase that was over but can have its tickets again, else in a refund."""
    return store.retry_on_conflict(purchase, lambda current: _settled(current, intent, now))


def pay(purchase: Purchase, payment: Payment, now: int) -> Settled | None:
    """`paying -> paid` with its tickets; None if the purchase has changed since it was read."""
    paid = replace(purchase, state="paid", payment=payment, ended_at=now)
    issue = _issue(paid, now)
    done = store.move(purchase, paid, [*issue.items, *books.taken(paid, payment, now)])
    return _issued(done, issue, late=False) if done is not None else None


def _settled(purchase: Purchase, intent: Intent, now: int) -> Settled | None:
    """None if the purchase has changed since it was read."""
    happening = happenings.of_payment(purchase, intent)
    match happenings.answer(purchase.state, happening):
        case "issue":
            return pay(purchase, _captured(purchase, intent), now)
        case "issue_again":
            return _late(purchase, intent, now)
        case "pay_back":
            return _pay_back(purchase, intent, happening, now)
        case _:
            return Settled(purchase, orders.tickets_of(purchase), repeated=True)


def _captured(purchase: Purchase, intent: Intent) -> Payment:
    assert purchase.payment is not None
    return replace(purchase.payment, status="captured", reference=purchase.payment.reference or intent.id, capture=intent.capture)


def _late(purchase: Purchase, intent: Intent, now: int) -> Settled | None:
    """Money for a purchase that is over: its tickets again if they can be had, under new holds, else the money goes back."""
    log.count("late_payments")
    payment = _captured(purchase, intent)
    event, limit = catalog.snapshot().events.get(purchase.event_id), settings.current().event_purchase_limit
    try:
        lines = _hold_again(purchase, now)
    except (NotEnough, StockClosed):
        return _pay_back(purchase, intent, "captured", now)
    again = replace(purchase, state="paid", payment=payment, lines=lines, ended_at=now)
    issue = _issue(again, now)
    items = [*issue.items, *books.taken(again, payment, now)]
    try:
        done = store.move(purchase, again, items, limit=event.limit(limit) if event else limit)
    except store.NoRoom:
        inventory.end_holds("release", again.holds)
        return _pay_back(purchase, intent, "captured", now)
    if done is None:
        inventory.end_holds("release", again.holds)
        return None
    return _issued(done, issue, late=True)


def _issue(purchase: Purchase, now: int) -> Issue:
    lines = [_ticket_line(line, purchase.currency) for line in purchase.lines]
    return tickets.issue(purchase.id, purchase.user_id, purchase.event_id, lines, now)


def _issued(purchase: Purchase, issue: Issue, *, late: bool) -> Settled:
    """From here on it is an order. A crash before the conversion leaves a hold that recovery converts."""
    inventory.end_holds("convert", purchase.holds)
    log.count("orders_paid")
    log.count("tickets_issued", len(issue.tickets))
    facts = {"purchase_id": purchase.id, "event_id": purchase.event_id}
    log.info("order.paid", total_cents=purchase.total_cents, late=late, **facts)
    log.info("ticket.issued", tickets=len(issue.tickets), **facts)
    return Settled(purchase, issue.tickets, repeated=False)


def _hold_again(purchase: Purchase, now: int) -> list[Line]:
    held = inventory.all_or_none(_take_again(purchase, line, now) for line in purchase.lines)
    return [replace(line, holds=holds) for line, holds in zip(purchase.lines, held, strict=True)]


def _take_again(purchase: Purchase, line: Line, now: int) -> list[Hold]:
    tier = catalog.snapshot().tiers.get(line.tier_id)
    if tier is None:
        raise NotEnough(0, line.quantity, [])
    return inventory.take(tier.stock_id, tier.shards, line.quantity, purchase.id, now + settings.current().hold_seconds, now)


def _pay_back(purchase: Purchase, intent: Intent, happening: happenings.Happening, now: int) -> Settled | None:
    """The arbiter first, so that nobody issues tickets for this money any more; then the provider.

    A crash in between leaves a refund that is due, and an open matter that brings the sweep here. A second payment of one purchase
    goes back without the purchase's own payment hearing of it.
    """
    assert intent.capture is not None
    own = happening != "captured_twice"
    refund = Refund(
        id=f"{_WHY[happening]}-{intent.capture}",
        status="due",
        amount_cents=intent.left,
        currency=intent.currency,
        reason=_WHY[happening],
        by="fairgate",
        at=now,
        capture=intent.capture,
    )
    if purchase.refund(refund.id) is not None:
        return Settled(purchase, orders.tickets_of(purchase), repeated=True)
    after = purchase.with_refunds(refund)
    if own:
        after = replace(after, state="refunded", payment=_captured(purchase, intent), ended_at=now)
    came_in = books.line(
        purchase, "captured", intent.capture, intent.amount_received, now, currency=intent.currency, facts={"refused": refund.reason}
    )
    done = store.move(purchase, after, [came_in, paying_back.opening(after, refund, now)])
    if done is None:
        return None
    if own and purchase.state in LIVE:
        inventory.end_holds("release", purchase.holds)
    if happening == "captured_other":
        # Never a ticket for another sum: somebody has changed the payment behind our back.
        log.count("payment_mismatches")
        log.warning("payment.mismatch", purchase_id=purchase.id, expected=purchase.total_cents, received=intent.left)
    log.info("payment.refused", purchase_id=purchase.id, event_id=purchase.event_id, why=refund.reason, amount_cents=intent.left)
    return Settled(paying_back.attempt(done, refund.id, now), orders.tickets_of(done), repeated=False)


def _ticket_line(line: Line, currency: str) -> TicketLine:
    return TicketLine(
        tier_id=line.tier_id,
        quantity=line.quantity,
        admits=line.admits,
        price_cents=line.price_cents,
        currency=currency,
    )
