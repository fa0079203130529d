"""Read bootstrap files into one JSON tree. Strict: anything that other JSON parsers would guess, drop or change is a fault."""

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

from chalicelib.bootstrap_file.findings import DocumentFault, InvalidDocument, member_path, quoted
from chalicelib.bootstrap_file.validation import SECTIONS, MergedFiles, Tree

SHIPPED_FILE = Path(__file__).parent / "bootstrap-tickets.json"
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 20
MAX_INTEGER = 2**63 - 1

# All files must agree on these keys. For other keys outside the sections, the first file wins.
_SAME_IN_ALL_FILES = ("environment",)
_HALF_SURROGATE = "half of a surrogate pair, which is not a character"


def default_files() -> list[Path]:
    """Return the files in BOOTSTRAP_FILE_PATH, which separates them like PATH, or the one in this folder.

    The commands and `make run` use them by default.
    """
    names = (os.environ.get("BOOTSTRAP_FILE_PATH") or "").split(os.pathsep)
    return [Path(name) for name in names if name] or [SHIPPED_FILE]


def load_files(paths: list[Path]) -> MergedFiles:
    """Read and merge the files. Raises InvalidDocument with the faults of all files."""
    trees: list[tuple[str, Tree]] = []
    faults: list[DocumentFault] = []
    for path in paths:
        try:
            trees.append((str(path), read_file(path)))
        except InvalidDocument as error:
            faults += error.faults
    if faults:
        raise InvalidDocument(faults)
    return merge(trees)


def read_file(path: Path) -> Tree:
    """Read one file. Raises InvalidDocument."""
    name = str(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidDocument(
                [DocumentFault("$", f"the file has {size:,} bytes, more than the {MAX_BYTES:,} allowed; split it into several files", name)]
            )
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidDocument(
            [DocumentFault("$", f"the file cannot be read ({error.strerror or error}); check its path and its permissions", name)]
        ) from None
    try:
        return parse_json(raw)
    except InvalidDocument as error:
        raise InvalidDocument([DocumentFault(fault.path, fault.message, name) for fault in error.faults]) from None


def parse_json(raw: bytes) -> Tree:
    """Parse the content of a file. Raises InvalidDocument."""
    try:
        tree = json.loads(_text(raw), object_pairs_hook=_Object, parse_constant=_Constant)
    except json.JSONDecodeError as error:
        raise InvalidDocument(
            [DocumentFault("$", f"the text is not JSON, or it is cut off: {error.msg} at line {error.lineno}, column {error.colno}")]
        ) from None
    except RecursionError:
        raise InvalidDocument([DocumentFault("$", f"nested deeper than the {MAX_DEPTH} levels allowed")]) from None
    except ValueError:  # Python refuses to convert numbers of thousands of digits
        raise InvalidDocument([DocumentFault("$", f"a number has too many digits; the largest allowed is {MAX_INTEGER:,}")]) from None
    faults = _strictness_faults(tree)
    if not isinstance(tree, dict):
        faults.append(DocumentFault("$", f"must be a JSON object, not {quoted(tree)}"))
    if faults:
        raise InvalidDocument(faults)
    return dict(tree)


class _Object(dict[str, Any]):
    """A JSON object that remembers its repeated keys. The parser's hook does not know the path, so they are reported later."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated_keys: list[str] = []
        if len(pairs) != len(self):
            self.repeated_keys = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]


class _Constant(str):
    """NaN, Infinity or -Infinity, which are not JSON."""


def _text(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise InvalidDocument([DocumentFault("$", "the file starts with a byte order mark; save it as UTF-8 without one")])
    if not raw.strip():
        raise InvalidDocument([DocumentFault("$", "the file is empty; it must hold a JSON object")])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocument(
            [DocumentFault("$", f"the file is not UTF-8 (byte {error.start} is 0x{raw[error.start]:02x}); save it as UTF-8")]
        ) from None
    if "\0" in text:
        raise InvalidDocument([DocumentFault("$", "the file contains NUL characters, so it is probably UTF-16; save it as UTF-8")])
    return text


def _strictness_faults(tree: Any) -> list[DocumentFault]:
    """Return the faults that json.loads accepts, with their paths. Uses a loop, because recursion could overflow the stack."""
    faults: list[DocumentFault] = []
    pending: list[tuple[str, int, Any]] = [("$", 0, tree)]
    while pending:
        path, depth, value = pending.pop()
        if depth > MAX_DEPTH:
            faults.append(DocumentFault(path, f"nested deeper than the {MAX_DEPTH} levels allowed"))
        elif isinstance(value, _Constant):
            faults.append(DocumentFault(path, f"{value} is not a JSON number; use a number or null"))
        elif (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
            faults.append(DocumentFault(path, f"the number is too large; the largest allowed is {MAX_INTEGER:,}"))
        elif isinstance(value, str) and _has_half_surrogate(value):
            faults.append(DocumentFault(path, f"{_HALF_SURROGATE}; replace it"))
        elif isinstance(value, list):
            pending += [(member_path(path, index), depth + 1, item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, _Object):
            broken_keys = [key for key in value if _has_half_surrogate(key)]
            faults += [DocumentFault(member_path(path, key), "this key appears twice; keep one of them") for key in value.repeated_keys]
            faults += [DocumentFault(member_path(path, key), f"the key has {_HALF_SURROGATE}; rename it") for key in broken_keys]
            pending += [(member_path(path, key), depth + 1, item) for key, item in reversed(value.items())]
    return faults


def _has_half_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def merge(trees: list[tuple[str, Tree]]) -> MergedFiles:
    """Merge several (file, tree) pairs. Raises InvalidDocument if two files have the same entry or contradict each other."""
    first, whole = trees[0][0], dict(trees[0][1])
    origins = {(section, key): first for section in SECTIONS if isinstance(whole.get(section), dict) for key in whole[section]}
    faults: list[DocumentFault] = []
    for file, tree in trees[1:]:
        for key, value in tree.items():
            if key in SECTIONS and isinstance(value, dict) and isinstance(whole.get(key, {}), dict):
                whole[key] = dict(whole.get(key, {}))
                faults += _add_entries(whole[key], origins, key, value, file)
            elif key not in whole:
                whole[key] = value
            elif key in SECTIONS:
                wrong, source = (whole[key], first) if isinstance(value, dict) else (value, file)
                faults.append(DocumentFault(member_path("$", key), f"must be a JSON object, not {quoted(wrong)}", source))
            elif key in _SAME_IN_ALL_FILES and value != whole[key]:
                message = f"is {quoted(value)} here but {quoted(whole[key])} in {first}; use the same value in all files"
                faults.append(DocumentFault(member_path("$", key), message, file))
    if faults:
        raise InvalidDocument(faults)
    return MergedFiles(whole, origins, first)


def _add_entries(section: Tree, origins: dict[tuple[str, str], str], name: str, entries: Tree, file: str) -> list[DocumentFault]:
    faults = []
    for key, entry in entries.items():
        if key in section and not (name == "ticket_states" and section[key] == entry):
            path = member_path(member_path("$", name), key)
            faults.append(DocumentFault(path, f"is also in {origins[(name, key)]}; keep it in one file", file))
        else:
            section[key] = entry
            origins.setdefault((name, key), file)
    return faults
