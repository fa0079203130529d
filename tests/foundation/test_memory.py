"""A memory is registered when it is made, and forgets with all others."""

import subprocess
import sys

from chalicelib.foundation import memory
from chalicelib.foundation.memory import Memory
from tests.repository import ROOT

# Threads decode many types, each for the first time and at once.
FIRST_USES = """
import sys, threading
import msgspec
from chalicelib.foundation import memory

sys.setswitchinterval(1e-6)
for number in range(150):
    inner = msgspec.defstruct(f"Inner{number}", [(f"field_{at}", int, 0) for at in range(30)])
    outer = msgspec.defstruct(f"Outer{number}", [(f"field_{at}", int | None, None) for at in range(60)] + [("inner", list[inner], [])])
    sent = {f"field_{at}": at for at in range(60)} | {"inner": [{f"field_{at}": at for at in range(30)}]}
    barrier = threading.Barrier(6)

    def use(at):
        barrier.wait()
        if at % 2:
            memory.convert(sent, outer)
        else:
            memory.decoder(outer).decode(msgspec.json.encode(sent))

    threads = [threading.Thread(target=use, args=[at]) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_the_first_uses_of_a_type_on_several_threads_do_not_end_the_process():
    """msgspec.json.decode and msgspec.convert end it with a segmentation fault."""
    run = subprocess.run([sys.executable, "-c", FIRST_USES], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_every_memory_is_registered_and_forgets_with_all_others():
    first, second = Memory(), Memory()
    first.entries["a"], second.entries["b"] = 1, 2
    assert {first, second} <= set(memory.list_memories())
    memory.forget_everything()
    assert (first.entries, second.entries) == ({}, {})


def test_a_full_memory_forgets_the_entry_that_was_added_first():
    few: Memory[str, int] = Memory(max_entries=3)
    for number, key in enumerate("abcad"):
        few.entries[key] = number
    assert few.entries == {"b": 1, "c": 2, "d": 4}
    assert few.entries.setdefault("e", 5) == 5
    assert few.entries.setdefault("e", 6) == 5
    assert few.entries == {"c": 2, "d": 4, "e": 5}
