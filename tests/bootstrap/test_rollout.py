"""Apply and rollback, as readers and buyers see them: what changes, what stays, what is audited."""

import json
from datetime import datetime
from types import SimpleNamespace

import pytest

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import plan, rollout
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.store import scan_shards
from chalicelib.tickets import service as tickets
from tests import builders
from tests.bootstrap.conftest import EXAMPLE, event, hold, sell, stock_of, ticket
from tests.checkin.test_web_admission import Device
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("time")


def test_the_example_can_be_bought_from(api, run):
    assert run("apply").code == 0
    types = {entry["id"]: entry for entry in api.get("/tickets/types").json["ticket_types"]}
    assert set(types) == {"boulder-fest-2026-full-pass", "boulder-fest-2026-early-bird", "weekender-2025-11-full"}
    assert types["boulder-fest-2026-full-pass"]["available_quantity"] == 155
    original = json.loads(EXAMPLE.read_text())["ticket_types"]["boulder-fest-2026-full-pass"]
    assert {key: types["boulder-fest-2026-full-pass"][key] for key in original} == original


def test_applying_the_same_file_again_changes_nothing(store, run, write, tree):
    path = write(tree)
    assert "applied as version 1" in run("apply", path).out
    again = run("apply", path)
    assert (again.code, again.out) == (0, "version 1 is already served; nothing to do\n")
    assert catalog.load_head_and_catalog()[0].version == 1


def test_entries_have_the_times_of_the_versions_that_introduced_and_changed_them(store, api, run, write, tree, time):
    first = clock.iso(time.now)
    run("apply", write(tree))
    time.advance(60)
    second = clock.iso(time.now)
    tree["ticket_types"]["fest-more"] = ticket("fest-more")
    tree["ticket_types"]["fest-pass"]["price_cents"] = 6000
    run("apply", write(tree))
    time.advance(60)
    catalog.invalidate()
    event_times, tier_times = shown_times(api)
    assert event_times == (first, first)
    assert tier_times == {"fest-pass": (first, second), "fest-more": (second, second)}
    assert "nothing to do" in run("apply", write(tree)).out


def test_entries_from_before_the_catalog_had_times_have_the_time_of_their_version(store, api, run, write, tree, time, monkeypatch):
    first = clock.iso(time.now)
    with monkeypatch.context() as earlier:
        earlier.setattr(plan, "_with_times", lambda entry, _now: entry)
        run("apply", write(tree))
    assert "nothing to do" in run("apply", write(tree)).out
    time.advance(60)
    second = clock.iso(time.now)
    assert shown_times(api) == ((first, first), {"fest-pass": (first, first)})
    tree["ticket_types"]["fest-pass"]["price_cents"] = 6000
    run("apply", write(tree))
    catalog.invalidate()
    assert shown_times(api) == ((first, first), {"fest-pass": (first, second)})


def shown_times(api):
    """When the event and its tiers were created and changed last, as clients see it."""
    [event] = api.get("/admin/events", token=builders.admin_token()).json
    tiers = api.get("/tickets/types").json["ticket_types"]
    return (event["created_at"], event["updated_at"]), {tier["id"]: (tier["created_at"], tier["updated_at"]) for tier in tiers}


def test_sold_count_is_the_starting_value_only(store, run, write, tree):
    tree["ticket_types"]["fest-pass"]["sold_count"] = 4
    run("apply", write(tree))
    sell("fest-pass", 2)
    tree["ticket_types"]["fest-pass"] |= {"sold_count": 0, "max_quantity": 12}
    run("apply", write(tree))
    assert (stock_of("fest-pass").sold, stock_of("fest-pass").available) == (6, 6)


def test_a_sale_between_plan_and_shrink_refuses_and_undoes_the_apply(store, run, write, tree, monkeypatch):
    tree["ticket_types"]["fest-more"] = ticket("fest-more")
    run("apply", write(tree))
    for name in ("fest-pass", "fest-more"):
        tree["ticket_types"][name]["max_quantity"] = 5
    resize, resized = resize_stock, []

    def sell_first(stock_id, *arguments, **more):
        resized.append(stock_id)
        if len(resized) == 2:
            hold("fest-more" if "more" in stock_id else "fest-pass", 7)
        resize(stock_id, *arguments, **more)

    monkeypatch.setattr(rollout, "resize_stock", sell_first)
    result = run("apply", write(tree))
    assert result.code == 1
    assert "below the tickets in use (sold 0, on hold 7)" in result.err
    assert [stock_of(name).capacity for name in ("fest-pass", "fest-more")] == [10, 10]
    assert catalog.load_head_and_catalog()[0].version == 1


