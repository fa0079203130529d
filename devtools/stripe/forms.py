"""Form-encoded parameters as nested values: `a[b][0]=x` is {"a": {"b": {"0": "x"}}}. Lists are told apart by the schema."""

from typing import Any
from urllib.parse import parse_qsl

from devtools.stripe.errors import malformed

MAX_PARAMETERS = 1000


def decode(encoded: str) -> dict[str, Any]:
    """Leaves are strings; `a[]=x` counts up from 0. Raises ApiError when two parameters contradict each other."""
    values: dict[str, Any] = {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:
        raise malformed("Invalid request: the parameters can't be read.", param=None) from None
    for name, value in pairs:
        _put(values, _parts(name), value, name)
    return values


def _parts(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not rest.endswith("]"):
        raise malformed(f"Invalid parameter name: {name}", param=name)
    return [head, *rest[:-1].split("][")]


def _put(into: dict[str, Any], parts: list[str], value: str, name: str) -> None:
    for depth, part in enumerate(parts):
        key = part if part or depth == 0 else str(len(into))
        if depth == len(parts) - 1:
            if isinstance(into.get(key), dict):
                raise malformed(f"Invalid object: {name} is given as a value and as an object", param=name)
            into[key] = value
            return
        inner = into.setdefault(key, {})
        if not isinstance(inner, dict):
            raise malformed(f"Invalid object: {name} is given as a value and as an object", param=name)
        into = inner
