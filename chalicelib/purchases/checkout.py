"""From a reservation to an order: opening the payment, and confirming how it ended."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import dynamo, log, settings
from chalicelib.inventory import service as inventory
from chalicelib.payments import service as payments
from chalicelib.payments.model import Outcome, Payment
from chalicelib.purchases import recovery, store
from chalicelib.purchases.model import CheckoutNotFound, Line, OrderNotFound, Purchase, ReservationOver, State
from chalicelib.purchases.service import owned
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Line as TicketLine
from chalicelib.tickets.model import Ticket

_ATTEMPTS = 4


class Confirmed(Struct, frozen=True):
    """How a confirmation ended; `repeated` when it had ended so before. A declined payment has no tickets."""

    purchase: Purchase
    tickets: list[Ticket]
    repeated: bool


def begin(user_id: str, purchase_id: str, details: dict[str, Any], now: int) -> tuple[Purchase, bool]:
    """Open the checkout of a reservation: `held -> paying`. The purchase and whether this call did it.

    Raises ReservationNotFound for an unknown or foreign one and ReservationOver when its time is over or it has ended.
    """
    for _ in range(_ATTEMPTS):
        purchase = _living(owned(user_id, purchase_id), now)
        if purchase.state == "paying":
            return purchase, False
        payment = payments.start(purchase.total_cents, purchase.currency)
        expires_at = purchase.expires_at + settings.current().checkout_seconds
        if store.start_paying(purchase, payment, expires_at, details, now):
            if expires_at != purchase.expires_at:
                # The purchase says how long it lives; a shard that was not told is corrected by recovery.
                for hold in purchase.holds:
                    inventory.extend(hold, expires_at)
            log.info("checkout.opened", purchase_id=purchase.id, event_id=purchase.event_id, provider=payment.provider)
            return replace(_next(purchase, "paying", payment), checkout_at=now, expires_at=expires_at, details=details), True
    raise dynamo.StoreUnavailable("the purchase kept changing")


def session(user_id: str, purchase_id: str) -> Purchase:
    """A purchase that has been checked out, in whatever state; raises CheckoutNotFound."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.checkout_at is None:
        raise CheckoutNotFound()
    return purchase


def confirm(user_id: str, purchase_id: str, simulate: Outcome | None, now: int) -> Confirmed:
    """End a checkout: paid, with its tickets, or declined, with its stock back. Repeating gives the same answer.

    Three round trips: read the purchase, one transaction, one conversion for each hold. Raises CheckoutNotFound,
    ReservationOver, SimulationRequired.
    """
    for _ in range(_ATTEMPTS):
        purchase = session(user_id, purchase_id)
        if purchase.state == "paid":
            return Confirmed(purchase, tickets.of_purchase(purchase.id, purchase.quantity), repeated=True)
        if purchase.declined:
            return Confirmed(purchase, [], repeated=True)
        _living(purchase, now)
        assert purchase.payment is not None  # paying, so it was started
        payment = payments.finish(purchase.payment, simulate)
        ended = _pay(purchase, payment, now) if payment.status == "captured" else _decline(purchase, payment, now)
        if ended is not None:
            return ended
    raise dynamo.StoreUnavailable("the purchase kept changing")


def order(user_id: str, event_id: str) -> tuple[Purchase, list[Ticket]]:
    """The user's newest order of an event with its tickets; raises OrderNotFound."""
    buying = store.buying(user_id, event_id)
    if buying is None or not buying.orders:
        raise OrderNotFound()
    return order_by_id(user_id, max(buying.orders))  # ULIDs sort by time


def order_by_id(user_id: str, purchase_id: str) -> tuple[Purchase, list[Ticket]]:
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.state != "paid":
        raise OrderNotFound()
    return purchase, tickets.of_purchase(purchase.id, purchase.quantity)


def _living(purchase: Purchase, now: int) -> Purchase:
    """The purchase if it still holds its tickets; if only its time is over, they go back at once."""
    if not purchase.lives(now):
        recovery.expire(purchase, now)
        raise ReservationOver()
    return purchase


def _pay(purchase: Purchase, payment: Payment, now: int) -> Confirmed | None:
    """None if the purchase has changed since it was read."""
    lines = [_ticket_line(line, payment.currency) for line in purchase.lines]
    issue = tickets.issue(purchase.id, purchase.user_id, purchase.event_id, lines, now)
    if not store.pay(purchase, payment, issue.items, now):
        return None
    # From here on it is an order. A crash before the next line leaves a hold that recovery converts.
    inventory.end_holds("convert", purchase.holds)
    log.count("orders_paid")
    log.count("tickets_issued", len(issue.tickets))
    log.info("order.paid", purchase_id=purchase.id, event_id=purchase.event_id, total_cents=purchase.total_cents)
    log.info("ticket.issued", purchase_id=purchase.id, event_id=purchase.event_id, tickets=len(issue.tickets))
    return Confirmed(replace(_next(purchase, "paid", payment), ended_at=now), issue.tickets, repeated=False)


def _decline(purchase: Purchase, payment: Payment, now: int) -> Confirmed | None:
    if not store.end(purchase, "cancelled", now, payment):
        return None
    inventory.end_holds("release", purchase.holds)
    log.count("payments_failed")
    log.info("payment.declined", purchase_id=purchase.id, event_id=purchase.event_id)
    return Confirmed(replace(_next(purchase, "cancelled", payment), ended_at=now), [], repeated=False)


def _next(purchase: Purchase, state: State, payment: Payment) -> Purchase:
    """The purchase as a compare-and-set that succeeded has left it; spares reading it again."""
    return replace(purchase, state=state, version=purchase.version + 1, payment=payment)


def _ticket_line(line: Line, currency: str) -> TicketLine:
    return TicketLine(
        tier_id=line.tier_id,
        quantity=line.quantity,
        admits=line.admits,
        price_cents=line.price_cents,
        currency=currency,
    )
