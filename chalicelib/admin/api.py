"""Routes for admins: sales, orders, refunds, revenue, open cases, payouts and scheduled jobs.

The managers of an event may use the routes for its sales, orders, refunds and revenue; the other routes are for admins only.
"""

from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.accounts.model import AddressBody
from chalicelib.admin import orders, payouts, sale_status, system
from chalicelib.admin.orders import AdminOrderView, RefundPreviewView, RevenueView
from chalicelib.admin.payouts import AccountPayoutsQuery, AccountPayoutsView, PayoutsQuery, PayoutsView
from chalicelib.admin.sale_status import LiveSaleView, SaleStatusView
from chalicelib.admin.system import OpenCasesQuery, OpenCasesView, SystemView, load_system
from chalicelib.admin.ticket_holders import TicketHoldersQuery, TicketHoldersView, ticket_holders
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.fields import Reason as BuyersReason
from chalicelib.catalog.model import Catalog
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.edge.idempotency import REQUIRED_KEY, execute_once
from chalicelib.edge.parsing import path_number
from chalicelib.edge.rate_limits import CATALOG, MAIL, RateLimited, limited, limited_for_caller
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.ids import Id
from chalicelib.notifications.model import recipient_key
from chalicelib.payments.model import PROVIDER_ERRORS
from chalicelib.purchases import guest_orders
from chalicelib.purchases import refunds as refund_requests
from chalicelib.purchases.errors import (
    AccountAddressFixed,
    NotRefundable,
    OrderDisputed,
    OrderNotFound,
    RefundInvalid,
    ResentTooOften,
    ReturnDecided,
    TicketsNotReturnable,
    TicketsNotSendable,
)
from chalicelib.purchases.model import MAX_QUANTITY, Purchase, Refund
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import HolderErased, TicketNotFound, TicketVoid
from chalicelib.waiting_room import service as waiting_room

bp = Blueprint(__name__)

Reason = Literal["requested_by_customer", "event_cancelled", "event_changed", "duplicate", "fraudulent", "goodwill", "revoked"]


