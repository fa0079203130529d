"""Lists of orders: the caller's own, and those of an event for who manages it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from chalicelib import ids
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.errors import InvalidInput
from chalicelib.ids import Id
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.views import OrderListView
from chalicelib.reports import store

MAX_ROWS_READ = 1000  # for one page of an event's orders, however few of them a filter accepts


class OrdersQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which orders to list: the caller's own, or with `event_id` those of an event, by `status` and buyer."""

    event_id: Id | None = None
    status: Literal["paid", "partially_refunded", "refunded"] | None = None
    user_id: Annotated[str, Meta(max_length=100)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


def list_own_orders(user_id: str, query: OrdersQuery) -> OrderListView:
    """A page of the caller's orders, the newest first. Raises InvalidInput for the filters of an event's orders."""
    for name in ("status", "user_id"):
        if getattr(query, name) is not None:
            raise InvalidInput(f"`{name}` filters the orders of an event: add `event_id`.", path=name)
    purchases, last = queries.list_own_orders(user_id, query.limit, _position(query))
    return OrderListView(orders=[views.order_view(purchase) for purchase in purchases], next_cursor=cursors.encode(last) if last else None)


def list_event_orders(event_id: str, query: OrdersQuery) -> OrderListView:
    """A page of an event's orders, those of the newest reservations first; one that finds few may end early, and says where to go on."""
    found: list[str] = []
    next_before = None
    for read, order in enumerate(store.query_orders(store.load_generations().current, event_id, _position(query)), start=1):
        if (query.status or order.state, query.user_id or order.user_id) == (order.state, order.user_id):
            if len(found) == query.limit:
                next_before = found[-1]
                break
            found.append(order.order_id)
        if read == MAX_ROWS_READ:
            next_before = order.order_id
            break
    purchases = queries.load_many(found)
    shown = (purchases.get(order_id) for order_id in found)
    orders = [views.order_view(purchase) for purchase in shown if purchase is not None]
    return OrderListView(orders=orders, next_cursor=cursors.encode(next_before) if next_before else None)


def _position(query: OrdersQuery) -> str | None:
    return cursors.decode(query.cursor, ids.FORM) if query.cursor is not None else None
