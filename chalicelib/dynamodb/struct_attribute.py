"""A PynamoDB attribute whose values are lists, dicts or structs.

Such a value is written as DynamoDB's maps and lists, which people can read in the console and conditions can use. Releases up to 0.2.0
wrote JSON text, which is still read (decision 182).
"""

from typing import Any, Self, TypeVar, overload

import msgspec
from msgspec import Struct
from pynamodb.attributes import Attribute
from pynamodb.constants import STRING
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import RemoveAction, SetAction

from chalicelib.foundation import memory

T = TypeVar("T")
MAX_DEPTH = 30  # of nested lists and maps; DynamoDB accepts 32
MAX_INTEGER = 2**63
FLOATS = (1e-100, 1e100)  # DynamoDB accepts 1e-130 to 9.9e125

_encoder = msgspec.json.Encoder()


class _Stored(Struct, frozen=True):
    """A value in wire format that nobody has read yet."""

    wire: dict[str, Any]


class StructAttribute(Attribute[T]):
    """An attribute whose values are lists, dicts or structs, as msgspec encodes and decodes them.

    Unlike PynamoDB's `JSONAttribute`, it writes DynamoDB's maps and lists, and text only if they cannot hold the value.

        lines = StructAttribute(list[LineItem], null=True)

    A row decodes a stored value when the attribute is first read, which raises msgspec.DecodeError for a value of another type. A row that
    cannot be decoded therefore does not break the queries and batches that find it. Do not change a value that was read from a row.

    A value that a map or list cannot hold unchanged is always written as text, for example one with the float 1.0, which would come back
    as 1. DynamoDB's maps have no order, so use a list if the order matters. An attribute that is `always_text` takes a tenth of the time;
    it is for large values that machines exchange often.

    Expressions may use only `==`, `!=`, `set`, `remove`, `exists` and `does_not_exist`. PynamoDB's other operators, such as `is_in`, would
    write a wrong form or test for one, because PynamoDB knows only `attr_type`.
    """

    attr_type = STRING

    def __init__(self, value_type: type[T], *, null: bool = False, always_text: bool = False) -> None:
        super().__init__(null=null)
        self._type, self._always_text = value_type, always_text
        self._takes_any_map = value_type == dict[str, Any]  # then msgspec has nothing to check

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    @overload
    def __get__(self, instance: Any, owner: Any) -> T: ...

    def __get__(self, instance: Any, owner: Any) -> Self | T:
        value: Any = super().__get__(instance, owner)
        if type(value) is _Stored:
            value = self._decode(value.wire)
            self.__set__(instance, value)
        return value  # type: ignore[no-any-return]

    def get_value(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the stored value unchanged, because its type determines its form."""
        return value

    def deserialize(self, value: dict[str, Any]) -> _Stored:
        return _Stored(value)

    def wire(self, value: Any) -> dict[str, Any]:
        """Return a value in wire format. `serialize` would return no type, but here the value determines the type."""
        if type(value) is _Stored:
            value = self._decode(value.wire)
        return self._native(value) or self._text(value)

    def set(self, value: Any) -> SetAction | RemoveAction:
        return Path(self).set(self.wire(value))  # PynamoDB takes a dict with one type, such as {"S": "x"}, as a value in wire format

    def __eq__(self, other: Any) -> Condition:  # type: ignore[override]
        """Return the condition that the attribute has this value, in either form."""
        is_text: Condition = Path(self) == self._text(other)
        native = self._native(other)
        return is_text if native is None else is_text | (Path(self) == native)

    def __ne__(self, other: Any) -> Condition:  # type: ignore[override]
        is_other: Condition = ~(self == other)
        return is_other

    def to_stored(self, value: T) -> Any:
        """Return what is stored for a value. Override this to store a shorter value with the same meaning."""
        return value

    def _text(self, value: Any) -> dict[str, Any]:
        return {STRING: _encoder.encode(self.to_stored(value)).decode()}

    def _native(self, value: Any) -> dict[str, Any] | None:
        """Return a value as a map or list. Returns None for a value that is neither, or that they cannot hold unchanged."""
        if self._always_text:
            return None
        try:
            wire = _typed(msgspec.to_builtins(self.to_stored(value), str_keys=True), MAX_DEPTH)
        except _NotNative:
            return None
        return wire if "L" in wire or "M" in wire else None

    def _decode(self, wire: dict[str, Any]) -> T:
        text = wire.get(STRING)
        if self._takes_any_map and "M" in wire:
            return _plain(wire)  # type: ignore[no-any-return]
        return memory.convert(_plain(wire), self._type, str_keys=True) if text is None else memory.decoder(self._type).decode(text)


class _NotNative(Exception):
    """DynamoDB would refuse a value, or return a different one."""


def _typed(value: Any, depth: int) -> dict[str, Any]:
    """Return a JSON value in wire format. Raises _NotNative."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case None:
            return {"NULL": True}
        case int() if -MAX_INTEGER < value < MAX_INTEGER:
            return {"N": str(value)}
        case float() if FLOATS[0] < abs(value) < FLOATS[1] and not value.is_integer():
            return {"N": repr(value)}
        case list() | tuple() if depth:
            return {"L": [_typed(entry, depth - 1) for entry in value]}
        case dict() if depth and "" not in value:
            return {"M": {name: _typed(entry, depth - 1) for name, entry in value.items()}}
    raise _NotNative


def _plain(wire: dict[str, Any]) -> Any:
    """Return the JSON value of a value in wire format. Raises msgspec.ValidationError for DynamoDB's other types, such as sets."""
    ((kind, value),) = wire.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return int(value) if value.lstrip("-").isdecimal() else float(value)
        case "NULL":
            return None
        case "L":
            return [_plain(entry) for entry in value]
        case "M":  # most values are texts
            return {name: entry["S"] if "S" in entry else _plain(entry) for name, entry in value.items()}
    raise msgspec.ValidationError(f"DynamoDB's type {kind} has no equivalent in JSON")
