"""Attribute values: their validity, canonical form, sizes and order; and the errors and checks of requests.

Values have the form of JSON: `{"N": "1.5"}`, with binaries as base64 text. In canonical form, each number has one text and each set one
order, so values are equal exactly when their dictionaries are.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from decimal import Context, Decimal, Inexact, Overflow, Subnormal
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import botocore.session
import msgspec

Value = dict[str, Any]  # {"S": "text"}
Item = dict[str, Value]

KB = 1024
MAX_ITEM_BYTES, MAX_DEPTH, MAX_NAME_BYTES = 400 * KB, 32, 65535
SETS = {"SS": "string", "NS": "number", "BS": "binary"}
_VALUE_TYPES = frozenset((*SETS, "S", "N", "B", "BOOL", "NULL", "M", "L"))
_CACHE_SIZE = 4096
SCALARS: dict[str, Callable[[str], Any]] = {"S": str, "N": lru_cache(_CACHE_SIZE)(Decimal), "B": lru_cache(_CACHE_SIZE)(b64decode)}
_JSON_TYPES: dict[str, type[Any]] = {"string": str, "boolean": bool, "integer": int, "long": int}  # by the type of a shape

encode_item: Callable[[Item], bytes] = msgspec.msgpack.Encoder().encode
decode_item: Callable[[bytes], Item] = msgspec.msgpack.Decoder(dict[str, Any]).decode

_arithmetic = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, Overflow, Subnormal])
_OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
_UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INVALID = "One or more parameter values were invalid: "
_FRAMEWORK_ERRORS = ("SerializationException", "UnknownOperationException")  # raised by AWS's framework, before DynamoDB


class ApiError(Exception):
    """An error as DynamoDB reports it: its code, its message, the HTTP status and further members of the body."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members

    def response(self) -> tuple[int, bytes]:
        """Return the HTTP status and the body."""
        if self.code in _FRAMEWORK_ERRORS:
            body = {"__type": f"com.amazon.coral.service#{self.code}", **({"Message": self.message} if self.message else {})}
        else:
            body = {"__type": f"com.amazonaws.dynamodb.v20120810#{self.code}", "message": self.message, **self.members}
        return self.status, msgspec.json.encode(body)


def invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def malformed(message: str) -> ApiError:
    return ApiError("SerializationException", message)


def refuse_if(problem: Any, message: str) -> None:
    if problem:
        raise invalid(message)


def refuse_value_if(problem: Any, message: str) -> None:
    if problem:
        raise invalid(INVALID + message)


def canonical_number(text: str) -> str:
    """Return the canonical form of a number, without an exponent. Raises ApiError if DynamoDB cannot store the number."""
    refuse_if(not _NUMBER.fullmatch(text), f"The parameter cannot be converted to a numeric value: {text}")
    return _canonical(_arithmetic.create_decimal, text, inexact="Attempting to store more than 38 significant digits in a Number")


def add_numbers(first: str, second: str, sign: int = 1) -> str:
    """Return the sum, or with sign -1 the difference, of two canonical numbers."""
    if "." not in first and "." not in second and len(first) + len(second) < 38:
        return str(int(first) + sign * int(second))
    return _canonical(_arithmetic.add if sign > 0 else _arithmetic.subtract, Decimal(first), Decimal(second), inexact=_OVERFLOW)


def _canonical(operation: Callable[..., Decimal], *operands: Any, inexact: str) -> str:
    try:
        number = operation(*operands)
    except (Inexact, Subnormal) as fault:  # an overflow is inexact too
        raise invalid({Overflow: _OVERFLOW, Subnormal: _UNDERFLOW}.get(type(fault), inexact)) from None
    text = format(number, "f") if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(_CACHE_SIZE)
def _sized_number(text: str) -> tuple[str, int]:
    number = canonical_number(text)
    return number, (len(number.lstrip("-").replace(".", "").strip("0")) + 1) // 2 + 1 + number.startswith("-")


def check_item(item: Item) -> int:
    """Bring an item's values into canonical form; returns the item's size. Raises ApiError if one of them is invalid."""
    size = 0
    for name, value in item.items():
        size += check_name(name) + check_value(value)
    return size


@lru_cache(_CACHE_SIZE)
def check_name(name: str) -> int:
    """Return the size of an attribute's name. Raises ApiError if it is empty or too long."""
    refuse_if(not name, "Empty attribute name is not allowed: an attribute name must have at least one character")
    size = text_size(name)
    refuse_if(size > MAX_NAME_BYTES, f"Attribute name is too large, must be less than or equal to {MAX_NAME_BYTES} bytes")
    return size


def check_value(value: Any, depth: int = 1) -> int:
    """Bring a value into canonical form; returns its size in bytes. Raises ApiError if it is invalid."""
    if type(value) is dict and len(value) == 1 and depth <= MAX_DEPTH:
        if type(text := value.get("S")) is str:
            return len(text) if text.isascii() else text_size(text)
        if type(text := value.get("N")) is str:
            value["N"], size = _sized_number(text)
            return size
        size = 3
        if type(members := value.get("M")) is dict:
            for name, member in members.items():
                size += 1 + text_size(name) + check_value(member, depth + 1)
            return size
        if type(elements := value.get("L")) is list:
            for element in elements:
                size += 1 + check_value(element, depth + 1)
            return size
    return _check_rare_value(value, depth)


