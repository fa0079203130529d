"""Receipts, tickets and invoices as PDF, and the follower that issues the invoices."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", functions=("documents",), follow_changes="invoices.follow", catch_up="invoices.issue_due")
