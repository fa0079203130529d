"""Sales of an event by time, as JSON or CSV: sales by tier, sales by package, and totals of a promo code. Also the event's statement.

The amounts agree with the payment ledger. Package sales combine the same sales with the figures of `analytics`, in major units.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from chalicelib.addons.reports import store
from chalicelib.addons.reports.analytics import AnalyticsQuery, HourFigures, SaleTotals, sale_totals
from chalicelib.addons.reports.audit_views import record_reading
from chalicelib.addons.reports.figures import promo_part
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.edge import cursors
from chalicelib.edge.csv_replies import Cell, Time, csv_part, csv_reply, epoch_seconds
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Reply
from chalicelib.foundation import clock, money, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.ids import Id
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind, LedgerEntry, StatementTotals
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import normalize
from chalicelib.purchases import queries, views
from chalicelib.purchases.model import Buyer, Purchase
from chalicelib.purchases.views import OrderItem
from chalicelib.tickets.model import ticket_id
from chalicelib.tickets.store import load_tickets

SoldStatus = Literal["paid", "partially_refunded", "refunded"]

# Add new columns at the end: programs may read the file by column position.
COLUMNS = (
    *("at", "order_id", "kind", "amount_cents", "currency", "provider", "user_id", "quantity", "items"),
    *("promo_code", "discount_cents", "status", "guests", "buyer_name", "buyer_email", "tax_cents", "included_fee_cents"),
)
MAX_WITH_PEOPLE = 100  # sales per page with guests or buyers, who must be read from tickets, checkouts and accounts
_SALE_POSITION = r"\d{11}#\S+"


class SaleFilter(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which sales to list, oldest first, from `from` (inclusive) to `to` (exclusive), filtered by the order's promo code or status.

    With `guests`, each sale has the guests whom the buyer named. With `buyers`, each sale has the buyer's name and email address. With
    either, a page has at most 100 sales, and the audit log records who reads it.
    """

    since: Time | None = field(default=None, name="from")
    until: Time | None = field(default=None, name="to")
    promo_code: Annotated[str, Meta(max_length=100)] | None = None
    status: SoldStatus | None = None
    guests: bool = False
    buyers: bool = False


