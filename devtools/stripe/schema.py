"""What parameters may look like, and Stripe's refusals of those that don't. Answers typed values."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devtools.stripe.errors import malformed

Check = Callable[[Any, str], Any]
MAX_METADATA_KEYS = 50


@dataclass(frozen=True)
class Field:
    """`check` gets the raw value and the parameter's name, and answers the value or raises."""

    check: Check
    required: bool = False
    inside: "Mapping[str, Field]" = field(default_factory=dict)


def need(one: Field) -> Field:
    return Field(one.check, True, one.inside)


def read(fields: Mapping[str, Field], raw: Any, prefix: str = "") -> dict[str, Any]:
    """Typed values of the parameters that were given. Raises ApiError for unknown, wrong and missing ones."""
    if not isinstance(raw, dict):
        raise malformed(f"Invalid object: {raw}", param=prefix)
    for name in raw:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f". Did you mean {close[0]}?" if close else ""
            raise malformed(f"Received unknown parameter: {_join(prefix, name)}{hint}", param=_join(prefix, name), code="parameter_unknown")
    for name, one in fields.items():
        if one.required and name not in raw:
            raise malformed(f"Missing required param: {_join(prefix, name)}.", param=_join(prefix, name), code="parameter_missing")
    return {name: fields[name].check(value, _join(prefix, name)) for name, value in raw.items()}


def text(longest: int = 5000, pattern: str = "", *, empty: bool = False) -> Field:
    def check(raw: Any, name: str) -> str:
        if not isinstance(raw, str):
            raise malformed(f"Invalid string: {raw}", param=name)
        if not raw and not empty:
            told = f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
            told += f"however '{name}' cannot be unset."
            raise malformed(told, param=name, code="parameter_invalid_empty")
        if len(raw) > longest:
            raise malformed(f"Invalid string: {raw[:10]}...; must be at most {longest} characters", param=name)
        if pattern and raw and not re.fullmatch(pattern, raw):
            raise malformed(f"Invalid {name}: {raw[:60]}", param=name)
        return raw

    return Field(check)


def url() -> Field:
    def check(raw: Any, name: str) -> str:
        if not isinstance(raw, str) or not re.fullmatch(r"https?://[^\s/]+\S*", raw) or len(raw) > 5000:
            raise malformed("Not a valid URL", param=name, code="url_invalid")
        return raw

    return Field(check)


def integer(lowest: int = 0) -> Field:
    def check(raw: Any, name: str) -> int:
        if not isinstance(raw, str) or not re.fullmatch(r"-?\d{1,18}", raw):
            raise malformed(f"Invalid integer: {raw}", param=name, code="parameter_invalid_integer")
        if int(raw) < lowest:
            raise malformed(f"This value must be greater than or equal to {lowest}.", param=name, code="parameter_invalid_integer")
        return int(raw)

    return Field(check)


def boolean() -> Field:
    def check(raw: Any, name: str) -> bool:
        if raw not in ("true", "false"):
            raise malformed(f"Invalid boolean: {raw}", param=name)
        return bool(raw == "true")

    return Field(check)


def choice(*allowed: str) -> Field:
    def check(raw: Any, name: str) -> str:
        if raw not in allowed:
            told = allowed[0] if len(allowed) == 1 else f"one of {', '.join(allowed[:-1])}, or {allowed[-1]}"
            raise malformed(f"Invalid {name}: must be {told}", param=name)
        return str(raw)

    return Field(check)


def percent() -> Field:
    def check(raw: Any, name: str) -> float:
        if not isinstance(raw, str) or not re.fullmatch(r"\d{1,3}(\.\d{1,4})?", raw) or not 0 < float(raw) <= 100:
            raise malformed(f"Invalid decimal: {raw}; must be more than 0 and at most 100", param=name)
        return float(raw)

    return Field(check)


def record(fields: Mapping[str, Field]) -> Field:
    return Field(lambda raw, name: read(fields, raw, name), inside=fields)


def listing(inner: Field, most: int = 100) -> Field:
    def check(raw: Any, name: str) -> list[Any]:
        if raw == "":
            return []
        if not isinstance(raw, dict) or not all(key.isdigit() for key in raw):
            raise malformed("Invalid array", param=name)
        if len(raw) > most:
            raise malformed(f"Array {name} exceeded maximum {most} allowed elements.", param=name)
        return [inner.check(raw[key], f"{name}[{key}]") for key in sorted(raw, key=int)]

    return Field(check, inside=inner.inside)


def metadata() -> Field:
    """An empty value unsets a key; an empty `metadata` unsets all (answered as {"": ""})."""

    def check(raw: Any, name: str) -> dict[str, str]:
        if raw == "":
            return {"": ""}
        if not isinstance(raw, dict):
            raise malformed(f"Invalid object: {raw}", param=name)
        if len(raw) > MAX_METADATA_KEYS:
            raise malformed(f"You can only have up to {MAX_METADATA_KEYS} metadata keys.", param=name)
        for key, value in raw.items():
            if not isinstance(value, str):
                raise malformed(
                    f"Metadata values must be strings, but for key '{key}' you passed in a value of type object", param=_join(name, key)
                )
            if len(key) > 40:
                raise malformed(f"Metadata keys must be at most 40 characters; '{key[:20]}...' has {len(key)}.", param=_join(name, key))
            if len(value) > 500:
                raise malformed(
                    f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)}.",
                    param=_join(name, key),
                )
        return dict(raw)

    return Field(check)


def moment() -> Field:
    """A filter by time: an exact second, or gt, gte, lt, lte. Answers a mapping of these (`eq` for exact)."""
    bounds = {name: integer() for name in ("gt", "gte", "lt", "lte")}

    def check(raw: Any, name: str) -> dict[str, int]:
        return read(bounds, raw, name) if isinstance(raw, dict) else {"eq": integer().check(raw, name)}

    return Field(check, inside=bounds)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name
