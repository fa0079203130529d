"""The waitlist for sold-out tickets, and offers of returned tickets (docs/waitlist.md)."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(
    routes="api",
    jobs="jobs",
    functions=("offer_tickets",),
    follow_changes="service.follow",
    personal_items="views.PERSONAL_ITEMS",
    prepare_release="kept_stocks.prepare_release",
    waiting_count="service.waiting_count",
)
