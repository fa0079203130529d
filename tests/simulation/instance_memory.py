"""Separate memories for several instances in one process: while `separate_memories` runs, instances share no cached data."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any
from unittest import mock

from chalicelib.foundation.memory import Memory


class InstanceMemory:
    """The cached data of one instance: the entries and the lock of each Memory, initially empty."""

    def __init__(self) -> None:
        self.entries: dict[Memory[Any, Any], dict[Any, Any]] = {}
        self.locks: dict[Memory[Any, Any], Any] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let this thread act as this instance while the block runs."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[InstanceMemory] = ContextVar("instance")


@contextmanager
def separate_memories() -> Iterator[None]:
    """Give each instance its own entries and locks in every Memory while the block runs. Threads outside an instance share the test's."""
    of_test = InstanceMemory()

    def get_entries(memory: Memory[Any, Any]) -> dict[Any, Any]:
        return _current.get(of_test).entries.setdefault(memory, {})

    def set_entries(memory: Memory[Any, Any], entries: dict[Any, Any]) -> None:
        _current.get(of_test).entries[memory] = entries

    def get_lock(memory: Memory[Any, Any]) -> Any:
        locks = _current.get(of_test).locks
        return locks.get(memory) or locks.setdefault(memory, Lock())

    entries, lock = property(get_entries, set_entries), property(get_lock, lambda memory, lock: None)
    # A property of the class takes precedence over the attributes of its objects. The attributes are visible again after the block.
    with mock.patch.object(Memory, "entries", entries, create=True), mock.patch.object(Memory, "lock", lock, create=True):
        yield
