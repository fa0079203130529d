"""The types of parameters: how form-encoded values are parsed, and Stripe's errors for values that are not allowed."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from devtools.stripe.wire_format import invalid_parameter

Parse = Callable[[Any, str], Any]
MAX_METADATA_KEYS = 50


@dataclass(frozen=True)
class Parameter:
    """`parse` gets the raw value and the parameter's name; it returns the typed value or raises StripeApiError.

    `nested`: the parameters inside an object, or inside the elements of an array.
    """

    parse: Parse
    is_required: bool = False
    nested: "Mapping[str, Parameter]" = field(default_factory=dict)


def required(parameter: Parameter) -> Parameter:
    return Parameter(parameter.parse, True, parameter.nested)


def parse_parameters(parameters: Mapping[str, Parameter], raw: Any, prefix: str = "") -> dict[str, Any]:
    """Return the typed values of the sent parameters. Raises StripeApiError for unknown, invalid and missing parameters."""
    if not isinstance(raw, dict):
        raise invalid_parameter(f"Invalid object: {raw}", param=prefix)
    for name in raw:
        if name not in parameters:
            close = difflib.get_close_matches(name, parameters, n=1)
            hint = f". Did you mean {close[0]}?" if close else ""
            raise invalid_parameter(
                f"Received unknown parameter: {_full_name(prefix, name)}{hint}", param=_full_name(prefix, name), code="parameter_unknown"
            )
    for name, parameter in parameters.items():
        if parameter.is_required and name not in raw:
            raise invalid_parameter(
                f"Missing required param: {_full_name(prefix, name)}.", param=_full_name(prefix, name), code="parameter_missing"
            )
    return {name: parameters[name].parse(value, _full_name(prefix, name)) for name, value in raw.items()}


def text(max_length: int = 5000, pattern: str = "", *, may_be_empty: bool = False) -> Parameter:
    def parse(raw: Any, name: str) -> str:
        if not isinstance(raw, str):
            raise invalid_parameter(f"Invalid string: {raw}", param=name)
        if not raw and not may_be_empty:
            message = f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
            message += f"however '{name}' cannot be unset."
            raise invalid_parameter(message, param=name, code="parameter_invalid_empty")
        if len(raw) > max_length:
            raise invalid_parameter(f"Invalid string: {raw[:10]}...; must be at most {max_length} characters", param=name)
        if pattern and raw and not re.fullmatch(pattern, raw):
            raise invalid_parameter(f"Invalid {name}: {raw[:60]}", param=name)
        return raw

    return Parameter(parse)


def url() -> Parameter:
    def parse(raw: Any, name: str) -> str:
        if not isinstance(raw, str) or not re.fullmatch(r"https?://[^\s/]+\S*", raw) or len(raw) > 5000:
            raise invalid_parameter("Not a valid URL", param=name, code="url_invalid")
        return raw

    return Parameter(parse)


def integer(minimum: int = 0) -> Parameter:
    def parse(raw: Any, name: str) -> int:
        if not isinstance(raw, str) or not re.fullmatch(r"-?\d{1,18}", raw):
            raise invalid_parameter(f"Invalid integer: {raw}", param=name, code="parameter_invalid_integer")
        if int(raw) < minimum:
            raise invalid_parameter(f"This value must be greater than or equal to {minimum}.", param=name, code="parameter_invalid_integer")
        return int(raw)

    return Parameter(parse)


def boolean() -> Parameter:
    def parse(raw: Any, name: str) -> bool:
        if raw not in ("true", "false"):
            raise invalid_parameter(f"Invalid boolean: {raw}", param=name)
        return bool(raw == "true")

    return Parameter(parse)


def choice(*allowed: str) -> Parameter:
    def parse(raw: Any, name: str) -> str:
        if raw not in allowed:
            message = allowed[0] if len(allowed) == 1 else f"one of {', '.join(allowed[:-1])}, or {allowed[-1]}"
            raise invalid_parameter(f"Invalid {name}: must be {message}", param=name)
        return str(raw)

    return Parameter(parse)


def percent() -> Parameter:
    def parse(raw: Any, name: str) -> float:
        if not isinstance(raw, str) or not re.fullmatch(r"\d{1,3}(\.\d{1,4})?", raw) or not 0 < float(raw) <= 100:
            raise invalid_parameter(f"Invalid decimal: {raw}; must be more than 0 and at most 100", param=name)
        return float(raw)

    return Parameter(parse)


def nested_object(parameters: Mapping[str, Parameter]) -> Parameter:
    return Parameter(lambda raw, name: parse_parameters(parameters, raw, name), nested=parameters)


def array(element: Parameter, max_elements: int = 100) -> Parameter:
    def parse(raw: Any, name: str) -> list[Any]:
        if raw == "":
            return []
        if not isinstance(raw, dict) or not all(key.isdigit() for key in raw):
            raise invalid_parameter("Invalid array", param=name)
        if len(raw) > max_elements:
            raise invalid_parameter(f"Array {name} exceeded maximum {max_elements} allowed elements.", param=name)
        return [element.parse(raw[key], f"{name}[{key}]") for key in sorted(raw, key=int)]

    return Parameter(parse, nested=element.nested)


def metadata() -> Parameter:
    """Metadata. An empty value removes a key; an empty `metadata`, parsed as {"": ""}, removes all keys."""

    def parse(raw: Any, name: str) -> dict[str, str]:
        if raw == "":
            return {"": ""}
        if not isinstance(raw, dict):
            raise invalid_parameter(f"Invalid object: {raw}", param=name)
        if len(raw) > MAX_METADATA_KEYS:
            raise invalid_parameter(f"You can only have up to {MAX_METADATA_KEYS} metadata keys.", param=name)
        for key, value in raw.items():
            if not isinstance(value, str):
                raise invalid_parameter(
                    f"Metadata values must be strings, but for key '{key}' you passed in a value of type object",
                    param=_full_name(name, key),
                )
            if len(key) > 40:
                raise invalid_parameter(
                    f"Metadata keys must be at most 40 characters; '{key[:20]}...' has {len(key)}.", param=_full_name(name, key)
                )
            if len(value) > 500:
                raise invalid_parameter(
                    f"Metadata values can have up to 500 characters, but you passed in a value that is {len(value)}.",
                    param=_full_name(name, key),
                )
        return dict(raw)

    return Parameter(parse)


def time_filter() -> Parameter:
    """A filter by time: an exact second, or gt, gte, lt, lte; parsed as a dictionary of these, with `eq` for an exact second."""
    bounds = {name: integer() for name in ("gt", "gte", "lt", "lte")}

    def parse(raw: Any, name: str) -> dict[str, int]:
        return parse_parameters(bounds, raw, name) if isinstance(raw, dict) else {"eq": integer().parse(raw, name)}

    return Parameter(parse, nested=bounds)


def _full_name(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name


MAX_PARAMETERS = 1000


def decode_form(encoded: str) -> dict[str, Any]:
    """Return nested dictionaries of strings: `a[b][0]=x` is {"a": {"b": {"0": "x"}}}, and `a[]=x` counts up from 0.

    Raises StripeApiError if two parameters contradict each other.
    """
    values: dict[str, Any] = {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        raise invalid_parameter("Invalid request: the parameters can't be read.", param=None) from None
    for name, value in pairs:
        _insert(values, _parts(name), value, name)
    return values


def _parts(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not rest.endswith("]"):
        raise invalid_parameter(f"Invalid parameter name: {name}", param=name)
    return [head, *rest[:-1].split("][")]


def _insert(values: dict[str, Any], parts: list[str], value: str, name: str) -> None:
    for depth, part in enumerate(parts):
        key = part if part or depth == 0 else str(len(values))
        if depth == len(parts) - 1:
            if isinstance(values.get(key), dict):
                raise invalid_parameter(f"Invalid object: {name} is given as a value and as an object", param=name)
            values[key] = value
            return
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise invalid_parameter(f"Invalid object: {name} is given as a value and as an object", param=name)
        values = inner
