"""Buy a package over HTTP, in one call."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.catalog.answers import SentAnswer
from chalicelib.edge import idempotency, rate_limits
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation.ids import Id
from chalicelib.payments.model import SimulatedOutcome, SimulationRefused
from chalicelib.purchases.checkout.api import CheckoutFields, PromoCodeInput, read_options
from chalicelib.purchases.checkout.errors import CHECKOUT_ERRORS
from chalicelib.purchases.orders.service import NewOrder
from chalicelib.purchases.package_orders import service
from chalicelib.purchases.package_orders.service import OptionResponse, PackageOrder
from chalicelib.purchases.package_orders.views import PackagePurchaseView, package_purchase_view
from chalicelib.purchases.record.model import MAX_QUANTITY
from chalicelib.purchases.reservations.api import Quantity, WaitingRoomToken
from chalicelib.purchases.reservations.errors import RESERVE_ERRORS
from chalicelib.purchases.reservations.service import RequestedItem
from chalicelib.tickets.seats import service as seats

bp = Blueprint(__name__)

MAX_ASSIGNED = 100  # seats of a reply, which is kept for repetitions of the request

MAX_RESPONSES = 4 * MAX_QUANTITY  # each ticket may answer four options


class OptionResponseBody(Struct, forbid_unknown_fields=True):
    """An answer to an option: true or false, a text, or a list of choices. `ticket` is the number of one ticket, null stands for all."""

    option_id: Id
    response_value: SentAnswer
    ticket: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] | None = None


class PackagePurchaseBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """`token` is the waiting room's, if the event has one. `simulate` says how a payment ends where payments are simulated."""

    package_id: Id
    quantity: Quantity
    promo_code: PromoCodeInput | None = None
    option_responses: Annotated[list[OptionResponseBody], Meta(max_length=MAX_RESPONSES)] = []
    token: WaitingRoomToken | None = None
    simulate: SimulatedOutcome | None = None


@route(
    bp,
    "POST",
    "/events/{event_id}/tickets/purchase",
    access="user",
    statuses=(201, 200),
    headers=(idempotency.REQUIRED_KEY,),
    errors=(*RESERVE_ERRORS, *CHECKOUT_ERRORS, SimulationRefused),
)
def purchase_package(request: RequestContext, event_id: str, body: PackagePurchaseBody) -> Reply[PackagePurchaseView]:
    """Buy a package: hold it and open its payment. A free package is paid immediately."""
    user_id = request.require_user().user_id
    order = NewOrder(
        user_id=user_id,
        event_id=event_id,
        items=[RequestedItem(body.package_id, body.quantity)],
        token=body.token,
        options=read_options(request, CheckoutFields(promo_code=body.promo_code)),
        key=idempotency.require_key(request, user_id),
    )
    responses = [OptionResponse(sent.option_id, sent.response_value, sent.ticket) for sent in body.option_responses]
    with rate_limits.limited(request, rate_limits.RESERVE, user_id) as attempt:

        def execute(purchase_id: str) -> Reply[PackagePurchaseView]:
            service.check_simulation(body.simulate)
            complete = service.with_responses(order, responses)
            return _reply(service.create(complete, purchase_id, body.simulate, attempt, request.now))

        def find_result(purchase_id: str) -> Reply[PackagePurchaseView] | None:
            complete = service.with_responses(order, responses)
            earlier = service.find_earlier(complete, purchase_id, body.simulate, request.now)
            return _reply(earlier) if earlier is not None else None

        return idempotency.execute_once(request, user_id, execute, find_result=find_result, required=True)


def _reply(order: PackageOrder) -> Reply[PackagePurchaseView]:
    page, next_cursor = seats.list_page(order.tickets, MAX_ASSIGNED)
    return Reply(package_purchase_view(order.purchase, page, next_cursor, order.client_secret, order.url), 201)
