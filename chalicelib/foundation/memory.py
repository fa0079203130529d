"""What an instance remembers from one request to the next: every cache and every hint is a `Memory` and so is known here.

An instance that is new, or has forgotten everything, works as well as any other, only slower: nothing here is the only copy.
"""

from collections.abc import Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """What this instance remembers of one matter: `entries`, by key. For the life of the process: it is registered when it is made.

    `lock` is for the threads of the local runtime, so that one of them loads an entry and the others wait for it.
    """

    def __init__(self) -> None:
        self.entries: dict[K, V] = {}
        self.lock = Lock()
        _memories.append(self)

    def forget(self) -> None:
        self.entries = {}


_memories: list[Memory[Any, Any]] = []


def list_memories() -> list[Memory[Any, Any]]:
    """All that this process has made, in order."""
    return _memories


def forget_everything() -> None:
    """Make this process a new instance."""
    for memory in list_memories():
        memory.forget()
