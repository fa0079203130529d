"""An order in one call: a reservation and its checkout, by the same steps as the two calls."""

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
    """What the user `user_id` wants to buy, and how they want to pay. `token` is the waiting room's, if the event has one."""

    user_id: str
    event_id: str
    items: Sequence[RequestedItem]
    token: str | None
    options: CheckoutOptions
    key: KeyUse


def with_answers(order: NewOrder) -> NewOrder:
    """The order with its answers checked, before any ticket is held. Raises what `answers.with_answers` raises."""
    return replace(order, options=answers.with_answers(order.options, [(item.tier_id, item.quantity) for item in order.items]))


def create_order(order: NewOrder, purchase_id: str, attempt: Attempt, now: int) -> CheckoutResult:
    """Hold the tickets and open their checkout. Raises what `reservations.reserve` and `checkout.open_checkout` raise.

    A refused checkout gives the tickets back, so that the buyer can order again at once.
    """
    reservations.reserve(order.user_id, order.event_id, order.items, order.token, purchase_id, attempt, now)
    attempt.is_bounded = True  # the buyer's record has counted it
    return _open_checkout(order, purchase_id, now)


def find_earlier(order: NewOrder, purchase_id: str, now: int) -> CheckoutResult | None:
    """Go on with what an earlier execution of the request has done; None if it has held no tickets.

    Raises what `reservations.find_earlier` and `checkout.open_checkout` raise.
    """
    if reservations.find_earlier(purchase_id, now) is None:
        return None
    return _open_checkout(order, purchase_id, now)


def cancel_order(user_id: str, order_id: str, now: int) -> Purchase:
    """Cancel an order that is not paid: its payment, then its tickets go back. One that has ended unpaid is returned as it is.

    Raises OrderAlreadyPaid, also if its money has come in just now; OrderNotFound; ProviderUnavailable; and PaymentNotCompleted while the
    bank decides about the payment.
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
            with suppress(ApiError):  # it has ended by itself
                reservations.release(order.user_id, purchase_id, now)
        raise
