"""From a reservation to an order: opening the payment, and confirming how it ended."""

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import log, settings
from chalicelib.inventory import service as inventory
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, PaymentMetadata, PaymentNotCompleted, SimulatedOutcome
from chalicelib.purchases.checkout import checkout_page
from chalicelib.purchases.checkout.checkout_page import CheckoutOptions
from chalicelib.purchases.record import ledger_entries, store
from chalicelib.purchases.record import queries as order_queries
from chalicelib.purchases.record.errors import CheckoutNotFound, PaymentRefunded, ReservationConverted, ReservationEnded
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.reservations import hold_recovery
from chalicelib.purchases.reservations.service import get_owned
from chalicelib.purchases.settlement import cancellation
from chalicelib.purchases.settlement.service import SettlementResult, complete_purchase, settle_payment


class CheckoutResult(Struct, frozen=True):
    """`opened`: this call did it. The buyer pays in our page with the `client_secret`, or at the `url`, where there is a provider."""

    purchase: Purchase
    opened: bool
    client_secret: str | None
    url: str | None


def open_checkout(user_id: str, purchase_id: str, options: CheckoutOptions, now: int) -> CheckoutResult:
    """Open the checkout of a reservation: `held -> paying`, then the payment at its provider.

    Raises ReservationNotFound for an unknown or foreign one, ReservationOver when its time is over or it has ended,
    ReservationConverted or PaymentRefunded when it had been paid, ReturnAddressRefused, PriceMismatch, and ProviderUnavailable:
    then the next try goes on where this one stopped. The options count in the first try only.
    """
    return store.retry_on_conflict(get_owned(user_id, purchase_id), lambda current: _open(_require_active(current, now), options, now))


def get_session(user_id: str, purchase_id: str) -> Purchase:
    """A purchase that has been checked out, in whatever state; raises CheckoutNotFound."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.checkout_at is None:
        raise CheckoutNotFound()
    return purchase


def confirm(user_id: str, purchase_id: str, simulate: SimulatedOutcome | None, now: int) -> SettlementResult:
    """End a checkout: paid, with its tickets, or declined, with its stock back. Repeating gives the same answer.

    Three round trips: read the purchase, one transaction, one conversion for each hold; with a provider one call to it. Raises
    CheckoutNotFound, ReservationOver, SimulationRequired, PaymentNotCompleted and PaymentRefunded.
    """
    return store.retry_on_conflict(get_session(user_id, purchase_id), lambda current: _confirm(current, simulate, now))


def _open(purchase: Purchase, options: CheckoutOptions, now: int) -> CheckoutResult | None:
    """None if the purchase has changed since it was read."""
    if purchase.state == "paying":
        return _open_payment(purchase, False, now)
    payment = checkout_page.choose_page(purchase, payments.new_payment(purchase.total_cents, purchase.currency, options.provider), options)
    expires_at = purchase.expires_at + settings.current().checkout_seconds
    paying = replace(
        purchase,
        state="paying",
        payment=payment,
        checkout_at=now,
        expires_at=expires_at,
        checkout_details={**purchase.checkout_details, **options.checkout_details},
    )
    done = store.save(purchase, paying)
    if done is None:
        return None
    if expires_at != purchase.expires_at:
        # The purchase says how long it lives; a shard that was not told is corrected by recovery.
        for hold in purchase.holds:
            inventory.extend_hold(hold, expires_at)
    log.info("checkout.opened", purchase_id=purchase.id, event_id=purchase.event_id, provider=payment.provider)
    return _open_payment(done, True, now)


def _confirm(purchase: Purchase, simulate: SimulatedOutcome | None, now: int) -> SettlementResult | None:
    """None if the purchase has changed since it was read."""
    if purchase.was_order or purchase.is_declined:
        return SettlementResult(purchase, order_queries.load_tickets(purchase), repeated=True)
    if purchase.state == "refunded":
        raise _payment_refunded(purchase)
    assert purchase.payment is not None  # checked out, so it was started
    if purchase.payment.provider == "stripe":
        return _confirm_with_provider(purchase, purchase.payment, simulate, now)
    _require_active(purchase, now)
    payment = payments.resolve_offline(purchase.payment, simulate)
    return complete_purchase(purchase, payment, now) if payment.status == "captured" else _decline(purchase, payment, now)


def _require_active(purchase: Purchase, now: int) -> Purchase:
    """The purchase if it still holds its tickets. If only its time is over, they go back at once, unless its money has come in."""
    if purchase.is_active(now):
        return purchase
    hold_recovery.expire_purchase(purchase, now)
    ended = get_owned(purchase.user_id, purchase.id)
    if ended.was_order:
        raise ReservationConverted("The reservation is an order already.")
    if ended.state == "refunded":
        raise _payment_refunded(ended)
    raise ReservationEnded()


def _open_payment(purchase: Purchase, opened: bool, now: int) -> CheckoutResult:
    """The payment at the provider, opened and written down before the buyer can pay it.

    Whoever ends the purchase in between either sees the payment and cancels it, or changes the purchase first: then writing
    it down is refused here, and it is cancelled before anybody heard of it.
    """
    payment = purchase.payment
    assert payment is not None
    if payment.provider != "stripe":
        return CheckoutResult(purchase, opened, None, None)
    owner = PaymentMetadata(purchase.id, purchase.event_id, purchase.user_id)
    # Once it is written down it is looked at: opening it again would be another one when the provider has forgotten the first.
    provider_payment = (
        payments.fetch_payment(payment)
        if payment.provider_id
        else payments.open_payment(payment, owner, checkout_page.page_content(purchase, payment))
    )
    begun = CheckoutResult(purchase, opened, provider_payment.client_secret, provider_payment.url)
    if payment.provider_id == provider_payment.id:
        return begun
    attached = replace(payment, provider_id=provider_payment.id)
    done = store.save(purchase, replace(purchase, payment=attached), [ledger_entries.opened_item(purchase, provider_payment.id, now)])
    if done is not None:
        return replace(begun, purchase=done)
    now_there = get_owned(purchase.user_id, purchase.id)
    if now_there.payment is not None and now_there.payment.provider_id == provider_payment.id and now_there.is_active(now):
        return replace(begun, purchase=now_there)
    payments.cancel_payment(attached)
    raise ReservationEnded()


def _confirm_with_provider(purchase: Purchase, payment: Payment, simulate: SimulatedOutcome | None, now: int) -> SettlementResult:
    if payment.provider_id is None:
        raise PaymentNotCompleted(payment_status="not_opened")
    provider_payment = payments.fetch_payment(payment, simulate)
    if provider_payment.is_paid:
        settled = settle_payment(purchase, provider_payment, now)
        if not settled.purchase.was_order:
            raise _payment_refunded(settled.purchase)
        return settled
    _require_active(purchase, now)
    raise PaymentNotCompleted(payment_status=provider_payment.status)


def _payment_refunded(purchase: Purchase) -> PaymentRefunded:
    back = [refund for refund in purchase.refunds if not refund.tickets]
    return PaymentRefunded(
        order_id=purchase.id, amount_cents=sum(one.amount_cents for one in back), refund_status=back[-1].status if back else None
    )


def _decline(purchase: Purchase, payment: Payment, now: int) -> SettlementResult | None:
    ended = cancellation.cancel_purchase(purchase, "cancelled", now, payment)
    if ended.how != "ended":
        return None
    log.count("payments_failed")
    log.info("payment.declined", purchase_id=purchase.id, event_id=purchase.event_id)
    return SettlementResult(ended.purchase, [], repeated=False)
