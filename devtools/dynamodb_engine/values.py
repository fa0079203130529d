"""Attribute values: which are valid, their one canonical form, their sizes, their order; and the errors of the whole engine.

Values keep the form that they have in JSON: `{"N": "1.5"}`, with binaries as base64 text. In canonical form, numbers are written in one way
and the members of a set are in one order, so values are equal exactly when their dictionaries are.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from decimal import Context, Decimal, DecimalException
from functools import lru_cache
from typing import Any

import msgspec

Value = dict[str, Any]  # {"S": "text"}
Item = dict[str, Value]

KB = 1024
MAX_ITEM_BYTES = 400 * KB
MAX_DEPTH = 32
SCALAR_TYPES = ("S", "N", "B")
SETS = {"SS": "string", "NS": "number", "BS": "binary"}
_CACHE_SIZE = 4096

encode_item: Callable[[Item], bytes] = msgspec.msgpack.Encoder().encode
decode_item: Callable[[bytes], Item] = msgspec.msgpack.Decoder(dict[str, Any]).decode

_context = Context(prec=38)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class ApiError(Exception):
    """An error as DynamoDB reports it: its code, its message, the HTTP status and further members of the body."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members

    def body(self) -> dict[str, Any]:
        return {"__type": f"com.amazonaws.dynamodb.v20120810#{self.code}", "message": self.message, **self.members}


def invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def invalid_parameter(message: str) -> ApiError:
    return invalid(f"One or more parameter values were invalid: {message}")


def malformed(message: str) -> ApiError:
    return ApiError("SerializationException", message)


# Numbers


@lru_cache(_CACHE_SIZE)
def canonical_number(text: str) -> str:
    """The number in its one form, without an exponent. Raises ApiError if it is not a number that DynamoDB can store."""
    if not _NUMBER.fullmatch(text):
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}" if text else _EMPTY_NUMBER)
    try:
        number = Decimal(text)
    except DecimalException:  # an exponent with too many digits
        raise _out_of_range("-" not in text.lower().partition("e")[2]) from None
    return number_text(number)


_EMPTY_NUMBER = "The parameter cannot be converted to a numeric value: "


def number_text(number: Decimal) -> str:
    """The canonical form. Raises ApiError for more than 38 digits and for what is too large or too small."""
    if not number:
        return "0"
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > 38:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if not -130 <= number.adjusted() <= 125:
        raise _out_of_range(number.adjusted() > 0)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _out_of_range(is_large: bool) -> ApiError:
    problem, size = ("overflow", "larger") if is_large else ("underflow", "smaller")
    return invalid(f"Number {problem}. Attempting to store a number with magnitude {size} than supported range")


def add_numbers(first: str, second: str, sign: int = 1) -> str:
    """The sum, or with sign -1 the difference, of two canonical numbers."""
    return number_text((_context.add if sign > 0 else _context.subtract)(Decimal(first), Decimal(second)))


@lru_cache(_CACHE_SIZE)
def _number_size(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


# Values


def check_item(item: Any) -> int:
    """Bring an item's values into canonical form; returns the item's size. Raises ApiError if one is invalid or all are too large."""
    size = 0
    if type(item) is not dict:
        raise malformed("Unexpected value type in payload")
    for name, value in item.items():
        if not name:
            raise invalid_parameter("An attribute name must not be empty")
        size += (len(name) if name.isascii() else len(name.encode())) + check_value(value)
    return size


def item_size(item: Item) -> int:
    """The size of an item whose values are valid."""
    return check_item(item)


def check_size(size: int) -> None:
    if size > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")


def check_value(value: Any, depth: int = 1) -> int:
    """Bring a value into canonical form; returns its size in bytes. Raises ApiError if it is invalid."""
    if type(value) is not dict:
        raise malformed("Unexpected value type in payload")
    if len(value) != 1:
        problem = "has more than one datatypes set" if value else "is empty"
        raise invalid(f"Supplied AttributeValue {problem}, must contain exactly one of the supported datatypes")
    if depth > MAX_DEPTH:
        raise invalid("Nesting Levels have exceeded supported limits")
    ((kind, content),) = value.items()
    if kind == "S" and type(content) is str:
        return len(content) if content.isascii() else _text_size(content)
    if kind == "N" and type(content) is str:
        value["N"] = canonical = canonical_number(content)
        return _number_size(canonical)
    if kind == "M" and type(content) is dict:
        size = 3
        for name, member in content.items():
            size += 1 + (len(name) if name.isascii() else _text_size(name)) + check_value(member, depth + 1)
        return size
    if kind == "L" and type(content) is list:
        size = 3
        for member in content:
            size += 1 + check_value(member, depth + 1)
        return size
    check = _OTHER_CHECKS.get(kind)
    if check is None:
        if kind in ("S", "N", "M", "L"):
            raise malformed(f"Unexpected value type in payload: {kind}")
        raise invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    return check(value, content)


def _text_size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise malformed("Text is not valid Unicode") from None


def _check_binary(value: Value, content: Any) -> int:
    value["B"], size = _canonical_binary(content)
    return size


def _canonical_binary(content: Any) -> tuple[str, int]:
    if type(content) is not str:
        raise malformed("Unexpected value type in payload: B")
    try:
        binary = b64decode(content, validate=True)
    except ValueError:
        raise malformed("Base64 encoded length is expected a multiple of 4 bytes, or it has an invalid character") from None
    return b64encode(binary).decode(), len(binary)


def _check_bool(value: Value, content: Any) -> int:  # noqa: ARG001
    if type(content) is not bool:
        raise malformed("Unexpected token received from parser: BOOL")
    return 1


def _check_null(value: Value, content: Any) -> int:  # noqa: ARG001
    if type(content) is not bool:
        raise malformed("Unexpected token received from parser: NULL")
    if not content:
        raise invalid_parameter("Null attribute value types must have the value of true")
    return 1


def _check_set(value: Value, content: Any) -> int:
    ((kind, _),) = value.items()
    if type(content) is not list or any(type(member) is not str for member in content):
        raise malformed(f"Unexpected value type in payload: {kind}")
    if not content:
        raise invalid_parameter(f"An {SETS[kind]} set  may not be empty")
    if kind == "NS":
        members = [canonical_number(member) for member in content]
        size = sum(map(_number_size, members))
    elif kind == "SS":
        members, size = content, sum(map(_text_size, content))
    else:
        binaries = [_canonical_binary(member) for member in content]
        members, size = [text for text, _ in binaries], sum(size for _, size in binaries)
    if len(set(members)) < len(members):
        raise invalid_parameter(f"Input collection {'[' + ', '.join(content) + ']' if kind != 'NS' else ''} contains duplicates.")
    value[kind] = sorted(members)
    return size


_OTHER_CHECKS: dict[str, Callable[[Value, Any], int]] = {
    "B": _check_binary,
    "BOOL": _check_bool,
    "NULL": _check_null,
    **dict.fromkeys(SETS, _check_set),
}


def type_of(value: Value) -> str:
    return next(iter(value))


# Order

_decimal = lru_cache(_CACHE_SIZE)(Decimal)
_binary = lru_cache(_CACHE_SIZE)(b64decode)


def sortable(value: Value) -> Any:
    """What to compare a text, a number or a binary by; None for other types. Text is ordered as its UTF-8 bytes are."""
    ((kind, content),) = value.items()
    if kind == "S":
        return content
    return _decimal(content) if kind == "N" else _binary(content) if kind == "B" else None


def described(value: Value) -> str:
    """The value as it appears in messages: {N:5}."""
    ((kind, content),) = value.items()
    return f"{{{kind}:{content}}}"
