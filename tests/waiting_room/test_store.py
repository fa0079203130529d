"""Writes that lose a race raise an exception and change nothing."""

import pytest
from msgspec.structs import replace

from chalicelib.waiting_room import store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import Arrival

TTL = 2_000_000_000


@pytest.fixture
def room(request):
    """A new room with one counter."""
    request.getfixturevalue("store")
    store.commit(store.create_room_item("drop", 1, 7))
    return store.load_room_and_arrivals("drop")[0]


def arrival(number):
    return Arrival("drop", 1, "ada", 0, number, 1_000, 2_000)


def test_a_room_is_created_once(room):
    with pytest.raises(store.RoomConflict):
        store.commit(store.create_room_item("drop", 1, 7))
    assert store.load_room_and_arrivals("drop")[0] == room


def test_the_plan_of_a_room_that_has_changed_is_not_replaced(room):
    store.commit(store.replace_plan_item(room, []))
    with pytest.raises(store.RoomConflict):
        store.commit(store.replace_plan_item(room, []))


def test_a_plan_for_a_room_that_has_changed_is_not_saved(room):
    plan = [Segment(1_000, 0, 3, 30)]
    decided = replace(room, segments=plan, revision=8, sized_wave=1_030)
    store.save_plan(room, decided)
    with pytest.raises(store.RoomConflict):
        store.save_plan(room, replace(room, revision=9))
    assert store.load_room_and_arrivals("drop")[0] == replace(decided, version=room.version + 1)


def test_one_instance_at_a_time_holds_the_lease_of_the_opening(room):
    assert store.take_opening_lease(room, 1_000, 1_003)
    assert not store.take_opening_lease(room, 1_002, 1_005)
    assert store.take_opening_lease(room, 1_003, 1_006)
    store.record_draw(store.load_room_and_arrivals("drop")[0], 0, [0], [], 7)
    assert not store.take_opening_lease(room, 1_010, 1_013)


def test_a_closed_counter_gives_out_no_number(room):
    assert [store.take_arrival_number(room, 0) for _ in range(2)] == [1, 2]
    assert store.close_counter(room, 0) == 2
    with pytest.raises(store.CounterClosed):
        store.take_arrival_number(room, 0)
    assert store.close_counter(room, 0) == 2


def test_the_draw_is_recorded_once(room):
    store.record_draw(room, 2, [0], [], 7)
    with pytest.raises(store.RoomConflict):
        store.record_draw(room, 3, [0], [], 7)
    assert store.load_room_and_arrivals("drop")[0].n == 2


def test_an_entry_is_replaced_only_if_it_is_the_one_that_was_read(room):
    store.put_entry(arrival(1), None, TTL)
    store.put_entry(arrival(1), None, TTL)  # the retry of a write whose answer was lost
    with pytest.raises(store.EntryConflict):
        store.put_entry(arrival(2), None, TTL)
    store.put_entry(arrival(2), arrival(1), TTL)
    with pytest.raises(store.EntryConflict):
        store.put_entry(arrival(3), arrival(1), TTL)
    assert store.find_entry(room, "ada") == arrival(2)


def test_an_arrival_that_dynamodb_has_deleted_meanwhile_is_not_replaced(room):
    with pytest.raises(store.EntryConflict):
        store.put_entry(arrival(2), arrival(1), TTL)
