"""Instances that load one room, each with its own snapshot of the catalog, its own copy of the room and its own stock figures."""

from tests.simulation.instance_memory import InstanceMemory


class Instance:
    """An instance that has just started. It remembers things of its own inside `separate_memories`."""

    def __init__(self, api, event_id):
        self._api, self._event_id = api, event_id
        self._memory = InstanceMemory()
        self.active = self._memory.active

    def poll(self):
        """The public state of the room, as this instance answers it."""
        with self.active():
            reply = self._api.get(f"/events/{self._event_id}/waiting-room/state")
        assert reply.status == 200, reply.json
        return reply.json


def start_instances(api, time, event_id, count, every=1):
    """Start instances that have read the catalog at different times: one after another, `every` seconds apart."""
    instances = []
    for _ in range(count):
        instances.append(Instance(api, event_id))
        instances[-1].poll()
        time.advance(every)
    return instances
