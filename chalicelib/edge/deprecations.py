"""Deprecated names in the API (docs/api.md#deprecated-names). Until the sunset, replies and webhooks contain both the old and new names.

In a few request bodies, clients may still use the old names.

All other code knows only the new names. After the sunset, remove this module, `settings.DEPRECATED`, and the code that uses them.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct, structs

from chalicelib.foundation import memory

DEPRECATED_AT = datetime(2026, 11, 22, tzinfo=UTC)
SETTINGS_DEPRECATED_AT = datetime(2026, 11, 23, tzinfo=UTC)  # for settings.DEPRECATED
SUNSET_AT = datetime(2027, 11, 22, tzinfo=UTC)

Names = Mapping[str, str]  # new name -> deprecated name

ERROR_DETAILS: Names = {
    "active_holds": "activeHolds",
    "already_purchased": "alreadyPurchased",
    "eta_seconds": "etaSeconds",
    "retry_after_seconds": "retryAfterSeconds",
}
_QUEUE_STATUS: Names = {
    "on_sale_at": "onSaleAt",
    "seconds_until_on_sale": "secondsUntilOnSale",
    "can_enter": "canEnter",
    "eta_seconds": "etaSeconds",
    "pass_seconds_left": "passSecondsLeft",
    "pass_expired": "passExpired",
    "may_return": "mayReturn",
}
_STATE: Names = {"state": "status"}
VIEWS: Mapping[str, Names] = {  # name of the type -> names of its fields
    "CheckoutSessionView": _STATE,
    "ConfirmedReservation": _STATE,
    "ConfirmedSession": _STATE,
    "JoinView": _QUEUE_STATUS,
    "PayoutView": _STATE,
    "QueueStatusView": _QUEUE_STATUS,
    "ReleaseView": _STATE,
    "ReservationView": _STATE,
}
BODIES: Mapping[str, Names] = {"ConfirmBody": {"checkout_id": "checkoutId"}}  # name of the type -> names that requests may still use
VALUES = {"cancelled": "canceled"}  # for fields with a deprecated name: value -> the value under that name

# Headers of replies that contain a deprecated name (RFC 9745, RFC 8594). Every stage serves the OpenAPI document, which marks these names.
HEADERS = {
    "Deprecation": f"@{int(DEPRECATED_AT.timestamp())}",
    "Sunset": f"{SUNSET_AT:%a, %d %b %Y %H:%M:%S} GMT",
    "Link": '</api/v1/openapi.json>; rel="deprecation"',
}

_NEW_VALUES = {old: new for new, old in VALUES.items()}


def add_old_names(fields: dict[str, Any], names: Names) -> bool:
    """Add the deprecated name of each field that has one. Returns whether there is such a field.

    A reply that was stored before the names were deprecated has only the deprecated names, so the new names are added.
    """
    found = False
    for new, old in names.items():
        if new in fields:
            fields[old] = VALUES.get(fields[new], fields[new])
        elif old in fields:
            fields[new] = _NEW_VALUES.get(fields[old], fields[old])
        found = found or old in fields
    return found


def with_new_names(raw: bytes, shape: Any) -> bytes:
    """Return the JSON of a request's body with the new names. JSON that is invalid or has both names is returned unchanged."""
    names = BODIES.get(getattr(shape, "__name__", ""))
    if names is None or not any(old.encode() in raw for old in names.values()):
        return raw
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # `parse_json` then refuses the JSON
        fields = memory.decoder(dict[str, msgspec.Raw]).decode(raw)
        new_names = {old: new for new, old in names.items() if new not in fields}
        return msgspec.json.encode({new_names.get(name, name): value for name, value in fields.items()})
    return raw


def with_old_names(body: Any, shape: Any) -> tuple[Any, bool]:
    """Return the body as plain data with its deprecated names, and whether it has any.

    `body` is an instance of the type `shape`, or plain data that was decoded from its JSON. If the type has no deprecated names, the body
    is returned unchanged.
    """
    places = _places(shape)
    if not places:
        return body, False
    plain = msgspec.to_builtins(body)
    found = [add_old_names(fields, names) for path, names in places for fields in _objects(plain, path)]
    return plain, any(found)


@cache
def _places(shape: Any) -> list[tuple[tuple[str, ...], Names]]:
    """Return each path, through objects and lists, at which data of this type has deprecated names, and the names there."""
    if not (isinstance(shape, type) and issubclass(shape, Struct)):
        return [place for part in get_args(shape) for place in _places(part)]
    own = [((), VIEWS[shape.__name__])] if shape.__name__ in VIEWS else []
    return own + [((field.encode_name, *path), names) for field in structs.fields(shape) for path, names in _places(field.type)]


def _objects(plain: Any, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the objects at a path."""
    if isinstance(plain, list):
        for item in plain:
            yield from _objects(item, path)
    elif isinstance(plain, dict):
        if not path:
            yield plain
        elif path[0] in plain:
            yield from _objects(plain[path[0]], path[1:])
