"""Receipts and tickets as PDF."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api")
