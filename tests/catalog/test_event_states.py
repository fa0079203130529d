"""Publish, unpublish, pause, resume and cancel events."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import event_states
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.foundation.errors import NotFound
from chalicelib.inventory.model import MAX_HOLDS
from tests import builders
from tests.catalog.requests import create_draft, create_kind, create_published, get, hold_tickets, open_flags, promoter
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import InstanceMemory, separate_memories

pytestmark = pytest.mark.usefixtures("time")


def test_a_pause_closes_the_stock_and_a_resume_opens_it(api, time):
    event_id, _ = builders.create_shop(api, capacity=300)
    assert event_states.set_paused(event_id, True, "root", time.now).paused
    assert open_flags(event_id) == {False}
    assert get(api, f"/admin/events/{event_id}").json["paused"]
    assert not api.get("/tickets/types").json["ticket_types"][0]["is_available"]
    assert shown_as_paused(api, time, event_id) == [True, True]
    assert not event_states.set_paused(event_id, False, "root", time.now).paused
    assert open_flags(event_id) == {True}
    assert shown_as_paused(api, time, event_id) == [False, False]
    assert [entry.action for entry in audit.list_entries(f"event#{event_id}")] == ["event.resumed", "event.paused", "event.created"]


def shown_as_paused(api, time, event_id) -> list[bool]:
    """What the public reads in the list of events and on the event's page."""
    time.advance(5)
    return [found["paused"] for found in (*api.get("/events").json, api.get(f"/events/{event_id}").json)]


def test_a_repeated_pause_is_audited_once(api, time):
    event_id, _ = builders.create_shop(api)
    for _ in range(2):
        event_states.set_paused(event_id, True, "root", time.now)
    assert len(audit.list_entries(f"event#{event_id}")) == 2


def test_pauses_that_change_nothing_write_no_stock(api, time):
    """A pause has no rate limit, anybody can make a draft with thousands of shards, and all sales share the table."""
    draft = create_draft(api, capacity=300)["id"]
    create_kind(api, draft, capacity=300)
    sold, _ = builders.create_shop(api, capacity=300)
    event_states.set_paused(sold, True, "root", time.now)
    with record_calls() as calls:
        for paused in (True, True, False):
            assert event_states.set_paused(draft, paused, "pia", time.now).paused == paused
        event_states.set_paused(sold, True, "root", time.now)
    assert {call.operation for call in calls.of(table="inventory")} == {"BatchGetItem"}
    assert (open_flags(draft), open_flags(sold)) == ({False}, {False})


def test_a_pause_of_an_unknown_event_is_not_found(api, time):
    with pytest.raises(NotFound):
        event_states.set_paused("nowhere", True, "root", time.now)


def test_a_pause_that_crashed_at_any_call_can_be_completed_or_reversed(api, time):
    event_id, _ = builders.create_shop(api, capacity=150)
    with record_calls() as calls:
        event_states.set_paused(event_id, True, "root", time.now)
    for number in range(1, len(calls) + 1):
        for paused in (True, False):
            event_states.set_paused(event_id, not paused, "root", time.now)
            with faults.crash_after(number):
                event_states.set_paused(event_id, paused, "root", time.now)
            event_states.set_paused(event_id, True, "root", time.now)
            assert open_flags(event_id) == {False}
            event_states.set_paused(event_id, False, "root", time.now)
            assert open_flags(event_id) == {True}


def test_the_sweep_finishes_a_pause_of_many_shards_that_crashed(threaded_store, api, time):
    """The crash ends the calls of all threads."""
    event_id, _ = builders.create_shop(api, capacity=20 * MAX_HOLDS)
    for number in (1, 7, 20):
        with faults.crash_after(number, table="inventory") as crash:
            event_states.set_paused(event_id, True, "root", time.now)
        assert crash.was_triggered
        builders.run_sweep()
        assert open_flags(event_id) == {False}
        event_states.set_paused(event_id, False, "root", time.now)
        assert open_flags(event_id) == {True}


def test_a_concurrent_pause_and_resume_leave_the_stock_as_the_flag_says(api, time):
    event_id, _ = builders.create_shop(api, capacity=150)
    with record_calls() as calls:
        event_states.set_paused(event_id, True, "root", time.now)
    for number in range(1, len(calls) + 1):
        event_states.set_paused(event_id, False, "root", time.now)
        call = 0

        def resume(**_):
            nonlocal call
            call += 1
            if call == number:  # noqa: B023 - called within this round
                event_states.set_paused(event_id, False, "ann", time.now)

        events = dynamo.client().meta.events
        events.register("before-call.dynamodb", resume)
        try:
            event_states.set_paused(event_id, True, "bob", time.now)
        finally:
            events.unregister("before-call.dynamodb", resume)
        assert open_flags(event_id) == {not catalog.load_current().events[event_id].paused}


