"""Lists of orders: the caller's own orders and, for managers of an event, its orders, failed purchases and disputes."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.addons.reports import store
from chalicelib.addons.reports.store import OrderList
from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.edge.auth import Identity
from chalicelib.edge.cursors import Cursor
from chalicelib.foundation import ids
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.purchases import queries, views
from chalicelib.purchases.model import ACTIVE_STATES, Buyer, Dispute, Purchase
from chalicelib.purchases.views import DisputeView, OrderView, dispute_view

MAX_ROWS_READ = 1000  # per page of an event's orders, even if the filter accepts few of them


class OrdersQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which orders to list: the caller's own or, with `event_id`, the orders of an event, filtered by `status`, buyer and `search`.

    Without `event_id`, admins may pass `user_id`, for a person's orders, or `search`, for orders of all events.

    `disputed` lists orders whose payment was disputed at any time. `failed` lists purchases whose buyers started to pay but got no tickets.
    `complimentary` lists orders of complimentary tickets. `return_requested` lists orders whose buyer is waiting for a decision about a
    return.
    """

    event_id: Id | None = None
    status: Literal["paid", "partially_refunded", "refunded", "disputed", "failed", "complimentary", "return_requested"] | None = None
    user_id: Annotated[str, Meta(max_length=100)] | None = None
    search: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=254,
                description="An order number, with or without its initials, an order or ticket id, a ticket's code, the buyer's id or "
                "email address, or words from the name of the buyer or a guest. The beginning of each word is enough. Without `event_id`, "
                "a number needs its initials, and names and the buyer's id are not searched.",
            ),
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class ListedOrder(OrderView, frozen=True, kw_only=True):
    """An order in a list. `buyer` is missing in a list of one person's orders."""

    event_name: str | None
    buyer: Buyer | UnsetType = UNSET


class OrdersView(Struct, frozen=True, kw_only=True):
    """A page of orders, newest first. `next_cursor` is null on the last page."""

    orders: list[ListedOrder]
    next_cursor: str | None


class DisputesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of the disputed orders to show. `limit` counts orders. Each order comes with all of its disputes."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class EventDisputeView(DisputeView, frozen=True, kw_only=True):
    """A dispute with its order."""

    order_id: str


class DisputesView(Struct, frozen=True):
    """A page of disputes. The disputes of the newest orders come first. `next_cursor` is null on the last page."""

    disputes: list[EventDisputeView]
    next_cursor: str | None


def list_own_orders(identity: Identity, query: OrdersQuery) -> OrdersView:
    """Return a page of the caller's orders for all events, newest first. An admin may name any `user_id`.

    Raises InvalidInput for filters that need an event.
    """
    for name in ("status",) if "admin" in identity.roles else ("status", "search", "user_id"):
        if getattr(query, name) is not None:
            raise InvalidInput(f"`{name}` filters the orders of one event, so it needs `event_id`.", path=name)
    purchases, last = queries.list_own_orders(query.user_id or identity.user_id, query.limit, _position(query))
    return OrdersView(orders=[_listed_order(purchase) for purchase in purchases], next_cursor=cursors.encode(last) if last else None)


def search_all_orders(text: str, query: OrdersQuery) -> OrdersView:
    """Return at most `limit` orders of any events that match the text, newest first. There is only one page.

    Raises InvalidInput for a cursor.
    """
    if query.cursor is not None:
        raise cursors.not_a_cursor()
    from chalicelib.addons.reports import order_search

    found = order_search.find_in_all_events(text, query.limit)
    purchases = queries.load_readable(found)[0]
    known = [purchase for order_id in found if (purchase := purchases.get(order_id)) is not None and _is_searched(purchase, query)]
    return _with_buyers(known, None)