class SalesQuery(SaleFilter, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which sales to list, optionally only for orders with one tier, and whether to list them as JSON or CSV."""

    tier_id: Id | None = None
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class SaleGuest(Struct, frozen=True):
    """A guest whom the buyer named for a seat. The seat's `number` is null in the first few seconds after the sale."""

    number: str | None
    name: str


class SaleView(Struct, frozen=True, kw_only=True):
    """Money received (positive) or paid out (negative) for an order, in minor units. The amount of a free order is 0.

    The amounts agree with the payment ledger for the same period. The fields after `provider` describe the current order. `guests` and
    `buyer` are null unless the request asks for them.
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
    promo_code: str | None
    discount_cents: int
    tax_cents: int
    included_fee_cents: int
    status: SoldStatus | None
    guests: list[SaleGuest] | None
    buyer: Buyer | None


class SalesView(Struct, frozen=True):
    sales: list[SaleView]
    next_cursor: str | None


def sales_reply(event_id: str, query: SalesQuery, reader: str, now: int) -> Reply[SalesView | str]:
    """Return a page of sales as JSON or CSV, for `reader`. Raises InvalidInput."""
    tier_ids = None if query.tier_id is None else {query.tier_id}
    sales, next_cursor = _find_sale_page(event_id, query, query.limit, query.cursor, tier_ids)
    _record_reading(event_id, query, sales, reader, now, query.format)
    if query.format == "csv":
        return csv_reply(query, COLUMNS, map(_csv_row, sales), next_cursor)
    return Reply(SalesView(sales, next_cursor))


def _find_sale_page(
    event_id: str, wanted: SaleFilter, limit: int, cursor: str | None, tier_ids: Collection[str] | None
) -> tuple[list[SaleView], str | None]:
    """Read up to `limit` sales, oldest first. Returns the sales that the filter accepts, and the cursor for the next page.

    A page with very many guests ends earlier. `tier_ids` limits the sales to orders with one of these tiers; None means all tiers. Raises
    InvalidInput.
    """
    limit = min(limit, MAX_WITH_PEOPLE) if wanted.guests or wanted.buyers else limit
    found, next_cursor = _find_positions(event_id, wanted, limit, cursor)
    purchases = queries.load_readable({sale.order_id for sale, _ in found})[0]
    shown = [(entry, purchase) for entry in found if _is_wanted(purchase := purchases.get(entry[0].order_id), wanted, tier_ids)]
    orders = list({purchase.id: purchase for _, purchase in shown if purchase is not None}.values())
    guests = _load_guests(orders) if wanted.guests else None
    buyers = queries.load_buyers(orders) if wanted.buyers and orders else {}
    views = [_sale_view(sale, purchase, guests, buyers) for (sale, _), purchase in shown]
    fitting = cursors.fit(views)
    if len(fitting) < len(views):
        (_, position), _ = shown[len(fitting) - 1]
        next_cursor = cursors.encode(position)
    return fitting, next_cursor


def _record_reading(event_id: str, wanted: SaleFilter, sales: Sequence[SaleView], reader: str, now: int, form: str) -> None:
    """Record in the audit log that `reader` gets the names in these sales, if the filter asks for names."""
    if wanted.guests or wanted.buyers:
        record_reading(event_id, reader, now, "sales", len({sale.order_id for sale in sales}), form)


def _find_positions(event_id: str, wanted: SaleFilter, limit: int, cursor: str | None) -> tuple[list[tuple[store.Sale, str]], str | None]:
    """Read up to `limit` sales in the period of the filter, each with its position. Returns them and the cursor for the next page."""
    first_second, last_second = epoch_seconds(wanted.since, "from"), epoch_seconds(wanted.until, "to")
    first = store.sale_position(first_second or 0)
    after = cursors.decode(cursor, _SALE_POSITION) if cursor else ""
    last = store.sale_position(last_second) if last_second is not None else "~"
    page: list[tuple[store.Sale, str]] = []
    for sale, position in store.query_sales(store.load_generations().current, event_id, max(first, after), last):
        if position == after:
            continue
        if len(page) == limit:
            return page, cursors.encode(page[-1][1])
        page.append((sale, position))
    return page, None


def _is_wanted(purchase: Purchase | None, wanted: SaleFilter, tier_ids: Collection[str] | None) -> bool:
    """Return whether the filter accepts the sales of an order. Only an empty filter accepts the sales of a deleted order."""
    if purchase is None:
        return tier_ids is None and wanted.promo_code is None and wanted.status is None
    return (
        (tier_ids is None or any(line.tier_id in tier_ids for line in purchase.lines))
        and (wanted.promo_code is None or purchase.promo_code == normalize(wanted.promo_code))
        and (wanted.status is None or _sold_status(purchase) == wanted.status)
    )


def _load_guests(purchases: Iterable[Purchase]) -> dict[str, list[SaleGuest]]:
    """Load the named guests of orders, by order id."""
    ids = {ticket_id(purchase.id, number) for purchase in purchases for number in purchase.kept_tickets}
    guests: dict[str, list[SaleGuest]] = {}
    for ticket in sorted(load_tickets(ids), key=lambda ticket: (ticket.purchase_id, ticket.number)):
        named = [SaleGuest(ticket.seat_number(guest.seat), guest.name) for guest in ticket.guests if guest.name is not None]
        guests.setdefault(ticket.purchase_id, []).extend(named)
    return guests


def _sale_view(
    sale: store.Sale, purchase: Purchase | None, guests: Mapping[str, list[SaleGuest]] | None, buyers: Mapping[str, Buyer]
) -> SaleView:
    return SaleView(
        at=clock.iso(sale.at),
        order_id=sale.order_id,
        kind=sale.kind,
        amount_cents=sale.amount_cents,
        currency=sale.currency,
        provider=sale.provider,
        user_id=purchase.user_id if purchase else None,
        quantity=purchase.quantity if purchase else 0,
        items=views.order_view(purchase).items if purchase else [],
        promo_code=purchase.promo_code if purchase else None,
        discount_cents=purchase.discount_cents if purchase else 0,
        tax_cents=sum(share.tax_cents for share in purchase.taxes) if purchase else 0,
        included_fee_cents=purchase.included_fee_cents if purchase else 0,
        status=_sold_status(purchase),
        guests=guests.get(sale.order_id, []) if guests is not None else None,
        buyer=buyers.get(sale.order_id),
    )


def _sold_status(purchase: Purchase | None) -> SoldStatus | None:
    """Return the status of a paid order. Returns None if the order was deleted, or if the payment was refunded for lack of tickets."""
    match purchase:
        case Purchase(state="paid" | "partially_refunded" | "refunded" as state, was_order=True):
            return state
    return None


def _csv_row(sale: SaleView) -> list[Cell]:
    """Return a sale as a row of COLUMNS."""
    items = "; ".join(f"{item.quantity} x {item.tier_name}" for item in sale.items)
    guests = "; ".join(f"{guest.number} {guest.name}" if guest.number else guest.name for guest in sale.guests or [])
    buyer = sale.buyer or Buyer()
    cells = {"items": items, "guests": guests, "buyer_name": buyer.name, "buyer_email": buyer.email}
    return [cells[name] if name in cells else getattr(sale, name) for name in COLUMNS]


class StatementQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Whether to return the totals as JSON, or the entries as CSV. `limit`, `cursor` and `bom` apply only to the entries.

    With `bom`, the file begins with the byte order mark that older spreadsheets need for UTF-8.
    """

    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    cursor: Cursor | None = None
    bom: bool = False


class StatementView(Struct, frozen=True, kw_only=True):
    """The totals of an event's sales, refunds, disputes and fees in the payment ledger, on each account."""

    event_id: str
    totals: list[StatementTotals]


STATEMENT_COLUMNS = (
    *("at", "order_id", "kind", "amount_cents", "included_fee_cents", "tax_cents", "taxes"),
    *("currency", "provider", "account", "reference"),
)


def statement_reply(event_id: str, query: StatementQuery) -> Reply[StatementView | str]:
    """Return the totals of an event's statement as JSON, or a part of its entries as CSV. Raises InvalidInput for an invalid cursor.

    The `Link` header points to the next part. The amounts of all parts add up to the totals.
    """
    if query.format == "json":
        return Reply(StatementView(event_id=event_id, totals=ledger.statement(event_id)))
    after = cursors.decode(query.cursor, r"[\w.-]{1,100}") if query.cursor else None
    entries, last = ledger.list_statement_entries(event_id, after, query.limit)
    rows = map(_statement_row, entries)
    return csv_part(query, f"{event_id}-statement.csv", STATEMENT_COLUMNS, rows, cursors.encode(last) if last else None)


def _statement_row(entry: LedgerEntry) -> list[Cell]:
    taxes = entry.taxes
    tax_text = "; ".join(f"{share.percent}% in {share.gross_cents}: {share.tax_cents}" for share in taxes)
    moved = (entry.net_cents, entry.included_fee_cents, sum(share.tax_cents for share in taxes), tax_text, entry.currency)
    return [clock.iso(entry.at), entry.purchase_id, entry.kind, *moved, entry.provider, entry.account, entry.reference]


class PackageSalesQuery(SaleFilter, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which sales to list, optionally only for orders with one package or with sponsorships."""

    package_id: Id | None = None
    sponsorship_only: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class SalesExportQuery(PackageSalesQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which package sales to export. With `bom`, the file begins with the byte order mark that older spreadsheets need for UTF-8."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    bom: bool = False


class SalesSummaryView(Struct, frozen=True, kw_only=True):
    """The numbers of packages sold and not refunded (`counts`), by package, and the event's revenue after refunds.

    Disputed payments count as revenue only if the dispute was won. `total_revenue` is in major units of `currency`, the currency
    of the event's tiers. The figures are updated within three seconds of a sale.
    """

    counts: dict[str, int]
    total_revenue: float
    total_revenue_cents: int
    currency: str


class SalesFiguresView(SalesSummaryView, frozen=True, kw_only=True):
    """The summary and a time series for charts: sales by package and hour, from the day `from` to the day `to`, inclusive."""

    by_hour: list[HourFigures]


class PackageSalesView(SalesSummaryView, frozen=True, kw_only=True):
    """The summary of all sales, and a page of the sales that the filter accepts. A page may have fewer than `limit` sales."""

    sales: list[SaleView]
    next_cursor: str | None


def list_package_sales(event: Event, query: PackageSalesQuery, reader: str, now: int) -> PackageSalesView:
    """Return the summary and a page of package sales, for `reader`. Raises InvalidInput for times or a cursor that are not valid."""
    (found, next_cursor), totals = parallel.both(lambda: _find_package_sales(event, query), lambda: sale_totals(event))
    _record_reading(event.id, query, found, reader, now, "json")
    return PackageSalesView(**_summary(totals), sales=found, next_cursor=next_cursor)


def sales_figures(event: Event, query: AnalyticsQuery, now: int) -> SalesFiguresView:
    """Return the summary and its time series. Raises InvalidInput if the period ends before it begins or is too long."""
    totals = sale_totals(event, query, now)
    return SalesFiguresView(**_summary(totals), by_hour=totals.by_hour)


def export_sales(event: Event, query: SalesExportQuery, reader: str, now: int) -> Reply[str]:
    """Return a part of the CSV file, for `reader`. The `Link` header points to the next part. All parts together are the whole file."""
    found, next_cursor = _find_package_sales(event, query)
    _record_reading(event.id, query, found, reader, now, "csv")
    return csv_part(query, f"{event.id}-sales.csv", COLUMNS, map(_csv_row, found), next_cursor)


def _find_package_sales(event: Event, query: PackageSalesQuery) -> tuple[list[SaleView], str | None]:
    tier_ids = None
    if query.package_id is not None or query.sponsorship_only:
        tiers = catalog.snapshot().event_tiers(event.id)
        tier_ids = {
            tier.id for tier in tiers if query.package_id in (None, tier.id) and (tier.is_sponsorship or not query.sponsorship_only)
        }
    return _find_sale_page(event.id, query, query.limit, query.cursor, tier_ids)


def _summary(totals: SaleTotals) -> dict[str, Any]:
    return {
        "counts": totals.kept,
        "total_revenue": money.to_major_units(totals.balance_cents, totals.currency),
        "total_revenue_cents": totals.balance_cents,
        "currency": totals.currency,
    }


class PromoCodeSalesView(Struct, frozen=True, kw_only=True):
    """The number of paid orders with a promo code (`uses`), and the numbers of their sold and returned tickets.

    `revenue` is the price of the tickets after the discount. `refunded` includes refunds that are in progress. Amounts without `_cents` are
    in major units of `currency`.
    """

    code: str
    uses: int
    tickets_sold: int
    tickets_returned: int
    discount: float
    discount_cents: int
    revenue: float
    revenue_cents: int
    refunded: float
    refunded_cents: int
    currency: str


def promo_code_sales(event_id: str, code: str) -> PromoCodeSalesView:
    """Return the figures of a promo code, which are updated within three seconds of a sale. Raises NotFound."""
    promo_code = promotions.find_typed_code(event_id, code)
    if promo_code is None:
        raise NotFound("This event does not have this promo code.", event_id=event_id)
    currency = promo_code.currency
    figures = store.load_part(store.load_generations().current, event_id, promo_part(promo_code.code))
    cents = {name: figures.get(f"{name}#{currency}", 0) for name in ("discount", "revenue", "refunded")}
    return PromoCodeSalesView(
        code=promo_code.code,
        uses=figures.get("uses", 0),
        tickets_sold=figures.get("sold", 0),
        tickets_returned=figures.get("returned", 0),
        discount=money.to_major_units(cents["discount"], currency),
        discount_cents=cents["discount"],
        revenue=money.to_major_units(cents["revenue"], currency),
        revenue_cents=cents["revenue"],
        refunded=money.to_major_units(cents["refunded"], currency),
        refunded_cents=cents["refunded"],
        currency=currency,
    )
