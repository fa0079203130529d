"""Followers get the changes of an applied bootstrap file like changes through the API."""

import pytest

import app
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog.store import CatalogRow
from chalicelib.changes import jobs
from chalicelib.changes.model import CatalogPublished, EventChanged, TierChanged
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from infra.local.event_sources import create_poller
from tests import builders, engines, invariants, store_calls
from tests.addons.waitlist import lines
from tests.bootstrap import conftest as bootstrap


@pytest.fixture
def poller(threaded_store):
    return create_poller(app.app, engines.local_engine(), window_seconds=0)


@pytest.fixture
def followed(monkeypatch):
    seen = []
    monkeypatch.setattr(jobs, "followers", lambda: [seen.extend])
    return seen


def publish(events, tickets):
    rollout.apply(validate_tree({"version": "1", "events": events, "ticket_types": tickets}), "test", clock.now())


def pair(event_id, event_fields=None, **ticket_fields):
    tier_id = f"{event_id}-pass"
    return {event_id: bootstrap.event(event_id, **event_fields or {})}, {tier_id: bootstrap.ticket(tier_id, event_id, **ticket_fields)}


def both(first, second):
    return {**first[0], **second[0]}, {**first[1], **second[1]}


def names(followed):
    shown = []
    for change in followed:
        match change:
            case EventChanged() | TierChanged():
                what = "created" if change.before is None else "deleted" if change.after is None else "changed"
                shown.append(f"{(change.after or change.before).id} {what}")
            case CatalogPublished():
                shown.append(f"{change.before} to {change.version}")
    return shown


def test_a_copied_catalog_is_not_passed_on_as_a_publication(api, time, poller, followed):
    publish(*pair("fest"))
    poller.drain()
    revision = int(CatalogRow.find("head", "head").revision)
    CatalogRow("head", "head").delete()
    poller.drain()
    followed.clear()
    CatalogRow("head", "head", version=1, revision=revision + 1).save()
    poller.drain()
    assert names(followed) == ["0 to 1"]


def test_events_created_changed_or_closed_by_a_file_are_passed_on(api, time, poller, followed):
    publish(*both(pair("fest"), pair("gala")))
    poller.drain()
    assert names(followed) == ["0 to 1", "fest created", "gala created", "fest-pass created", "gala-pass created"]
    followed.clear()
    publish(*both(pair("fest", {"venue": "Dome"}), pair("gala", price_cents=7000)))
    poller.drain()
    assert names(followed) == ["1 to 2", "fest changed", "gala-pass changed"]
    [change] = [change for change in followed if isinstance(change, EventChanged)]
    assert (change.before.venue, change.after.venue, change.file_version) == ("Hall", "Dome", 2)
    followed.clear()
    publish(*pair("fest", {"venue": "Dome"}))
    poller.drain()
    assert names(followed) == ["2 to 3", "gala deleted", "gala-pass deleted"]


def test_a_pause_and_an_event_of_the_api_say_nothing_of_the_file(api, time, poller, followed):
    publish(*pair("fest"))
    poller.drain()
    followed.clear()
    builders.create_event(api)
    api.post("/admin/events/fest/pause", token=builders.admin_token())
    poller.drain()
    assert not [name for name in names(followed) if "fest" in name or "to" in name]


def many(venue):
    """Eleven changes: five events, and six tiers with the event of the last pair."""
    found = {}, {}
    for number in range(5):
        found = both(found, pair(f"e{number}", {"venue": venue}))
    return found[0], found[1] | {"vip": bootstrap.ticket("vip", "e4")}


def test_many_changes_by_a_file_are_passed_on_in_portions(api, time, poller, monkeypatch):
    monkeypatch.setattr(jobs, "PORTION", 4)
    calls = []
    monkeypatch.setattr(jobs, "followers", lambda: [calls.append])
    publish(*many("Hall"))
    publish(*many("Dome"))
    time.advance(60)
    poller.drain()
    portions = [[change for change in changes if not isinstance(change, CatalogPublished)] for changes in calls]
    assert max(len(portion) for portion in portions) <= 2 * 4  # both publications may be in one batch
    first, second = ([change for portion in portions for change in portion if is_created(change) == created] for created in (True, False))
    assert names(first) == [f"{entry} created" for entry in ("e0", "e1", "e2", "e3", "e4", *(f"e{n}-pass" for n in range(5)), "vip")]
    assert names(second) == [f"e{number} changed" for number in range(5)]
    assert {change.at for portion in portions for change in portion} == {change.at for change in portions[0]}
    assert list(CatalogRow.query("passing")) == []


def is_created(change):
    return change.before is None


def test_a_portion_that_fails_for_good_stops_none_of_the_others(api, time, threaded_store, monkeypatch, followed):
    monkeypatch.setattr(jobs, "PORTION", 4)
    poller = create_poller(app.app, engines.local_engine(), window_seconds=0, clock=lambda: time.now)

    def fail(changes):
        if any(isinstance(change, TierChanged) and change.tier_id == "e0-pass" for change in changes):
            raise ValueError("cannot follow")
        followed.extend(changes)

    monkeypatch.setattr(jobs, "followers", lambda: [fail])
    publish(*many("Hall"))
    for _ in range(100):
        time.advance(60)
        poller.drain()
    assert {name.partition(" ")[0] for name in names(followed)} == {"0", "e0", "e1", "e2", "e3", "e3-pass", "e4-pass", "vip"}


@pytest.mark.needs_addon
def test_more_tickets_in_the_file_are_offered_to_the_waitlist(api, time, poller):
    events, tickets = pair("fest", max_quantity=1)
    publish(events, tickets)
    builders.buy(api, "b1", "fest", "fest-pass", 1)
    time.advance(5)
    assert lines.join(api, "w1", "fest").status == 201
    poller.drain()
    publish(events, {"fest-pass": tickets["fest-pass"] | {"max_quantity": 2}})
    records = engines.local_engine()
    records = records.stream_records(records.stream_arns()[dynamo.table_name("catalog")], "", 1_000)
    with store_calls.made_by("follow_changes"):
        assert jobs.follow_changes({"Records": records}, None) == {"batchItemFailures": []}
    assert lines.own(api, "w1")[0]["status"] == "offered"
    invariants.check(time.now)