def test_everything_that_a_draft_lacks_is_listed(api, time):
    event_id = api.post("/events", json={"name": "Night"}, **promoter()).json["id"]
    reply = api.post(f"/events/{event_id}/publish", **promoter())
    assert (reply.status, reply.json["error"]) == (409, "event_incomplete")
    assert [problem["path"] for problem in reply.json["problems"]] == ["$.venue", "$.starts_at", "$.tiers"]
    create_kind(api, event_id)
    api.patch(f"/events/{event_id}", json={"venue": "Hall", "starts_at": clock.iso(time.now)}, **promoter())
    reply = api.post(f"/events/{event_id}/publish", **promoter())
    assert [problem["path"] for problem in reply.json["problems"]] == ["$.starts_at"]
    api.patch(f"/events/{event_id}", json={"starts_at": clock.iso(time.now + 60)}, **promoter())
    assert api.post(f"/events/{event_id}/publish", **promoter()).json["status"] == "on_sale"


def test_publishing_opens_the_stock_and_can_be_repeated(api):
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id, capacity=150)["id"]
    assert open_flags(event_id) == {False}
    published = api.post(f"/events/{event_id}/publish", **promoter()).json
    assert (published["status"], published["version"]) == ("on_sale", 2)
    assert open_flags(event_id) == {True}
    assert api.post(f"/events/{event_id}/publish", **promoter()).json == published
    assert builders.buy(api, "ada", event_id, tier_id).status == 201


def test_a_crashed_publication_is_finished_by_the_sweep_or_a_retry(api, time):
    event_id = create_draft(api)["id"]
    create_kind(api, event_id, capacity=150)
    with record_calls() as calls:
        event_states.publish(event_id, "pia", time.now)
    for number in range(1, len(calls) + 1):
        for recover in (builders.run_sweep, lambda: event_states.publish(event_id, "pia", time.now)):
            event_states.unpublish(event_id, "pia", time.now)
            with faults.crash_after(number):
                event_states.publish(event_id, "pia", time.now)
            recover()
            assert open_flags(event_id) == {not catalog.load_current().events[event_id].is_closed}


def test_an_event_without_sales_becomes_a_draft_again(api):
    event_id, _ = create_published(api)
    assert api.post(f"/events/{event_id}/unpublish", **promoter()).json["status"] == "draft"
    assert open_flags(event_id) == {False}
    assert api.get(f"/events/{event_id}").status == 404
    assert api.post(f"/events/{event_id}/publish", **promoter()).json["status"] == "on_sale"
    assert open_flags(event_id) == {True}


def test_an_event_with_sales_stays_published(api):
    event_id, tier_id = create_published(api)
    builders.reserve(api, "ada", event_id, tier_id)
    reply = api.post(f"/events/{event_id}/unpublish", **promoter())
    assert (reply.status, reply.json["error"], reply.json["held"]) == (409, "event_has_sales", 1)
    assert api.get(f"/events/{event_id}").json["status"] == "on_sale"
    assert open_flags(event_id) == {True}


def test_a_purchase_before_an_unpublication_keeps_the_event_published(api, time):
    event_id, tier_id = create_published(api)
    held = []

    def reserve(model, **_):
        if model.name == "TransactWriteItems" and not held:
            held.append(True)
            hold_tickets(tier_id, 3)

    events = dynamo.client().meta.events
    events.register("before-call.dynamodb", reserve)
    try:
        with pytest.raises(event_states.EventHasSales):
            event_states.unpublish(event_id, "pia", time.now)
    finally:
        events.unregister("before-call.dynamodb", reserve)
    assert (catalog.load_current().events[event_id].status, open_flags(event_id)) == ("active", {True})


def test_a_cancelled_event_sells_nothing_more_and_stays_cancelled(api, time):
    event_id, tier_id = create_published(api)
    assert event_states.cancel(event_id, "pia", time.now).status == "cancelled"
    assert open_flags(event_id) == {False}
    assert event_states.cancel(event_id, "pia", time.now + 5).version == 3
    assert [entry.action for entry in audit.list_entries(f"event#{event_id}")].count("event.cancelled") == 1
    assert builders.reserve(api, "ada", event_id, tier_id).json["error"] == "event_not_on_sale"
    for action in ("publish", "unpublish"):
        assert api.post(f"/events/{event_id}/{action}", **promoter()).json["error"] == "event_cancelled"


def test_a_cancelled_event_sells_nothing_on_any_instance(api, time):
    event_id, tier_id = create_published(api)
    api.get(f"/events/{event_id}")
    with separate_memories(), InstanceMemory().active():
        event_states.cancel(event_id, "pia", time.now)
    assert builders.reserve(api, "ada", event_id, tier_id).json["error"] == "event_paused"


@pytest.mark.parametrize("step", ["publish", "unpublish"])
def test_the_body_of_a_publication_may_have_a_version_and_nothing_else(api, step):
    event_id, _ = create_published(api)
    refused = api.post(f"/events/{event_id}/{step}", json={"notify": True}, **promoter())
    assert (refused.status, refused.json["path"]) == (400, "$.notify")
    assert "version" in refused.json["message"]
    assert api.post(f"/events/{event_id}/unpublish", json={"version": 1}, **promoter()).json["error"] == "version_conflict"
    assert api.post(f"/events/{event_id}/{step}", json={}, **promoter()).status == 200
