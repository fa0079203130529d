"""From files to one JSON tree, strictly: what other readers would guess about, drop or turn into something else is a fault here."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec import Struct

from bootstrap.faults import Fault, Faulty, below, shown

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 20
MAX_INTEGER = 2**63 - 1

Tree = dict[str, Any]

SECTIONS = ("events", "ticket_types", "ticket_states")
# Differing between files is a contradiction for these; each of the others is the first file's.
_SAME_IN_ALL = ("environment",)


class Source(Struct, frozen=True):
    """The merged tree, and which file each entry of its sections comes from: (section, key) -> file."""

    tree: Tree
    origins: dict[tuple[str, str], str]
    first: str


def load(paths: list[Path]) -> Source:
    """Read and merge the files; raises Faulty with all that is wrong with them as JSON."""
    trees: list[tuple[str, Tree]] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            trees.append((str(path), read(path)))
        except Faulty as error:
            faults += error.faults
    if faults:
        raise Faulty(faults)
    return merged(trees)


def read(path: Path) -> Tree:
    """One file's tree; raises Faulty."""
    name = str(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise Faulty([Fault("$", f"the file has {size:,} bytes, more than {MAX_BYTES:,}", name)])
        raw = path.read_bytes()
    except OSError as error:
        raise Faulty([Fault("$", f"the file can't be read: {error.strerror or error}", name)]) from None
    try:
        return parse(raw)
    except Faulty as error:
        raise Faulty([Fault(fault.path, fault.message, name) for fault in error.faults]) from None


def parse(raw: bytes) -> Tree:
    """A tree out of bytes; raises Faulty."""
    try:
        tree = json.loads(_text(raw), object_pairs_hook=_Object, parse_constant=_Constant)
    except json.JSONDecodeError as error:
        raise Faulty([Fault("$", f"not JSON, or cut off: {error.msg} at line {error.lineno}, column {error.colno}")]) from None
    except RecursionError:
        raise Faulty([Fault("$", f"nested deeper than {MAX_DEPTH} levels")]) from None
    except ValueError as error:  # a number of thousands of digits
        raise Faulty([Fault("$", str(error))]) from None
    faults = _oddities(tree)
    if not isinstance(tree, dict):
        faults.append(Fault("$", f"expected an object, got {shown(tree)}"))
    if faults:
        raise Faulty(faults)
    return dict(tree)


class _Object(dict[str, Any]):
    """An object that remembers which keys it had twice; the hook does not know the path, so the walk asks later."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: list[str] = []
        if len(pairs) != len(self):
            self.twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]


class _Constant(str):
    """NaN, Infinity or -Infinity, which JSON does not have."""


def _text(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Faulty([Fault("$", "starts with a byte order mark; save it as UTF-8 without one")])
    if not raw.strip():
        raise Faulty([Fault("$", "the file is empty")])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Faulty([Fault("$", f"not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}")]) from None
    if "\0" in text:
        raise Faulty([Fault("$", "holds NUL characters, as UTF-16 does; save it as UTF-8")])
    return text


def _oddities(tree: Any) -> list[Fault]:
    """Everything that json.loads lets through, with its path. A loop with a list of its own: depth can't overflow it."""
    faults: list[Fault] = []
    todo: list[tuple[str, int, Any]] = [("$", 0, tree)]
    while todo:
        path, depth, value = todo.pop()
        if depth > MAX_DEPTH:
            faults.append(Fault(path, f"nested deeper than {MAX_DEPTH} levels"))
        elif isinstance(value, _Constant):
            faults.append(Fault(path, f"{value} is not a JSON number"))
        elif (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
            faults.append(Fault(path, "the number is too large"))
        elif isinstance(value, str) and _is_broken(value):
            faults.append(Fault(path, "half of a surrogate pair, which is no character"))
        elif isinstance(value, list):
            todo += [(below(path, index), depth + 1, item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, _Object):
            faults += [Fault(below(path, key), "the key is there twice") for key in value.twice]
            faults += [Fault(below(path, key), "the key holds half of a surrogate pair") for key in value if _is_broken(key)]
            todo += [(below(path, key), depth + 1, item) for key, item in reversed(value.items())]
    return faults


def _is_broken(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def merged(trees: list[tuple[str, Tree]]) -> Source:
    """One tree out of several (name, tree); the same entry in two of them is a fault."""
    first, whole = trees[0][0], dict(trees[0][1])
    origins = {(section, key): first for section in SECTIONS if isinstance(whole.get(section), dict) for key in whole[section]}
    faults: list[Fault] = []
    for file, tree in trees[1:]:
        for key, value in tree.items():
            if key in SECTIONS and isinstance(value, dict) and isinstance(whole.get(key, {}), dict):
                whole[key] = dict(whole.get(key, {}))
                faults += _add(whole[key], origins, key, value, file)
            elif key not in whole:
                whole[key] = value
            elif key in SECTIONS:
                faults.append(Fault(below("$", key), "expected an object", file))
            elif key in _SAME_IN_ALL and value != whole[key]:
                faults.append(Fault(below("$", key), f"{shown(value)} here, {shown(whole[key])} in {first}", file))
    if faults:
        raise Faulty(faults)
    return Source(whole, origins, first)


def _add(section: Tree, origins: dict[tuple[str, str], str], name: str, entries: Tree, file: str) -> list[Fault]:
    faults = []
    for key, entry in entries.items():
        if key in section and not (name == "ticket_states" and section[key] == entry):
            faults.append(Fault(below(below("$", name), key), f"also in {origins[(name, key)]}", file))
        else:
            section[key] = entry
            origins.setdefault((name, key), file)
    return faults
