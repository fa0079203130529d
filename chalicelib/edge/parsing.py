"""Parsing of bodies and query parameters into msgspec Structs, and of forms with a file, with error messages for callers.

The `path` of an error is a JSON path, such as `$.items[0].quantity`, for a field of the body, and only the name for a query parameter or
header.
"""

import io
import re
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from chalicelib.edge.error_replies import UnsupportedMediaType
from chalicelib.edge.operation import FormFile
from chalicelib.foundation import memory
from chalicelib.foundation.errors import InvalidInput

MAX_FORM_PARTS = 10
MAX_FORM_FIELD_BYTES = 64 * 1024
MAX_TRIED_KEYS = 20  # of a dict with an invalid value

_NAMED_FIELD = re.compile(r"(?:missing required|unknown) field `([^`]+)`")
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")

RULES = {  # rule -> msgspec's message about a field that breaks it
    "too_long": re.compile(r"Expected `str` of length <= (\d+)"),
    "too_short": re.compile(r"Expected `str` of length >= (\d+)"),
    "too_many": re.compile(r"Expected `array` of length <= (\d+)"),
    "too_few": re.compile(r"Expected `array` of length >= (\d+)"),
    "too_small": re.compile(r"Expected `\w+` >= (-?\d+)"),
    "too_large": re.compile(r"Expected `\w+` <= (-?\d+)"),
    "not_allowed": re.compile("Invalid enum value"),
    "wrong_form": re.compile(r"Expected `str` matching regex|Invalid RFC3339 encoded date\b"),
    "not_a_number": re.compile("Expected `(?:int|float|decimal|int [|] null|decimal [|] null)`, got|Invalid decimal"),
    "not_a_time": re.compile("Invalid RFC3339|Expected `datetime`"),
    "missing": re.compile("Object missing required field"),
}

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class MalformedJson(InvalidInput):
    code: ClassVar[str] = "malformed_json"
    default_message: ClassVar[str] = "The request body is not valid JSON. Correct it and send it again."


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a route without query parameters."""


def parse_json(raw: bytes, shape: type[T]) -> T:
    """Return the JSON text as an instance of `shape`. Raises InvalidInput, which names the invalid field, or MalformedJson."""
    try:
        return memory.decoder(shape).decode(raw)
    except msgspec.ValidationError as error:
        message, path = _explain(error, shape)
        raise InvalidInput(message, path=_with_key(error, path, raw, shape), **_rule(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedJson(MalformedJson.default_message) from None


def parse_query(parameters: Mapping[str, str], shape: type[S], *, ignores_unknown: bool = False) -> S:
    """Return query parameters as an instance of `shape`. Raises InvalidInput, which names the invalid parameter.

    Empty parameters count as absent. The texts of numbers, `true` and `false` are converted.
    """
    sent = {name: value for name, value in parameters.items() if value}
    if ignores_unknown:
        sent = {name: value for name, value in sent.items() if name in shape.__struct_encode_fields__}
    try:
        return memory.convert(sent, shape, strict=False)
    except msgspec.ValidationError as error:
        message, path = _explain(error, shape)
        name = path.removeprefix("$.")
        if "missing required field" in message:
            message = f"Send the query parameter `{name}`."
        elif "unknown field" in message:
            known = ", ".join(f"`{field}`" for field in shape.__struct_encode_fields__)
            message = f"This route has no query parameter `{name}`. It accepts: {known or 'none'}."
        raise InvalidInput(message, path=name, **_rule(str(error))) from None


def path_number(text: str) -> int:
    """Return the number in a path, such as 12 for `/requests/12`. Returns 0 for any other text and for numbers above 99."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else 0


def parse_file(content_type: str | None, body: bytes, file: FormFile) -> bytes:
    """Return the bytes of the file in a form (multipart/form-data, RFC 7578).

    Raises UnsupportedMediaType, `file.too_large`, or InvalidInput, which names the part.
    """
    from multipart import MultipartError, parse_form_data  # few routes accept files

    if (content_type or "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType(
            f"Send the file as the part `{file.name}` of a form, with the header `Content-Type: multipart/form-data`."
        )
    environment = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    in_memory = {"memory_limit": len(body) + MAX_FORM_FIELD_BYTES, "spool_limit": len(body) + MAX_FORM_FIELD_BYTES}
    try:
        _, files = parse_form_data(environment, strict=True, part_limit=MAX_FORM_PARTS, **in_memory)
    except MultipartError:
        raise InvalidInput("The form is malformed or incomplete. Send it again.", path=f"$.{file.name}") from None
    found = files.getall(file.name)
    if len(found) != 1:
        raise InvalidInput(f"Send one file, as the part `{file.name}` of the form.", path=f"$.{file.name}")
    raw: bytes = found[0].raw
    if len(raw) > file.max_bytes:
        raise file.too_large()
    return raw


