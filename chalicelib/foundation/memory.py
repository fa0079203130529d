"""Everything that an instance remembers from one request to the next. Every cache and every hint is a `Memory`, registered here.

No entry is the only copy of its data, so an instance that is new or has forgotten everything works correctly, only more slowly.
"""

import random
from collections.abc import Hashable
from contextlib import suppress
from threading import Lock
from typing import Any, Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class _Entries(dict[K, V]):
    """The entries of a memory. Once there are `max_entries`, a new entry replaces the one that was added first."""

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self._max_entries = max_entries

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._max_entries:
            self._drop_first()

    def setdefault(self, key: K, default: V) -> V:
        found = super().setdefault(key, default)
        if len(self) > self._max_entries:
            self._drop_first()
        return found

    def _drop_first(self) -> None:
        with suppress(KeyError, RuntimeError, StopIteration):  # another thread has changed the entries, and shortens them itself
            del self[next(iter(self))]


class Memory(Generic[K, V]):
    """One cache of this instance: `entries`, by key. It is registered when it is created, and lasts as long as the process.

    It has at most `max_entries`, so that an instance that lives for weeks does not grow with every event and visitor.

    `lock` is for the threads of the local runtime, so that one of them loads an entry and the others wait for it.
    """

    def __init__(self, *, max_entries: int = 10_000) -> None:
        self.max_entries = max_entries
        self.forget()
        self.lock = Lock()
        _memories.append(self)

    def forget(self) -> None:
        self.entries: dict[K, V] = _Entries(self.max_entries)


_memories: list[Memory[Any, Any]] = []


def list_memories() -> list[Memory[Any, Any]]:
    """Return all memories of this process, in order of creation."""
    return _memories


def forget_everything() -> None:
    """Forget all entries, as if this process were a new instance."""
    for memory in list_memories():
        memory.forget()


# Lambda SnapStart: many instances start from one snapshot of memory, so each instance renews what must differ or is too old.


def register_snapstart_renewal() -> None:
    """Ask Lambda to call `renew` in each instance that starts from a snapshot. Elsewhere this does nothing."""
    try:
        # Lambda's runtime has `snapshot_restore_py` from Python 3.12 on. Without SnapStart, the runtime never calls the function.
        from snapshot_restore_py import register_after_restore
    except ImportError:
        return
    register_after_restore(renew)


def renew() -> None:
    """Seed `random` again, and forget everything, because it is as old as the snapshot.

    Without a new seed, which Python sets at import, all instances would try the same shards in the same order and wait equally long. Ids
    and nonces come from the system's random numbers, which Lambda makes different in each instance.
    """
    random.seed()
    forget_everything()


# msgspec's information about the types that it decodes, which never changes. msgspec builds it in several steps when it first decodes a
# type. If another thread decodes the type between these steps, the process crashes (msgspec 0.22.0). So one thread at a time builds it.

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_decoders_lock = Lock()


def decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of a type. Use it instead of `msgspec.json.decode`."""
    found = _decoders.get(shape)
    if found is None:
        with _decoders_lock:
            found = _decoders.setdefault(shape, msgspec.json.Decoder(shape))
    return found


def convert(value: Any, shape: type[T], *, strict: bool = True, str_keys: bool = False) -> T:
    """Convert a value as `msgspec.convert` does. Use this for types that are or contain structs."""
    decoder(shape)
    return msgspec.convert(value, shape, strict=strict, str_keys=str_keys)
