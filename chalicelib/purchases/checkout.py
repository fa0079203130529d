"""From a reservation to an order: opening the payment, and confirming how it ended."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import dynamo, log, settings
from chalicelib.inventory import service as inventory
from chalicelib.payments import service as payments
from chalicelib.payments.model import Outcome, Payment, PaymentNotCompleted
from chalicelib.purchases import ending, recovery, store
from chalicelib.purchases.model import CheckoutNotFound, OrderNotFound, PaymentRefunded, Purchase, ReservationOver
from chalicelib.purchases.service import owned
from chalicelib.purchases.settlement import Settled, captured, moved, pay
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket

_ATTEMPTS = 4


class Begun(Struct, frozen=True):
    """`opened`: this call did it. `client_secret` lets the buyer's browser pay at the provider, where there is one."""

    purchase: Purchase
    opened: bool
    client_secret: str | None


def begin(user_id: str, purchase_id: str, details: dict[str, Any], now: int) -> Begun:
    """Open the checkout of a reservation: `held -> paying`, then the payment at its provider.

    Raises ReservationNotFound for an unknown or foreign one, ReservationOver when its time is over or it has ended, and
    ProviderUnavailable: then the next try goes on where this one stopped.
    """
    for _ in range(_ATTEMPTS):
        purchase = _living(owned(user_id, purchase_id), now)
        if purchase.state == "paying":
            return _open_payment(purchase, False, now)
        payment = payments.start(purchase.total_cents, purchase.currency)
        expires_at = purchase.expires_at + settings.current().checkout_seconds
        if store.start_paying(purchase, payment, expires_at, details, now):
            if expires_at != purchase.expires_at:
                # The purchase says how long it lives; a shard that was not told is corrected by recovery.
                for hold in purchase.holds:
                    inventory.extend(hold, expires_at)
            log.info("checkout.opened", purchase_id=purchase.id, event_id=purchase.event_id, provider=payment.provider)
            paying = replace(moved(purchase, "paying", payment), checkout_at=now, expires_at=expires_at, details=details)
            return _open_payment(paying, True, now)
    raise dynamo.StoreUnavailable("the purchase kept changing")


def session(user_id: str, purchase_id: str) -> Purchase:
    """A purchase that has been checked out, in whatever state; raises CheckoutNotFound."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.checkout_at is None:
        raise CheckoutNotFound()
    return purchase


def confirm(user_id: str, purchase_id: str, simulate: Outcome | None, now: int) -> Settled:
    """End a checkout: paid, with its tickets, or declined, with its stock back. Repeating gives the same answer.

    Three round trips: read the purchase, one transaction, one conversion for each hold; with a provider one call to it. Raises
    CheckoutNotFound, ReservationOver, SimulationRequired and PaymentNotCompleted.
    """
    for _ in range(_ATTEMPTS):
        purchase = session(user_id, purchase_id)
        if purchase.state == "paid":
            return Settled(purchase, tickets.of_purchase(purchase.id, purchase.quantity), repeated=True)
        if purchase.declined:
            return Settled(purchase, [], repeated=True)
        assert purchase.payment is not None  # checked out, so it was started
        if purchase.payment.provider == "stripe":
            return _confirm_with_provider(purchase, purchase.payment, simulate, now)
        _living(purchase, now)
        payment = payments.finish(purchase.payment, simulate)
        ended = pay(purchase, payment, now) if payment.status == "captured" else _decline(purchase, payment, now)
        if ended is not None:
            return ended
    raise dynamo.StoreUnavailable("the purchase kept changing")


def provider_says(intent_id: str, now: int) -> str:
    """Bring a purchase to what its payment at the provider has become; how that ended, in a word. For webhooks, and safe to repeat.

    The payment is asked for, not taken from whoever told: the order and the truth of messages are nobody's promise.
    """
    intent = payments.retrieve(intent_id)
    purchase = store.load(intent.purchase_id) if intent.purchase_id else None
    if purchase is None or purchase.payment is None:
        return "not_ours"
    if purchase.payment.reference not in (None, intent.id):
        return "not_ours"
    if not intent.captured:
        return "not_captured"
    return captured(_with_reference(purchase, intent.id), intent, now).purchase.state


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


def _open_payment(purchase: Purchase, opened: bool, now: int) -> Begun:
    """The payment at the provider, opened and written down before the buyer can pay it.

    Whoever ends the purchase in between either sees the payment and cancels it, or changes the purchase first: then writing
    it down is refused here, and it is cancelled before anybody heard of it.
    """
    payment = purchase.payment
    assert payment is not None
    if payment.provider != "stripe":
        return Begun(purchase, opened, None)
    intent = payments.open_with_provider(payment, purchase.id, purchase.event_id, purchase.user_id)
    if payment.reference == intent.id:
        return Begun(purchase, opened, intent.client_secret)
    attached = replace(payment, reference=intent.id)
    if store.attach(purchase, attached):
        return Begun(moved(purchase, "paying", attached), opened, intent.client_secret)
    now_there = owned(purchase.user_id, purchase.id)
    if now_there.payment is not None and now_there.payment.reference == intent.id and now_there.lives(now):
        return Begun(now_there, opened, intent.client_secret)
    payments.stop(attached)
    raise ReservationOver()


def _confirm_with_provider(purchase: Purchase, payment: Payment, simulate: Outcome | None, now: int) -> Settled:
    if payment.reference is None:
        raise PaymentNotCompleted(payment_status="not_opened")
    intent = payments.look(payment, simulate)
    if intent.captured:
        settled = captured(purchase, intent, now)
        if settled.purchase.state == "refunded":
            raise PaymentRefunded(order_id=purchase.id, amount_cents=payment.amount_cents)
        return settled
    _living(purchase, now)
    raise PaymentNotCompleted(payment_status=intent.status)


def _with_reference(purchase: Purchase, reference: str) -> Purchase:
    """A payment that was opened and paid, though the one who opened it died before writing it down."""
    assert purchase.payment is not None
    return replace(purchase, payment=replace(purchase.payment, reference=reference))


def _decline(purchase: Purchase, payment: Payment, now: int) -> Settled | None:
    if ending.end(purchase, "cancelled", now, payment).how != "ended":
        return None
    log.count("payments_failed")
    log.info("payment.declined", purchase_id=purchase.id, event_id=purchase.event_id)
    return Settled(replace(moved(purchase, "cancelled", payment), ended_at=now), [], repeated=False)
