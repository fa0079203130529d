"""Packages: tiers in the words of event coordinators, and their purchase in one call."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", routes_with={"images": "images_api"})
