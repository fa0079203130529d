"""From a JSON tree to a checked document: all faults at once. msgspec stops at the first, so entries and fields are asked one by one."""

import json
from hashlib import sha256
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct

from bootstrap.document import Document, EventEntry, TicketEntry
from bootstrap.faults import Fault, Faulty, below, shown
from bootstrap.parse import SECTIONS, Source, Tree
from bootstrap.rules import rule_faults
from chalicelib.catalog.model import DisplayState, TierStatus

STATUSES = get_args(TierStatus)


class Checked(Struct, frozen=True):
    """A document without faults. `tree` is what was written, free-form metadata and all."""

    document: Document
    tree: Tree
    checksum: str


def checked(source: Source) -> Checked:
    """Check the shape of every field, then the rules between them; raises Faulty."""
    faults = _shape_faults(source.tree)
    faults += rule_faults(_sound(source.tree, "events", EventEntry), _sound(source.tree, "ticket_types", TicketEntry), source.tree)
    if faults:
        raise Faulty([Fault(fault.path, fault.message, _file(source, fault.path)) for fault in faults])
    return Checked(msgspec.convert(source.tree, Document), source.tree, checksum(source.tree))


def checked_tree(tree: Tree) -> Checked:
    """As `checked`, for a tree that comes from no file."""
    return checked(Source(tree, {}, ""))


def checksum(tree: Tree) -> str:
    """sha256 of the canonical JSON: neither the order of keys nor spacing matter."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(canonical.encode()).hexdigest()


def _shape_faults(tree: Tree) -> list[Fault]:
    rest = {key: value for key, value in tree.items() if key not in SECTIONS}
    absent = [Fault(below("$", name), "is missing") for name in ("events", "ticket_types") if name not in tree]
    faults = [fault for fault in _struct_faults(rest, Document, "$") if fault.path not in ("$.events", "$.ticket_types")] + absent
    for name, entry_type in (("events", EventEntry), ("ticket_types", TicketEntry), ("ticket_states", DisplayState)):
        section, path = tree.get(name, {}), below("$", name)
        if not isinstance(section, dict):
            faults.append(Fault(path, f"expected an object, got {shown(section)}"))
            continue
        for key, entry in section.items():
            faults += _struct_faults(entry, entry_type, below(path, key))
            if name == "ticket_states" and key not in STATUSES:
                faults.append(Fault(below(path, key), f"no such status; there are {', '.join(STATUSES)}"))
    return faults


def _struct_faults(value: Any, shape: type[Struct], path: str) -> list[Fault]:
    if not isinstance(value, dict):
        return [Fault(path, f"expected an object, got {shown(value)}")]
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    faults = [Fault(below(path, name), "is missing") for name, field in fields.items() if field.required and name not in value]
    for name, member in value.items():
        if name in fields:
            faults += _value_faults(member, fields[name].type, below(path, name))
        elif shape.__struct_config__.forbid_unknown_fields:
            faults.append(Fault(below(path, name), "no such key"))
    return faults


def _value_faults(value: Any, expected: Any, path: str) -> list[Fault]:
    inner = _struct_of(expected)
    if inner is not None and isinstance(value, dict):
        return _struct_faults(value, inner, path)
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        return [Fault(path + at.rstrip("`"), f"{message[0].lower()}{message[1:]} ({shown(value)})")]
    return []


def _struct_of(expected: Any) -> type[Struct] | None:
    """The Struct in `Entry`, `Annotated[Entry, ...]` or `Entry | None`."""
    if isinstance(expected, type) and issubclass(expected, Struct):
        return expected
    if get_origin(expected) is Annotated or isinstance(expected, UnionType):
        return next(filter(None, map(_struct_of, get_args(expected))), None)
    return None


def _sound(tree: Tree, section: str, shape: type[Any]) -> dict[str, Any]:
    """The entries whose shape is right, so that the rules can be asked about them."""
    found = {}
    entries = tree.get(section)
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            found[key] = msgspec.convert(entry, shape)
        except msgspec.ValidationError:
            continue
    return found


def _file(source: Source, path: str) -> str:
    """Which of several files the entry at `path` comes from."""
    if len(set(source.origins.values())) < 2:
        return source.first
    for section in SECTIONS:
        prefix = f"$.{section}"
        if path.startswith(prefix):
            for (name, key), file in source.origins.items():
                if name == section and (path + ".").startswith((below(prefix, key) + ".", below(prefix, key) + "[")):
                    return file
    return source.first