def test_nothing_sold_is_deleted(api, run, write, tree, time):
    tree["events"]["b"] = event("b", display_order=2)
    tree["ticket_types"]["b1"] = ticket("b1", "b")
    run("apply", write(tree))
    sell("b1", 3)
    old = catalog.load_current().tiers["b1"].stock_id
    both = json.loads(json.dumps(tree))
    del tree["events"]["b"], tree["ticket_types"]["b1"]
    result = run("apply", write(tree))
    assert "- tier b1: is no longer in the file: it closes (3 sold stay valid, 0 on hold can still be paid)" in result.out
    assert "- event b:" in result.out
    assert catalog.load_current().tiers["b1"].status == "closed"
    time.advance(10)
    assert [entry["id"] for entry in api.get("/events").json] == ["fest"]
    assert api.get("/events/b").json["status"] == "closed"
    assert "b1" not in run("plan", write(tree)).out, "a removal is reported once"
    assert "is back in the file" in run("apply", write(both)).out
    assert catalog.load_current().tiers["b1"].stock_id == old
    assert (stock_of("b1").sold, stock_of("b1").available) == (3, 7)


def test_a_rollback_is_a_new_version_that_keeps_sold_tickets(store, run, write, tree):
    run("apply", write(tree))
    tree["ticket_types"]["fest-pass"] |= {"max_quantity": 20, "price_cents": 1}
    run("apply", write(tree))
    sell("fest-pass", 3)
    result = run("rollback", 1)
    assert result.code == 0
    assert "applied as version 3" in result.out
    assert catalog.load_current().tiers["fest-pass"].price_cents == 5000
    assert (stock_of("fest-pass").sold, stock_of("fest-pass").capacity) == (3, 10)
    entry = audit.list_entries("catalog")[0]
    assert (entry.action, entry.details["rolled_back_to"], entry.details["replaced"]) == ("catalog.rolled_back", 1, 2)
    assert run("rollback", 9).err.splitlines()[1:] == ["there is no version 9; the command `status` lists the latest versions"]


def test_every_apply_is_audited(store, run, write, tree):
    run("apply", "--actor", "ann", write(tree))
    run("apply", "--actor", "bob", write(tree))
    latest, first = audit.list_entries("catalog")
    assert (latest.action, latest.actor) == ("catalog.unchanged", "bob")
    assert (first.action, first.actor, first.at, first.details["version"]) == ("catalog.applied", "ann", "2026-06-01T12:00:00Z", 1)
    assert len(first.details["checksum"]) == 64
    assert any("fest-pass" in line for line in first.details["diff"])


def test_events_created_through_the_api_stay(api, run, write, tree):
    event_id, tier_id = builders.create_shop(api)
    run("apply", write(tree))
    tree["events"]["b"] = event("b")
    assert run("apply", write(tree)).code == 0
    served = catalog.load_current()
    assert served.events[event_id].managed_by == "api"
    assert served.tiers[tier_id].capacity == stock_of(tier_id).capacity == 10
    tree["events"][event_id] = event(event_id)
    tree["ticket_types"][tier_id] = ticket(tier_id)
    result = run("apply", write(tree))
    assert f"! event {event_id}: an event with this id was created through the API" in result.err
    assert f"! tier {tier_id}: a ticket type with this id was created through the API" in result.err


def test_a_cancelled_and_a_test_event_stay_so_when_they_leave_the_file(api, run, write, tree):
    tree["events"] |= {name: event(name, status=status) for name, status in (("off", "cancelled"), ("try", "test"))}
    run("apply", write(tree))
    del tree["events"]["off"], tree["events"]["try"]
    run("apply", write(tree))
    assert api.get("/events/off").json["status"] == "cancelled"
    assert catalog.load_current().events["try"].status == "test"


