"""Describe in words the values that a type allows, for messages about settings and fields of the bootstrap file."""

from typing import Any

from msgspec import inspect


def description(field_type: Any) -> str:
    """Describe a type, for example as `a whole number from 1 to 1,000`, `true or false` or `text of at most 200 characters or null`."""
    return _words(inspect.type_info(field_type))


def _words(kind: inspect.Type, hint: str = "") -> str:
    match kind:
        case inspect.Metadata():
            schema = kind.extra_json_schema or {}
            return _words(kind.type, str(schema.get("title") or schema.get("description", "")).removesuffix("."))
        case inspect.UnionType():
            *first, last = [_words(member) for member in kind.types]
            return f"{', '.join(first)} or {last}"
        case inspect.LiteralType():
            return ("one of " if len(kind.values) > 1 else "") + ", ".join(str(value) for value in kind.values)
        case inspect.IntType():
            return "a whole number" + _range(kind.ge, kind.le)
        case inspect.DecimalType():
            return "a number" + (f" ({hint})" if hint else "")
        case inspect.StrType():
            return "text" + _length(kind) + (f" ({hint})" if hint else "")
        case inspect.BoolType():
            return "true or false"
        case inspect.ListType():
            return "a JSON array" + (f" of at most {kind.max_length} values" if kind.max_length is not None else "")
        case inspect.NoneType():
            return "null"
    return "a JSON object" + (f" ({hint})" if hint else "")


def _range(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum:,} to {maximum:,}"
    return f" of {minimum:,} or more" if minimum is not None else ""


def _length(kind: inspect.StrType) -> str:
    if kind.max_length is None:
        return ""
    return f" of {kind.min_length} to {kind.max_length:,} characters" if kind.min_length else f" of at most {kind.max_length:,} characters"
