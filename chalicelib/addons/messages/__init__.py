"""Mails that follow from changes."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", jobs="jobs", functions=("send_messages",), follow_changes="service.follow")
