"""What is wrong with a file, and where."""

import re
from typing import Any

from msgspec import Struct

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class Fault(Struct, frozen=True):
    """`path` is a JSON path (`$.events.spring-fest.date`), `message` says what is wrong there."""

    path: str
    message: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.message}" if self.file else f"{self.path}: {self.message}"


class Faulty(Exception):
    """The files can't be used; `faults` are all of them."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} faults")


def below(path: str, key: str | int) -> str:
    """The path of a member: `.key`, or `['an odd key']`, or `[3]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _PLAIN.fullmatch(key):
        return f"{path}.{key}"
    return f"{path}[{shown(key)}]"


def shown(value: Any) -> str:
    """A value in a message: quoted and not too long, in ASCII, whatever it holds."""
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."
