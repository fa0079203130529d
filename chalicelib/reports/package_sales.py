"""The sales of an event in the words of packages: counts, revenue in major units, and the sales behind them, as JSON or CSV.

They are the sales of `reports.sales`, which add up to the payment ledger, and the figures of `reports.analytics`.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.http import Reply
from chalicelib.foundation import money, parallel
from chalicelib.foundation.ids import Id
from chalicelib.reports import sales
from chalicelib.reports.analytics import AnalyticsQuery, HourFigures, SaleTotals, sale_totals
from chalicelib.reports.csv_replies import csv_reply
from chalicelib.reports.sales import SaleFilter, SaleView


class PackageSalesQuery(SaleFilter, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The same, of orders with one package, or of sponsorships only."""

    package_id: Id | None = None
    sponsorship_only: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class SalesExportQuery(PackageSalesQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The same for a file. With `bom` it begins with the mark by which older spreadsheets know UTF-8."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    bom: bool = False


class SalesSummaryView(Struct, frozen=True, kw_only=True):
    """How many of each package are sold and not refunded, and what the event has brought in after refunds and lost disputes.

    `total_revenue` is in major units of `currency`, in which the event is sold; both follow a sale within three seconds.
    """

    counts: dict[str, int]
    total_revenue: float
    total_revenue_cents: int
    currency: str


class SalesFiguresView(SalesSummaryView, frozen=True, kw_only=True):
    """The summary with a series for charts: what was sold by package and hour of the days from `from` to `to`, both included."""

    by_hour: list[HourFigures]


class PackageSalesView(SalesSummaryView, frozen=True, kw_only=True):
    """The summary of all sales, and a page of those that were asked for. With a filter a page may have fewer than `limit`."""

    sales: list[SaleView]
    next_cursor: str | None


def list_package_sales(event: Event, query: PackageSalesQuery) -> PackageSalesView:
    """Raises InvalidInput for times or a cursor that cannot be."""
    (found, next_cursor), totals = parallel.both(lambda: _find(event, query), lambda: sale_totals(event))
    return PackageSalesView(**_summary(totals), sales=found, next_cursor=next_cursor)


def sales_figures(event: Event, query: AnalyticsQuery, now: int) -> SalesFiguresView:
    """Raises InvalidInput for days that end before they begin, or are too many."""
    totals = sale_totals(event, query, now)
    return SalesFiguresView(**_summary(totals), by_hour=totals.by_hour)


def export_sales(event: Event, query: SalesExportQuery) -> Reply[str]:
    """A part of the file; the header Link leads to the next one. The parts one after the other are the whole."""
    found, next_cursor = _find(event, query)
    has_header = query.cursor is None
    mark = "\ufeff" if query.bom and has_header else ""
    reply: Reply[str] = csv_reply(query, sales.COLUMNS if has_header else None, map(sales.csv_row, found), next_cursor)
    name = {"Content-Disposition": f'attachment; filename="{event.id}-sales.csv"'}
    return Reply(mark + reply.body, headers=reply.headers | name)


def _find(event: Event, query: PackageSalesQuery) -> tuple[list[SaleView], str | None]:
    tier_ids = None
    if query.package_id is not None or query.sponsorship_only:
        tiers = catalog.snapshot().tiers_of(event.id)
        tier_ids = {
            tier.id for tier in tiers if query.package_id in (None, tier.id) and (tier.is_sponsorship or not query.sponsorship_only)
        }
    return sales.find_page(event.id, query, query.limit, query.cursor, tier_ids)


def _summary(totals: SaleTotals) -> dict[str, Any]:
    return {
        "counts": totals.kept,
        "total_revenue": money.to_major_units(totals.balance_cents, totals.currency),
        "total_revenue_cents": totals.balance_cents,
        "currency": totals.currency,
    }
