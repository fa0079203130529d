"""Orders over HTTP: order in one call, pay, cancel. What is kept of an order is shown by `record`."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.edge import idempotency, rate_limits
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation.ids import Id
from chalicelib.payments.model import PROVIDER_ERRORS, PaymentNotCompleted, SimulatedOutcome
from chalicelib.purchases.checkout.api import CheckoutFields, confirm_purchase, read_options
from chalicelib.purchases.checkout.errors import CHECKOUT_ERRORS, CONFIRM_ERRORS
from chalicelib.purchases.checkout.service import CheckoutResult
from chalicelib.purchases.orders import service
from chalicelib.purchases.orders.service import NewOrder
from chalicelib.purchases.record import views
from chalicelib.purchases.record.errors import CheckoutNotFound, OrderAlreadyPaid, OrderNotFound, PaymentRefunded, ReservationEnded
from chalicelib.purchases.record.views import ConfirmationView, OrderView, PendingOrderView
from chalicelib.purchases.reservations.api import ItemBodies, WaitingRoomToken, read_items
from chalicelib.purchases.reservations.errors import RESERVE_ERRORS

bp = Blueprint(__name__)


class OrderBody(CheckoutFields, forbid_unknown_fields=True, kw_only=True):
    """`token` is the waiting room's, if the event has one."""

    event_id: Id
    items: ItemBodies
    token: WaitingRoomToken | None = None


class PayBody(Struct, forbid_unknown_fields=True):
    """`simulate` decides a simulated payment; leave it out for any other."""

    simulate: SimulatedOutcome | None = None


class CancelledOrderView(Struct, frozen=True):
    """An order that is not paid and holds no tickets any more."""

    order: OrderView
    message: str


_NOT_SIMULATED = PayBody()


@route(
    bp,
    "POST",
    "/orders",
    access="user",
    statuses=(201, 200),
    headers=(idempotency.REQUIRED_KEY,),
    errors=(*RESERVE_ERRORS, *CHECKOUT_ERRORS),
)
def create_order(request: RequestContext, body: OrderBody) -> Reply[PendingOrderView]:
    """Hold tickets and open their payment in one call."""
    user_id = request.require_user().user_id
    order = NewOrder(
        user_id=user_id,
        event_id=body.event_id,
        items=read_items(body.items),
        token=body.token,
        options=read_options(request, body),
        key=idempotency.require_key(request, user_id),
    )
    with rate_limits.limited(request, rate_limits.RESERVE, user_id) as attempt:

        def execute(purchase_id: str) -> Reply[PendingOrderView]:
            complete = service.with_answers(order)
            return _order_reply(complete, service.create_order(complete, purchase_id, attempt, request.now))

        def find_result(purchase_id: str) -> Reply[PendingOrderView] | None:
            complete = service.with_answers(order)
            earlier = service.find_earlier(complete, purchase_id, request.now)
            return _order_reply(complete, earlier) if earlier is not None else None

        return idempotency.execute_once(request, user_id, execute, find_result=find_result, required=True)


@route(bp, "POST", "/orders/{order_id}/confirm", access="user", statuses=(201, 200), errors=(OrderNotFound, *CONFIRM_ERRORS))
def confirm_order(request: RequestContext, order_id: str, body: PayBody = _NOT_SIMULATED) -> Reply[ConfirmationView]:
    """Get the tickets of an order once it is paid."""
    try:
        return confirm_purchase(request, order_id, body.simulate)
    except CheckoutNotFound:
        raise OrderNotFound() from None


@route(
    bp,
    "POST",
    "/orders/{order_id}/cancel",
    access="user",
    errors=(OrderNotFound, OrderAlreadyPaid, ReservationEnded, PaymentRefunded, PaymentNotCompleted, *PROVIDER_ERRORS),
)
def cancel_order(request: RequestContext, order_id: str) -> Reply[CancelledOrderView]:
    """Cancel an unpaid order and release its tickets."""
    purchase = service.cancel_order(request.require_user().user_id, order_id, request.now)
    return Reply(CancelledOrderView(views.order_view(purchase), "The order is cancelled and its tickets are released."))


def _order_reply(order: NewOrder, result: CheckoutResult) -> Reply[PendingOrderView]:
    shown = views.full_order_view(result.purchase, order.options.details)
    payment = views.session_payment(result.purchase, result.client_secret, result.url)
    return Reply(PendingOrderView(order=shown, payment=payment), 201)
