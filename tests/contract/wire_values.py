"""Attribute values: Python's values as they go over the wire, and back."""

from typing import Any

Item = dict[str, Any]


class N(str):
    """A number that is not written as Python writes an integer: `N("1.0")`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"N({super().__repr__()})"


class RawValue(dict):
    """An attribute value as it goes over the wire: `RawValue(SS=[])`."""


def wire_value(value: Any) -> Any:
    """The attribute value: int and N are numbers, sets are sets of strings, numbers or binaries, None is NULL."""
    match value:
        case RawValue():
            return dict(value)
        case bool():
            return {"BOOL": value}
        case None:
            return {"NULL": True}
        case int() | N():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
        case dict():
            return {"M": wire_item(value)}
        case list():
            return {"L": [wire_value(element) for element in value]}
    kind = {int: "NS", N: "NS", str: "SS", bytes: "BS"}[type(next(iter(value)))]
    return {kind: [str(member) if kind == "NS" else member for member in value]}


def wire_item(item: Item) -> dict[str, Any]:
    return {name: wire_value(value) for name, value in item.items()}


def plain_value(value: dict[str, Any]) -> Any:
    """The Python value of an attribute value. A number becomes an int if it is written like one."""
    (kind, content), *_ = value.items()
    match kind:
        case "N":
            return _number(content)
        case "M":
            return plain_item(content)
        case "L":
            return [plain_value(element) for element in content]
        case "NS":
            return {_number(member) for member in content}
        case "SS" | "BS":
            return set(content)
        case "NULL":
            return None
    return content


def plain_item(item: dict[str, Any]) -> Item:
    return {name: plain_value(value) for name, value in item.items()}


def _number(text: str) -> Any:
    digits = text.removeprefix("-")
    is_integer = digits.isdecimal() and str(int(digits)) == digits
    return int(text) if is_integer and text != "-0" else N(text)
