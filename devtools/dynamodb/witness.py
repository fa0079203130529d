"""What the journal must contain at least, kept beside it: so a journal that has lost its end is noticed.

SQLite takes a damaged or missing end of its log for a crash in the middle of a write, and goes on without it. After each commit,
before anybody is answered, the number of the last entry and the digest of the journal up to it are written here: into mapped
memory, which outlives the process and costs a microsecond. Two slots take turns, so that a write that is cut off spoils neither
the one before nor the verdict. The disk gets the page after the journal at any rate, so after a power cut the witness is never
ahead of it.
"""

import mmap
import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self

from devtools.dynamodb.errors import StoreDamaged

_SLOT_BYTES = 64
_BODY = struct.Struct("<q16s")  # number of the last entry, digest of the journal up to it
_CHECK_BYTES = 8


class Seen(NamedTuple):
    number: int
    digest: bytes


class Witness:
    def __init__(self, file: Path) -> None:
        descriptor = os.open(file, os.O_RDWR)
        try:
            self._memory = mmap.mmap(descriptor, 2 * _SLOT_BYTES)
        finally:
            os.close(descriptor)
        self._turn = 0

    @classmethod
    def create(cls, file: Path, seen: Seen) -> Self:
        part = file.with_suffix(".new")
        part.write_bytes(_slot(seen) * 2)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
        return cls(file)

    def say(self, seen: Seen) -> None:
        start = self._turn * _SLOT_BYTES
        self._memory[start : start + _SLOT_BYTES] = _slot(seen)
        self._turn = 1 - self._turn

    def close(self) -> None:
        self._memory.flush()
        self._memory.close()


def last_seen(file: Path) -> Seen:
    content = file.read_bytes() if file.exists() else b""
    slots = [content[start : start + _SLOT_BYTES] for start in (0, _SLOT_BYTES)]
    whole = [Seen(*_BODY.unpack_from(slot)) for slot in slots if len(slot) == _SLOT_BYTES and slot == _slot(Seen(*_BODY.unpack_from(slot)))]
    if len(content) != 2 * _SLOT_BYTES or not whole:
        raise StoreDamaged(f"{file} is damaged or missing, so nothing says whether the journal beside it is complete.")
    return max(whole)


def _slot(seen: Seen) -> bytes:
    body = _BODY.pack(*seen)
    return (body + blake2b(body, digest_size=_CHECK_BYTES).digest()).ljust(_SLOT_BYTES, b"\0")
