"""From a JSON tree to a valid document, or to a list of all faults.

msgspec stops at the first fault, so entries and fields are converted one by one.
"""

import json
from hashlib import sha256
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog.model import DisplayState, TierStatus
from chalicelib.foundation import allowed_values
from chalicelib.rollouts.consistency import consistency_faults, consistency_warnings, environment_faults
from chalicelib.rollouts.document import BootstrapDocument, EventEntry, TicketEntry
from chalicelib.rollouts.faults import DocumentFault, DocumentWarning, InvalidDocument, member_path, quoted
from chalicelib.rollouts.trees import SECTIONS, MergedFiles, Tree

STATUSES = get_args(TierStatus)


class ValidDocument(Struct, frozen=True):
    """A document without faults. `tree` is the JSON as it was written, with everything in its free-form metadata.

    `warnings` are what is allowed but probably a mistake; they stop nothing.
    """

    document: BootstrapDocument
    tree: Tree
    checksum: str
    warnings: list[DocumentWarning]


def validate_files(files: MergedFiles, stage: str | None = None) -> ValidDocument:
    """Check each field, then the rules between them, and that the document is for `stage` if one is given; raises InvalidDocument."""
    tree = files.tree
    faults = _schema_faults(tree)
    faults += consistency_faults(_valid_entries(tree, "events", EventEntry), _valid_entries(tree, "ticket_types", TicketEntry), tree)
    if stage is not None:
        faults += environment_faults(tree.get("environment"), stage)
    if faults:
        raise InvalidDocument([_with_file(fault, files) for fault in faults])
    document = msgspec.convert(tree, BootstrapDocument)
    warnings = consistency_warnings(document.events, document.ticket_types)
    placed = [replace(warning, fault=_with_file(warning.fault, files)) for warning in warnings]
    return ValidDocument(document, tree, checksum(tree), placed)


def validate_tree(tree: Tree) -> ValidDocument:
    """As `validate_files`, for a tree that comes from no file."""
    return validate_files(MergedFiles(tree, {}, ""))


def checksum(tree: Tree) -> str:
    """The sha256 of the canonical JSON: neither the order of keys nor spacing matters."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(canonical.encode()).hexdigest()


def _schema_faults(tree: Tree) -> list[DocumentFault]:
    """What is wrong with single keys and values, without regard to the others."""
    rest = {key: value for key, value in tree.items() if key not in SECTIONS}
    faults = [fault for fault in _struct_faults(rest, BootstrapDocument, "$") if fault.path not in ("$.events", "$.ticket_types")]
    faults += [_missing(member_path("$", name)) for name in ("events", "ticket_types") if name not in tree]
    for name, entry_type in (("events", EventEntry), ("ticket_types", TicketEntry), ("ticket_states", DisplayState)):
        section, path = tree.get(name, {}), member_path("$", name)
        if not isinstance(section, dict):
            faults.append(_not_an_object(path, section))
            continue
        for key, entry in section.items():
            faults += _struct_faults(entry, entry_type, member_path(path, key))
            if name == "ticket_states" and key not in STATUSES:
                faults.append(DocumentFault(member_path(path, key), f"unknown status; use one of {', '.join(STATUSES)}"))
    return faults


def _struct_faults(value: Any, struct: type[Struct], path: str) -> list[DocumentFault]:
    if not isinstance(value, dict):
        return [_not_an_object(path, value)]
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    faults = [_missing(member_path(path, name)) for name, field in fields.items() if field.required and name not in value]
    for name, member in value.items():
        if name in fields:
            faults += _value_faults(member, fields[name].type, member_path(path, name))
        elif struct.__struct_config__.forbid_unknown_fields:
            faults.append(DocumentFault(member_path(path, name), f"unknown key; allowed keys are {', '.join(fields)}"))
    return faults


def _value_faults(value: Any, expected: Any, path: str) -> list[DocumentFault]:
    struct, entries = _struct_of(expected), _entries_of(expected)
    if struct is not None and isinstance(value, dict):
        return _struct_faults(value, struct, path)
    if entries is not None and isinstance(value, list):
        faults = [fault for number, entry in enumerate(value) for fault in _struct_faults(entry, entries, member_path(path, number))]
        if faults:
            return faults
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return [DocumentFault(path, f"must be {allowed_values.description(expected)}, not {quoted(value)}")]
    return []


def _missing(path: str) -> DocumentFault:
    return DocumentFault(path, "this required key is missing")


def _not_an_object(path: str, value: Any) -> DocumentFault:
    return DocumentFault(path, f"must be a JSON object, not {quoted(value)}")


def _struct_of(expected: Any) -> type[Struct] | None:
    """The Struct in `Entry`, `Annotated[Entry, ...]` or `Entry | None`."""
    if isinstance(expected, type) and issubclass(expected, Struct):
        return expected
    if get_origin(expected) is Annotated or isinstance(expected, UnionType):
        return next(filter(None, map(_struct_of, get_args(expected))), None)
    return None


def _entries_of(expected: Any) -> type[Struct] | None:
    """The Struct in `list[Entry]` or `Annotated[list[Entry], ...]`."""
    if get_origin(expected) is Annotated:
        return _entries_of(get_args(expected)[0])
    return _struct_of(get_args(expected)[0]) if get_origin(expected) is list else None


def _valid_entries(tree: Tree, section: str, struct: type[Any]) -> dict[str, Any]:
    """The entries without a fault of their own: those for which the rules between entries make sense."""
    valid = {}
    entries = tree.get(section)
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            valid[key] = msgspec.convert(entry, struct)
        except msgspec.ValidationError:
            continue
    return valid


def _with_file(fault: DocumentFault, files: MergedFiles) -> DocumentFault:
    return replace(fault, file=_file_of(files, fault.path))


def _file_of(files: MergedFiles, path: str) -> str:
    """The file, of several, that the entry at `path` comes from."""
    if len(set(files.origins.values())) < 2:
        return files.first
    for section in SECTIONS:
        prefix = f"$.{section}"
        if path.startswith(prefix):
            for (name, key), file in files.origins.items():
                if name == section and (path + ".").startswith((member_path(prefix, key) + ".", member_path(prefix, key) + "[")):
                    return file
    return files.first
