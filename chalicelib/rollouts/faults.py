"""What is wrong with a bootstrap file, and where."""

import json
import re
from typing import Any

from msgspec import Struct

MAX_QUOTE_LENGTH = 80
_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class DocumentFault(Struct, frozen=True):
    """`path` is a JSON path (`$.events.spring-fest.date`); `message` says what is wrong there and what is allowed."""

    path: str
    message: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message}" if self.file else f"{self.path}: {self.message}"


class DocumentWarning(Struct, frozen=True):
    """What is allowed but probably a mistake; `code` and `figures` say it in other languages, `name` is the entry's."""

    fault: DocumentFault
    code: str
    name: str
    figures: dict[str, int]

    def __str__(self) -> str:
        return str(self.fault)


class InvalidDocument(Exception):
    """The files cannot be used; `faults` lists everything that is wrong with them."""

    def __init__(self, faults: list[DocumentFault]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} faults")


def member_path(path: str, key: str | int) -> str:
    """The JSON path of a member of `path`: `.key`, or `['an odd key']`, or `[3]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if _SIMPLE_KEY.fullmatch(key) else f"{path}[{_shortened(ascii(key))}]"


def quoted(value: Any) -> str:
    """A value as the file has it, for a message: JSON in printable ASCII, at most 80 characters."""
    return _shortened(json.dumps(value).replace("\x7f", "\\u007f"))


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_QUOTE_LENGTH else text[: MAX_QUOTE_LENGTH - 3] + "..."
