"""What differs between instances that start from one snapshot."""

import random
import subprocess
import sys
from types import ModuleType

import pytest

from chalicelib.foundation import ids, memory


@pytest.fixture
def restored(monkeypatch):
    """Lambda's part of the runtime; the value are the functions that it calls in each restored instance."""
    runtime = ModuleType("snapshot_restore_py")
    functions = []
    runtime.register_after_restore = functions.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    return functions


def test_restored_instances_choose_differently(restored):
    memory.register_snapstart_renewal()
    [renew] = restored
    snapshot, chosen = random.getstate(), []
    for _ in range(2):
        random.setstate(snapshot)
        renew()
        chosen.append([random.randrange(1250) for _ in range(5)])
    random.setstate(snapshot)
    assert chosen[0] != chosen[1]


def test_without_the_hook_they_would_choose_alike_but_make_different_ids():
    snapshot, chosen, made = random.getstate(), [], set()
    for _ in range(2):
        random.setstate(snapshot)
        chosen.append([random.randrange(1250) for _ in range(5)])
        made |= {ids.new_id(), ids.nonce()}
    assert chosen[0] == chosen[1]
    assert len(made) == 4


def test_a_restored_instance_remembers_nothing(restored):
    known: memory.Memory[str, int] = memory.Memory()
    known.entries["event"] = 1
    memory.register_snapstart_renewal()
    restored[0]()
    assert known.entries == {}


def test_elsewhere_than_on_lambda_nothing_is_registered(monkeypatch):
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    memory.register_snapstart_renewal()


def test_the_app_registers_it():
    """In a process of its own, because the app registers it when it is imported."""
    script = (
        "import sys, types; runtime = types.ModuleType('snapshot_restore_py'); functions = []\n"
        "runtime.register_after_restore = functions.append; sys.modules['snapshot_restore_py'] = runtime\n"
        "import app; print([function.__qualname__ for function in functions])"
    )
    result = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['renew']"
