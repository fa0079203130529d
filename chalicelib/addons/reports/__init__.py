"""Figures, sales and orders of events, and the audit log."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(
    routes="api",
    jobs="jobs",
    functions=("project_reports",),
    sale_figures="analytics.purchases_and_takings",
    revenue_totals="analytics.revenue_totals",
)
