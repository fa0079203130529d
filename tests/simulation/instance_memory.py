"""Several instances in one process: while `separate_memories` runs, each remembers its own things, also on threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any
from unittest import mock

from chalicelib.foundation.memory import Memory


class InstanceMemory:
    """What one instance remembers: the attributes of each memory, at first empty."""

    def __init__(self) -> None:
        self.entries: dict[Memory[Any, Any], dict[Any, Any]] = {}
        self.locks: dict[Memory[Any, Any], Any] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """What this thread does in the block, it does as this instance."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[InstanceMemory] = ContextVar("instance")


@contextmanager
def separate_memories() -> Iterator[None]:
    """In the block, what a memory has depends on the instance that asks. A thread that is no instance shares those of the test."""
    of_test = InstanceMemory()

    def get_entries(memory: Memory[Any, Any]) -> dict[Any, Any]:
        return _current.get(of_test).entries.setdefault(memory, {})

    def set_entries(memory: Memory[Any, Any], entries: dict[Any, Any]) -> None:
        _current.get(of_test).entries[memory] = entries

    def get_lock(memory: Memory[Any, Any]) -> Any:
        locks = _current.get(of_test).locks
        return locks.get(memory) or locks.setdefault(memory, Lock())

    entries, lock = property(get_entries, set_entries), property(get_lock, lambda memory, lock: None)
    # A property of the class goes before the attributes of its objects, which are there again afterwards.
    with mock.patch.object(Memory, "entries", entries, create=True), mock.patch.object(Memory, "lock", lock, create=True):
        yield
