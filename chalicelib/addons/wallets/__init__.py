"""Passes in Apple Wallet and Google Wallet that follow their tickets (docs/wallets.md)."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", functions=("update_passes",), follow_changes="passes.follow", setup_errors="passes.list_setup_errors")