class RefundBody(Struct, forbid_unknown_fields=True):
    """The refund to make.

    `tickets` are ticket ids; null means all tickets that are not void, including tickets that were transferred to other people. `fee_cents`
    is the fee for each ticket; null means the fee in the settings.
    """

    reason: Reason
    tickets: Annotated[list[Id], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None
    fee_cents: Annotated[int, Meta(ge=0)] | None = None
    return_seats: bool = True
    note: Annotated[str, Meta(max_length=500)] | None = None


class PausedEvent(Struct, frozen=True):
    """An event and whether its sale is paused."""

    id: str
    name: str
    venue: str
    starts_at: Timestamp
    paused: bool


class PausedView(Struct, frozen=True):
    """An event whose sale was paused or resumed."""

    message: str
    event: PausedEvent


@route(bp, "POST", "/admin/events/{event_id}/pause", access="manager", errors=(CatalogChanging,))
def pause_sale(request: RequestContext, event_id: str) -> Reply[PausedView]:
    """Pause the sale of an event. Active reservations can still be paid."""
    return _set_paused(request, event_id, True, "The sale is paused. Active reservations can still be paid.")


@route(bp, "POST", "/admin/events/{event_id}/resume", access="manager", errors=(CatalogChanging, RateLimited))
@limited_for_caller(CATALOG)
def resume_sale(request: RequestContext, event_id: str) -> Reply[PausedView]:
    """Resume the sale of an event."""
    return _set_paused(request, event_id, False, "The sale is open again.")


@route(bp, "GET", "/admin/events/{event_id}/status", access="manager")
def show_sale_status(request: RequestContext, event_id: str) -> Reply[SaleStatusView]:
    """Show the status of an event's sale: sold, held and available tickets, and the queue."""
    permissions.require_manager(request.require_user(), event_id)
    return Reply(sale_status.sale_status(event_id, request.now))


@route(bp, "GET", "/admin/events/{event_id}/live", access="manager")
def show_live_sale(request: RequestContext, event_id: str) -> Reply[LiveSaleView]:
    """Show a running sale for a dashboard: its status, the money, and the outcomes of attempts to buy."""
    return Reply(sale_status.live_sale(permissions.require_manager(request.require_user(), event_id), request.now))


@route(bp, "GET", "/admin/events/{event_id}/ticket-holders", access="manager")
def count_ticket_holders(request: RequestContext, event_id: str, query: TicketHoldersQuery) -> Reply[TicketHoldersView]:
    """Show how many people a change to an event reaches, and what a cancellation of the event or one of its dates would refund."""
    return Reply(ticket_holders(permissions.require_manager(request.require_user(), event_id), query.date_id, request.now))


@route(bp, "GET", "/admin/orders/{order_id}", access="manager", errors=(OrderNotFound,))
def show_order_for_managers(request: RequestContext, order_id: str) -> Reply[AdminOrderView]:
    """Show any order of an event that the caller manages, with its payment, refunds, disputes and ledger."""
    return Reply(orders.admin_order_view(_get_order(request, order_id)))


@route(
    bp,
    "POST",
    "/admin/orders/{order_id}/refunds",
    access="manager",
    statuses=(201, 200),
    headers=(REQUIRED_KEY,),
    errors=(OrderNotFound, RefundInvalid, NotRefundable, OrderDisputed, *PROVIDER_ERRORS),
)
def refund_order(request: RequestContext, order_id: str, body: RefundBody) -> Reply[AdminOrderView]:
    """Refund an order, or some of its tickets. Repeating the request with the same `Idempotency-Key` does not refund again."""
    order = _get_order(request, order_id)
    by = request.require_user().user_id

    def execute(refund_id: str) -> Reply[AdminOrderView]:
        return _refund_reply(*refund_requests.request_refund(order, _refund_request(body), refund_id, by, request.now), 201)

    return execute_once(request, by, execute, required=True)


@route(
    bp,
    "POST",
    "/admin/orders/{order_id}/refunds/preview",
    access="manager",
    errors=(OrderNotFound, RefundInvalid, NotRefundable, OrderDisputed),
)
def preview_refund(request: RequestContext, order_id: str, body: RefundBody) -> Reply[RefundPreviewView]:
    """Show how much a refund would pay and which tickets it would void. Changes nothing."""
    order = _get_order(request, order_id)
    return Reply(orders.preview_refund(order, _refund_request(body), request.require_user().user_id, request.now))


@route(
    bp,
    "POST",
    "/admin/orders/{order_id}/refunds/{refund_id}/retry",
    access="manager",
    errors=(OrderNotFound, NotRefundable, OrderDisputed, *PROVIDER_ERRORS),
)
def retry_refund(request: RequestContext, order_id: str, refund_id: str) -> Reply[AdminOrderView]:
    """Retry a failed refund."""
    order = _get_order(request, order_id)
    return _refund_reply(*refund_requests.retry_refund(order, refund_id, request.require_user().user_id, request.now), 200)


@route(
    bp,
    "PUT",
    "/admin/orders/{order_id}/email",
    access="manager",
    errors=(OrderNotFound, TicketsNotSendable, AccountAddressFixed, ResentTooOften, RateLimited),
)
def send_order_again(request: RequestContext, order_id: str, body: AddressBody) -> Reply[AdminOrderView]:
    """Send an order's tickets again, to the same or a corrected email address; repeating this within a minute sends nothing."""
    order = _get_order(request, order_id)
    with limited(request, MAIL, recipient_key(body.email), scope="send_again"):
        sent = guest_orders.send_again(order, body.email, request.require_user().user_id, request.now)
    return Reply(orders.changed_order_view(sent))


class DecisionBody(Struct, forbid_unknown_fields=True):
    """Whether to accept the return. The buyer reads the `answer` to a request that is declined."""

    accept: bool
    answer: BuyersReason | None = None


@route(
    bp,
    "POST",
    "/admin/orders/{order_id}/return-requests/{request_number}",
    access="manager",
    errors=(OrderNotFound, ReturnDecided, TicketsNotReturnable, OrderDisputed, *PROVIDER_ERRORS),
)
def decide_return(request: RequestContext, order_id: str, request_number: str, body: DecisionBody) -> Reply[AdminOrderView]:
    """Accept a buyer's request to return tickets, which refunds them, or decline it. Safe to repeat."""
    request.mark_repeatable()
    order, by = _get_order(request, order_id), request.require_user().user_id
    number = path_number(request_number)
    decided = refund_requests.decide_return(order, number, accepts=body.accept, answer=body.answer, by=by, now=request.now)
    return Reply(orders.changed_order_view(decided))


class TicketNameBody(Struct, forbid_unknown_fields=True):
    """The name of the person who comes with the ticket; null removes the person."""

    name: Annotated[str, Meta(min_length=1, max_length=500)] | None


@route(
    bp,
    "PUT",
    "/admin/orders/{order_id}/tickets/{ticket_id}/name",
    access="manager",
    errors=(OrderNotFound, TicketNotFound, TicketVoid, HolderErased, RateLimited),
)
@limited_for_caller(CATALOG)
def name_ticket(request: RequestContext, order_id: str, ticket_id: str, body: TicketNameBody) -> Reply[AdminOrderView]:
    """Change the name on a ticket of an order, even when the ticket's owner may no longer change it."""
    order = _get_order(request, order_id)
    erased_id = order.user_id if order.is_erased else None
    tickets.name_ticket(order.id, ticket_id, body.name, request.require_user().user_id, request.now, erased_id=erased_id)
    return Reply(orders.changed_order_view(order))


@route(bp, "GET", "/admin/events/{event_id}/money", access="manager")
def show_revenue(request: RequestContext, event_id: str) -> Reply[RevenueView]:
    """Show the revenue of an event by provider and currency."""
    permissions.require_accountant(request.require_user(), event_id)
    return Reply(orders.event_revenue(event_id))


@route(bp, "GET", "/admin/reconciliation", access="admin")
def list_open_cases(request: RequestContext, query: OpenCasesQuery) -> Reply[OpenCasesView]:  # noqa: ARG001
    """List the open cases: unfinished refunds, undecided disputes, and differences from the provider's books."""
    return Reply(system.list_open_cases(query))


@route(bp, "GET", "/admin/payouts", access="admin", errors=PROVIDER_ERRORS)
def list_payouts(request: RequestContext, query: PayoutsQuery) -> Reply[PayoutsView]:  # noqa: ARG001
    """List the payment provider's payouts to the bank, and show whether our books have been compared with the provider's."""
    return Reply(payouts.list_payouts(query))


@route(bp, "GET", "/promoters/{promoter_id}/payouts", access="manager", errors=(RateLimited, *PROVIDER_ERRORS))
@limited_for_caller(CATALOG)
def list_account_payouts(request: RequestContext, promoter_id: str, query: AccountPayoutsQuery) -> Reply[AccountPayoutsView]:
    """List the payouts from a promoter's account at the payment provider to the promoter's bank, and show its balance."""
    return Reply(payouts.list_account_payouts(request.require_user(), promoter_id, query))


@route(bp, "GET", "/admin/system", access="admin")
def show_system(request: RequestContext) -> Reply[SystemView]:
    """Show the scheduled jobs, their backlogs, and the limits of this stage."""
    return Reply(load_system(request.now))


@route(bp, "DELETE", "/admin/reconciliation/{order_id}/{finding}", access="admin")
def dismiss_case(request: RequestContext, order_id: str, finding: str) -> Reply[Done]:
    """Close a case that a person has resolved."""
    system.dismiss_case(order_id, finding, request.require_user().user_id, request.now)
    return Reply(Done("The case has been closed."))


def _get_order(request: RequestContext, order_id: str) -> Purchase:
    return orders.get_order(request.require_user(), order_id)


def _refund_request(body: RefundBody) -> refund_requests.RefundRequest:
    return refund_requests.RefundRequest(
        reason=body.reason, tickets=body.tickets, fee_cents=body.fee_cents, return_seats=body.return_seats, note=body.note
    )


def _refund_reply(purchase: Purchase, refund: Refund, status: int) -> Reply[AdminOrderView]:
    shown = orders.changed_order_view(purchase)
    return Reply(replace(shown, refund=next(view for view in shown.refunds if view.id == refund.id)), status)


def _set_paused(request: RequestContext, event_id: str, paused: bool, message: str) -> Reply[PausedView]:
    manager = request.require_user()
    permissions.require_manager(manager, event_id)

    def follow(changed: Catalog) -> None:
        waiting_room.follow_catalog(changed, event_id, request.now)

    event = catalog.set_paused(event_id, paused, manager.user_id, request.now, follow)
    return Reply(PausedView(message, PausedEvent(event.id, event.name, event.venue, clock.iso(event.starts_at), event.paused)))
