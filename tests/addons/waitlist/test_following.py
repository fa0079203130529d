"""Through the stream of changes, an offer follows within seconds of what came back, and how it ended is noted."""

import pytest

from chalicelib.addons.waitlist import allocator, service, store
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.changes import jobs
from chalicelib.changes.model import EventResumed, WaitlistOffered
from chalicelib.changes.stream import record_changes
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline
from tests import builders, engines, invariants, store_calls
from tests.addons.waitlist import lines
from tests.bootstrap.conftest import event as file_event
from tests.bootstrap.conftest import ticket as file_ticket
from tests.simulation.call_log import record_calls


@pytest.fixture
def local(threaded_store):
    return engines.local_engine()


@pytest.fixture
def pass_on(local):
    """Passes on all changes of a table, earlier ones too, as Lambda would."""

    def pass_on(feature):
        records = local.stream_records(local.stream_arns()[dynamo.table_name(feature)], "", 1_000)
        with store_calls.made_by("follow_changes"):
            assert jobs.follow_changes({"Records": records}, None) == {"batchItemFailures": []}
        return [change for record in records for change in record_changes(record)]

    return pass_on


def test_returned_tickets_are_offered_and_the_outcome_is_noted(api, time, pass_on):
    event_id, _, orders = lines.sold_out_shop(api, time)
    lines.join(api, "w1", event_id)
    lines.join(api, "w2", event_id)
    lines.give_back(api, orders[0])
    pass_on("purchases")
    [first] = lines.own(api, "w1")
    assert first["status"] == "offered"
    [offered] = [change for change in pass_on("purchases") if isinstance(change, WaitlistOffered)]
    assert (offered.purchase.user_id, offered.purchase.waitlist_entry_id) == ("w1", first["id"])
    builders.confirm(api, "w1", builders.start_checkout(api, "w1", first["offer"]["id"]).json["id"])
    pass_on("purchases")
    seen = api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json
    assert (seen["accepted"], seen["offered"], seen["waiting"]) == (1, 0, 1)
    invariants.check(time.now)


def test_more_capacity_is_offered_as_soon_as_the_tier_has_it(api, time, pass_on):
    event_id, tier_id, _ = lines.sold_out_shop(api, time)
    lines.join(api, "w1", event_id)
    api.patch(f"/tiers/{tier_id}", json={"capacity": 3}, token=builders.admin_token())
    pass_on("catalog")
    assert lines.own(api, "w1")[0]["status"] == "offered"
    invariants.check(time.now)


def test_a_broken_event_keeps_no_other_from_its_offers(api, time, pass_on, monkeypatch):
    shops = [lines.sold_out_shop(api, time) for _ in range(2)]
    for event_id, _, orders in shops:
        lines.join(api, "w1", event_id)
        lines.give_back(api, orders[0])
    broken, allocate = min(event_id for event_id, _, _ in shops), allocator.allocate

    def fail(line, *arguments):
        if line.event_id == broken:
            raise ValueError("broken")
        return allocate(line, *arguments)

    monkeypatch.setattr(allocator, "allocate", fail)
    pass_on("purchases")
    statuses = {entry["event_id"]: entry["status"] for entry in lines.own(api, "w1")}
    assert statuses == {event_id: "waiting" if event_id == broken else "offered" for event_id in statuses}


def test_the_lines_of_many_events_are_found_at_once(api, time, pass_on):
    shops = [lines.sold_out_shop(api, time) for _ in range(3)]
    for event_id, tier_id, _ in shops:
        lines.join(api, "w1", event_id)
        api.patch(f"/tiers/{tier_id}", json={"capacity": 3}, token=builders.admin_token())
    with deadline.within(allocator.SECONDS_FOR_OTHERS - 1), record_calls() as calls:
        pass_on("catalog")
    assert [entry.operation for entry in calls.of(table="waitlist")] == ["BatchGetItem"]
    assert {entry["status"] for entry in lines.own(api, "w1")} == {"waiting"}
    lines.run_allocator()
    assert {entry["status"] for entry in lines.own(api, "w1")} == {"offered"}
    invariants.check(time.now)


def test_people_who_waited_still_wait_when_a_promoter_allows_the_waitlist_again(api, time, pass_on):
    event_id, tier_id, orders = lines.sold_out_shop(api, time)
    lines.join(api, "w1", event_id)
    for _ in range(2):  # the first run puts what was kept on sale, the second deletes the line
        api.patch(f"/events/{event_id}", json={"waitlist": {"enabled": False}}, token=builders.admin_token())
        lines.run_allocator()
    assert store.find_line(event_id) is None
    api.patch(f"/events/{event_id}", json={"waitlist": None}, token=builders.admin_token())
    pass_on("catalog")
    lines.run_allocator()
    lines.give_back(api, orders[0])
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    lines.run_allocator()
    assert lines.own(api, "w1")[0]["status"] == "offered"
    invariants.check(time.now)