def test_a_change_of_a_display_state_is_reported_and_shown(api, run, write, tree):
    run("apply", write(tree))
    tree["ticket_states"]["available"]["message"] = "Hurry"
    assert '~ state available: message none -> "Hurry"' in run("apply", write(tree)).out
    assert api.get("/tickets/types").json["ticket_types"][0]["message"] == "Hurry"


class TestPauses:
    def test_survive_an_apply_and_close_what_is_new(self, store, run, write, tree):
        run("apply", write(tree))
        catalog.set_paused("fest", True, "root", 0)
        tree["ticket_types"]["fest-late"] = ticket("fest-late")
        tree["ticket_types"]["fest-pass"]["max_quantity"] = 500
        run("apply", write(tree))
        assert catalog.load_current().events["fest"].paused
        assert not stock_of("fest-pass").is_open
        assert not stock_of("fest-late").is_open
        catalog.set_paused("fest", False, "root", 0)
        assert stock_of("fest-pass").is_open
        assert stock_of("fest-late").is_open


@pytest.mark.slow
def test_a_tier_of_100_000_tickets_is_created_and_resized(threaded_store, run, write, tree):
    for capacity, in_each in ((100_000, {80}), (90_000, {72}), (150_000, {120})):
        tree["ticket_types"]["fest-pass"]["max_quantity"] = capacity
        assert run("apply", write(tree)).code == 0
        assert {shard.capacity for shard in scan_shards()} == in_each
        assert (catalog.load_current().tiers["fest-pass"].shards, stock_of("fest-pass").capacity) == (1250, capacity)
        assert "nothing to do" in run("apply", write(tree)).out


@pytest.mark.slow
def test_1500_ticket_types_take_few_calls(store, run, write, tree):
    """The shards of 25 tiers are one write: one conditional write for each would take minutes."""
    tree["events"] = {f"e{number}": event(f"e{number}") for number in range(3)}
    tree["ticket_types"] = {f"t{number}": ticket(f"t{number}", f"e{number % 3}") for number in range(1500)}
    with faults.record_calls() as first:
        assert run("apply", write(tree)).code == 0
    assert len(catalog.load_current().tiers) == 1500
    for number in range(0, 1500, 3):
        tree["ticket_types"][f"t{number}"]["name"] += " II"
    tree["ticket_types"]["t7"]["max_quantity"] = 11
    with faults.record_calls() as second:
        assert run("apply", write(tree)).code == 0
    assert stock_of("t7").capacity == 11
    assert len(first) <= 84
    assert len(second) <= 25


@pytest.mark.slow
def test_a_large_document_is_stored_in_parts(store, run, write, tree):
    """Descriptions that do not compress: the version needs several items of DynamoDB's 400 KB."""
    import random

    noise = random.Random(7)
    for number in range(200):
        text = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(3000))
        tree["ticket_types"][f"t{number}"] = ticket(f"t{number}", description=text)
    assert run("apply", write(tree)).code == 0
    served = catalog.load_current()
    assert len(served.tiers) == 201
    assert served.tiers["t9"].description == tree["ticket_types"]["t9"]["description"]
    assert json.loads(run("export").out) == tree


def test_a_ticket_for_a_date_that_left_the_file_is_not_valid_for_the_others(api, run, write, tree, time):
    dates = [{"id": name, "starts_at": f"2026-09-0{day}T20:00:00Z"} for day, name in enumerate(("first", "second"), 1)]
    tree["events"]["fest"]["dates"] = dates
    tree["ticket_types"] = {f"fest-{each['id']}": ticket(f"fest-{each['id']}", date_ids=[each["id"]]) for each in dates}
    run("apply", write(tree))
    order = builders.buy(api, "ada", "fest", "fest-first", 1).json["order"]
    code = tickets.get_ticket(f"{order['id']}-1").code
    tree["events"]["fest"]["dates"] = dates[1:]
    del tree["ticket_types"]["fest-first"]
    assert run("apply", write(tree)).code == 0
    time.set(clock.epoch_seconds(datetime.fromisoformat(dates[1]["starts_at"])))
    gate = {"token": builders.staff_token("fest")}
    device = Device(SimpleNamespace(api=api, time=time, event_id="fest", token=gate["token"]))
    refused = api.post("/checkin", json={"code": code}, **gate)
    assert (refused.status, refused.json["error"], device.decide(code)["code"]) == (409, "event_cancelled", "event_cancelled")
