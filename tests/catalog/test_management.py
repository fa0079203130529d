"""Admins create events and tiers, and pause and resume sales."""

from collections import Counter

import pytest

from chalicelib import clock, dynamo
from chalicelib.audit import service as audit
from chalicelib.catalog import management
from chalicelib.catalog import service as catalog
from chalicelib.errors import NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import MAX_HOLDS
from tests import builders
from tests.catalog.requests import EVENT, TIER, get, open_flags, post
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("time")


def test_an_event_without_a_status_is_a_draft(api, time):
    reply = post(api, "/admin/events", EVENT)
    assert reply.status == 201
    created = reply.json
    assert created["status"] == "draft"
    assert created.items() >= {"paused": False, "managed_by": "api", "on_sale_at": "2026-05-01T08:00:00Z", "tiers": []}.items()
    assert created["created_at"] == clock.iso(time.now)
    assert api.get("/events").json == []
    assert [event["id"] for event in get(api, "/admin/events").json] == [created["id"]]
    assert get(api, f"/admin/events/{created['id']}").json == created


@pytest.mark.parametrize("status", ["scheduled", "on_sale"])
def test_a_published_event_is_scheduled_until_its_sale_opens(api, status):
    later = {"on_sale_at": "2026-06-20T10:00:00Z"}
    on_sale = post(api, "/admin/events", EVENT | {"status": status}).json
    scheduled = post(api, "/admin/events", EVENT | later | {"status": status}).json
    assert (on_sale["status"], scheduled["status"]) == ("on_sale", "scheduled")
    assert {event["id"]: event["status"] for event in api.get("/events").json} == {on_sale["id"]: "on_sale", scheduled["id"]: "scheduled"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"on_sale_at": "2026-07-01T20:00:00Z"}, "$.on_sale_at"),
        ({"on_sale_at": "tomorrow"}, "$.on_sale_at"),
        ({"starts_at": "2026-07-01T20:00:00"}, "$.starts_at"),
        ({"starts_at": 5}, "$.starts_at"),
        ({"name": ""}, "$.name"),
        ({"name": "   "}, "$.name"),
        ({"name": " \u00a0\t\n"}, "$.name"),
        ({"venue": "   "}, "$.venue"),
        ({"name": "x" * 201}, "$.name"),
        ({"venue": None}, "$.venue"),
        ({"status": "past"}, "$.status"),
        ({"price": 5}, "$.price"),
    ],
)
def test_an_invalid_event_is_refused_and_names_the_field(api, change, path):
    reply = post(api, "/admin/events", EVENT | change)
    assert (reply.status, reply.json["path"]) == (400, path)
    assert get(api, "/admin/events").json == []


@pytest.mark.parametrize("field", ["starts_at", "on_sale_at"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]
)
def test_an_event_outside_the_years_of_the_bootstrap_file_is_refused_and_the_lists_stay_whole(api, field, moment):
    times = {"starts_at": "9998-12-31T23:59:59-14:00", "on_sale_at": "1970-01-01T00:00:00+14:00"}
    reply = post(api, "/admin/events", EVENT | times | {field: moment, "status": "on_sale"})
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", f"$.{field}")
    assert "between 1970 and 9998" in reply.json["message"]
    assert api.get("/events").json == get(api, "/admin/events").json == []


def test_an_event_may_have_the_first_and_the_last_time_of_the_allowed_years(api):
    times = {"starts_at": "9998-12-31T23:59:59-14:00", "on_sale_at": "1970-01-01T00:00:00+14:00"}
    assert post(api, "/admin/events", EVENT | times | {"status": "on_sale"}).status == 201
    (event,) = api.get("/events").json
    assert (event["starts_at"], event["on_sale_at"]) == ("9999-01-01T13:59:59Z", "1969-12-31T10:00:00Z")
    assert api.get(f"/events/{event['id']}").status == 200


@pytest.mark.parametrize("field", EVENT)
def test_an_event_without_a_required_field_is_refused(api, field):
    reply = post(api, "/admin/events", {name: value for name, value in EVENT.items() if name != field})
    assert (reply.status, reply.json["path"]) == (400, f"$.{field}")


def test_an_event_is_created_once_for_an_idempotency_key(api):
    first = post(api, "/admin/events", EVENT, headers={"Idempotency-Key": "k"})
    again = post(api, "/admin/events", EVENT, headers={"Idempotency-Key": "k"})
    assert (first.status, again.status) == (201, 200)
    assert first.json["id"] == again.json["id"]
    assert len(get(api, "/admin/events").json) == 1