def test_people_who_waited_still_wait_when_an_event_returns_to_the_bootstrap_file(api, time, pass_on):
    """Someone removes the event from the file by mistake, and corrects this a few minutes later."""
    publish("fest", "other")
    order_id = builders.buy(api, "buyer", "fest", "fest-pass").json["order"]["id"]
    time.advance(5)
    assert lines.join(api, "w1", "fest").status == 201
    publish("other")
    for _ in range(2):
        time.advance(60)
        lines.run_allocator()
    assert store.find_line("fest") is None
    publish("fest", "other")
    pass_on("catalog")
    time.advance(60)
    lines.run_allocator()
    lines.give_back(api, order_id)
    assert builders.reserve(api, "passer-by", "fest", "fest-pass").status == 409
    lines.run_allocator()
    assert lines.own(api, "w1")[0]["status"] == "offered"
    invariants.check(time.now)


def publish(*event_ids):
    """Apply a bootstrap file with these events, each with one ticket."""
    events = {event_id: file_event(event_id, metadata={"timezone": "America/Denver"}) for event_id in event_ids}
    tickets = {f"{event_id}-pass": file_ticket(f"{event_id}-pass", event_id, max_quantity=1) for event_id in event_ids}
    rollout.apply(validate_tree({"version": "1", "events": events, "ticket_types": tickets}), "test", clock.now())


def test_an_outdated_copy_of_the_catalog_ends_no_line(api, time, pass_on, monkeypatch):
    event_id, _, orders = lines.sold_out_shop(api, time)
    lines.join(api, "w1", event_id)
    api.patch(f"/events/{event_id}", json={"waitlist": {"enabled": False}}, token=builders.admin_token())
    pass_on("catalog")  # puts what was kept on sale
    outdated = catalog.snapshot()
    api.patch(f"/events/{event_id}", json={"waitlist": None}, token=builders.admin_token())
    with monkeypatch.context() as instance:
        instance.setattr(allocator.catalog, "find_snapshot", lambda _: outdated)
        pass_on("catalog")
    assert store.find_line(event_id) is not None
    lines.run_allocator()
    lines.give_back(api, orders[0])
    lines.run_allocator()
    assert lines.own(api, "w1")[0]["status"] == "offered"


def test_people_who_waited_still_wait_when_an_event_is_moved_after_its_date(api, time, pass_on):
    event_id, tier_id, _ = lines.sold_out_shop(api, time)
    lines.join(api, "w1", event_id)
    lines.run_allocator()
    time.now = catalog.load_current().events[event_id].last_sale_at + 1
    for _ in range(2):
        lines.run_allocator()
    assert store.find_line(event_id) is None
    later = {"starts_at": clock.iso(time.now + 40 * 86_400)}
    assert api.patch(f"/events/{event_id}", json=later, token=builders.admin_token()).status == 200
    pass_on("catalog")
    lines.run_allocator()
    api.patch(f"/tiers/{tier_id}", json={"capacity": 3}, token=builders.admin_token())
    pass_on("catalog")
    lines.run_allocator()
    assert lines.own(api, "w1")[0]["status"] == "offered"


def test_a_change_records_the_end_of_a_few_offers_and_the_schedule_of_the_rest(api, time, pass_on, monkeypatch):
    monkeypatch.setattr(allocator, "MAX_CHECKED_WHILE_FOLLOWING", 2)
    event_id, _, orders = lines.sold_out_shop(api, time, sold=4)
    for number, order_id in enumerate(orders):
        lines.join(api, f"w{number}", event_id)
        lines.give_back(api, order_id)
    lines.run_allocator()
    time.advance(2 * 86_400)
    builders.run_sweep()
    with store_calls.made_by("follow_changes"):
        service.follow([EventResumed(at=time.now, event_id=event_id)])
    assert len(store.list_offered(event_id)) == 2
    lines.run_allocator()
    assert store.list_offered(event_id) == []


def test_changes_of_events_that_nobody_waits_for_do_nothing(api, time, pass_on):
    shop = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    api.delete(f"/reservations/{reservation_id}", user="ada")
    pass_on("purchases")
    invariants.check(time.now)
