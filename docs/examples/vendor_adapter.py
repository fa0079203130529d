"""Translate the names of other ticket APIs to and from Fairgate's: an example to copy from (docs/api.md).

Amounts are decimal text at the vendor and whole cents here. Only the standard library is used.
"""

from decimal import Decimal
from typing import Any

# Fairgate's name -> the vendor's, for each kind of entity.
NAMES = {
    "event": {"name": "title", "starts_at": "start_time", "ends_at": "end_time", "image_url": "image", "on_sale_at": "sales_start"},
    "tier": {
        "name": "title",
        "price_cents": "price",
        "capacity": "quantity",
        "sold": "sold",
        "available": "remaining",
        "position": "sort_order",
        "sale_starts_at": "sales_start",
        "sale_ends_at": "sales_end",
        "max_per_order": "max_per_transaction",
    },
    "order": {"user_id": "customer_id", "payment_id": "transaction_id", "total_price_cents": "total", "items": "line_items"},
    "ticket": {"code": "ticket_code", "qr_url": "qr_code", "state": "status"},
}
VALUES = {("order", "status"): {"cancelled": "canceled"}, ("ticket", "state"): {"valid": "active", "void": "canceled"}}


def to_vendor(kind: str, entity: dict[str, Any]) -> dict[str, Any]:
    """Rename the fields of an entity that Fairgate returned. Fields without a vendor's name keep their own."""
    renamed: dict[str, Any] = {}
    for name, value in entity.items():
        shown = VALUES.get((kind, name), {}).get(value, value) if isinstance(value, str) else value
        renamed[NAMES[kind].get(name, name)] = _decimal(value) if name.endswith("_cents") and value is not None else shown
    return renamed


def from_vendor(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a request body for Fairgate's API from fields with the vendor's names."""
    ours = {theirs: name for name, theirs in NAMES[kind].items()}
    body: dict[str, Any] = {}
    for theirs, value in fields.items():
        name = ours.get(theirs, theirs)
        body[name] = int(Decimal(str(value)) * 100) if name.endswith("_cents") else value
    return body


def _decimal(cents: int) -> str:
    return f"{Decimal(cents) / 100:.2f}"
