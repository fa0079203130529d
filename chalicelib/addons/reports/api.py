"""Reports over HTTP: figures and sales of an event, lists of orders, and the audit log."""

from collections import Counter

from chalice.app import Blueprint

from chalicelib.addons.reports import sales
from chalicelib.addons.reports.analytics import (
    AnalyticsQuery,
    AnalyticsView,
    EventAdmissionView,
    FiguresQuery,
    FiguresView,
    event_admission,
    event_analytics,
    event_figures,
)
from chalicelib.addons.reports.answers import AnswersQuery, AnswersView, answers_reply
from chalicelib.addons.reports.attendees import AttendeesQuery, AttendeesView, attendees_reply
from chalicelib.addons.reports.audit_views import (
    AuditLogView,
    AuditQuery,
    EventAuditLogView,
    EventAuditQuery,
    PromoterAuditQuery,
    audit_reply,
    event_audit_reply,
    promoter_audit_reply,
    record_reading,
)
from chalicelib.addons.reports.orders import (
    DisputesQuery,
    DisputesView,
    OrdersQuery,
    OrdersView,
    list_disputes,
    list_event_orders,
    list_own_orders,
    search_all_orders,
)
from chalicelib.addons.reports.sales import (
    PackageSalesQuery,
    PackageSalesView,
    PromoCodeSalesView,
    SalesExportQuery,
    SalesFiguresView,
    SalesQuery,
    SalesView,
    StatementQuery,
    StatementView,
    promo_code_sales,
    sales_reply,
    statement_reply,
)
from chalicelib.catalog import permissions
from chalicelib.edge.auth import Forbidden
from chalicelib.edge.csv_replies import CSV_MEDIA_TYPES
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation.errors import NotFound
from chalicelib.promoters.service import require_own

bp = Blueprint(__name__)


@route(bp, "GET", "/events/{event_id}/analytics", access="manager")
def show_analytics(request: RequestContext, event_id: str, query: AnalyticsQuery) -> Reply[AnalyticsView]:
    """Show an event's revenue, its ticket sales by tier and hour, and its purchase funnel."""
    event = permissions.require_accountant(request.require_user(), event_id)
    return Reply(event_analytics(event, query, request.now))


@route(bp, "GET", "/admin/figures", access="manager")
def list_figures(request: RequestContext, query: FiguresQuery) -> Reply[FiguresView]:
    """Show each event's sold tickets, and its revenue after refunds and disputes. Leaves out events whose money the caller may not see."""
    return Reply(event_figures(request.require_user(), query))


@route(bp, "GET", "/events/{event_id}/checkins", access="door")
def show_admission(request: RequestContext, event_id: str) -> Reply[EventAdmissionView]:
    """Show how many people are expected at an event, and how many are inside."""
    return Reply(event_admission(permissions.require_door(request.require_user(), event_id)))


@route(bp, "GET", "/events/{event_id}/sales", access="manager", media_types=CSV_MEDIA_TYPES)
def list_sales(request: RequestContext, event_id: str, query: SalesQuery) -> Reply[SalesView | str]:
    """List an event's sales and refunds by time. The amounts agree with the payment ledger."""
    identity = request.require_user()
    permissions.require_manager(identity, event_id)
    return sales_reply(event_id, query, identity.user_id, request.now)


@route(bp, "GET", "/events/{event_id}/statement", access="manager", media_types=CSV_MEDIA_TYPES)
def show_statement(request: RequestContext, event_id: str, query: StatementQuery) -> Reply[StatementView | str]:
    """Show the totals of an event's sales, refunds, disputes and fees on each account. The CSV format lists the entries by order."""
    return statement_reply(permissions.require_accountant(request.require_user(), event_id).id, query)


@route(bp, "GET", "/admin/events/{event_id}/tickets/sales", access="manager")
def list_package_sales(request: RequestContext, event_id: str, query: PackageSalesQuery) -> Reply[PackageSalesView]:
    """List the sales and refunds of an event's packages by time, with totals for each package."""
    identity = request.require_user()
    event = permissions.require_manager(identity, event_id)
    return Reply(sales.list_package_sales(event, query, identity.user_id, request.now))


@route(bp, "GET", "/admin/events/{event_id}/tickets/sales/summary", access="manager")
def show_package_sales(request: RequestContext, event_id: str, query: AnalyticsQuery) -> Reply[SalesFiguresView]:
    """Show the sales and revenue of each package, and a time series of both for charts."""
    return Reply(sales.sales_figures(permissions.require_manager(request.require_user(), event_id), query, request.now))


