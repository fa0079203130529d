"""Events and tiers that admins make, and pauses."""

import pytest

from chalicelib import clock
from chalicelib.audit import service as audit
from chalicelib.catalog import management
from chalicelib.catalog import service as catalog
from chalicelib.edge import auth
from chalicelib.errors import NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import shard_ids
from tests import builders
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("time")

EVENT = {"name": "Night", "venue": "Hall", "starts_at": "2026-07-01T20:00:00Z", "on_sale_at": "2026-05-01T10:00:00+02:00"}
TIER = {"name": "Floor", "price_cents": 5000, "capacity": 10}


def post(api, path, body, **more):
    return api.post(path, json=body, token=builders.admin_token(), **more)


def get(api, path):
    return api.get(path, token=builders.admin_token())


def open_flags(event_id: str) -> set[bool]:
    wanted = catalog.load_current().shard_counts([event_id])
    ids = {shard_id for stock_id, shards in wanted.items() for shard_id in shard_ids(stock_id, shards)}
    return {shard.is_open for shard in inventory.scan_shards() if shard.id in ids}


class TestGuard:
    CALLS = [
        ("get", "/admin/events"),
        ("post", "/admin/events"),
        ("get", "/admin/events/fest"),
        ("get", "/admin/tiers"),
        ("post", "/admin/tiers"),
        ("get", "/admin/tiers/x"),
        ("post", "/admin/catalog/invalidate"),
    ]

    @pytest.mark.parametrize(("method", "path"), CALLS)
    def test_only_admins_come_in(self, api, method, path):
        call = getattr(api, method)
        assert call(path).status == 401
        assert call(path, user="root").status == 403, "the demo identity never makes an admin"
        assert call(path, token=builders.token("ada", "promoter", "staff")).status == 403
        assert call(path, token=auth.issue_token("root", {"admin"}, seconds=-1)).status == 401


class TestEvents:
    def test_are_drafts_when_nobody_says(self, api, time):
        reply = post(api, "/admin/events", EVENT)
        assert reply.status == 201
        made = reply.json
        assert made["status"] == "draft"
        assert made.items() >= {"paused": False, "managed_by": "api", "on_sale_at": "2026-05-01T08:00:00Z", "tiers": []}.items()
        assert made["created_at"] == clock.iso(time.now)
        assert api.get("/events").json == []
        assert [one["id"] for one in get(api, "/admin/events").json] == [made["id"]]
        assert get(api, f"/admin/events/{made['id']}").json == made

    @pytest.mark.parametrize("said", ["scheduled", "on_sale"])
    def test_have_the_status_of_the_clock_once_published(self, api, said):
        later = {"on_sale_at": "2026-06-20T10:00:00Z"}
        now = post(api, "/admin/events", EVENT | {"status": said}).json
        then = post(api, "/admin/events", EVENT | later | {"status": said}).json
        assert (now["status"], then["status"]) == ("on_sale", "scheduled")
        assert {one["id"]: one["status"] for one in api.get("/events").json} == {now["id"]: "on_sale", then["id"]: "scheduled"}

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"on_sale_at": "2026-07-01T20:00:00Z"}, "$.on_sale_at"),
            ({"on_sale_at": "tomorrow"}, "$.on_sale_at"),
            ({"starts_at": "2026-07-01T20:00:00"}, "$.starts_at"),
            ({"starts_at": 5}, "$.starts_at"),
            ({"name": ""}, "$.name"),
            ({"name": "   "}, "$.name"),
            ({"name": "x" * 201}, "$.name"),
            ({"venue": None}, "$.venue"),
            ({"status": "past"}, "$.status"),
            ({"price": 5}, "$.price"),
        ],
    )
    def test_with_faults_are_refused(self, api, change, path):
        reply = post(api, "/admin/events", EVENT | change)
        assert (reply.status, reply.json["path"]) == (400, path)
        assert get(api, "/admin/events").json == []

    @pytest.mark.parametrize("field", EVENT)
    def test_need_their_fields(self, api, field):
        reply = post(api, "/admin/events", {name: value for name, value in EVENT.items() if name != field})
        assert (reply.status, reply.json["path"]) == (400, f"$.{field}")

    def test_are_made_once_for_an_idempotency_key(self, api):
        first = post(api, "/admin/events", EVENT, headers={"Idempotency-Key": "k"})
        again = post(api, "/admin/events", EVENT, headers={"Idempotency-Key": "k"})
        assert (first.status, again.status) == (201, 200)
        assert first.json["id"] == again.json["id"]
        assert len(get(api, "/admin/events").json) == 1

    def test_are_made_once_even_if_the_first_execution_died(self, api, time):
        new = management.NewEvent(
            "Night", "Hall", *(management.datetime.fromisoformat(EVENT[name]) for name in ("starts_at", "on_sale_at"))
        )
        first = catalog.create_event("id", new, "root", time.now)
        assert catalog.create_event("id", new, "root", time.now + 5) == first
        assert len(audit.list_entries("event#id")) == 1

    def test_are_audited(self, api, time):
        made = post(api, "/admin/events", EVENT).json
        (entry,) = audit.list_entries(f"event#{made['id']}")
        assert (entry.action, entry.actor, entry.at) == ("event.created", "root", clock.iso(time.now))

    def test_unknown_is_404(self, api):
        assert get(api, "/admin/events/nowhere").status == 404


