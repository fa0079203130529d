"""From a reservation to an order: opening the payment, and confirming how it ended."""

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import log, settings
from chalicelib.inventory import service as inventory
from chalicelib.payments import service as payments
from chalicelib.payments.model import Outcome, Owner, Payment, PaymentNotCompleted
from chalicelib.purchases import books, ending, hosting, orders, recovery, store
from chalicelib.purchases.hosting import CheckoutOptions
from chalicelib.purchases.model import CheckoutNotFound, PaymentRefunded, Purchase, ReservationConverted, ReservationOver
from chalicelib.purchases.service import owned
from chalicelib.purchases.settlement import Settled, captured, pay


class Begun(Struct, frozen=True):
    """`opened`: this call did it. The buyer pays in our page with the `client_secret`, or at the `url`, where there is a provider."""

    purchase: Purchase
    opened: bool
    client_secret: str | None
    url: str | None


def begin(user_id: str, purchase_id: str, options: CheckoutOptions, now: int) -> Begun:
    """Open the checkout of a reservation: `held -> paying`, then the payment at its provider.

    Raises ReservationNotFound for an unknown or foreign one, ReservationOver when its time is over or it has ended,
    ReservationConverted or PaymentRefunded when it had been paid, ReturnAddressRefused, PriceMismatch, and ProviderUnavailable:
    then the next try goes on where this one stopped. The options count in the first try only.
    """
    return store.retry_on_conflict(owned(user_id, purchase_id), lambda current: _begun(_living(current, now), options, now))


def session(user_id: str, purchase_id: str) -> Purchase:
    """A purchase that has been checked out, in whatever state; raises CheckoutNotFound."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.checkout_at is None:
        raise CheckoutNotFound()
    return purchase


def confirm(user_id: str, purchase_id: str, simulate: Outcome | None, now: int) -> Settled:
    """End a checkout: paid, with its tickets, or declined, with its stock back. Repeating gives the same answer.

    Three round trips: read the purchase, one transaction, one conversion for each hold; with a provider one call to it. Raises
    CheckoutNotFound, ReservationOver, SimulationRequired, PaymentNotCompleted and PaymentRefunded.
    """
    return store.retry_on_conflict(session(user_id, purchase_id), lambda current: _confirmed(current, simulate, now))


def _begun(purchase: Purchase, options: CheckoutOptions, now: int) -> Begun | None:
    """None if the purchase has changed since it was read."""
    if purchase.state == "paying":
        return _open_payment(purchase, False, now)
    payment = hosting.chosen(purchase, payments.start(purchase.total_cents, purchase.currency, options.provider), options)
    expires_at = purchase.expires_at + settings.current().checkout_seconds
    paying = replace(
        purchase, state="paying", payment=payment, checkout_at=now, expires_at=expires_at, details={**purchase.details, **options.details}
    )
    done = store.move(purchase, paying)
    if done is None:
        return None
    if expires_at != purchase.expires_at:
        # The purchase says how long it lives; a shard that was not told is corrected by recovery.
        for hold in purchase.holds:
            inventory.extend(hold, expires_at)
    log.info("checkout.opened", purchase_id=purchase.id, event_id=purchase.event_id, provider=payment.provider)
    return _open_payment(done, True, now)


def _confirmed(purchase: Purchase, simulate: Outcome | None, now: int) -> Settled | None:
    """None if the purchase has changed since it was read."""
    if purchase.was_order or purchase.declined:
        return Settled(purchase, orders.tickets_of(purchase), repeated=True)
    if purchase.state == "refunded":
        raise _refunded(purchase)
    assert purchase.payment is not None  # checked out, so it was started
    if purchase.payment.provider == "stripe":
        return _confirm_with_provider(purchase, purchase.payment, simulate, now)
    _living(purchase, now)
    payment = payments.finish(purchase.payment, simulate)
    return pay(purchase, payment, now) if payment.status == "captured" else _decline(purchase, payment, now)


def _living(purchase: Purchase, now: int) -> Purchase:
    """The purchase if it still holds its tickets. If only its time is over, they go back at once, unless its money has come in."""
    if purchase.lives(now):
        return purchase
    recovery.expire(purchase, now)
    ended = owned(purchase.user_id, purchase.id)
    if ended.was_order:
        raise ReservationConverted("The reservation is an order already.")
    if ended.state == "refunded":
        raise _refunded(ended)
    raise ReservationOver()


def _open_payment(purchase: Purchase, opened: bool, now: int) -> Begun:
    """The payment at the provider, opened and written down before the buyer can pay it.

    Whoever ends the purchase in between either sees the payment and cancels it, or changes the purchase first: then writing
    it down is refused here, and it is cancelled before anybody heard of it.
    """
    payment = purchase.payment
    assert payment is not None
    if payment.provider != "stripe":
        return Begun(purchase, opened, None, None)
    owner = Owner(purchase.id, purchase.event_id, purchase.user_id)
    # Once it is written down it is looked at: opening it again would be another one when the provider has forgotten the first.
    intent = payments.look(payment) if payment.reference else payments.open_with_provider(payment, owner, hosting.page(purchase, payment))
    begun = Begun(purchase, opened, intent.client_secret, intent.url)
    if payment.reference == intent.id:
        return begun
    attached = replace(payment, reference=intent.id)
    done = store.move(purchase, replace(purchase, payment=attached), [books.opened(purchase, intent.id, now)])
    if done is not None:
        return replace(begun, purchase=done)
    now_there = owned(purchase.user_id, purchase.id)
    if now_there.payment is not None and now_there.payment.reference == intent.id and now_there.lives(now):
        return replace(begun, purchase=now_there)
    payments.stop(attached)
    raise ReservationOver()


def _confirm_with_provider(purchase: Purchase, payment: Payment, simulate: Outcome | None, now: int) -> Settled:
    if payment.reference is None:
        raise PaymentNotCompleted(payment_status="not_opened")
    intent = payments.look(payment, simulate)
    if intent.captured:
        settled = captured(purchase, intent, now)
        if not settled.purchase.was_order:
            raise _refunded(settled.purchase)
        return settled
    _living(purchase, now)
    raise PaymentNotCompleted(payment_status=intent.status)


def _refunded(purchase: Purchase) -> PaymentRefunded:
    back = [refund for refund in purchase.refunds if not refund.tickets]
    return PaymentRefunded(
        order_id=purchase.id, amount_cents=sum(one.amount_cents for one in back), refund_status=back[-1].status if back else None
    )


def _decline(purchase: Purchase, payment: Payment, now: int) -> Settled | None:
    ended = ending.end(purchase, "cancelled", now, payment)
    if ended.how != "ended":
        return None
    log.count("payments_failed")
    log.info("payment.declined", purchase_id=purchase.id, event_id=purchase.event_id)
    return Settled(ended.purchase, [], repeated=False)
