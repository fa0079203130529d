"""Routes for packages: buyers list and buy packages, and event managers change them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.accounts.model import Email
from chalicelib.addons.packages import service
from chalicelib.addons.packages.views import (
    DeletedOptionView,
    DeletedPackageView,
    NewOption,
    NewOrderBody,
    NewPackage,
    OptionChanges,
    OptionsView,
    PackageAuditView,
    PackageChanges,
    PackagePurchaseView,
    PackagesView,
    PackageView,
    PublicPackagesView,
    package_purchase_view,
)
from chalicelib.catalog import capacities, permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.capacities import NO_STOCK_LEFT, CapacityTooSmall
from chalicelib.catalog.custom_options import CustomOption, SentAnswer
from chalicelib.catalog.forms import given_fields
from chalicelib.catalog.quotas import TooManyTickets, TooManyTiers
from chalicelib.catalog.revisions import CHANGE_ERRORS, expected_version, versioned_reply
from chalicelib.catalog.sale_rules import SaleFrozen
from chalicelib.catalog.tier_management import StaleOrder, TierNameTaken, TooManyOptions
from chalicelib.edge import idempotency, rate_limits
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import LanguageQuery
from chalicelib.edge.operation import IF_MATCH
from chalicelib.edge.rate_limits import CATALOG, limit_writes, limited_for_caller
from chalicelib.edge.routes import CacheableReply, Reply, RequestContext, route
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.inventory.model import CapacityInUse
from chalicelib.payments.model import SimulationRefused
from chalicelib.purchases import orders
from chalicelib.purchases.api import (
    CheckoutFields,
    EntryProofBody,
    PromoCodeInput,
    Quantity,
    read_options,
    read_tickets,
)
from chalicelib.purchases.checkout_page import SentDetails
from chalicelib.purchases.errors import CHECKOUT_ERRORS, RESERVE_ERRORS
from chalicelib.purchases.model import MAX_QUANTITY, InvoiceBuyer, RequestedItem
from chalicelib.purchases.orders import OrderRequest, OrderResult
from chalicelib.tickets import seats
from chalicelib.waiting_room.views import WaitingRoomToken

bp = Blueprint(__name__)

PACKAGES = "/admin/events/{event_id}/tickets/packages"
PACKAGE = f"{PACKAGES}/{{package_id}}"


class HistoryQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of a history to show."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    cursor: Cursor | None = None


@route(bp, "GET", "/events/{event_id}/tickets/packages", access="public")
def list_public_packages(request: RequestContext, event_id: str, query: LanguageQuery) -> CacheableReply[PublicPackagesView]:
    """List the packages of an event that buyers see, with the available number of each package."""
    return service.public_packages_reply(event_id, query.language, request.now)


@route(bp, "GET", PACKAGES, access="manager")
def list_packages(request: RequestContext, event_id: str) -> Reply[PackagesView]:
    """List all packages of an event, including disabled packages."""
    permissions.require_manager(request.require_user(), event_id)
    return Reply(service.list_packages(event_id))


@route(
    bp,
    "POST",
    PACKAGES,
    access="manager",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(*CHANGE_ERRORS, TierNameTaken, TooManyTickets, TooManyTiers, SaleFrozen),
)
@limited_for_caller(CATALOG)
def create_package(request: RequestContext, event_id: str, body: NewPackage) -> Reply[PackageView]:
    """Create a package for an event."""
    caller = request.require_user()
    permissions.require_manager(caller, event_id)

    def execute(package_id: str) -> Reply[PackageView]:
        limit_writes(request, CATALOG, capacities.count_new_shards(event_id, body.quantity_limit, held_back=0))
        return versioned_reply(service.create_package(package_id, event_id, body, caller.user_id, request.now), 201)

    return idempotency.execute_once(request, caller.user_id, execute)


@route(bp, "POST", f"{PACKAGES}/reorder", access="manager", errors=(*CHANGE_ERRORS, StaleOrder))
@limited_for_caller(CATALOG)
def reorder_packages(request: RequestContext, event_id: str, body: NewOrderBody) -> Reply[PackagesView]:
    """Put all packages of an event in a new order."""
    caller = request.require_user()
    permissions.require_manager(caller, event_id)
    return Reply(service.reorder_packages(event_id, body.package_ids, body.seen_package_ids, caller.user_id, request.now))


@route(bp, "GET", PACKAGE, access="manager")
def show_package(request: RequestContext, event_id: str, package_id: str) -> Reply[PackageView]:
    """Show a package."""
    service.require_package(request.require_user(), event_id, package_id)
    return versioned_reply(service.get_package(package_id))


@route(
    bp,
    "PATCH",
    PACKAGE,
    access="manager",
    headers=(IF_MATCH,),
    errors=(*CHANGE_ERRORS, TierNameTaken, TooManyTickets, CapacityTooSmall, CapacityInUse, SaleFrozen),
)
@limited_for_caller(CATALOG)
def change_package(request: RequestContext, event_id: str, package_id: str, body: PackageChanges) -> Reply[PackageView]:
    """Change some fields of a package."""
    actor = require_actor(request, event_id, package_id)
    given = given_fields(body)
    values = {"capacity": given["quantity_limit"]} if "quantity_limit" in given else {}
    limit_writes(request, CATALOG, capacities.count_writes(values, event_id, package_id))
    return versioned_reply(service.update_package(package_id, body, actor, request.now, expected_version(request, body)))


@route(bp, "DELETE", PACKAGE, access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def delete_package(request: RequestContext, event_id: str, package_id: str) -> Reply[DeletedPackageView]:
    """Delete a package. A package with sales or reservations is disabled instead, and the reply says so."""
    actor = require_actor(request, event_id, package_id)
    limit_writes(request, CATALOG, capacities.count_writes(NO_STOCK_LEFT, event_id, package_id))
    return Reply(service.delete_package(package_id, actor, request.now, expected_version(request)))


@route(bp, "POST", f"{PACKAGE}/enable", access="manager", headers=(IF_MATCH,), errors=(*CHANGE_ERRORS, SaleFrozen))
@limited_for_caller(CATALOG)
def enable_package(request: RequestContext, event_id: str, package_id: str) -> Reply[PackageView]:
    """Put a package on sale."""
    actor = require_actor(request, event_id, package_id)
    return versioned_reply(service.set_enabled(package_id, True, actor, request.now, expected_version(request)))


@route(bp, "POST", f"{PACKAGE}/disable", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def disable_package(request: RequestContext, event_id: str, package_id: str) -> Reply[PackageView]:
    """Take a package off sale. Sold and reserved packages stay valid."""
    actor = require_actor(request, event_id, package_id)
    return versioned_reply(service.set_enabled(package_id, False, actor, request.now, expected_version(request)))


@route(
    bp,
    "POST",
    f"{PACKAGE}/duplicate",
    access="manager",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(*CHANGE_ERRORS, TooManyTickets, TooManyTiers),
)
@limited_for_caller(CATALOG)
def duplicate_package(request: RequestContext, event_id: str, package_id: str) -> Reply[PackageView]:
    """Copy a package with its options. The copy is disabled."""
    actor = request.require_user().user_id
    package = service.require_package(request.require_user(), event_id, package_id)

    def execute(copy_id: str) -> Reply[PackageView]:
        limit_writes(request, CATALOG, capacities.count_new_shards(event_id, package.capacity, package.held_back))
        return versioned_reply(service.duplicate_package(copy_id, package_id, actor, request.now), 201)

    return idempotency.execute_once(request, actor, execute)


@route(bp, "GET", f"{PACKAGE}/audit", access="manager")
def list_package_history(request: RequestContext, event_id: str, package_id: str, query: HistoryQuery) -> Reply[PackageAuditView]:
    """List the changes to a package, even if it was deleted."""
    user = request.require_user()
    service.require_package(user, event_id, package_id)
    return Reply(service.list_history(package_id, query.limit, query.cursor, shows_addresses="admin" in user.roles))


@route(bp, "GET", f"{PACKAGE}/options", access="manager")
def list_options(request: RequestContext, event_id: str, package_id: str) -> Reply[OptionsView]:
    """List the questions that buyers of a package are asked."""
    service.require_package(request.require_user(), event_id, package_id)
    return Reply(OptionsView(service.list_options(package_id)))


@route(
    bp,
    "POST",
    f"{PACKAGE}/options",
    access="manager",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(*CHANGE_ERRORS, TooManyOptions),
)
@limited_for_caller(CATALOG)
def create_option(request: RequestContext, event_id: str, package_id: str, body: NewOption) -> Reply[CustomOption]:
    """Add a question for buyers of a package. A package has at most four questions."""
    actor = require_actor(request, event_id, package_id)

    def execute(option_id: str) -> Reply[CustomOption]:
        return Reply(service.create_option(package_id, option_id, body, actor, request.now), 201)

    return idempotency.execute_once(request, actor, execute)


@route(bp, "PATCH", f"{PACKAGE}/options/{{option_id}}", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def change_option(request: RequestContext, event_id: str, package_id: str, option_id: str, body: OptionChanges) -> Reply[CustomOption]:
    """Change some fields of a question. Earlier answers keep the question as it was asked."""
    actor = require_actor(request, event_id, package_id)
    return Reply(service.update_option(package_id, option_id, body, actor, request.now, expected_version(request, body)))


@route(bp, "DELETE", f"{PACKAGE}/options/{{option_id}}", access="manager", headers=(IF_MATCH,), errors=CHANGE_ERRORS)
@limited_for_caller(CATALOG)
def delete_option(request: RequestContext, event_id: str, package_id: str, option_id: str) -> Reply[DeletedOptionView]:
    """Delete a question. Earlier answers are kept. The reply has a warning if buyers may have answered the question."""
    actor = require_actor(request, event_id, package_id)
    return Reply(service.delete_option(package_id, option_id, actor, request.now, expected_version(request)))


def require_actor(request: RequestContext, event_id: str, package_id: str) -> str:
    """Return the caller's id if the caller may manage the package's event. Raises NotFound or Forbidden."""
    caller = request.require_user()
    service.require_package(caller, event_id, package_id)
    return caller.user_id


# Buy a package in one request.

MAX_SEATS_IN_REPLY = 100  # seats in a reply; replies are stored for repeated requests, so they must stay small

MAX_RESPONSES = 4 * MAX_QUANTITY  # each ticket may have answers to four options


class OptionResponseBody(Struct, forbid_unknown_fields=True):
    """An answer to a question (an option): true or false, a text, or a list of choices.

    `ticket` is the number of one ticket; null means all tickets.
    """

    option_id: Id
    response_value: SentAnswer
    ticket: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] | None = None


class PackagePurchaseBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """`token` is the waiting room token, if the event has a waiting room. `simulate` sets the outcome of a simulated payment.

    `entry_proof` saves the shop a read if the token has a number of the draw. The email with the tickets goes to `customer_email`.
    `invoice` is the company to name on the invoice, if the event's seller issues invoices.
    """

    package_id: Id
    quantity: Quantity
    promo_code: PromoCodeInput | None = None
    customer_email: Email | None = None
    invoice: InvoiceBuyer | None = None
    option_responses: Annotated[list[OptionResponseBody], Meta(max_length=MAX_RESPONSES)] = []
    token: WaitingRoomToken | None = None
    entry_proof: EntryProofBody | None = None
    simulate: Literal["success", "fail"] | None = None


@route(
    bp,
    "POST",
    "/events/{event_id}/tickets/purchase",
    access="user",
    statuses=(201, 200),
    headers=(idempotency.IDEMPOTENCY_KEY,),
    errors=(*RESERVE_ERRORS, *CHECKOUT_ERRORS, SimulationRefused),
)
def purchase_package(request: RequestContext, event_id: str, body: PackagePurchaseBody) -> Reply[PackagePurchaseView]:
    """Buy a package: hold it and open its payment. A free package is paid immediately.

    Without an Idempotency-Key, an identical request within a minute returns the same order, unless the order has ended without tickets.
    """
    user_id = request.require_user().user_id
    items = [RequestedItem(body.package_id, body.quantity)]
    options = read_options(request, CheckoutFields(promo_code=body.promo_code, customer_email=body.customer_email, invoice=body.invoice))
    order = OrderRequest(
        tickets=read_tickets(request, user_id, event_id, items, body, options.promo_code),
        options=options,
        key=idempotency.find_key(request, user_id) or idempotency.imply_key(request, user_id),
        pays_at_once=True,
        simulate=body.simulate,
    )
    with service.reword_errors(), rate_limits.limited(request, rate_limits.RESERVE, user_id) as attempt:

        def execute(purchase_id: str) -> Reply[PackagePurchaseView]:
            orders.check_simulation(body.simulate)
            return _reply(orders.create_order(_with_responses(order, body.option_responses), purchase_id, attempt))

        def find_result(purchase_id: str) -> Reply[PackagePurchaseView] | None:
            earlier = orders.resume_order(_with_responses(order, body.option_responses), purchase_id)
            return _reply(earlier) if earlier is not None else None

        return idempotency.execute_once(request, user_id, execute, find_result=find_result, is_current=orders.is_current)


def _reply(order: OrderResult) -> Reply[PackagePurchaseView]:
    page, next_cursor = seats.list_order_seats(order.tickets, MAX_SEATS_IN_REPLY)
    return Reply(package_purchase_view(order.purchase, page, next_cursor, order.client_secret, order.url), 201)


def _with_responses(order: OrderRequest, responses: Sequence[OptionResponseBody]) -> OrderRequest:
    """Check the answers and add them to the order, before any tickets are held.

    Raises the errors of `orders.with_answers`, with paths that point to the responses in the request. An answer without a `ticket` applies
    to all tickets if its option is asked for each ticket.
    """
    (item,) = order.tickets.items
    package = catalog.find_snapshot(lambda found: item.tier_id in found.tiers).tiers.get(item.tier_id)
    per_ticket = {option.id for option in package.options if option.per == "ticket"} if package is not None else set()
    for_purchase: dict[str, SentAnswer] = {}
    by_ticket: list[dict[str, SentAnswer]] = [{} for _ in range(item.quantity)]
    for index, response in enumerate(responses):
        places = by_ticket if response.option_id in per_ticket else [for_purchase]
        if response.ticket is not None:
            places = by_ticket[response.ticket - 1 : response.ticket]
        for place in places:
            if response.option_id in place:
                raise InvalidInput("This option already has an answer. Send one answer for each option.", path=_path(index))
            place[response.option_id] = response.response_value
        if not places:
            raise InvalidInput(f"This purchase has no ticket {response.ticket}.", path=f"$.option_responses[{index}].ticket")
    try:
        sent = SentDetails(for_purchase, by_ticket)
        return orders.with_answers(replace(order, options=replace(order.options, sent=sent)))
    except InvalidInput as refusal:
        for named in (refusal.details, *refusal.details.get("missing", ()), *refusal.details.get("wrong", ())):
            named["path"] = _response_path(responses, str(named["path"]))
        raise


def _response_path(responses: Sequence[OptionResponseBody], path: str) -> str:
    """Convert a path in the checkout's answers to the path of the matching response, or of the list if no response matches."""
    option_id = path.rpartition("responses.")[2]
    found = next((index for index, response in enumerate(responses) if response.option_id == option_id), None)
    return "$.option_responses" if found is None else _path(found)


def _path(index: int) -> str:
    return f"$.option_responses[{index}].response_value"
