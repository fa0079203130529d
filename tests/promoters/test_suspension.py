"""Locking a promoter, or removing the role, takes all of their events off sale."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import asdict

from chalicelib.accounts import directory
from chalicelib.accounts.directory import RightsChange
from chalicelib.catalog import event_states, store
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.inventory import service as inventory
from chalicelib.purchases import sweep
from tests import builders
from tests.accounts.conftest import log_in, register
from tests.catalog.requests import open_flags
from tests.client import Client, ClientReply
from tests.conftest import Time
from tests.simulation.call_log import CallLog, record_calls
from tests.simulation.instance_memory import InstanceMemory, separate_memories

pytestmark = pytest.mark.usefixtures("time")

DRAFT = {"name": "Night", "venue": "Hall", "starts_at": "2026-08-01T20:00:00Z"}
TIER = {"name": "Floor", "price_cents": 5000, "capacity": 10}


def sign_up_promoter(api: Client, email: str = "pat@example.com") -> tuple[str, dict[str, Any]]:
    """Register a promoter. Returns the id, and a token as a keyword argument of the client."""
    register(api, email, role="promoter")
    user_id = log_in(api, email).json["user"]["id"]
    return user_id, {"token": builders.token(user_id, "promoter")}


def publish(api: Client, by: dict[str, Any], name: str = "Night") -> tuple[str, str]:
    event_id = api.post("/events", json=DRAFT | {"name": name}, **by).json["id"]
    tier_id = api.post(f"/events/{event_id}/tiers", json=TIER, **by).json["id"]
    assert api.post(f"/events/{event_id}/publish", **by).status == 200
    return event_id, tier_id


def change(api: Client, user_id: str, **changes: Any) -> ClientReply:
    return api.patch(f"/admin/users/{user_id}", json=changes, token=builders.admin_token())


# What stops a promoter, and what undoes it.
STOPS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"locked": True}, {"locked": False}),
    ({"roles": ["user"]}, {"roles": ["user", "promoter"]}),
]


def stop_as_the_previous_version(user_id: str, stop: dict[str, Any]) -> None:
    """Lock an account or remove its role without suspending its events."""
    roles = frozenset(stop["roles"]) if "roles" in stop else None
    directory.change_rights(user_id, RightsChange(roles, stop.get("locked")), "admin", 0, lambda _old, _new: [])


def lock_while_others_edit(api: Client, time: Time, monkeypatch: pytest.MonkeyPatch, edit_first: Callable[[list[Any]], None]) -> CallLog:
    """Lock a promoter on one instance, with `edit_first` as `dynamo.transact`, and assert that another instance pauses their event.

    Returns the store calls of the request to the other instance.
    """
    promoter_id, by = sign_up_promoter(api)
    event_id, tier_id = publish(api, by)
    with separate_memories():
        here, elsewhere = InstanceMemory(), InstanceMemory()
        with elsewhere.active():
            api.get(f"/events/{event_id}")
        with here.active(), monkeypatch.context() as patch:
            patch.setattr(dynamo, "transact", edit_first)
            assert change(api, promoter_id, locked=True).json["suspended_events"] == 1
        time.advance(settings.current().head_check_seconds)
        with elsewhere.active(), record_calls() as calls:
            assert builders.reserve(api, "ada", event_id, tier_id).json["error"] == "event_paused"
    return calls


@pytest.mark.parametrize(("stop", "start"), STOPS)
def test_all_events_go_off_sale_and_come_back_as_they_were(api, stop, start):
    promoter_id, by = sign_up_promoter(api)
    shops = [publish(api, by), publish(api, by, "Second")]
    other = builders.create_shop(api)
    paused, _ = publish(api, by, "Paused")
    api.post(f"/admin/events/{paused}/pause", **by)
    draft = api.post("/events", json=DRAFT | {"name": "Draft"}, **by).json["id"]

    stopped = change(api, promoter_id, **stop).json
    assert (stopped["suspended_events"], stopped["resumed_events"]) == (3, 0)
    for event_id, tier_id in shops:
        assert builders.reserve(api, "ada", event_id, tier_id).json["error"] == "event_paused"
        assert open_flags(event_id) == {False}
        assert api.get(f"/events/{event_id}/availability").json["paused"] is True
    assert [event["id"] for event in api.get("/events").json] == [other[0]]
    assert builders.reserve(api, "ada", *other).status == 201

    started = change(api, promoter_id, **start).json
    assert (started["suspended_events"], started["resumed_events"]) == (0, 3)
    for event_id, tier_id in shops:
        assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    assert open_flags(paused) == {False}
    assert api.get(f"/events/{draft}").status == 404
    assert len(api.get("/events").json) == 4


def test_only_admins_see_the_profile_and_the_events_of_a_locked_promoter(api):
    promoter_id, by = sign_up_promoter(api)
    event_id, _ = publish(api, by)
    other_id = "zoe"  # after any ULID in the list, so the page of one promoter must not end the list
    for verified_id in (promoter_id, other_id):
        assert api.put(f"/promoters/{verified_id}", json={"name": "Pat", "verified": True}, token=builders.admin_token()).status == 200

    def listed(query: dict[str, Any], **who: Any) -> list[str]:
        page = api.get("/promoters", query=query, **who).json
        rest = [] if page["next_cursor"] is None else listed(query | {"cursor": page["next_cursor"]}, **who)
        return [promoter["id"] for promoter in page["promoters"]] + rest

    def shown(**who: Any) -> list[str] | int:
        profile, events = (api.get(f"/promoters/{promoter_id}{path}", **who) for path in ("", "/events"))
        assert profile.status == events.status
        return [event["id"] for event in events.json["events"]] if events.status == 200 else events.status

    assert (listed({}), shown()) == ([promoter_id, other_id], [event_id])
    change(api, promoter_id, locked=True)
    assert (listed({}), listed({"limit": 1}), listed({}, **by)) == ([other_id],) * 3
    assert (shown(), shown(**by)) == (404, 404)
    admin = {"token": builders.admin_token()}
    assert (listed({}, **admin), shown(**admin)) == ([promoter_id, other_id], [event_id])
    change(api, promoter_id, locked=False)
    assert (listed({}), shown()) == ([promoter_id, other_id], [event_id])


def test_a_stopped_promoter_changes_nothing_with_a_token_that_is_still_valid(api):
    promoter_id, by = sign_up_promoter(api)
    event_id, _ = publish(api, by)
    draft = api.post("/events", json=DRAFT, **by).json["id"]
    coordinator = {"token": builders.auth.issue_token("cora", {"user"}, events={event_id: "coordinator"})}
    change(api, promoter_id, locked=True)
    refused = [
        api.post("/events", json=DRAFT, **by),
        api.patch(f"/events/{event_id}", json={"name": "Other"}, **by),
        api.post(f"/events/{draft}/publish", **by),
        api.post(f"/admin/events/{event_id}/resume", **by),
        api.post(f"/events/{event_id}/members", json={"email": "x@example.com", "role": "staff"}, **by),
        api.post(f"/admin/events/{event_id}/resume", **coordinator),
        api.put(f"/promoters/{promoter_id}", json={"name": "Other"}, **by),
        api.post(f"/promoters/{promoter_id}/webhook-endpoints", json={"url": "https://example.com/hook"}, **by),
        api.get(f"/promoters/{promoter_id}/webhook-endpoints", **by),
    ]
    assert [reply.status for reply in refused] == [403] * len(refused)
    assert all("locked" in refused[place].json["message"] for place in (1, -3, -2, -1))
    assert api.patch(f"/events/{event_id}", json={"name": "Other"}, token=builders.admin_token()).status == 200


def test_nobody_begins_to_pay_for_a_reservation_and_who_has_begun_finishes(api):
    promoter_id, by = sign_up_promoter(api)
    shop = publish(api, by)
    begun, held = (builders.reserve(api, user, *shop).json["id"] for user in ("ada", "bob"))
    checkout = builders.start_checkout(api, "ada", begun)
    change(api, promoter_id, locked=True)

    refused = builders.start_checkout(api, "bob", held)
    assert (refused.status, refused.json["error"]) == (403, "event_paused")
    assert builders.confirm(api, "ada", checkout.json["id"]).status == 201
    change(api, promoter_id, locked=False)
    assert builders.start_checkout(api, "bob", held).status == 201


def test_a_changed_checkout_is_refused_before_its_payment_is_cancelled(api):
    promoter_id, by = sign_up_promoter(api)
    event_id, tier_id = publish(api, by)
    code = {"code": "HALF", "discount_type": "percentage", "discount_value": 50}
    assert api.post(f"/admin/events/{event_id}/promo-codes", json=code, **by).status == 201
    purchase_id = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    checkout = builders.start_checkout(api, "ada", purchase_id)
    change(api, promoter_id, locked=True)
    replaced = builders.start_checkout(api, "ada", purchase_id, key="second", replace=True, promo_code="HALF")
    assert replaced.json["error"] == "event_paused"
    assert builders.confirm(api, "ada", checkout.json["id"]).status == 201


def test_other_instances_refuse_within_seconds_even_if_the_request_ends_early(api, time, monkeypatch):
    promoter_id, by = sign_up_promoter(api)
    event_id, tier_id = publish(api, by)
    with separate_memories():
        first, second = InstanceMemory(), InstanceMemory()
        with second.active():
            assert builders.reserve(api, "ada", event_id, tier_id).status == 201
        with first.active(), monkeypatch.context() as patch:
            patch.setattr(inventory, "set_open", _die)
            assert change(api, promoter_id, locked=True).status >= 500
        time.advance(5)
        with second.active():
            assert builders.reserve(api, "bob", event_id, tier_id).json["error"] == "event_paused"
    assert open_flags(event_id) == {True}
    builders.run_sweep()
    assert open_flags(event_id) == {False}


def test_warm_and_new_instances_see_a_stop_and_a_start_in_a_large_catalog(api, time, monkeypatch):
    """Before the next snapshot, after it, and together with later changes that are read from the log."""
    monkeypatch.setattr(store, "MIN_SNAPSHOT_ENTRIES", 2)
    monkeypatch.setattr(store, "MAX_CHANGES_SINCE_SNAPSHOT", 0)
    promoter_id, by = sign_up_promoter(api)
    event_id, _ = publish(api, by)
    admin = {"token": builders.admin_token()}
    assert builders.run_sweep()["catalog_snapshots"] == 1
    warm = InstanceMemory()

    def check(name: str, *, paused: bool) -> None:
        time.advance(5)
        for instance in (warm, InstanceMemory()):
            with instance.active():
                assert api.get(f"/events/{event_id}").json["name"] == name
                assert api.get(f"/events/{event_id}/availability").json["paused"] is paused
                known = catalog.snapshot()
                assert asdict(known) == asdict(store.load_live(known.head))

    with separate_memories(), InstanceMemory().active():
        check("Night", paused=False)
        for locked in (True, False):
            change(api, promoter_id, locked=locked)
            check("Night", paused=locked)
            assert builders.run_sweep()["catalog_snapshots"] == 1
            check("Night", paused=locked)
            for name, until in (("Day", "2026-07-01T00:00:00Z"), ("Night", None)):
                assert api.patch(f"/events/{event_id}", json={"name": name, "refundable_until": until}, **admin).status == 200
                check(name, paused=locked)


def test_other_instances_read_only_who_was_stopped_or_started(api, time):
    promoter_id, by = sign_up_promoter(api)
    event_id, _ = publish(api, by)
    with separate_memories():
        here, elsewhere = InstanceMemory(), InstanceMemory()
        for instance in (here, elsewhere):
            with instance.active():
                assert api.get(f"/events/{event_id}").status == 200
        for locked in (True, False):
            with here.active():
                change(api, promoter_id, locked=locked)
                assert api.get(f"/events/{event_id}/availability").json["paused"] is locked
            time.advance(settings.current().head_check_seconds)
            with elsewhere.active(), record_calls(measured=True) as calls:
                assert api.get(f"/events/{event_id}/availability").json["paused"] is locked
                known = catalog.snapshot()
            reads = [(entry.operation, entry.read_units) for entry in calls.of(table="catalog")]
            assert reads == [("GetItem", 1), ("BatchGetItem", 0.5)]
            assert asdict(known) == asdict(store.load_live(known.head))


def test_a_promoter_with_only_drafts_loses_the_rights_on_all_instances(api, time):
    promoter_id, by = sign_up_promoter(api)
    api.post("/events", json=DRAFT, **by)
    with separate_memories():
        here, elsewhere = InstanceMemory(), InstanceMemory()
        with elsewhere.active():
            assert api.get(f"/promoters/{promoter_id}", **by).status == 200
        with here.active():
            change(api, promoter_id, locked=True)
        time.advance(settings.current().head_check_seconds)
        with elsewhere.active():
            assert api.get(f"/promoters/{promoter_id}", **by).status == 404


def test_a_promoter_is_stopped_even_while_others_edit_events_without_end(api, time, monkeypatch):
    transact = dynamo.transact

    def edit_first(items: list[Any]) -> None:
        transact([store.increment_revision_item()])
        transact(items)

    lock_while_others_edit(api, time, monkeypatch, edit_first)


def test_an_event_that_moves_to_a_locked_promoter_is_suspended_at_once(api):
    promoter_id, _ = sign_up_promoter(api)
    event_id, tier_id = builders.create_shop(api)
    change(api, promoter_id, locked=True)
    admin = {"token": builders.admin_token()}
    assert api.patch(f"/events/{event_id}", json={"promoter_id": promoter_id}, **admin).status == 200
    assert builders.reserve(api, "ada", event_id, tier_id).json["error"] == "event_paused"
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "somebody-else"}, **admin).status == 200
    builders.run_sweep()
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    assert catalog.load_current().events[event_id].suspended is False


@pytest.mark.parametrize(("stop", "start"), STOPS)
def test_a_promoter_whom_the_previous_version_stopped_is_suspended_by_the_same_request_again(api, stop, start):
    promoter_id, by = sign_up_promoter(api)
    event_id, tier_id = publish(api, by)
    stop_as_the_previous_version(promoter_id, stop)
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201

    assert change(api, promoter_id, **stop).json["suspended_events"] == 1
    assert builders.reserve(api, "bob", event_id, tier_id).json["error"] == "event_paused"
    revision = catalog.load_current().revision
    assert change(api, promoter_id, **stop).json["suspended_events"] == 0
    assert catalog.load_current().revision == revision

    assert change(api, promoter_id, **start).json["resumed_events"] == 1
    assert builders.reserve(api, "bob", event_id, tier_id).status == 201


def test_a_buyer_without_a_promoters_role_is_locked_without_a_change_of_the_catalog(api):
    register(api, "buyer@example.com")
    user_id = log_in(api, "buyer@example.com").json["user"]["id"]
    before = catalog.load_current().revision
    assert change(api, user_id, locked=True).json["suspended_events"] == 0
    assert catalog.load_current().revision == before


def _die(*_: Any) -> None:
    raise RuntimeError("the function ended")


@pytest.mark.not_on_moto
def test_the_next_sweep_opens_the_stock_if_a_request_ends_before_it_does(api, time, monkeypatch):
    """Even if the promoter's events are in none of the shards that the sweep reads in turn."""
    promoter_id, by = sign_up_promoter(api)
    shop = publish(api, by)
    builders.run_sweep()  # the first run looks at all events
    change(api, promoter_id, locked=True)
    builders.project_changes()
    time.advance(120)
    builders.run_sweep()
    with monkeypatch.context() as crashing:
        crashing.setattr(event_states, "follow_promoter", lambda *_: 0)
        change(api, promoter_id, locked=False)
    assert open_flags(shop[0]) == {False}
    monkeypatch.setattr(sweep, "scan_slice", lambda after, limit: ([], after))
    builders.project_changes()
    time.now = (time.now + 70) // 60 * 60
    builders.run_sweep()
    assert builders.reserve(api, "ada", *shop).status == 201


def test_no_instance_reads_all_entries_although_ten_edits_come_before_the_stop(api, time, monkeypatch):
    """Each edit refuses one attempt. A stop without a row in the log makes all instances read all entries from their one key."""
    transact, edits = dynamo.transact, iter(range(10))

    def edit_first(items: list[Any]) -> None:
        if next(edits, None) is not None:
            head = store.read_head()
            transact(store.next_revision_items(head, head.next(), []))
        transact(items)

    calls = lock_while_others_edit(api, time, monkeypatch, edit_first)
    assert "Query" not in [entry.operation for entry in calls.of(table="catalog")]
