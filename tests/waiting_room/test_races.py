"""The opening by many instances at once, and joins on many threads."""

from collections import Counter
from threading import Barrier

import pytest

from chalicelib.waiting_room import room_cache, store
from tests import builders
from tests.simulation.threads import run_in_threads
from tests.waiting_room.test_line import OPENS, join, make_drop, status

pytestmark = pytest.mark.usefixtures("threaded_store")


def load_as_another_instance(event_id, now, barrier):
    """What an instance with empty memory does; its own load, not this process's cache."""
    from chalicelib.catalog import service as catalog

    event = catalog.load_current().events[event_id]
    barrier.wait()
    return room_cache._load(event, now)


def test_twenty_instances_freeze_one_n_and_one_key(api, time):
    from chalicelib import settings

    with settings.override(waiting_room_counters=3):
        for round_number in range(5):
            event_id, _ = make_drop(api, time, f"Drop {round_number}")
            run_in_threads(16, lambda number: join(api, event_id, f"u{number}"), range(40))  # noqa: B023
            time.advance(OPENS)
            barrier = Barrier(20)
            seen = run_in_threads(20, lambda _: load_as_another_instance(event_id, time.now, barrier).state, range(20))  # noqa: B023
            assert {(state.n, state.key, tuple(state.offsets), tuple(state.segments)) for state in seen} == {
                (40, seen[0].key, tuple(seen[0].offsets), tuple(seen[0].segments))
            }


def test_joins_during_the_opening_are_drawn_or_late_and_nobody_is_both(api, time):
    event_id, _ = make_drop(api, time, wave_size=1000)
    tokens = run_in_threads(16, lambda number: join(api, event_id, f"early-{number}"), range(60))

    def work(number):
        if number == 30:
            time.advance(OPENS)
        return join(api, event_id, f"u{number}")

    tokens += run_in_threads(16, work, range(120))
    room_cache.invalidate()
    positions = Counter(status(api, event_id, token)["position"] for token in tokens)
    assert positions == Counter(range(1, 181))


def test_one_user_on_many_devices_has_one_place(api, time):
    event_id, _ = make_drop(api, time)
    tokens = run_in_threads(16, lambda _: join(api, event_id, "ada"), range(48))
    assert len(set(tokens)) == 1
    assert len(set(run_in_threads(8, lambda number: join(api, event_id, f"u{number % 4}"), range(32)))) == 4


def test_two_admins_who_clear_at_once_make_rooms_in_order(api, time):
    event_id, _ = make_drop(api, time)
    join(api, event_id, "ada")
    path = f"/events/{event_id}/waiting-room/clear"
    replies = run_in_threads(4, lambda _: api.delete(path, token=builders.admin_token()), range(4))
    assert {reply.status for reply in replies} == {200}
    room, total = store.load(event_id)
    assert (room.number, total) == (5, 0)