def _rule(text: str) -> dict[str, Any]:
    """Return the `rule` that msgspec's message is about, and its `limit`. Returns {} for errors that people cannot cause by typing."""
    for rule, form in RULES.items():
        if found := form.match(text):
            return {"rule": rule, **({"limit": int(found[1])} if form.groups else {})}
    return {}


def _explain(error: msgspec.ValidationError, shape: Any) -> tuple[str, str]:
    """Return an error message and the path of the field.

    The message lists allowed values and known fields, and describes text formats in words.
    """
    message, _, place = str(error).partition(" - at `")
    path = place.rstrip("`").removeprefix("key` in `") or "$"  # an invalid key is reported at its object
    if message.startswith("Invalid enum value"):
        values = _allowed_values(_types_at(shape, f"{path}[...]" if place.startswith("key` in `") else path))
        message += f"; allowed: {', '.join(map(str, values))}" if values else ""
    elif RULES["wrong_form"].match(message):
        message = " ".join(["The text is not in the expected format.", *_descriptions(_types_at(shape, path))]).removesuffix(".")
    field = _NAMED_FIELD.search(message)
    if field and "unknown" in field[0]:
        message += f"; known: {', '.join(_known_fields(_types_at(shape, path)))}"
    return message + ".", f"{path}.{field.group(1)}" if field else path


def _with_key(error: msgspec.ValidationError, path: str, raw: bytes, shape: Any) -> str:
    """Return the path with the key of a dict's invalid value: `$.names.es` for msgspec's `$.names[...]`.

    Return the path as it is if the text after the value is not JSON, or repeats a field that leads to the dict.
    """
    place, found, _ = path.partition("[...]")
    if not found:
        return path
    try:
        tree: Any = memory.decoder(dict[str, Any]).decode(raw)
        node = tree
        for name, index in _PATH_STEP.findall(place.removeprefix("$")):
            node = node[name or int(index)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return path
    for key, value in list(node.items())[:MAX_TRIED_KEYS] if isinstance(node, dict) else ():
        node.clear()
        node[key] = value
        try:
            memory.convert(tree, shape)
        except msgspec.ValidationError as same:
            if str(same) == str(error):
                return path.replace("[...]", f".{key}", 1)
    return path


def _types_at(shape: Any, path: str) -> list[Any]:
    """Return the types that a field may have, with unions split into their members. `path` is from msgspec: `$.a`, `$.a[0].b`, `$[...]`."""
    from msgspec import inspect

    found: list[Any] = [inspect.type_info(shape)]
    for name, index in _PATH_STEP.findall(path.removeprefix("$")):
        found = [step for kind in found for step in _steps(kind, name, index)]
    return [kind for member in found for kind in (member.types if isinstance(member, inspect.UnionType) else (member,))]


def _allowed_values(types: list[Any]) -> list[Any]:
    """Return the values of the literal types."""
    from msgspec import inspect

    return [value for kind in types if isinstance(kind, inspect.LiteralType) for value in kind.values]


def _known_fields(types: list[Any]) -> list[str]:
    """Return the fields of the Structs among the types."""
    from msgspec import inspect

    return [field.encode_name for kind in types if isinstance(kind, inspect.StructType) for field in kind.fields]


def _descriptions(types: list[Any]) -> list[str]:
    """Return the descriptions of the types. A test ensures that each type with a pattern has one."""
    from msgspec import inspect

    schemas = (kind.extra_json_schema or {} for kind in types if isinstance(kind, inspect.Metadata))
    return [schema["description"] for schema in schemas if "description" in schema]


def _steps(kind: Any, name: str, index: str) -> list[Any]:
    """Return the types one step below a type: the type of the field `name`, of a list's items, or of a dict's keys and values."""
    from msgspec import inspect

    match kind:
        case inspect.UnionType():
            return [step for member in kind.types for step in _steps(member, name, index)]
        case inspect.Metadata():
            return _steps(kind.type, name, index)
        case inspect.StructType() if name:
            return [field.type for field in kind.fields if field.encode_name == name]
        case inspect.ListType() if index:
            return [kind.item_type]
        case inspect.DictType() if index or name:
            return [kind.key_type, kind.value_type]
        case _:
            return []
