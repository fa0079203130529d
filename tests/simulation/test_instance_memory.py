"""Instances in one process share no cached data, and no cached data of instances is left after the simulation."""

from threading import Thread

from chalicelib.dynamodb.cache import TtlCache
from chalicelib.foundation import memory
from chalicelib.foundation.memory import Memory
from tests.simulation.instance_memory import InstanceMemory, separate_memories


def test_instances_share_nothing_that_they_remember():
    hints, cache = Memory(), TtlCache(lambda: 10)
    hints.entries["shard"] = "of the process"
    with separate_memories():
        assert hints.entries == {}
        ada, bob = InstanceMemory(), InstanceMemory()
        with ada.active():
            hints.entries["shard"] = "ada's"
            assert cache.get(100, None, lambda: "ada's") == "ada's"
        with bob.active():
            assert hints.entries == {}
            assert cache.get(100, None, lambda: "bob's") == "bob's"
            memory.forget_everything()
        with ada.active():
            assert hints.entries == {"shard": "ada's"}
            assert cache.get(100, None, lambda: "new") == "ada's"
    assert hints.entries == {"shard": "of the process"}
    assert cache.entries == {}


def test_each_thread_is_an_instance_of_its_own_and_waits_for_no_other():
    cache, values = TtlCache(lambda: 10), []

    def run(name):
        with InstanceMemory().active(), cache.lock:
            values.append(name)

    with separate_memories(), InstanceMemory().active(), cache.lock:
        thread = Thread(target=run, args=["other"])
        thread.start()
        thread.join(60)
    assert values == ["other"]