class TestTiers:
    def test_come_with_their_stock(self, api):
        event_id = builders.create_event(api)
        reply = post(api, "/admin/tiers", TIER | {"event_id": event_id})
        assert reply.status == 201
        made = reply.json
        expected = {
            "event_id": event_id,
            "per_user_limit": 4,
            "currency": "USD",
            "available": 10,
            "sold": 0,
            "reserved": 0,
            "status": "available",
        }
        assert expected.items() <= made.items()
        assert get(api, f"/admin/tiers/{made['id']}").json == made
        assert get(api, f"/admin/tiers?event_id={event_id}").json == get(api, "/admin/tiers").json == [made]
        assert [tier["id"] for tier in api.get(f"/events/{event_id}").json["tiers"]] == [made["id"]]

    def test_of_any_size(self, api):
        event_id = builders.create_event(api)
        made = post(api, "/admin/tiers", TIER | {"event_id": event_id, "capacity": 1_000_000}).json
        assert made["available"] == 1_000_000

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
            ({"extra": 1}, "$.extra"),
            ({"currency": "usd"}, "$.currency"),
        ],
    )
    def test_with_faults_are_refused(self, api, change, path):
        event_id = builders.create_event(api)
        reply = post(api, "/admin/tiers", TIER | {"event_id": event_id} | change)
        assert (reply.status, reply.json["path"]) == (400, path)
        assert get(api, "/admin/tiers").json == []

    def test_of_one_event_have_different_names(self, api):
        event_id = builders.create_event(api)
        builders.create_tier(api, event_id, "Floor")
        reply = post(api, "/admin/tiers", TIER | {"event_id": event_id, "name": " floor "})
        assert (reply.status, reply.json["error"]) == (409, "tier_name_taken")
        builders.create_tier(api, builders.create_event(api), "Floor")

    def test_of_one_event_have_one_currency(self, api):
        event_id = builders.create_event(api)
        builders.create_tier(api, event_id, "Floor", currency="EUR")
        assert get(api, f"/admin/tiers/{builders.create_tier(api, event_id, 'Balcony')}").json["currency"] == "EUR"
        reply = post(api, "/admin/tiers", TIER | {"event_id": event_id, "name": "Box", "currency": "USD"})
        assert (reply.status, reply.json["path"]) == (400, "$.currency")

    def test_of_no_event_are_refused(self, api):
        assert post(api, "/admin/tiers", TIER | {"event_id": "nowhere"}).status == 404
        assert get(api, "/admin/tiers?event_id=nowhere").status == 404
        assert get(api, "/admin/tiers/nowhere").status == 404

    def test_of_the_bootstrap_file_are_read_only(self, api, serve):
        serve()
        reply = post(api, "/admin/tiers", TIER | {"event_id": "fest"})
        assert (reply.status, reply.json["error"]) == (409, "managed_by_bootstrap")
        assert get(api, "/admin/events").json[0]["managed_by"] == "bootstrap"
        assert get(api, "/admin/tiers").json[0]["managed_by"] == "bootstrap"

    def test_of_a_paused_event_are_born_closed(self, api, time):
        event_id = builders.create_event(api)
        catalog.set_paused(event_id, True, "root", time.now)
        builders.create_tier(api, event_id, capacity=500)
        assert open_flags(event_id) == {False}

    def test_made_while_somebody_else_changes_the_catalog_start_again(self, api, time):
        """Two admins make the same name at once: the second one sees the first one's tier and is refused."""
        event_id = builders.create_event(api)
        made = []

        def interfere(model, **_):
            if model.name == "TransactWriteItems" and not made:
                made.append(True)
                catalog.create_tier("first", management.NewTier(event_id, "Floor", 1, 1), "ann", time.now)

        events = faults.dynamo.client().meta.events
        events.register("before-call.dynamodb", interfere)
        try:
            with pytest.raises(management.TierNameTaken):
                catalog.create_tier("second", management.NewTier(event_id, "Floor", 1, 1), "bob", time.now)
        finally:
            events.unregister("before-call.dynamodb", interfere)
        assert [tier["id"] for tier in get(api, "/admin/tiers").json] == ["first"]


