"""Emails to people about changes to their orders, tickets, offers and events, and to people in waiting rooms about their turn."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(
    routes="api", jobs="jobs", functions=("send_messages",), follow_changes="order_notices.follow", personal_items="api.PERSONAL_ITEMS"
)
