"""The sales of an event by time."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from chalicelib import clock
from chalicelib.clock import Timestamp
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.http import Reply
from chalicelib.ledger.model import EntryKind
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.views import OrderItem
from chalicelib.reports import store
from chalicelib.reports.csv_replies import Cell, csv_reply
from chalicelib.reports.times import Time, epoch_seconds

COLUMNS = ("at", "order_id", "kind", "amount_cents", "currency", "provider", "user_id", "quantity", "items")
_SALE_POSITION = r"\d{11}#\S+"


class SalesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which sales to list, oldest first: those from `from` (included) to `to` (not included)."""

    since: Time | None = field(default=None, name="from")
    until: Time | None = field(default=None, name="to")
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class SaleView(Struct, frozen=True, kw_only=True):
    """Money that an order brought in (positive) or that went out for it (negative), in minor units; 0 for an order that costs nothing.

    The amounts add up to what the payment ledger has for the same time. `user_id`, `quantity` and `items` are those of the order.
    """

    at: Timestamp
    order_id: str
    kind: EntryKind
    amount_cents: int
    currency: str
    provider: str
    user_id: str | None
    quantity: int
    items: list[OrderItem]


class SalesView(Struct, frozen=True):
    sales: list[SaleView]
    next_cursor: str | None


def sales_reply(event_id: str, query: SalesQuery) -> Reply[SalesView | str]:
    """The sales that a query asks for, as JSON or CSV. Raises InvalidInput."""
    sales, next_cursor = find_page(event_id, query.since, query.until, query.limit, query.cursor)
    if query.format == "csv":
        return csv_reply(query, COLUMNS, map(csv_row, sales), next_cursor)
    return Reply(SalesView(sales, next_cursor))


def find_page(event_id: str, since: Time | None, until: Time | None, limit: int, cursor: str | None) -> tuple[list[SaleView], str | None]:
    """So many sales of a time, oldest first, and the cursor of the next page. Raises InvalidInput."""
    first_second, last_second = epoch_seconds(since, "from"), epoch_seconds(until, "to")
    first = store.sale_position(first_second or 0)
    after = cursors.decode(cursor, _SALE_POSITION) if cursor else ""
    last = store.sale_position(last_second) if last_second is not None else "~"
    found = store.query_sales(store.load_generations().current, event_id, max(first, after), last)
    page: list[tuple[store.Sale, str]] = []
    next_cursor = None
    for sale, position in found:
        if position == after:
            continue
        if len(page) == limit:
            next_cursor = cursors.encode(page[-1][1])
            break
        page.append((sale, position))
    return _sale_views([sale for sale, _ in page]), next_cursor


def _sale_views(sales: list[store.Sale]) -> list[SaleView]:
    purchases = queries.load_many({sale.order_id for sale in sales})
    shown = []
    for sale in sales:
        purchase = purchases.get(sale.order_id)
        shown.append(
            SaleView(
                at=clock.iso(sale.at),
                order_id=sale.order_id,
                kind=sale.kind,
                amount_cents=sale.amount_cents,
                currency=sale.currency,
                provider=sale.provider,
                user_id=purchase.user_id if purchase else None,
                quantity=purchase.quantity if purchase else 0,
                items=views.order_view(purchase).items if purchase else [],
            )
        )
    return shown


def csv_row(sale: SaleView) -> list[Cell]:
    """A sale by COLUMNS."""
    items = "; ".join(f"{item.quantity} x {item.tier_name}" for item in sale.items)
    return [*(getattr(sale, name) for name in COLUMNS[:-1]), items]