def test_an_event_is_created_once_even_if_the_first_execution_died(api, time):
    new = management.NewEvent("Night", "Hall", *(management.datetime.fromisoformat(EVENT[name]) for name in ("starts_at", "on_sale_at")))
    first = catalog.create_event("id", new, "root", time.now)
    assert catalog.create_event("id", new, "root", time.now + 5) == first
    assert len(audit.list_entries("event#id")) == 1


def test_the_creation_of_an_event_is_audited(api, time):
    created = post(api, "/admin/events", EVENT).json
    (entry,) = audit.list_entries(f"event#{created['id']}")
    assert (entry.action, entry.actor, entry.at) == ("event.created", "root", clock.iso(time.now))


def test_a_tier_is_created_with_its_stock(api):
    event_id = builders.create_event(api)
    reply = post(api, "/admin/tiers", TIER | {"event_id": event_id})
    assert reply.status == 201
    created = reply.json
    expected = {
        "event_id": event_id,
        "per_user_limit": 4,
        "currency": "USD",
        "available": 10,
        "sold": 0,
        "reserved": 0,
        "status": "available",
    }
    assert expected.items() <= created.items()
    assert get(api, f"/admin/tiers/{created['id']}").json == created
    assert get(api, f"/admin/tiers?event_id={event_id}").json == get(api, "/admin/tiers").json == [created]
    assert [tier["id"] for tier in api.get(f"/events/{event_id}").json["tiers"]] == [created["id"]]


def test_a_tier_may_have_a_million_tickets_and_a_pause_closes_all_its_shards(threaded_store, api):
    event_id = builders.create_event(api)
    created = post(api, "/admin/tiers", TIER | {"event_id": event_id, "capacity": 1_000_000}).json
    assert created["available"] == 1_000_000
    for action, is_open in (("pause", False), ("resume", True)):
        assert post(api, f"/admin/events/{event_id}/{action}", {}).status == 200
        assert Counter(shard.is_open for shard in inventory.scan_shards()) == {is_open: 1250}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"capacity": 0}, "$.capacity"),
        ({"capacity": 2**53}, "$.capacity"),
        ({"capacity": 1.5}, "$.capacity"),
        ({"price_cents": -1}, "$.price_cents"),
        ({"price_cents": "5"}, "$.price_cents"),
        ({"per_user_limit": 0}, "$.per_user_limit"),
        ({"per_user_limit": 51}, "$.per_user_limit"),
        ({"admits": 101}, "$.admits"),
        ({"name": ""}, "$.name"),
        ({"name": "   "}, "$.name"),
        ({"extra": 1}, "$.extra"),
        ({"currency": "usd"}, "$.currency"),
    ],
)
def test_an_invalid_tier_is_refused_and_names_the_field(api, change, path):
    event_id = builders.create_event(api)
    reply = post(api, "/admin/tiers", TIER | {"event_id": event_id} | change)
    assert (reply.status, reply.json["path"]) == (400, path)
    assert get(api, "/admin/tiers").json == []


def test_the_tiers_of_an_event_have_different_names(api):
    event_id = builders.create_event(api)
    builders.create_tier(api, event_id, "Floor")
    reply = post(api, "/admin/tiers", TIER | {"event_id": event_id, "name": " floor "})
    assert (reply.status, reply.json["error"]) == (409, "tier_name_taken")
    builders.create_tier(api, builders.create_event(api), "Floor")


def test_the_tiers_of_an_event_have_one_currency(api):
    event_id = builders.create_event(api)
    builders.create_tier(api, event_id, "Floor", currency="EUR")
    assert get(api, f"/admin/tiers/{builders.create_tier(api, event_id, 'Balcony')}").json["currency"] == "EUR"
    reply = post(api, "/admin/tiers", TIER | {"event_id": event_id, "name": "Box", "currency": "USD"})
    assert (reply.status, reply.json["path"]) == (400, "$.currency")


def test_a_tier_of_an_unknown_event_is_a_404(api):
    assert post(api, "/admin/tiers", TIER | {"event_id": "nowhere"}).status == 404


def test_an_event_of_the_bootstrap_file_cannot_be_changed_through_the_api(api, apply_document):
    apply_document()
    reply = post(api, "/admin/tiers", TIER | {"event_id": "fest"})
    assert (reply.status, reply.json["error"]) == (409, "managed_by_bootstrap")
    assert get(api, "/admin/events").json[0]["managed_by"] == "bootstrap"
    assert get(api, "/admin/tiers").json[0]["managed_by"] == "bootstrap"


def test_a_new_tier_of_a_paused_event_is_closed(api, time):
    event_id = builders.create_event(api)
    catalog.set_paused(event_id, True, "root", time.now)
    builders.create_tier(api, event_id, capacity=500)
    assert open_flags(event_id) == {False}


