"""Form-encoded parameters as nested values: `a[b][0]=x` is {"a": {"b": {"0": "x"}}}. The schema decides which of them are lists."""

from typing import Any
from urllib.parse import parse_qsl

from devtools.stripe.errors import invalid_parameter

MAX_PARAMETERS = 1000


def decode_form(encoded: str) -> dict[str, Any]:
    """Nested dictionaries of strings; `a[]=x` counts up from 0. Raises StripeApiError when two parameters contradict each other."""
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
