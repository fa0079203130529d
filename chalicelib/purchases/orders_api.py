"""Paid orders over HTTP: a buyer's orders and tickets, transfers, complimentary tickets, and cancellation of an event.

Demo stages also reset the orders of an event.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import asdict

from chalicelib.accounts import mails, session_cookie, sessions
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import AddressBody, Email, LinkExpired, MailedToken, NoAccount, RefreshToken
from chalicelib.accounts.sessions import Session, SessionEnded
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.capacities import HoldbackReleased
from chalicelib.catalog.fields import Reason
from chalicelib.catalog.permissions import PromoterUnverified
from chalicelib.catalog.revisions import CatalogChanging, ManagedByBootstrap
from chalicelib.edge import cursors
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language
from chalicelib.edge.parsing import path_number
from chalicelib.edge.rate_limits import (
    CATALOG,
    INVITE,
    MAIL,
    TRANSFER,
    RateLimited,
    limit_writes,
    limited,
    limited_by_address,
    limited_for_caller,
)
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import clock, parallel, settings
from chalicelib.foundation.clock import Date, Timestamp
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.ids import Id
from chalicelib.notifications.model import recipient_key
from chalicelib.payments.model import PROVIDER_ERRORS
from chalicelib.purchases import event_cancellation, guest_orders, orders, provider_events, queries, refunds, resale, transfers, views
from chalicelib.purchases.errors import (
    ComplimentaryClosed,
    OrderAlreadyPaid,
    OrderDisputed,
    OrderNotFound,
    RefundInvalid,
    ReturnDecided,
    ReturnsClosed,
    TicketsBeingSold,
    TicketsNotReturnable,
    TicketUsed,
    TransferClosed,
    TransferExpired,
    TransferNotFound,
    TransferToSelf,
)
from chalicelib.purchases.guest_orders import GuestOrders
from chalicelib.purchases.model import MAX_QUANTITY, ComplimentaryRow, IssuedRow, Purchase, ReturnReason
from chalicelib.purchases.provider_events import StatementResult, StatementRow
from chalicelib.purchases.views import OrderStatus, OrderWithTicketsView, RefundView, ResaleView, ReturnRequestView, TicketReturnView
from chalicelib.tickets import qr, seats
from chalicelib.tickets.model import TICKET_ID_FORM, Ticket, TicketFrozen, TicketVoid
from chalicelib.tickets.views import (
    SeatPageView,
    TicketEvent,
    TicketListView,
    TicketPageView,
    TicketView,
    seat_view,
    ticket_event,
    ticket_view,
)
from chalicelib.waiting_room import tokens
from chalicelib.waiting_room.model import TokenUnknown
from chalicelib.waiting_room.room_cache import forget_room

# A buyer's own orders and tickets over HTTP.

MAX_PAGE = 100

bp = Blueprint(__name__)


class OwnListQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of a list."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 20
    cursor: cursors.Cursor | None = None


class MyTicketsQuery(OwnListQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class SeatListQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of the seats of an order."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: cursors.Cursor | None = None


class RefundsView(Struct, frozen=True):
    """The refunds of an order, and the requests to return its tickets on which managers decide."""

    refunds: list[RefundView]
    return_requests: list[ReturnRequestView]


class NewestOrderQuery(Struct, forbid_unknown_fields=True):
    """The event of the order. Instead of `event_id`, clients may send the event's waiting-room `token`."""

    event_id: Id | None = None
    token: str | None = None


@route(bp, "GET", "/me/order", access="user", headers=(ACCEPT_LANGUAGE,), errors=(OrderNotFound, TokenUnknown))
def show_newest_order(request: RequestContext, query: NewestOrderQuery) -> Reply[OrderWithTicketsView]:
    """Show the caller's newest order for an event."""
    event_id = query.event_id
    if event_id is None and query.token is not None:
        event_id = tokens.read_event_id(query.token)
    if event_id is None:
        raise InvalidInput("Send the query parameter `event_id`.", path="event_id")
    return _order_reply(*queries.get_newest_order(request.require_user().user_id, event_id), request)


@route(bp, "GET", "/orders/{order_id}", access="user", headers=(ACCEPT_LANGUAGE,), errors=(OrderNotFound,))
def show_order(request: RequestContext, order_id: str) -> Reply[OrderWithTicketsView]:
    """Show one of the caller's orders with its tickets, including refunded orders."""
    return _order_reply(*queries.get_own_order(request.require_user().user_id, order_id), request)