@route(bp, "GET", "/admin/events/{event_id}/tickets/sales/export", access="manager", media_types=CSV_MEDIA_TYPES)
def export_package_sales(request: RequestContext, event_id: str, query: SalesExportQuery) -> Reply[str]:
    """Return the sales of an event's packages as CSV, in parts of 1,000 lines. The `Link` header points to the next part."""
    identity = request.require_user()
    return sales.export_sales(permissions.require_manager(identity, event_id), query, identity.user_id, request.now)


@route(bp, "GET", "/admin/events/{event_id}/tickets/answers", access="manager", media_types=CSV_MEDIA_TYPES)
def list_answers(request: RequestContext, event_id: str, query: AnswersQuery) -> Reply[AnswersView | str]:
    """Count buyers' answers to the questions of an event's packages, and list the text answers. A page covers up to 1,000 orders.

    The audit log records who reads answers.
    """
    identity = request.require_user()
    return answers_reply(permissions.require_manager(identity, event_id), query, identity.user_id, request.now)


@route(bp, "GET", "/admin/events/{event_id}/promo-codes/{code_id}/stats", access="manager")
def show_promo_code_sales(request: RequestContext, event_id: str, code_id: str) -> Reply[PromoCodeSalesView]:
    """Show the sales, discounts and refunds of orders with a promo code."""
    event = permissions.require_manager(request.require_user(), event_id)
    return Reply(promo_code_sales(event.id, code_id))


@route(bp, "GET", "/orders", access="user", errors=(Forbidden, NotFound))
def list_orders(request: RequestContext, query: OrdersQuery) -> Reply[OrdersView]:
    """List the caller's orders or, with `event_id`, the orders of an event that the caller manages. The newest orders come first."""
    identity = request.require_user()
    if query.event_id is not None:
        permissions.require_manager(identity, query.event_id)
        found = list_event_orders(query.event_id, query)
    elif query.search is not None and "admin" in identity.roles:
        found = search_all_orders(query.search, query)
    else:
        return Reply(list_own_orders(identity, query))
    for event_id, count in Counter(order.event_id for order in found.orders).items():
        record_reading(event_id, identity.user_id, request.now, "orders", count)
    return Reply(found)


@route(bp, "GET", "/events/{event_id}/attendees", access="manager", media_types=CSV_MEDIA_TYPES)
def list_attendees(request: RequestContext, event_id: str, query: AttendeesQuery) -> Reply[AttendeesView | str]:
    """List the people whom an event's tickets admit: names, addresses, answers and arrivals.

    The audit log records who reads the list. The CSV list comes in parts. The `Link` header points to the next part.
    """
    identity = request.require_user()
    return attendees_reply(permissions.require_manager(identity, event_id), query, identity.user_id, request.now)


@route(bp, "GET", "/events/{event_id}/disputes", access="manager")
def list_event_disputes(request: RequestContext, event_id: str, query: DisputesQuery) -> Reply[DisputesView]:
    """List the disputes of an event's orders, each with its reason and deadline."""
    return Reply(list_disputes(permissions.require_manager(request.require_user(), event_id).id, query))


@route(bp, "GET", "/events/{event_id}/audit", access="manager", media_types=CSV_MEDIA_TYPES)
def list_event_audit(request: RequestContext, event_id: str, query: EventAuditQuery) -> Reply[EventAuditLogView | str]:
    """List the changes to an event, its tiers and its orders."""
    user = request.require_user()
    return event_audit_reply(query, permissions.require_manager(user, event_id), shows_addresses="admin" in user.roles)


@route(bp, "GET", "/admin/audit", access="admin", media_types=CSV_MEDIA_TYPES)
def list_audit(request: RequestContext, query: AuditQuery) -> Reply[AuditLogView | str]:  # noqa: ARG001
    """List all audited changes: who changed what, and when."""
    return audit_reply(query)


@route(bp, "GET", "/promoters/{promoter_id}/audit", access="manager", media_types=CSV_MEDIA_TYPES)
def list_promoter_audit(request: RequestContext, promoter_id: str, query: PromoterAuditQuery) -> Reply[AuditLogView | str]:
    """List the changes to a promoter's account, profile, brand, payment account and API keys: who changed what, and when."""
    user = request.require_user()
    require_own(user, promoter_id, "You can only see your own activity.")
    return promoter_audit_reply(query, promoter_id, by_admin="admin" in user.roles)
