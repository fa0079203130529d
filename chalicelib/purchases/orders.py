"""Orders in one call: reserve tickets and open their checkout, by the same steps as the two separate calls. Also cancel unpaid orders."""

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.edge.rate_limits import Attempt
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.idempotency_key import KeyUse
from chalicelib.purchases import answers, checkout, reservations
from chalicelib.purchases.checkout import CheckoutResult
from chalicelib.purchases.checkout_page import CheckoutOptions
from chalicelib.purchases.errors import OrderAlreadyPaid, OrderNotFound, ReservationConverted, ReservationNotFound
from chalicelib.purchases.model import Purchase
from chalicelib.purchases.reservations import RequestedItem


class NewOrder(Struct, frozen=True, kw_only=True):
    """What the user `user_id` wants to buy and how to pay for it. `token` is the waiting room's token, if the event has a waiting room."""

    user_id: str
    event_id: str
    items: Sequence[RequestedItem]
    token: str | None
    options: CheckoutOptions
    key: KeyUse


def with_answers(order: NewOrder) -> NewOrder:
    """Return the order with its answers checked, before any ticket is held. Raises what `answers.with_answers` raises."""
    return replace(order, options=answers.with_answers(order.options, [(item.tier_id, item.quantity) for item in order.items]))


def create_order(order: NewOrder, purchase_id: str, attempt: Attempt, now: int) -> CheckoutResult:
    """Hold the tickets and open their checkout. Raises what `reservations.reserve` and `checkout.open_checkout` raise.

    A refused checkout releases the tickets, so that the buyer can order again at once.
    """
    reservations.reserve(order.user_id, order.event_id, order.items, order.token, purchase_id, attempt, now)
    attempt.is_bounded = True  # the buyer's record has counted it
    return _open_checkout(order, purchase_id, now)


def find_earlier(order: NewOrder, purchase_id: str, now: int) -> CheckoutResult | None:
    """Continue the order that an earlier execution of the request began; None if that execution wrote no reservation.

    Raises what `reservations.find_earlier` and `checkout.open_checkout` raise.
    """
    if reservations.find_earlier(purchase_id, now) is None:
        return None
    return _open_checkout(order, purchase_id, now)


def cancel_order(user_id: str, order_id: str, now: int) -> Purchase:
    """Cancel an unpaid order: first its payment, then its tickets are released. An order that ended unpaid is returned unchanged.

    Raises OrderAlreadyPaid, also if the money has just come in; OrderNotFound; ProviderUnavailable; and PaymentNotCompleted while the
    bank is deciding about the payment.
    """
    try:
        return reservations.release(user_id, order_id, now)
    except ReservationConverted:
        raise OrderAlreadyPaid(order_id=order_id) from None
    except ReservationNotFound:
        raise OrderNotFound() from None


def _open_checkout(order: NewOrder, purchase_id: str, now: int) -> CheckoutResult:
    try:
        return checkout.open_checkout(order.user_id, purchase_id, order.options, order.key, now)
    except ApiError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            with suppress(ApiError):  # the reservation has ended by itself
                reservations.release(order.user_id, purchase_id, now)
        raise