def test_a_change_is_built_again_after_a_concurrent_one(api, time):
    """Two admins create a tier of the same name at once: the second attempt sees the first tier and is refused."""
    event_id = builders.create_event(api)
    interfered = []

    def interfere(model, **_):
        if model.name == "TransactWriteItems" and not interfered:
            interfered.append(True)
            catalog.create_tier("first", management.NewTier(event_id, "Floor", 1, 1), "ann", time.now)

    events = dynamo.client().meta.events
    events.register("before-call.dynamodb", interfere)
    try:
        with pytest.raises(management.TierNameTaken):
            catalog.create_tier("second", management.NewTier(event_id, "Floor", 1, 1), "bob", time.now)
    finally:
        events.unregister("before-call.dynamodb", interfere)
    assert [tier["id"] for tier in get(api, "/admin/tiers").json] == ["first"]


def test_a_pause_closes_the_stock_and_a_resume_opens_it(api, time):
    event_id, _ = builders.create_shop(api, capacity=300)
    assert catalog.set_paused(event_id, True, "root", time.now).paused
    assert open_flags(event_id) == {False}
    assert get(api, f"/admin/events/{event_id}").json["paused"]
    assert not api.get("/tickets/types").json["ticket_types"][0]["is_available"]
    assert not catalog.set_paused(event_id, False, "root", time.now).paused
    assert open_flags(event_id) == {True}
    assert [entry.action for entry in audit.list_entries(f"event#{event_id}")] == ["event.resumed", "event.paused", "event.created"]


def test_a_repeated_pause_is_audited_once(api, time):
    event_id, _ = builders.create_shop(api)
    for _ in range(2):
        catalog.set_paused(event_id, True, "root", time.now)
    assert len(audit.list_entries(f"event#{event_id}")) == 2


def test_a_pause_of_an_unknown_event_is_not_found(api, time):
    with pytest.raises(NotFound):
        catalog.set_paused("nowhere", True, "root", time.now)


def test_a_pause_that_crashed_at_any_call_can_be_completed_or_reversed(api, time):
    event_id, _ = builders.create_shop(api, capacity=150)
    with record_calls() as calls:
        catalog.set_paused(event_id, True, "root", time.now)
    for number in range(1, len(calls) + 1):
        for paused in (True, False):
            catalog.set_paused(event_id, not paused, "root", time.now)
            with faults.crash_after(number):
                catalog.set_paused(event_id, paused, "root", time.now)
            catalog.set_paused(event_id, True, "root", time.now)
            assert open_flags(event_id) == {False}
            catalog.set_paused(event_id, False, "root", time.now)
            assert open_flags(event_id) == {True}


def test_the_sweep_finishes_a_pause_of_many_shards_that_crashed(threaded_store, api, time):
    """With more shards than are written one after the other: the crash ends the calls of all threads."""
    event_id, _ = builders.create_shop(api, capacity=20 * MAX_HOLDS)
    for number in (1, 7, 20):
        with faults.crash_after(number, table="inventory") as crash:
            catalog.set_paused(event_id, True, "root", time.now)
        assert crash.was_triggered
        builders.run_sweep()
        assert open_flags(event_id) == {False}
        catalog.set_paused(event_id, False, "root", time.now)
        assert open_flags(event_id) == {True}


def test_a_concurrent_pause_and_resume_leave_the_stock_as_the_flag_says(api, time):
    event_id, _ = builders.create_shop(api, capacity=150)
    with record_calls() as calls:
        catalog.set_paused(event_id, True, "root", time.now)
    for number in range(1, len(calls) + 1):
        catalog.set_paused(event_id, False, "root", time.now)
        call = 0

        def resume(**_):
            nonlocal call
            call += 1
            if call == number:  # noqa: B023 - called within this round
                catalog.set_paused(event_id, False, "ann", time.now)

        events = dynamo.client().meta.events
        events.register("before-call.dynamodb", resume)
        try:
            catalog.set_paused(event_id, True, "bob", time.now)
        finally:
            events.unregister("before-call.dynamodb", resume)
        assert open_flags(event_id) == {not catalog.load_current().events[event_id].paused}


def test_an_invalidation_changes_the_revision_and_is_audited(api, time):
    before = catalog.load_head_and_catalog()[0].revision
    assert post(api, "/admin/catalog/invalidate", {}).status == 200
    assert catalog.load_head_and_catalog()[0].revision == before + 1
    assert audit.list_entries("catalog")[0].action == "catalog.invalidated"


def test_a_change_that_always_conflicts_is_a_409(api, monkeypatch):
    def refuse(items):
        raise dynamo.TransactionCanceled([])

    monkeypatch.setattr(dynamo, "transact", refuse)
    reply = post(api, "/admin/events", EVENT)
    assert (reply.status, reply.json["error"], reply.headers["retry-after"]) == (409, "catalog_changing", "1")
