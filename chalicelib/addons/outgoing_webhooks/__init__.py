"""Promoters' webhook endpoints, and the messages sent to them (docs/webhooks.md)."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(
    routes="api",
    jobs="jobs",
    functions=("retry_webhooks", "send_webhooks"),
    follow_changes="outbox.follow",
    personal_items="views.PERSONAL_ITEMS",
)
