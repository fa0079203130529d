"""Orders in one call: reserve tickets, open their checkout and pay at once, in the same steps as the separate calls. Also cancel orders."""

from contextlib import suppress
from http import HTTPStatus

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.edge.rate_limits import Attempt
from chalicelib.foundation import clock
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.ids import KeyUse
from chalicelib.payments import service as payments
from chalicelib.payments.model import SimulatedOutcome
from chalicelib.purchases import answers, checkout, queries, reservations
from chalicelib.purchases.checkout import CheckoutRequest, CheckoutResult
from chalicelib.purchases.checkout_page import CheckoutOptions
from chalicelib.purchases.errors import OrderAlreadyPaid, OrderNotFound, ReservationConverted, ReservationNotFound
from chalicelib.purchases.model import CheckoutDetails, Purchase, ReservationRequest
from chalicelib.tickets.model import Ticket


class OrderRequest(Struct, frozen=True, kw_only=True):
    """The tickets that a user wants, and how to pay for them.

    With `pays_at_once`, a free order is paid at once, and so is an order with a simulated payment if `simulate` gives its outcome.
    """

    tickets: ReservationRequest
    options: CheckoutOptions
    key: KeyUse
    pays_at_once: bool = False
    simulate: SimulatedOutcome | None = None


class OrderResult(Struct, frozen=True, kw_only=True):
    """An order, the details that its buyer sent, and its tickets if it is paid. An external payment has a `client_secret` or a `url`."""

    purchase: Purchase
    details: CheckoutDetails
    tickets: list[Ticket] = []
    client_secret: str | None = None
    url: str | None = None


def create_order(order: OrderRequest, purchase_id: str, attempt: Attempt) -> OrderResult:
    """Hold the tickets, open their checkout, and pay if the order pays at once.

    A refused checkout releases the tickets, so that the buyer can order again at once. Raises what `with_answers`,
    `reservations.reserve`, `checkout.open_checkout` and `checkout.confirm` raise.
    """
    order = with_answers(order)
    reservations.reserve(order.tickets, purchase_id, attempt)
    attempt.is_bounded_by_record = True  # the buyer's record has counted the attempt
    return _open_and_pay(order, purchase_id)


def resume_order(order: OrderRequest, purchase_id: str) -> OrderResult | None:
    """Continue the order that an earlier execution of the request began. Returns None if that execution wrote no reservation.

    Raises what `create_order` and `reservations.require_active` raise.
    """
    order = with_answers(order)
    purchase = queries.load_purchase(purchase_id)
    if purchase is None:
        return None
    if order.pays_at_once and (purchase.was_order or purchase.is_declined):
        return OrderResult(purchase=purchase, details=order.options.details, tickets=queries.load_tickets(purchase))
    reservations.require_active(purchase, order.tickets.now)
    return _open_and_pay(order, purchase_id)


def is_current(purchase_id: str) -> bool:
    """Return whether the purchase is an order that still has tickets, or still holds tickets."""
    purchase = queries.load_purchase(purchase_id)
    return purchase is not None and (purchase.is_order or purchase.is_active(clock.now()))


def with_answers(order: OrderRequest) -> OrderRequest:
    """Return the order with its answers checked, before any ticket is held. Raises what `answers.with_answers` raises."""
    quantities = [(item.tier_id, item.quantity) for item in order.tickets.items]
    return replace(order, options=answers.with_answers(order.options, quantities))


def check_simulation(simulate: SimulatedOutcome | None) -> None:
    """Refuse a simulated payment if payments are real, before anything is held. Raises SimulationRefused and PaymentsUnavailable."""
    if simulate is not None:
        payments.local_outcome(payments.new_payment(1, "USD"), simulate)


def cancel_order(user_id: str, order_id: str, now: int) -> Purchase:
    """Cancel an unpaid order: first cancel its payment, then release its tickets. An order that has ended unpaid is returned unchanged.

    Raises OrderAlreadyPaid, even if the money came in only a moment ago; OrderNotFound; ProviderUnavailable; and PaymentNotCompleted while
    the bank is deciding about the payment.
    """
    try:
        return reservations.release(user_id, order_id, now)
    except ReservationConverted:
        raise OrderAlreadyPaid(order_id=order_id) from None
    except ReservationNotFound:
        raise OrderNotFound() from None


def cancel_transfer(event_id: str, order_id: str, by: str, now: int) -> Purchase:
    """Cancel an order of the event that waits for a bank transfer, with an audit entry. Managers must send back money that has arrived.

    An order that has ended is returned unchanged. Raises OrderNotFound and OrderAlreadyPaid.
    """
    purchase = queries.load_purchase(order_id)
    if purchase is None or purchase.event_id != event_id or not purchase.is_by_transfer:
        raise OrderNotFound()
    if purchase.state == "refunded":
        return purchase
    details = {"received_cents": purchase.transferred_cents}
    entry = audit.entry_item(f"order#{purchase.id}", "bank_transfer.cancelled", by, now, details, event_id=event_id)
    try:
        return reservations.release_purchase(purchase, now, [entry])
    except ReservationConverted:
        raise OrderAlreadyPaid(order_id=order_id) from None


def _open_and_pay(order: OrderRequest, purchase_id: str) -> OrderResult:
    details = order.options.details
    opened = _open_checkout(order, purchase_id)
    payment = opened.purchase.payment
    assert payment is not None  # its checkout is open
    if order.pays_at_once and (payment.provider == "free" or (payment.provider == "simulated" and order.simulate is not None)):
        settled = checkout.confirm(order.tickets.user_id, purchase_id, order.simulate, order.tickets.now)
        return OrderResult(purchase=settled.purchase, details=details, tickets=settled.tickets)
    return OrderResult(purchase=opened.purchase, details=details, client_secret=opened.client_secret, url=opened.url)


def _open_checkout(order: OrderRequest, purchase_id: str) -> CheckoutResult:
    wanted = order.tickets
    request = CheckoutRequest(user_id=wanted.user_id, purchase_id=purchase_id, options=order.options, key=order.key, now=wanted.now)
    try:
        return checkout.open_checkout(request)
    except ApiError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            with suppress(ApiError):  # the buyer must get this refusal; if the release fails, the holds expire
                reservations.release(wanted.user_id, purchase_id, wanted.now)
        raise
