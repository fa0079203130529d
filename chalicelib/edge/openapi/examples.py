"""Examples for bodies, parameters and replies: made of the schemas, with values that suit the names of the fields."""

import re
from typing import Any

from chalicelib.edge.openapi.schemas import Schema

_ULID = "01JZQ4T8M3V6W9X2Y5A7B0C1D2"
_MAX_DEPTH = 8

# Values by the name of the field, and by the end of its name. One that its schema does not allow is not used.
_VALUES: dict[str, Any] = {
    "address": "1 Harbor Street",
    "category": "music",
    "city": "Porto",
    "code": "7K3MX-0QWZ9-H4TRB-V81CD",
    "company": "Harbor Concerts",
    "currency": "EUR",
    "description": "An evening by the water.",
    "email": "ada@example.org",
    "event_id": "harbor-nights",
    "event_name": "Harbor Nights",
    "event_venue": "Harbor Hall",
    "first_name": "Ada",
    "gate": "North",
    "image_url": "https://example.org/harbor-nights.jpg",
    "last_name": "Byron",
    "limit": 20,
    "message": "The sale is open again.",
    "name": "Harbor Nights",
    "note": "Asked for by phone",
    "password": "correct horse battery",
    "phone": "+351 210 000 000",
    "price_cents": 4500,
    "quantity": 2,
    "tier_id": "harbor-nights-floor",
    "tier_name": "Floor",
    "timezone": "Europe/Lisbon",
    "user_id": "ada",
    "venue": "Harbor Hall",
    "website": "https://example.org",
}
_ENDINGS: dict[str, Any] = {
    "_at": "2026-09-01T19:00:00Z",
    "_url": "https://example.org/orders",
    "_cents": 9000,
    "_id": _ULID,
    "id": _ULID,
}


_TEXTS = (_ULID, "ada@example.org", "https://example.org", "EUR", "2026-09-01")  # one of them has the form of most patterns


def example_of(schema: Schema, components: dict[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value that the schema allows; of an object all fields, as far as the schema is not nested too deeply."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components, name, depth)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for option in schema.get("anyOf") or schema.get("oneOf") or ():
        if option.get("type") != "null":
            return example_of(option, components, name, depth)
    match schema.get("type"):
        case "object":
            return _object(schema, components, depth)
        case "array":
            return _array(schema, components, name, depth)
        case "string":
            return _string(schema, name)
        case "integer" | "number":
            return _number(schema, name)
        case "boolean":
            return False
        case _:
            return None


def _object(schema: Schema, components: dict[str, Schema], depth: int) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    fields = {field: of for field, of in schema.get("properties", {}).items() if depth < _MAX_DEPTH or field in required}
    return {field: example_of(of, components, field, depth + 1) for field, of in fields.items()}


def _array(schema: Schema, components: dict[str, Schema], name: str, depth: int) -> list[Any]:
    items = schema.get("items")
    if not isinstance(items, dict) or (depth >= _MAX_DEPTH and not schema.get("minItems")):
        return []
    return [example_of(items, components, name.removesuffix("s"), depth + 1)] * max(1, schema.get("minItems", 1))


def _string(schema: Schema, name: str) -> str:
    if schema.get("format") == "date-time":
        return str(_ENDINGS["_at"])
    shortest, longest, pattern = schema.get("minLength", 0), schema.get("maxLength", 10_000), re.compile(schema.get("pattern", ""))
    for text in (str(_value(name) or "text"), *_TEXTS):
        sized = (text * (shortest // len(text) + 1) if len(text) < shortest else text)[:longest]
        if pattern.search(sized):
            return sized
    return "text"


def _number(schema: Schema, name: str) -> int:
    value = _value(name)
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    highest = schema.get("maximum", schema.get("exclusiveMaximum", 2**53) - 1)
    wanted = value if isinstance(value, int) else 1
    return int(min(max(wanted, lowest), highest))


def _value(name: str) -> Any:
    if name in _VALUES:
        return _VALUES[name]
    return next((value for ending, value in _ENDINGS.items() if name.endswith(ending)), None)