def _check_rare_value(value: Any, depth: int) -> int:
    try:
        ((kind, content),) = value.items()
    except AttributeError:
        raise malformed("Unexpected value type in payload") from None
    except ValueError:
        raise invalid("Supplied AttributeValue is empty or has several datatypes, but must contain exactly one of them") from None
    if depth > MAX_DEPTH:
        raise invalid("Nesting Levels have exceeded supported limits: attributes can be nested in 32 levels")
    if kind in ("BOOL", "NULL") and type(content) is bool:
        refuse_value_if(kind == "NULL" and not content, "Null attribute value types must have the value of true")
        return 1
    if kind == "B" and type(content) is str:
        value["B"], size = _canonical_binary(content)
        return size
    refuse_if(kind not in _VALUE_TYPES, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    if kind not in SETS or type(content) is not list or any(type(member) is not str for member in content):
        raise malformed(f"Unexpected value type in payload: {kind}")
    refuse_value_if(not content, f"An {SETS[kind]} set  may not be empty")
    sizes = dict(map(_SIZED[kind], content))
    if len(sizes) < len(content):
        raise invalid(f"{INVALID}Input collection [{', '.join(content)}] contains duplicates.")
    value[kind] = sorted(sizes)
    return sum(sizes.values())


def text_size(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise malformed("Text is not valid Unicode") from None


def _canonical_binary(text: str) -> tuple[str, int]:
    try:
        binary = b64decode(text, validate=True)
    except ValueError:
        raise malformed("Binaries must be base64 text") from None
    return b64encode(binary).decode(), len(binary)


_SIZED: dict[str, Callable[[str], tuple[str, int]]] = {
    "SS": lambda text: (text, text_size(text)),
    "NS": _sized_number,
    "BS": _canonical_binary,
}
item_size = check_item  # of an item whose values are valid


def type_of(value: Value) -> str:
    return next(iter(value))


def sortable(value: Value) -> Any:
    """Return a text, number or binary in Python, for comparisons. Texts compare as their UTF-8 bytes do."""
    ((kind, content),) = value.items()
    return SCALARS[kind](content)


# Requests, checked against botocore's model of the service; attribute values are checked later, with their contents


def checked_request(operation: str, request: dict[str, Any] | bytes | str) -> dict[str, Any]:
    """Return a request of this operation, given as a dictionary or in JSON. Raises ApiError if it violates the model of the service."""
    decoder = _request_decoder(operation)
    try:
        return decoder.decode(request) if type(request) in (bytes, str) else msgspec.convert(request, decoder.type)  # type: ignore[no-any-return]
    except msgspec.ValidationError as fault:
        problem, _, path = str(fault).replace("`", "'").partition(" - at '$")
        place = re.sub(r"\.\w", lambda match: match[0].lower(), path).strip(".'")
        if "', got '" in problem:
            raise malformed(f"Unexpected value type in payload at '{place}': {problem}") from None
        raise invalid(f"1 validation error detected: Value at '{place}' failed to satisfy constraint: {problem}") from None


@cache
def operation_models() -> dict[str, Any]:
    """Return botocore's models of all operations by name."""
    session = botocore.session.get_session()
    services = [session.get_service_model(name) for name in ("dynamodb", "dynamodbstreams")]
    return {name: service.operation_model(name) for service in services for name in service.operation_names}


@cache
def _request_decoder(operation: str) -> Any:
    decoder = msgspec.json.Decoder(_type(operation_models()[operation].input_shape))
    with suppress(msgspec.ValidationError):
        decoder.decode(b"{}")  # completes the type: msgspec crashes if several threads do this at once
    return decoder


def _type(shape: Any) -> Any:
    """Return the type of Python that a shape of the model describes, with its limits."""
    kind, limits = shape.type_name, shape.metadata
    plain: Any = _JSON_TYPES.get(kind, Any)
    if "enum" in limits:
        return Literal[tuple(limits["enum"])]
    if "pattern" in limits:
        return str  # a name, which is checked where it is used
    if kind == "structure" and shape.name != "AttributeValue":
        types = ((name, _type(member)) for name, member in shape.members.items())
        return TypedDict(shape.name, {name: kind if name in shape.required_members else NotRequired[kind] for name, kind in types})  # type: ignore[operator]
    if kind in ("list", "map"):
        plain = list[_type(shape.member)] if kind == "list" else dict[str, _type(shape.value)]  # type: ignore[misc]
    names = ("ge", "le") if plain is int else ("min_length", "max_length")
    meta = {name: limits[limit] for name, limit in zip(names, ("min", "max"), strict=True) if limit in limits}
    return Annotated[plain, msgspec.Meta(**meta)] if meta else plain