class TestPause:
    def test_closes_the_stock_and_opens_it_again(self, api, time):
        event_id, _ = builders.create_shop(api, capacity=300)
        assert catalog.set_paused(event_id, True, "root", time.now).paused
        assert open_flags(event_id) == {False}
        assert get(api, f"/admin/events/{event_id}").json["paused"]
        assert not api.get("/tickets/types").json["ticket_types"][0]["is_available"]
        assert not catalog.set_paused(event_id, False, "root", time.now).paused
        assert open_flags(event_id) == {True}
        assert [entry.action for entry in audit.list_entries(f"event#{event_id}")] == ["event.resumed", "event.paused", "event.created"]

    def test_twice_is_audited_once(self, api, time):
        event_id, _ = builders.create_shop(api)
        for _ in range(2):
            catalog.set_paused(event_id, True, "root", time.now)
        assert len(audit.list_entries(f"event#{event_id}")) == 2

    def test_of_nothing_is_404(self, api, time):
        with pytest.raises(NotFound):
            catalog.set_paused("nowhere", True, "root", time.now)

    def test_after_a_crash_at_any_call_can_be_finished_or_taken_back(self, api, time):
        event_id, _ = builders.create_shop(api, capacity=150)
        with faults.record_calls() as calls:
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

    def test_and_resume_at_once_end_with_the_stock_as_the_flag_says(self, api, time):
        event_id, _ = builders.create_shop(api, capacity=150)
        with faults.record_calls() as calls:
            catalog.set_paused(event_id, True, "root", time.now)
        for number in range(1, len(calls) + 1):
            catalog.set_paused(event_id, False, "root", time.now)
            made = 0

            def resume(**_):
                nonlocal made
                made += 1
                if made == number:  # noqa: B023 - called within this round
                    catalog.set_paused(event_id, False, "ann", time.now)

            events = faults.dynamo.client().meta.events
            events.register("before-call.dynamodb", resume)
            try:
                catalog.set_paused(event_id, True, "bob", time.now)
            finally:
                events.unregister("before-call.dynamodb", resume)
            assert open_flags(event_id) == {not catalog.load_current().events[event_id].paused}


def test_an_invalidation_reaches_every_instance(api, time):
    before = catalog.load_head_and_catalog()[0].revision
    assert post(api, "/admin/catalog/invalidate", {}).status == 200
    assert catalog.load_head_and_catalog()[0].revision == before + 1
    assert audit.list_entries("catalog")[0].action == "catalog.invalidated"


def test_changes_that_never_come_through_are_a_conflict(api, monkeypatch):
    from chalicelib import dynamo

    def refuse(items):
        raise dynamo.TransactionCanceled([])

    monkeypatch.setattr(dynamo, "transact", refuse)
    reply = post(api, "/admin/events", EVENT)
    assert (reply.status, reply.json["error"], reply.headers["retry-after"]) == (409, "catalog_changing", "1")
