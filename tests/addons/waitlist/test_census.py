"""The census of a line: positions that are never too optimistic and at most slightly too pessimistic, at a cost that does not grow with the
line."""

import random
import zlib

import msgspec
import pytest

from chalicelib.addons.waitlist import store
from chalicelib.addons.waitlist.model import Census, Entry, Position
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids
from chalicelib.foundation.memory import forget_everything
from tests import builders, invariants
from tests.addons.waitlist import lines
from tests.simulation.call_log import record_calls


def entry(number: int, *tier_ids: str, quantity: int = 1) -> Entry:
    fields = {"tier_ids": list(tier_ids or ("a",)), "joined_at": 0, "ttl": 0, "people_to": number + 1, "tickets_to": number + 1}
    return Entry(id=f"e.{number:026}", user_id=f"u{number}", event_id="e", quantity=quantity, **fields)


def test_positions_are_exact_near_the_front_and_at_most_a_tenth_too_large_behind():
    census = Census(full_at=0)
    for number in range(3000):
        census.add(entry(number))
    told = [census.position(entry(number)).people_before for number in range(3000)]
    assert told[:20] == list(range(20))
    assert all(number <= people <= 1.12 * number + 1 for number, people in enumerate(told))


def test_a_position_counts_only_people_who_wait_for_the_same_tiers():
    census = Census(full_at=0)
    for number, tier_ids in enumerate((("a",), ("b",), ("b", "a"), ("c",))):
        census.add(entry(number, *tier_ids, quantity=2))
    assert census.position(entry(2, "b", "a", quantity=2)) == Position(2, 4)
    assert census.position(entry(3, "c", quantity=2)) == Position(0, 0)
    assert census.tiers == {"a": (2, 4), "b": (2, 4), "c": (1, 2)}


def test_people_who_have_just_joined_follow_the_people_who_were_counted():
    census = Census(full_at=0)
    for number in range(1000):
        if number % 2:  # the others have left
            census.add(entry(number))
    assert census.position(entry(1004)) == Position(504, 504)
    assert census.position(msgspec.structs.replace(entry(1004), people_to=None)) is None


@pytest.mark.slow
def test_the_census_of_a_long_line_with_many_wishes_is_read_with_one_unit():
    chance, census = random.Random(1), Census(full_at=0)
    wishes = [[f"01KT1GW6G0XSG2SDXMVCW{number:05}"] for number in range(10)]
    for number in range(100_000):
        wish = chance.choice(wishes) if number % 2 else chance.choice(wishes) + chance.choice(wishes)
        census.add(msgspec.structs.replace(entry(number, *wish), id=f"01KT1GW6G0XSG2SDXMVCWTXSMG.{ids.new_id()}"))
    assert len(zlib.compress(msgspec.json.encode(census))) < 8192


@pytest.fixture
def long_line(api, time):
    """A sold-out event with 1,500 people on the waitlist, counted once. Returns the ids of the event and the tier."""
    event_id, tier_id, _ = lines.sold_out_shop(api, time)
    assert lines.join(api, "first", event_id).status == 201
    fields = {"event_id": event_id, "tier_ids": [tier_id], "quantity": 1, "joined_at": time.now, "ttl": time.now + 10**7, "parts": 4}
    entries = [Entry(id=f"{event_id}.{ids.new_id()}", user_id=f"w{number}", **fields) for number in range(1500)]
    dynamo.batch_put(row for one in entries for row in (store._entry_row(one), store._place_row(one)))
    lines.run_allocator()
    time.advance(60)
    return event_id, tier_id


def waitlist_reads(work):
    forget_everything()
    work()  # fills the caches of other tables
    store._censuses.forget()
    with record_calls(measured=True) as calls:
        reply = work()
    assert reply.status in (200, 201), reply.json
    return reply, sum(entry.read_units for entry in calls.entries if "waitlist" in entry.tables)


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_look_at_ones_place_takes_two_read_units(api, time, long_line):
    event_id, _ = long_line
    assert lines.join(api, "last", event_id).json["position"] == 1502
    reply, units = waitlist_reads(lambda: api.get("/waitlist", user="last"))
    assert reply.json["entries"][0]["people_before"] == 1501
    assert units <= 2
    reply, units = waitlist_reads(lambda: api.get("/waitlist", user="w700"))
    assert 701 <= reply.json["entries"][0]["people_before"] <= 780


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_manager_reads_a_page_and_not_the_line(api, long_line):
    event_id, tier_id = long_line
    reply, units = waitlist_reads(lambda: api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()))
    assert (reply.json["waiting"], reply.json["tiers"]) == (1501, [{"tier_id": tier_id, "people": 1501, "tickets": 1501}])
    assert units < 40
    seen, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/events/{event_id}/waitlist?limit=100{cursor and f'&cursor={cursor}'}", token=builders.admin_token()).json
        seen += [row["user_id"] for row in page["entries"]]
        cursor = page["next_cursor"]
    assert seen == ["first", *(f"w{number}" for number in range(1500))]


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_run_without_tickets_reads_only_the_end_of_a_line_that_was_just_counted(api, time, long_line, monkeypatch):
    event_id, _ = long_line
    lines.run_allocator()
    lines.join(api, "last", event_id)
    with record_calls(measured=True) as calls:
        lines.run_allocator()
    assert sum(entry.read_units for entry in calls.entries if "waitlist" in entry.tables) < 30
    assert store.find_census(event_id).people == 1502


def test_entries_of_the_previous_version_keep_their_places(api, time):
    """Their line has two parts and no census, and their entries have no numbers."""
    event_id, tier_id, orders = lines.sold_out_shop(api, time)
    store.WaitlistRow(store._LINES, event_id).save()
    for user in ("old-0", "old-1", "old-2"):
        fields = {"tier_ids": [tier_id], "quantity": 1, "joined_at": time.now, "ttl": time.now + 10**7}
        store.create_entry(Entry(id=f"{event_id}.{ids.new_id()}", user_id=user, event_id=event_id, **fields), None)
    assert lines.own(api, "old-1")[0]["position"] is None
    assert lines.join(api, "early", event_id).json["position"] is None, "nobody has counted the others yet"
    api.delete(f"/waitlist/{lines.own(api, 'early')[0]['id']}", user="early")
    forget_everything()
    lines.run_allocator()
    assert [lines.own(api, user)[0]["position"] for user in ("old-0", "old-1", "old-2")] == [1, 2, 3]
    assert lines.join(api, "new", event_id).json["position"] == 4
    [_, _, third, _] = api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json["entries"]
    lines.give_back(api, orders[0])
    assert api.post(f"/waitlist/{third['id']}/notify", token=builders.admin_token()).status == 200
    assert api.delete(f"/waitlist/{lines.own(api, 'old-0')[0]['id']}", user="old-0").json["status"] == "left"
    lines.give_back(api, orders[1])
    assert lines.run_allocator()["offered"] == 1
    assert lines.own(api, "old-1")[0]["status"] == "offered"
    invariants.check(time.now)


def test_people_who_have_left_are_not_ahead_of_people_who_join(api, time):
    event_id, _, _ = lines.sold_out_shop(api, time)
    for number in range(5):
        entry_id = lines.join(api, f"w{number}", event_id).json["id"]
        assert api.delete(f"/waitlist/{entry_id}", user=f"w{number}").json["status"] == "left"
    lines.run_allocator()
    time.advance(60)
    assert lines.join(api, "next", event_id).json["people_before"] == 0
