"""`python -m bench.entries`: the list of a million entries, from the closing of the draw to its root and the proofs of single entries.

The people have joined. From the closing on, INSTANCES instances load the room once a second, because people look at it, and build the list
on a virtual clock, against DynamoDB's limits for a partition key. Takes eight minutes of processor time.
"""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from bench.app_in_process import app_in_process
from bench.measure import Bound, Measure, print_bounds
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, parallel, settings
from chalicelib.waiting_room import entries, entry_list, store, tokens
from chalicelib.waiting_room.entries import Entry, EntryProof
from chalicelib.waiting_room.model import Arrival
from chalicelib.waiting_room.store import Room
from tests import builders
from tests.client import Client
from tests.simulation.instances import Result, simulated_fleet
from tests.simulation.limits import Limits, SimulationReport
from tests.simulation.scheduler import current_actor

START = 1_780_315_200  # 2026-06-01T12:00:00Z
PEOPLE, INSTANCES, COUNTERS = 1_000_000, 100, 8
CLOSING_SECONDS = 90
ENTRY_SECONDS = 60e-6  # processor time to read, sort and hash an entry; `make bench` measures 40 µs
MEASURED = 20_000
PROOFS = 200  # this many are checked
WRITTEN_AT_ONCE = 10_000


def join(api: Client, people: int, **room_settings: Any) -> str:
    """Create an event whose draw closes at START, with a waiting room that people have joined. Returns the id of the event."""
    with clock.override(lambda: float(START - 3600)), settings.override(waiting_room_counters=COUNTERS):
        opening = clock.iso(START + CLOSING_SECONDS)
        event_id = builders.create_event(api, on_sale_at=opening, status="scheduled", waiting_room={"wave_size": 100, **room_settings})
        assert api.get(f"/events/{event_id}/waiting-room/state").json["closes_at"] == START
    room = store.find_room(event_id)
    assert room is not None
    rows = (_entry_row(room, number) for number in range(people))
    while portion := list(itertools.islice(rows, WRITTEN_AT_ONCE)):
        dynamo.batch_put(portion)
    counts = [len(range(counter, people, COUNTERS)) for counter in range(COUNTERS)]
    dynamo.batch_put(store.WaitingRoomRow(store._counter_id(room, counter), arrivals=count) for counter, count in enumerate(counts))
    return event_id


def arrival(room: Room, number: int) -> Arrival:
    """Return the arrival of a person, the user `user-<number>`."""
    key = tokens.user_key(f"user-{number}")
    return Arrival(room.event_id, room.number, key, number % COUNTERS, number // COUNTERS + 1, START - 1800, START + 10**7)


def _entry_row(room: Room, number: int) -> store.WaitingRoomRow:
    """Return the row that a join writes."""
    return store.entry_row(arrival(room, number), START + 10**7, _entry(room, number))


def _entry(room: Room, number: int) -> Entry:
    return entry_list.entry_of(room, arrival(room, number))


def publish(api: Client, event_id: str) -> tuple[SimulationReport, float]:
    """Close the draw and let the instances build the list. Returns the load, and the seconds from the closing to the root."""
    published: list[float] = []
    list_entries = store.list_entries

    def timed(room: Room, lane: int) -> Iterator[Entry]:
        listed = list(list_entries(room, lane))
        actor = current_actor()
        assert actor is not None
        actor.pause("builds a lane", actor.wake + len(listed) * ENTRY_SECONDS)
        return iter(listed)

    with (
        mock.patch.object(store, "list_entries", timed),
        simulated_fleet(INSTANCES, start=START, limits=Limits()) as (timeline, fleet, service),
    ):

        def receive(result: Result) -> None:
            if result.value.json["root"] is not None and not published:
                published.append(timeline.now)

        def look() -> None:
            if not published and timeline.now < CLOSING_SECONDS:
                fleet.submit(lambda: api.get(f"/events/{event_id}/waiting-room/state"), receive)
                timeline.at(timeline.now + 1 / INSTANCES, look)

        timeline.at(0, look)
        timeline.run()
        service.report.elapsed = timeline.now
    return service.report, published[0]


def largest_proof(api: Client, event_id: str, people: int) -> int:
    """Check the proofs of some entries. Returns the bytes of the largest."""
    room, sizes = store.find_room(event_id), list[int]()
    assert room is not None
    assert room.root is not None
    assert room.drawn_counts is not None
    for number in random.sample(range(people), min(people, PROOFS)):
        entry = _entry(room, number)
        reply = api.get(f"/events/{event_id}/waiting-room/entries/{entry.digest.hex()}")
        found: dict[str, Any] = reply.json
        proof = EntryProof(found["index"], found["page_size"], [bytes.fromhex(beside) for beside in found["path"]])
        assert (found["counter"], found["number"]) == entry[1:3]
        assert entries.is_proven(entry, proof, *room.drawn_counts, room.root)
        sizes.append(len(reply.body))
    return max(sizes)


def take_bounds(people: int = PEOPLE) -> Iterator[Bound]:
    # Threads would not be simulated, so parallel calls are made one after the other.
    with app_in_process(draw_closing_seconds=CLOSING_SECONDS) as api, mock.patch.object(parallel, "FEW", 10_000):
        event_id = join(api, people)
        report, seconds = publish(api, event_id)
        print(f"{people:,} entries: {report.calls:,} calls, {report.total_units()};", end=" ")
        print(f"throttled {dict(report.throttles)}, conflicts {dict(report.conflicts)}")
        yield Bound(f"root of {people:,} entries after the closing", seconds, "s", 60)
        yield Bound(f"root of {people:,} entries: throttled", report.throttles.total(), "calls", 0)
        with clock.override(lambda: float(START + seconds + 2)):
            yield Bound(f"largest proof of an entry in a list of {people:,}", largest_proof(api, event_id, people), "bytes", 2048)


def take_measures(scratch: Path) -> Iterator[Measure]:  # noqa: ARG001
    """Measure the processor time of each entry, on one instance that builds all lanes of a small list."""
    with app_in_process(draw_closing_seconds=CLOSING_SECONDS) as api, clock.override(lambda: float(START + 1)):
        event_id = join(api, MEASURED)
        with mock.patch.object(entry_list, "_ENTRIES_AT_ONCE", MEASURED):
            began = time.process_time()
            root = api.get(f"/events/{event_id}/waiting-room/state").json["root"]
            seconds = time.process_time() - began
        assert root is not None
    yield Measure("an entry of the list of a draw", 1e6 * seconds / MEASURED, "µs", note=f"processor time, of {MEASURED:,} entries")


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
