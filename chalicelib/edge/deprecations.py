"""Deprecated names of the API. Until the sunset, replies and webhooks keep each of them beside its new name (docs/api.md#deprecated-names).

All other code knows the new names only. When the sunset has come, remove this module and what uses it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DEPRECATED_AT = datetime(2026, 11, 22, tzinfo=UTC)
SUNSET_AT = datetime(2027, 11, 22, tzinfo=UTC)

Names = Mapping[str, str]  # new name -> deprecated name

ERROR_DETAILS: Names = {
    "active_holds": "activeHolds",
    "already_purchased": "alreadyPurchased",
    "eta_seconds": "etaSeconds",
    "retry_after_seconds": "retryAfterSeconds",
}

# Headers of replies with a deprecated name: RFC 9745, RFC 8594. The OpenAPI document marks these names, and every stage has it.
HEADERS = {
    "Deprecation": f"@{int(DEPRECATED_AT.timestamp())}",
    "Sunset": f"{SUNSET_AT:%a, %d %b %Y %H:%M:%S} GMT",
    "Link": '</api/v1/openapi.json>; rel="deprecation"',
}


def add_old_names(fields: dict[str, Any], names: Names) -> bool:
    """Add the deprecated name of each field that has one. Returns whether there is such a field."""
    old_fields = {names[name]: value for name, value in fields.items() if name in names}
    fields |= old_fields
    return bool(old_fields)
