"""A memory is registered when it is made, and forgets with all others."""

from chalicelib.foundation import memory
from chalicelib.foundation.memory import Memory


def test_every_memory_is_registered_and_forgets_with_all_others():
    first, second = Memory(), Memory()
    first.entries["a"], second.entries["b"] = 1, 2
    assert {first, second} <= set(memory.list_memories())
    memory.forget_everything()
    assert (first.entries, second.entries) == ({}, {})
