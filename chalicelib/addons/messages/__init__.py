"""Emails to people about changes to their orders, tickets, offers and events."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", jobs="jobs", functions=("send_messages",), follow_changes="service.follow")
