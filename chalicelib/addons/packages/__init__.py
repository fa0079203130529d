"""Packages, as event coordinators call tiers, and their purchase in one request."""

from chalicelib.foundation.addons import Addon

ADDON = Addon(routes="api", routes_with={"images": "images_api"})