class ReturnBody(Struct, forbid_unknown_fields=True):
    """The tickets to return, by default all tickets of the order that can be returned. Managers who approve returns see the `reason`."""

    tickets: Annotated[list[Id], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None
    reason: ReturnReason | None = None


_ALL_TICKETS = ReturnBody()
_RETURN_ERRORS = (OrderNotFound, ReturnsClosed, TicketsNotReturnable, RefundInvalid, OrderDisputed, RateLimited, *PROVIDER_ERRORS)


@route(bp, "POST", "/orders/{order_id}/return", access="user", errors=_RETURN_ERRORS)
def return_tickets(request: RequestContext, order_id: str, body: ReturnBody = _ALL_TICKETS) -> Reply[RefundsView]:
    """Return unused tickets of one of the caller's orders for a refund, while the order or the event allows it. Safe to repeat.

    If the order's policy needs an approval, this asks the event's managers. Shows all refunds and requests of the order.
    """
    request.mark_repeatable()
    with limited_by_address(request, TRANSFER):
        order = queries.get_order(order_id)
        if order.user_id != request.require_user().user_id:
            raise OrderNotFound()
        return _refunds_reply(refunds.return_tickets(order, body.tickets, request.now, body.reason))


@route(
    bp,
    "DELETE",
    "/orders/{order_id}/return-requests/{request_number}",
    access="user",
    errors=(OrderNotFound, ReturnDecided, RateLimited),
)
def withdraw_return(request: RequestContext, order_id: str, request_number: str) -> Reply[RefundsView]:
    """Withdraw the caller's request to return tickets before managers decide. Shows all refunds and requests of the order."""
    request.mark_repeatable()
    with limited_by_address(request, TRANSFER):
        order = queries.get_order(order_id)
        if order.user_id != request.require_user().user_id:
            raise OrderNotFound()
        return _refunds_reply(refunds.withdraw_return(order, path_number(request_number), request.now))


def _refunds_reply(order: Purchase) -> Reply[RefundsView]:
    refund_views = [views.refund_view(refund, order) for refund in order.refunds if refund.tickets]
    return Reply(RefundsView(refund_views, views.return_request_views(order)))


@route(bp, "GET", "/orders/{order_id}/seats", access="user", errors=(OrderNotFound,))
def list_order_seats(request: RequestContext, order_id: str, query: SeatListQuery) -> Reply[SeatPageView]:
    """List the seats of one of the caller's orders, with their guests."""
    user_id = request.require_user().user_id
    _, tickets = queries.get_own_order(user_id, order_id)
    page, next_cursor = seats.list_order_seats(tickets, query.limit, query.cursor)
    return Reply(SeatPageView(seats=[seat_view(seat, user_id) for seat in page], next_cursor=next_cursor))


@route(bp, "GET", "/me/tickets", access="user", headers=(ACCEPT_LANGUAGE,))
def list_my_tickets(request: RequestContext, query: MyTicketsQuery) -> Reply[TicketListView]:
    """List the caller's tickets, newest order first. The same list as `GET /tickets`, in another format."""
    tickets, next_cursor = _list_tickets(request, query)
    return Reply(TicketListView(tickets=tickets, count=len(tickets)), headers=cursors.link_headers(query, next_cursor))


@route(bp, "GET", "/tickets", access="user", headers=(ACCEPT_LANGUAGE,))
def list_tickets(request: RequestContext, query: OwnListQuery) -> Reply[TicketPageView]:
    """List the caller's tickets, newest order first."""
    tickets, next_cursor = _list_tickets(request, query)
    return Reply(TicketPageView(tickets=tickets, next_cursor=next_cursor))


def _list_tickets(request: RequestContext, query: OwnListQuery) -> tuple[list[TicketView], str | None]:
    """Return a page of the caller's tickets, and the cursor of the next page."""
    after = cursors.decode(query.cursor, TICKET_ID_FORM) if query.cursor is not None else None
    identity = request.require_user()
    tickets, last = queries.list_ticket_page(identity.user_id, query.limit, after)
    if "guest" in identity.roles and identity.session_id is not None and tickets:  # extend it again: an event may have been postponed
        sessions.keep_session(identity.session_id, guest_orders.kept_until(ticket.event_id for ticket in tickets))
    snapshot = catalog.snapshot_in(request.language)
    shown = [ticket_view(ticket, snapshot, request.now) for ticket in tickets]
    fitting = cursors.fit(shown)  # each ticket of a tour has all dates, and Lambda returns at most 6 MB
    if len(fitting) < len(shown):
        last = fitting[-1].id
    return fitting, cursors.encode(last) if last else None


def _order_reply(purchase: Purchase, tickets: list[Ticket], request: RequestContext) -> Reply[OrderWithTicketsView]:
    return Reply(
        OrderWithTicketsView(
            order=views.full_order_view(purchase, queries.load_details(purchase), request.language),
            tickets=[views.order_ticket_view(ticket, purchase) for ticket in tickets],
            returnable=_return_view(purchase, tickets, request.now),
            resale=_resale_view(purchase, tickets, request.now),
            return_requests=views.return_request_views(purchase),
        )
    )


def _return_view(purchase: Purchase, tickets: Iterable[Ticket], now: int) -> TicketReturnView | None:
    found = refunds.find_return(purchase, tickets, now)
    if found is None:
        return None
    return views.ticket_return_view(
        purchase, found.tickets, found.amount_cents, found.fee_cents, found.until, needs_approval=found.needs_approval
    )


class ResaleBody(Struct, forbid_unknown_fields=True):
    """The tickets to offer for resale, or to withdraw with `listed: false`. By default, all tickets of the order that allow this."""

    tickets: Annotated[list[Id], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None
    listed: bool = True


class ResaleChangedView(Struct, frozen=True):
    """The tickets of the order that are offered for resale, or may be offered. Null if there are none."""

    resale: ResaleView | None


_LIST_ALL = ResaleBody()
_RESALE_ERRORS = (OrderNotFound, ReturnsClosed, TicketsNotReturnable, TicketsBeingSold, RefundInvalid, OrderDisputed, RateLimited)


@route(bp, "POST", "/orders/{order_id}/resale", access="user", errors=_RESALE_ERRORS)
def change_resale(request: RequestContext, order_id: str, body: ResaleBody = _LIST_ALL) -> Reply[ResaleChangedView]:
    """Offer unused tickets of one of the caller's orders for resale at the price that was paid, or withdraw them. Safe to repeat.

    A ticket stays valid until somebody buys it. Then it becomes void, and its price less the fee is refunded.
    """
    request.mark_repeatable()
    with limited_by_address(request, TRANSFER):
        order = queries.get_order(order_id)
        if order.user_id != request.require_user().user_id:
            raise OrderNotFound()
        return _change_resale(order, body, request.now)


def _change_resale(order: Purchase, body: ResaleBody, now: int) -> Reply[ResaleChangedView]:
    issued = (resale.offer_tickets if body.listed else resale.withdraw_tickets)(order, body.tickets, now)
    return Reply(ResaleChangedView(_resale_view(order, issued, now)))


def _resale_view(purchase: Purchase, tickets: Iterable[Ticket], now: int) -> ResaleView | None:
    found = resale.find_resale(purchase, tickets, now)
    if found is None:
        return None
    shown = (
        views.ResaleTicketView(
            ticket_id=f"{purchase.id}-{ticket.number}",
            price_cents=ticket.price_cents,
            fee_cents=ticket.fee_cents,
            listed=ticket.is_listed,
        )
        for ticket in found.tickets
    )
    return views.resale_view(purchase, shown, found.until)


# Moving a guest's orders to the account that the guest has signed in to, over HTTP.


class GuestOrdersBody(Struct, forbid_unknown_fields=True):
    """`refresh_token` is the guest's token; it is required unless the cookie contains it. With `preview`, nothing moves."""

    refresh_token: RefreshToken | None = None
    preview: bool = False


@route(bp, "POST", "/auth/guest/orders", access="user", headers=(session_cookie.HEADER,), errors=(NoAccount,))
def move_guest_orders(request: RequestContext, body: GuestOrdersBody) -> Reply[GuestOrders]:
    """Move a guest's orders, reservations and tickets to the caller's account, and end the guest's session.

    If the call is interrupted, repeat it.
    """
    request.mark_repeatable()
    identity = request.require_user()
    if "guest" in identity.roles:
        raise NoAccount()
    is_cookie = session_cookie.is_requested(request)
    token = session_cookie.read_guest(request) if is_cookie else body.refresh_token
    account, session = parallel.both(lambda: accounts.get_account(identity.user_id), lambda: _find_guest_session(token, request.now))
    if session is not None and body.preview:
        return Reply(guest_orders.find(session.user_id))
    found = GuestOrders(0, 0)
    if session is not None:
        with suppress(SessionEnded):
            found = guest_orders.move_session(session, account.user_id, request.now)
    return Reply(found, cookies=session_cookie.forget_guest(request) if is_cookie and token is not None else ())


def _find_guest_session(token: str | None, now: int) -> Session | None:
    """Return the session of a guest's refresh token. Returns None if there is no token or the session has ended."""
    with suppress(SessionEnded):
        return accounts.get_guest_session(token, now) if token is not None else None
    return None


# Lost tickets over HTTP: email a link to the address from the checkout, and show the tickets when the link is opened.


class LinkBody(Struct, forbid_unknown_fields=True):
    """`token` is the token from the link in the email."""

    token: MailedToken


class FoundTicketView(Struct, frozen=True):
    """A ticket with its QR code, an SVG document. `qr_svg` is null for a ticket that cannot be used now."""

    ticket: TicketView
    qr_svg: str | None


class FoundReturnRequestView(ReturnRequestView, frozen=True, kw_only=True):
    """A request to return tickets of the order `order_id`. Managers have declined the request or not yet decided on it."""

    order_id: str


class FoundTicketsView(Struct, frozen=True):
    """The tickets that were bought with the address of a link. Tickets of the newest order come first.

    If they do not all fit into the reply, free tickets are the first to be left out.

    For 15 minutes, `data_token` lets its holder export or erase the data that is kept about people without an account who used this
    address. It is null for a link to one order. `returnable` lists the tickets that buyers without an account may return now, with
    `data_token` or with the token of the link to one order. `return_requests` lists what they have asked to return. `resale` lists their
    tickets that are or may be offered for resale.
    """

    tickets: list[FoundTicketView]
    data_token: str | None
    returnable: list[TicketReturnView]
    return_requests: list[FoundReturnRequestView]
    resale: list[ResaleView]


@route(bp, "POST", "/lost-tickets", access="public", headers=(ACCEPT_LANGUAGE,), errors=(RateLimited,))
def mail_tickets_link(request: RequestContext, body: AddressBody) -> Reply[Done]:
    """Request an email with a link that shows the tickets of an email address. The reply never says whether there are tickets."""
    with limited(request, MAIL, recipient_key(body.email), scope="find_tickets"):
        mails.mail_tickets_link(body.email, request.language, request.now)
    return Reply(Done("We have sent an email to this address. Open the link in it within 15 minutes."))


@route(bp, "POST", "/lost-tickets/open", access="public", headers=(ACCEPT_LANGUAGE,), errors=(LinkExpired,))
def open_tickets_link(request: RequestContext, body: LinkBody) -> Reply[FoundTicketsView]:
    """Show the tickets of an emailed link. A link to one order works any number of times; a link to all orders of an address works once."""
    link = None if "." in body.token else mails.get_link(body.token, ("find_tickets",), request.now)
    found = guest_orders.list_tickets_of_link(body.token) if link is None else queries.list_tickets_of_address(link.email)
    snapshot = catalog.snapshot_in(request.language)
    paid_first = sorted(found, key=lambda ticket: ticket.price_cents == 0)  # strangers may have ordered free tickets of long tours
    fitting = cursors.fit(FoundTicketView(ticket_view(ticket, snapshot, request.now), qr.ticket_svg(ticket)) for ticket in paid_first)
    shown = {view.ticket.id: view for view in fitting}
    found = [ticket for ticket in found if ticket.id in shown]
    returns = _list_returns(found, request.now)
    data_token = None if link is None else mails.exchange_link(link, "own_data", request.now)
    return Reply(FoundTicketsView([shown[ticket.id] for ticket in found], data_token, *returns))


class ReturnByLinkBody(ReturnBody, forbid_unknown_fields=True, kw_only=True):
    """`token` is the token of the link to the order, or the `data_token` of the link to all orders of an address."""

    token: MailedToken
    order_id: Id


@route(bp, "POST", "/lost-tickets/return", access="public", errors=(LinkExpired, *_RETURN_ERRORS))
def return_tickets_by_link(request: RequestContext, body: ReturnByLinkBody) -> Reply[RefundsView]:
    """Return unused tickets of a buyer without an account, like `POST /orders/{id}/return`. Shows all refunds of the order."""
    with _order_of_link(request, body) as order:
        return _refunds_reply(refunds.return_tickets(order, body.tickets, request.now, body.reason))


class WithdrawByLinkBody(Struct, forbid_unknown_fields=True):
    """The `request_number` of a request to return tickets. `token` is the same token as for returning tickets."""

    token: MailedToken
    order_id: Id
    request_number: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


@route(bp, "POST", "/lost-tickets/withdraw-return", access="public", errors=(LinkExpired, OrderNotFound, ReturnDecided, RateLimited))
def withdraw_return_by_link(request: RequestContext, body: WithdrawByLinkBody) -> Reply[RefundsView]:
    """Withdraw a request of a buyer without an account, like `DELETE /orders/{id}/return-requests/{request_number}`."""
    with _order_of_link(request, body) as order:
        return _refunds_reply(refunds.withdraw_return(order, body.request_number, request.now))


class ResaleByLinkBody(ResaleBody, forbid_unknown_fields=True, kw_only=True):
    """`token` is the token of the link to the order, or the `data_token` of the link to all orders of an address."""

    token: MailedToken
    order_id: Id


@route(bp, "POST", "/lost-tickets/resale", access="public", errors=(LinkExpired, *_RESALE_ERRORS))
def change_resale_by_link(request: RequestContext, body: ResaleByLinkBody) -> Reply[ResaleChangedView]:
    """Offer tickets of a buyer without an account for resale, or withdraw them, like `POST /orders/{id}/resale`."""
    with _order_of_link(request, body) as order:
        return _change_resale(order, body, request.now)


@contextmanager
def _order_of_link(request: RequestContext, body: ReturnByLinkBody | WithdrawByLinkBody | ResaleByLinkBody) -> Iterator[Purchase]:
    """Yield the order of the link in the body, which belongs to a buyer without an account, for a change that is safe to repeat.

    Raises LinkExpired, OrderNotFound and RateLimited.
    """
    request.mark_repeatable()
    with limited_by_address(request, TRANSFER):
        if "." in body.token:
            order = guest_orders.get_order_of_link(body.token)
        else:
            order = queries.get_order_of_address(mails.get_link(body.token, ("own_data",), request.now).email, body.order_id)
        if order.id != body.order_id or not guest_orders.without_account([order]):
            raise OrderNotFound()
        yield order


def _list_returns(found: Iterable[Ticket], now: int) -> tuple[list[TicketReturnView], list[FoundReturnRequestView], list[ResaleView]]:
    """Return which of these tickets buyers without an account may return, and their requests that were not accepted.

    Also returns the tickets that are or may be offered for resale. Reads orders only if their event takes tickets back.
    """
    by_order: dict[str, list[Ticket]] = {}
    for ticket in found:
        if refunds.may_take_back(ticket.event_id):
            by_order.setdefault(ticket.purchase_id, []).append(ticket)
    orders = queries.load_readable(by_order)[0] if by_order else {}
    guests = guest_orders.without_account(order for order in orders.values() if order is not None)
    return_views = (_return_view(order, by_order[order.id], now) for order in guests)
    resale_views = (_resale_view(order, by_order[order.id], now) for order in guests)
    requests = [
        FoundReturnRequestView(**asdict(view), order_id=order.id)
        for order in guests
        for view in views.return_request_views(order)
        if view.status in ("open", "declined")
    ]
    return [view for view in return_views if view is not None], requests, [view for view in resale_views if view is not None]


# Transfers over HTTP: offer a ticket by link, accept the ticket, cancel the transfer.


class TransferView(Struct, frozen=True):
    """An open transfer. The first user who accepts `token` gets the ticket; `url` is the shop's page for accepting it."""

    ticket_id: str
    token: str
    url: str
    expires_at: Timestamp


@route(
    bp,
    "POST",
    "/tickets/{ticket_id}/transfer",
    access="user",
    statuses=(201, 200),
    errors=(TicketUsed, TicketVoid, TicketFrozen, TransferClosed, RateLimited),
)
@limited_for_caller(INVITE)
def offer_ticket(request: RequestContext, ticket_id: str) -> Reply[TransferView]:
    """Offer a ticket to another person by link. A repeated request returns the same link until the offer expires or is cancelled."""
    request.mark_repeatable()
    result = transfers.offer(request.require_user().user_id, ticket_id, request.now)
    url = settings.current().page_url(f"transfer#token={result.token}")  # after the #, so that no server logs the token
    view = TransferView(result.ticket.id, result.token, url, clock.iso(result.transfer.expires_at))
    return Reply(view, 201 if result.is_new else 200)


@route(
    bp,
    "DELETE",
    "/tickets/{ticket_id}/transfer",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(TransferNotFound, TransferClosed, TicketUsed, TicketVoid, TicketFrozen, RateLimited),
)
@limited_for_caller(INVITE)
def cancel_transfer(request: RequestContext, ticket_id: str) -> Reply[TicketView]:
    """Cancel the transfer of a ticket. The link of the transfer stops working."""
    ticket = transfers.cancel(request.require_user().user_id, ticket_id, request.now)
    return Reply(ticket_view(ticket, catalog.snapshot_in(request.language), request.now))


class PreviewBody(Struct, forbid_unknown_fields=True):
    """`token` is the token of the transfer."""

    token: MailedToken


class AcceptBody(Struct, forbid_unknown_fields=True):
    """`email` is the address for emails about the ticket and for finding a lost ticket. It is not needed if the user has an account."""

    email: Email | None = None


_NO_ADDRESS = AcceptBody()


class OfferedTicketView(Struct, frozen=True, kw_only=True):
    """An offered ticket, as its receiver sees it. `number` is the number of its first seat.

    `giver_name` is null if the giver's name is unknown. `tier_name` and the event's fields are null if the catalog no longer has them.
    """

    event: TicketEvent
    tier_name: str | None
    number: str | None
    admits: int
    giver_name: str | None
    expires_at: Timestamp


@route(
    bp,
    "POST",
    "/transfers/preview",
    access="public",
    headers=(ACCEPT_LANGUAGE,),
    errors=(TransferNotFound, TicketUsed, TransferClosed, TransferExpired, TicketVoid, TicketFrozen, RateLimited),
)
def preview_transfer(request: RequestContext, body: PreviewBody) -> Reply[OfferedTicketView]:
    """Show a ticket to the person to whom it is offered. This changes nothing."""
    with limited_by_address(request, TRANSFER):
        ticket = transfers.find_offered(body.token, request.now)
    assert ticket.transfer is not None
    snapshot = catalog.snapshot_in(request.language)
    tier = snapshot.tiers.get(ticket.tier_id)
    return Reply(
        OfferedTicketView(
            event=ticket_event(ticket, snapshot),
            tier_name=tier.name if tier else None,
            number=ticket.seat_number(1),
            admits=ticket.admits,
            giver_name=queries.find_giver_name(ticket, ticket.owner_id),
            expires_at=clock.iso(ticket.transfer.expires_at),
        )
    )


@route(
    bp,
    "POST",
    "/transfers/{token}/accept",
    access="user",
    statuses=(201, 200),
    headers=(ACCEPT_LANGUAGE,),
    errors=(TransferNotFound, TicketUsed, TransferClosed, TransferToSelf, TransferExpired, TicketVoid, TicketFrozen, RateLimited),
)
def accept_transfer(request: RequestContext, token: str, body: AcceptBody = _NO_ADDRESS) -> Reply[TicketView]:
    """Accept a transferred ticket. The ticket gets a new code, and the old code stops working."""
    request.mark_repeatable()
    user_id = request.require_user().user_id
    with limited_by_address(request, TRANSFER):
        if body.email:  # a request with a wrong token must not count toward the address's rate limit
            transfers.check_acceptance(user_id, token, request.now)
        with limited(request, MAIL, recipient_key(body.email), scope="transfer") if body.email else nullcontext():
            result = transfers.accept(user_id, token, body.email, request.language, request.now)
    return Reply(ticket_view(result.ticket, catalog.snapshot_in(request.language), request.now), 200 if result.repeated else 201)


# Complimentary tickets over HTTP. Managers revoke them with the refunds in `admin`.


MAX_COMPLIMENTARY_ROWS = 100


class ComplimentaryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The recipients of complimentary tickets, and the holdback of a tier that the tickets come from. The ids of the rows must differ."""

    tier_id: Id
    holdback_id: Id
    rows: Annotated[list[ComplimentaryRow], Meta(min_length=1, max_length=MAX_COMPLIMENTARY_ROWS)]


class ComplimentaryView(Struct, frozen=True):
    """The results of the rows, in the order of the request."""

    rows: list[IssuedRow]


@route(
    bp,
    "POST",
    "/events/{event_id}/complimentary-orders",
    access="manager",
    headers=(ACCEPT_LANGUAGE,),
    errors=(ComplimentaryClosed, HoldbackReleased, CatalogChanging, RateLimited),
)
@limited_for_caller(CATALOG)
def issue_complimentary_tickets(request: RequestContext, event_id: str, body: ComplimentaryBody) -> Reply[ComplimentaryView]:
    """Issue complimentary tickets from a holdback, and email them to their recipients. A repeated request issues only what is missing."""
    from chalicelib.purchases import direct_orders

    request.mark_repeatable()
    caller = request.require_user()
    event = permissions.require_manager(caller, event_id)
    ids = [row.id for row in body.rows]
    for number, row_id in enumerate(ids):
        if row_id in ids[:number]:
            raise InvalidInput("This id is in the list twice. Give each row a different id.", path=f"$.rows[{number}].id")
    limit_writes(request, CATALOG, sum(row.quantity + direct_orders.ITEMS_PER_ORDER for row in body.rows))
    tier = catalog.get_current_tier(event_id, body.tier_id)
    issued = direct_orders.issue_complimentary(event, tier, body.holdback_id, body.rows, request.language, caller.user_id, request.now)
    return Reply(ComplimentaryView(issued))


# Orders that are paid by bank transfer, over HTTP. The event's managers record which transfers have arrived, and which they have sent back.

MAX_STATEMENT_ROWS = 100
MAX_TRANSFER_CENTS = 10_000_000_000


class BankTransfersQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The page of the list to return."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: cursors.Cursor | None = None


class StatementRowBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a bank statement. The `reference` is the text of the transfer, which contains the number of the order.

    `amount_cents` is negative for money that left the account.
    """

    reference: Annotated[str, Meta(max_length=500)]
    amount_cents: Annotated[int, Meta(ge=-MAX_TRANSFER_CENTS, le=MAX_TRANSFER_CENTS)]
    date: Date


class StatementBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a bank statement: all transfers of each day, or a single transfer. A repeated row changes nothing."""

    rows: Annotated[list[StatementRowBody], Meta(min_length=1, max_length=MAX_STATEMENT_ROWS)]


class TransferredOrderView(Struct, frozen=True, kw_only=True):
    """An order that is paid by bank transfer, with the money that has arrived. A `pending` order must be paid by `expires_at`.

    `to_return_cents` are the amounts that the promoter must send back.
    """

    order_id: str
    number: str
    status: OrderStatus
    total_price_cents: int
    received_cents: int
    to_return_cents: list[int]
    currency: str
    expires_at: Timestamp | None


class BankTransfersView(Struct, frozen=True, kw_only=True):
    """A page of the event's orders that are paid by bank transfer, newest first. `next_cursor` is null on the last page."""

    orders: list[TransferredOrderView]
    next_cursor: str | None


class AppliedRowView(Struct, frozen=True, kw_only=True):
    """The result of a row: it was `recorded` now, it was already `known`, or its reference names no order or several orders.

    `no_refund`: the money that left is not the amount of a due refund. `too_many`: the order already has 100 transfers, so the row is not
    recorded. `failed`: the shop cannot read or save the order, so nothing is recorded. `order` is the order afterwards.
    """

    result: StatementResult
    order: TransferredOrderView | None


class AppliedStatementView(Struct, frozen=True):
    """The results of the rows, in the order of the request."""

    rows: list[AppliedRowView]


@route(bp, "GET", "/events/{event_id}/bank-transfers", access="manager")
def list_bank_transfers(request: RequestContext, event_id: str, query: BankTransfersQuery) -> Reply[BankTransfersView]:
    """List the event's orders that are paid by bank transfer."""
    permissions.require_manager(request.require_user(), event_id)
    before = cursors.decode(query.cursor, r"[0-9A-Z]{26}") if query.cursor is not None else None
    ids = queries.list_bank_transfers(event_id, query.limit + 1, before)
    found, _ = queries.load_readable(ids[: query.limit])
    orders = [_transferred_view(order) for order_id in ids if (order := found.get(order_id)) is not None]
    next_cursor = cursors.encode(ids[query.limit - 1]) if len(ids) > query.limit else None
    return Reply(BankTransfersView(orders=orders, next_cursor=next_cursor))


@route(bp, "POST", "/events/{event_id}/bank-transfers", access="manager", errors=(RateLimited,))
@limited_for_caller(CATALOG)
def record_bank_transfers(request: RequestContext, event_id: str, body: StatementBody) -> Reply[AppliedStatementView]:
    """Record transfers on the promoter's bank account. Paid orders get their tickets; money that was sent back completes its refund."""
    request.mark_repeatable()
    caller = request.require_user()
    permissions.require_manager(caller, event_id)
    rows = [StatementRow(row.reference, row.amount_cents, row.date.isoformat()) for row in body.rows]
    applied = provider_events.apply_statement(event_id, rows, caller.user_id, request.now)
    found = [AppliedRowView(result=result, order=_transferred_view(order) if order is not None else None) for result, order in applied]
    return Reply(AppliedStatementView(found))


@route(
    bp,
    "POST",
    "/events/{event_id}/bank-transfers/{order_id}/cancel",
    access="manager",
    errors=(OrderNotFound, OrderAlreadyPaid, RateLimited),
)
@limited_for_caller(CATALOG)
def cancel_bank_transfer(request: RequestContext, event_id: str, order_id: str) -> Reply[TransferredOrderView]:
    """Cancel an order that waits for a bank transfer, and release its tickets. The promoter must send back money that has arrived."""
    request.mark_repeatable()
    caller = request.require_user()
    permissions.require_manager(caller, event_id)
    return Reply(_transferred_view(orders.cancel_transfer(event_id, order_id, caller.user_id, request.now)))


def _transferred_view(order: Purchase) -> TransferredOrderView:
    shown = views.order_view(order)
    return TransferredOrderView(
        order_id=order.id,
        number=shown.number,
        status=shown.status,
        total_price_cents=shown.total_price_cents,
        received_cents=order.transferred_cents,
        to_return_cents=[refund.amount_cents for refund in order.refunds if refund.status == "due"],
        currency=order.currency,
        expires_at=shown.expires_at,
    )


# Cancellation of an event over HTTP.


class CancellationView(Struct, frozen=True, kw_only=True):
    """The progress of the refunds of a cancelled event, or of the cancelled date `date_id`, which is null for a whole event.

    Disputed orders wait for the buyer's bank and are listed as open cases.

    `unknown_payments` counts checkouts whose payment the provider does not know. They are open cases too, because they got no refund.
    """

    event_id: str
    date_id: str | None
    status: Literal["refunding", "finished"]
    ended_reservations: int
    refunded_orders: int
    disputed_orders: int
    unknown_payments: int
    cancelled_at: Timestamp
    finished_at: Timestamp | None


class CancellationBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The reason for cancelling an event, in plain text, and optionally in other languages (`reasons`, by language).

    Buyers read it in their email, with their order and on the event's page.

    With a `date_id`, only this date of the event is cancelled, and tickets that are valid only for cancelled dates are refunded. Cancelling
    the last date cancels the event.
    """

    reason: Reason | None = None
    date_id: str | None = None
    reasons: dict[Language, Reason] = {}


_NO_REASON = CancellationBody()


@route(
    bp,
    "POST",
    "/events/{event_id}/cancel",
    access="manager",
    errors=(CatalogChanging, ManagedByBootstrap, PromoterUnverified, RateLimited),
)
@limited_for_caller(CATALOG)  # a pause, which stops the sale at once, has no limit
def cancel_event(request: RequestContext, event_id: str, body: CancellationBody = _NO_REASON) -> Reply[CancellationView]:
    """Cancel an event, or one of its dates, for good. Orders are refunded within minutes; repeat the request to see the progress."""
    caller = request.require_user()
    if permissions.require_manager(caller, event_id).status == "draft":
        permissions.require_publisher(caller, event_id)  # everybody sees a cancelled event, even if it was never published
    cancellation = event_cancellation.cancel_event(event_id, caller.user_id, request.now, body.reason, body.date_id, body.reasons)
    forget_room(event_id)
    return Reply(
        CancellationView(
            event_id=event_id,
            date_id=cancellation.date_id,
            status="refunding" if cancellation.finished_at is None else "finished",
            ended_reservations=cancellation.reservations,
            refunded_orders=cancellation.orders,
            disputed_orders=cancellation.disputed,
            unknown_payments=cancellation.unknown_payments,
            cancelled_at=clock.iso(cancellation.at),
            finished_at=None if cancellation.finished_at is None else clock.iso(cancellation.finished_at),
        )
    )


# Reset of an event's orders over HTTP, in demo stages only. Refunds of single orders are in `admin`.


class ResetView(Struct, frozen=True):
    """The number of refunded orders, and of their tickets that became void."""

    orders_deleted: int
    tickets_deleted: int
    message: str


@route(bp, "DELETE", "/admin/events/{event_id}/orders", access="admin")
def reset_orders(request: RequestContext, event_id: str) -> Reply[ResetView]:
    """Refund all orders of an event and return their seats to the stock. Demo stages only."""
    admin = request.require_user()
    if settings.current().identity != "demo":
        raise NotFound("Orders can be reset only in a demo stage (FAIRGATE_IDENTITY=demo). Refund them one by one instead.")
    orders, voided = refunds.reset_orders(event_id, admin.user_id, request.now)
    message = "The orders have been refunded and their seats are back on sale. Orders with a disputed payment are unchanged."
    return Reply(ResetView(orders, voided, message))
