"""Tiers in the words of coordinators; buying one in one call."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", routes_with={"images": "images_api"})