def list_event_orders(event_id: str, query: OrdersQuery) -> OrdersView:
    """Return a page of an event's orders, newest reservation first. A filtered page may be short; its cursor leads to the next page."""
    purchases, next_cursor = _search(event_id, query.search, query) if query.search is not None else _read_page(event_id, query)
    if query.status == "failed":
        # A purchase is no longer `failed` once its late payment has been accepted.
        purchases = [purchase for purchase in purchases if not purchase.was_order]
    if query.status == "return_requested":
        purchases = [purchase for purchase in purchases if purchase.has_open_return]  # the list also has orders whose requests are decided
    return _with_buyers(purchases, next_cursor)


def _with_buyers(purchases: Sequence[Purchase], next_cursor: str | None) -> OrdersView:
    buyers = queries.load_buyers(purchases) if purchases else {}
    return OrdersView(orders=[_listed_order(purchase, buyers[purchase.id]) for purchase in purchases], next_cursor=next_cursor)


def _listed_order(purchase: Purchase, buyer: Buyer | UnsetType = UNSET) -> ListedOrder:
    event = catalog.snapshot().events.get(purchase.event_id)
    return ListedOrder(**asdict(views.order_view(purchase)), event_name=event.name if event is not None else None, buyer=buyer)


def _search(event_id: str, text: str, query: OrdersQuery) -> tuple[list[Purchase], str | None]:
    """Return a page of search results. It may be short or empty even if another page follows."""
    from chalicelib.addons.reports import order_search

    found, next_cursor = order_search.find_order_ids(event_id, text, query.limit, query.cursor)
    purchases = queries.load_readable(found)[0]
    known = [purchase for order_id in found if (purchase := purchases.get(order_id)) is not None]
    return [purchase for purchase in known if purchase.event_id == event_id and _is_searched(purchase, query)], next_cursor


def _is_searched(purchase: Purchase, query: OrdersQuery) -> bool:
    if query.user_id is not None and purchase.user_id != query.user_id:
        return False
    match query.status:
        case None:
            return purchase.was_order or purchase.checkout_at is not None
        case "disputed":
            return bool(purchase.disputes)
        case "complimentary":
            return purchase.is_complimentary
        case "return_requested":
            return purchase.has_open_return
        case "failed":
            return purchase.checkout_at is not None and purchase.state not in ACTIVE_STATES
        case state:
            return purchase.state == state and purchase.was_order


def list_disputes(event_id: str, query: DisputesQuery) -> DisputesView:
    """Return the disputes of one page of disputed orders, newest reservation first."""
    page = OrdersQuery(event_id=event_id, status="disputed", limit=query.limit, cursor=query.cursor)
    purchases, next_cursor = _read_page(event_id, page)
    return DisputesView([_dispute_view(dispute, purchase) for purchase in purchases for dispute in purchase.disputes], next_cursor)


def _dispute_view(dispute: Dispute, purchase: Purchase) -> EventDisputeView:
    return EventDisputeView(**asdict(dispute_view(dispute)), order_id=purchase.id)


def _read_page(event_id: str, query: OrdersQuery) -> tuple[list[Purchase], str | None]:
    """Return the purchases on a page of a list, and the cursor for the next page. Leaves out deleted purchases."""
    order_list: OrderList = query.status if query.status in ("disputed", "failed", "complimentary", "return_requested") else "order"
    state = query.status if order_list == "order" else None
    found: list[str] = []
    next_before = None
    for read, order in enumerate(store.query_orders(store.load_generations().current, event_id, _position(query), order_list), start=1):
        if (state or order.state, query.user_id or order.user_id) == (order.state, order.user_id):
            if len(found) == query.limit:
                next_before = found[-1]
                break
            found.append(order.order_id)
        if read == MAX_ROWS_READ:
            next_before = order.order_id
            break
    purchases = queries.load_readable(found)[0]
    shown = [purchase for order_id in found if (purchase := purchases.get(order_id)) is not None]
    return shown, cursors.encode(next_before) if next_before else None


def _position(query: OrdersQuery) -> str | None:
    return cursors.decode(query.cursor, ids.FORM) if query.cursor is not None else None
