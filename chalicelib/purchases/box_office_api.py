"""The box office over HTTP: what it can sell, sales, refunds at the counter, quotas for offline sales, and the daily closing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import asdict

from chalicelib.accounts.members import find_people
from chalicelib.accounts.model import Email
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.capacities import HoldbackReleased
from chalicelib.catalog.fields import Label
from chalicelib.catalog.model import Event, Tier
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.edge.idempotency import REQUIRED_KEY, execute_once
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.rate_limits import CATALOG, RateLimited, limited_for_caller
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Date, Timestamp
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import Cents, Currency
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import NotEnoughTickets
from chalicelib.purchases import box_office, queries, refunds, views
from chalicelib.purchases.box_office import TillView
from chalicelib.purchases.errors import (
    BoxOfficeClosed,
    NotRefundable,
    NotSoldHere,
    PriceChanged,
    RefundInvalid,
    SaleIdUsed,
    TicketsNotReturnable,
)
from chalicelib.purchases.model import MAX_QUANTITY, BoxOfficeSale, PaidBy, Purchase
from chalicelib.purchases.views import RefundView
from chalicelib.tickets import qr
from chalicelib.tickets.views import TicketView, ticket_view

MAX_QUOTA = 500
MAX_CASH_CENTS = 10_000_000_000
COUNTED_SECONDS = 31 * 86_400  # after this time, the cash of a day can no longer be counted

bp = Blueprint(__name__)

ClientId = Annotated[str, Meta(min_length=8, max_length=100, examples=["till-1/0193b2"])]
PrintedCode = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){3}\Z",
        examples=["7K3MX-0QWZ9-H4TRB-V81CD"],
        description="The code of a ticket: four groups of five random digits and capital letters without I, L, O and U.",
    ),
]


class CounterSaleBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sale. The client chooses the `id`; a repeated request with the same `id` does not repeat the sale.

    `price_cents` is the price that the buyer paid for each ticket. `reference` names the receipt of a card terminal. The tickets are sent
    to the `email` address, if there is one. The `name` is the attendee of the first ticket.

    A sale that was made offline names its quota and its time, and has the `codes` of its tickets if they were already printed.
    """

    id: ClientId
    tier_id: Id
    holdback_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
    price_cents: Cents
    method: PaidBy
    reference: Annotated[str, Meta(max_length=100)] | None = None
    name: Label | None = None
    email: Email | None = None
    quota_id: ClientId | None = None
    sold_at: Annotated[datetime, Meta(tz=True)] | None = None
    codes: Annotated[list[PrintedCode], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None


class QuotaBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The tickets to set aside for a device that will sell offline. The client chooses the `id`. Safe to repeat with the same `id`."""

    id: ClientId
    tier_id: Id
    holdback_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUOTA)]


class QuotaReturnBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The quota to give back, and the holdback from which its tickets were set aside."""

    id: ClientId
    tier_id: Id
    holdback_id: Id


class CounterRefundBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The tickets to take back, by default all unused tickets, and how to pay back their price, by default as it was paid."""

    tickets: Annotated[list[Id], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None
    method: PaidBy | None = None


class ClosingQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The day of the closing in the event's time zone, by default today."""

    date: Date | None = None


class CountBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The cash that the caller counted at the end of a day, in minor units, without the float (the cash in the till at the start)."""

    date: Date
    currency: Currency
    counted_cents: Annotated[int, Meta(ge=0, le=MAX_CASH_CENTS)]


class OfferView(Struct, frozen=True, kw_only=True):
    """Tickets that the box office can sell: a holdback of a tier, the number of tickets that it has left, and the price of the tier.

    The price includes `included_fee_cents`.
    """

    tier_id: str
    tier_name: str
    holdback_id: str
    label: str | None
    price_cents: int
    included_fee_cents: int
    currency: Currency
    admits: int
    left: int


class BoxOfficeView(Struct, frozen=True, kw_only=True):
    """What the box office of an event can sell now."""

    event_id: str
    event_name: str
    venue: str
    starts_at: Timestamp
    timezone: str
    offers: list[OfferView]


class CounterTicketView(Struct, frozen=True):
    """A ticket with its QR code, an SVG document. `qr_svg` is null for a ticket that cannot be used now."""

    ticket: TicketView
    qr_svg: str | None


class CounterOrderView(Struct, frozen=True, kw_only=True):
    """A box office order with its tickets."""

    order_id: str
    number: str
    method: PaidBy
    reference: str | None
    total_price_cents: int
    included_fee_cents: int
    currency: Currency
    tickets: list[CounterTicketView]


class QuotaView(Struct, frozen=True, kw_only=True):
    """Tickets that only this quota may sell until `expires_at`. Sales that are delivered later get tickets only if some are left."""

    id: str
    quantity: int
    expires_at: Timestamp


class ReturnedQuotaView(Struct, frozen=True):
    """The number of tickets that a quota has given back. It is 0 if the quota has expired or was given back before."""

    id: str
    returned: int


class ClosedTillView(TillView, frozen=True, kw_only=True):
    """A person's till. `name` is null for admins and for people who no longer work at the event."""

    name: str | None


class ClosingView(Struct, frozen=True, kw_only=True):
    """The closing of a day: what each person sold and refunded. Cashiers see only their own tills."""

    event_id: str
    date: str
    tills: list[ClosedTillView]


_ALL_UNUSED = CounterRefundBody()
_SALE_ERRORS = (BoxOfficeClosed, HoldbackReleased, NotEnoughTickets, CatalogChanging, RateLimited)


@route(bp, "GET", "/events/{event_id}/box-office", access="door")
def show_box_office(request: RequestContext, event_id: str) -> Reply[BoxOfficeView]:
    """Show what the box office of an event can sell, to people who may sell there."""
    event = permissions.require_seller(request.require_user(), event_id)
    return Reply(
        BoxOfficeView(
            event_id=event.id,
            event_name=event.name,
            venue=event.venue,
            starts_at=clock.iso(event.starts_at),
            timezone=event.timezone,
            offers=_offers(catalog.load_current().listed_tiers(event.id)),
        )
    )


@route(
    bp,
    "POST",
    "/events/{event_id}/box-office-orders",
    access="door",
    statuses=(201, 200),
    headers=(ACCEPT_LANGUAGE,),
    errors=(PriceChanged, SaleIdUsed, *_SALE_ERRORS),
)
@limited_for_caller(CATALOG)
def sell_at_box_office(request: RequestContext, event_id: str, body: CounterSaleBody) -> Reply[CounterOrderView]:
    """Record a sale that was paid for at the box office, and issue its tickets. A repeated request returns the same order."""
    from chalicelib.purchases import direct_orders

    request.mark_repeatable()
    caller = request.require_user()
    event = permissions.require_seller(caller, event_id)
    tier = catalog.get_current_tier(event.id, body.tier_id)
    if body.codes is not None and len(set(body.codes)) != body.quantity:
        raise InvalidInput("Send a different code for each ticket.", path="$.codes")
    sale = direct_orders.CounterSale(
        id=body.id,
        holdback_id=body.holdback_id,
        quantity=body.quantity,
        price_cents=body.price_cents,
        payment=BoxOfficeSale(caller.user_id, body.method, (body.reference or "").strip() or None),
        sold_at=_sale_time(body, request.now),
        name=body.name,
        email=body.email,
        quota_id=body.quota_id,
        codes=body.codes or (),
    )
    order, is_repeated = direct_orders.sell_at_counter(event, tier, sale, request.language, request.now)
    return Reply(_order_view(order, request.now), 200 if is_repeated else 201)


@route(
    bp,
    "POST",
    "/events/{event_id}/box-office-orders/{sale_id}/refunds",
    access="door",
    statuses=(201, 200),
    headers=(REQUIRED_KEY,),
    errors=(NotSoldHere, RefundInvalid, NotRefundable, TicketsNotReturnable, RateLimited),
)
@limited_for_caller(CATALOG)
def refund_at_box_office(request: RequestContext, event_id: str, sale_id: str, body: CounterRefundBody = _ALL_UNUSED) -> Reply[RefundView]:
    """Take back unused tickets of a box office order, and record how their price was paid back. The tickets become void."""
    caller = request.require_user()
    event = permissions.require_seller(caller, event_id)
    order = queries.load_purchase(sale_id)
    if order is None or order.event_id != event.id or order.box_office is None:
        raise NotSoldHere()

    def execute(refund_id: str) -> Reply[RefundView]:
        saved, refund = refunds.refund_at_counter(order, body.tickets, body.method, refund_id, caller.user_id, request.now)
        return Reply(views.refund_view(refund, saved), 201)

    return execute_once(request, caller.user_id, execute, required=True)


@route(bp, "POST", "/events/{event_id}/box-office-quotas", access="door", errors=_SALE_ERRORS)
@limited_for_caller(CATALOG)
def claim_quota(request: RequestContext, event_id: str, body: QuotaBody) -> Reply[QuotaView]:
    """Set tickets aside for a device that will sell them offline. Unsold tickets return to the box office after two hours."""
    from chalicelib.purchases import direct_orders

    request.mark_repeatable()
    caller = request.require_user()
    event = permissions.require_seller(caller, event_id)
    tier = catalog.get_current_tier(event.id, body.tier_id)
    quota = direct_orders.claim_quota(event, tier, body.holdback_id, body.id, body.quantity, caller.user_id, request.now)
    return Reply(QuotaView(id=quota.id, quantity=quota.quantity, expires_at=clock.iso(quota.expires_at)))


@route(bp, "POST", "/events/{event_id}/box-office-quotas/return", access="door", errors=(RateLimited,))
@limited_for_caller(CATALOG)
def return_quota(request: RequestContext, event_id: str, body: QuotaReturnBody) -> Reply[ReturnedQuotaView]:
    """Give the unsold tickets of a quota back to the box office, once the device has delivered its sales. Safe to repeat."""
    from chalicelib.purchases import direct_orders

    request.mark_repeatable()
    caller = request.require_user()
    event = permissions.require_seller(caller, event_id)
    tier = catalog.get_current_tier(event.id, body.tier_id)
    returned = direct_orders.return_quota(event, tier, body.holdback_id, body.id, caller.user_id, request.now)
    return Reply(ReturnedQuotaView(body.id, returned))


@route(bp, "GET", "/events/{event_id}/box-office-closing", access="door")
def show_closing(request: RequestContext, event_id: str, query: ClosingQuery) -> Reply[ClosingView]:
    """Show what each person took at the box office on a day, the cash that they counted, and the difference."""
    caller = request.require_user()
    event = permissions.require_seller(caller, event_id)
    day = query.date.isoformat() if query.date is not None else box_office.till_day(request.now, event.timezone)
    own = None if permissions.may_manage(caller, event_id) else caller.user_id
    return Reply(_closing_view(event, day, box_office.list_tills(event.id, day, own)))


@route(bp, "POST", "/events/{event_id}/box-office-closing", access="door", errors=(RateLimited,))
@limited_for_caller(CATALOG)
def count_cash(request: RequestContext, event_id: str, body: CountBody) -> Reply[ClosingView]:
    """Record the cash that the caller counted in their own till at the end of a day. A later count replaces an earlier one."""
    request.mark_repeatable()
    caller = request.require_user()
    event = permissions.require_seller(caller, event_id)
    days = [box_office.till_day(request.now - seconds, event.timezone) for seconds in (0, COUNTED_SECONDS)]
    day = body.date.isoformat()
    if not days[1] <= day <= days[0]:
        raise InvalidInput(f"Choose a day from {days[1]} to {days[0]}.", path="$.date")
    currencies = {tier.currency for tier in catalog.snapshot().event_tiers(event.id)}
    if body.currency not in currencies and not any(
        till.currency == body.currency for till in box_office.list_tills(event.id, day, caller.user_id)
    ):
        raise InvalidInput("The box office has sold nothing in this currency.", path="$.currency")
    till = box_office.count_cash(event.id, day, body.currency, caller.user_id, body.counted_cents, request.now)
    return Reply(_closing_view(event, day, [till]))


def _offers(tiers: Iterable[Tier]) -> list[OfferView]:
    found = [(tier, holdback) for tier in tiers for holdback in tier.active_holdbacks if holdback.reason == "box_office"]
    counts = {tier.holdback_stock_id(holdback.id): 1 for tier, holdback in found if holdback.id in tier.issuing}
    stocks = read_stock(counts) if counts else {}
    return [
        OfferView(
            tier_id=tier.id,
            tier_name=tier.name,
            holdback_id=holdback.id,
            label=holdback.label,
            price_cents=tier.price_cents,
            included_fee_cents=tier.included_fee_cents,
            currency=tier.currency,
            admits=tier.admits,
            left=stocks[stock_id].available if (stock_id := tier.holdback_stock_id(holdback.id)) in stocks else holdback.quantity,
        )
        for tier, holdback in found
    ]


def _sale_time(body: CounterSaleBody, now: int) -> int:
    """Return when a sale was made: now, or when the device sold offline. Raises InvalidInput."""
    if body.sold_at is None:
        return now
    from chalicelib.purchases.direct_orders import DELIVERY_SECONDS

    if body.quota_id is None:
        raise InvalidInput("Send `sold_at` only for a sale with a `quota_id`.", path="$.sold_at")
    try:
        sold_at = clock.epoch_seconds(body.sold_at)
    except ValueError as error:
        raise InvalidInput(f"`sold_at` is not a valid time: {error}.", path="$.sold_at") from None
    if sold_at < now - DELIVERY_SECONDS:
        raise InvalidInput("The sale was made too long ago. Ask a manager what to do with it.", path="$.sold_at")
    return min(sold_at, now)  # the device's clock may be fast


def _order_view(order: Purchase, now: int) -> CounterOrderView:
    assert order.box_office is not None
    snapshot = catalog.snapshot()
    shown = views.order_view(order)
    return CounterOrderView(
        order_id=order.id,
        number=shown.number,
        method=order.box_office.method,
        reference=order.box_office.reference,
        total_price_cents=shown.total_price_cents,
        included_fee_cents=shown.included_fee_cents,
        currency=order.currency,
        tickets=[CounterTicketView(ticket_view(ticket, snapshot, now), qr.ticket_svg(ticket)) for ticket in queries.load_tickets(order)],
    )


def _closing_view(event: Event, day: str, tills: list[TillView]) -> ClosingView:
    people = find_people(event.id, event.promoter_id, {till.user_id for till in tills}) if tills else {}
    named = [(till, people.get(till.user_id)) for till in tills]
    return ClosingView(
        event_id=event.id,
        date=day,
        tills=[ClosedTillView(**asdict(till), name=person.name if person is not None else None) for till, person in named],
    )
