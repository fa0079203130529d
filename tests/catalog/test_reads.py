"""What the public reads, over HTTP, and what it costs."""

import pytest

from chalicelib import clock, dynamo, settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.simulation import faults
from tests.test_cache import counted

DAY = 86_400
PATHS = ["/events", "/events/fest", "/events/fest/availability", "/tickets/types", "/tickets/types?event_id=fest&status=available"]
INTERNAL = {"created_at", "updated_at", "managed_by", "stock_id", "shards", "removed", "metadata"}


def hold(tier_id: str, quantity: int) -> None:
    tier = catalog.load_current().tiers[tier_id]
    inventory.hold(tier.stock_id, tier.shards, quantity, f"p{quantity}.1", 4_000_000_000, 0)


class TestLists:
    def test_events_are_a_bare_array_in_the_promoters_order(self, api, serve):
        serve([event("b", display_order=2), event("a", display_order=3), event("c", display_order=1)], [])
        reply = api.get("/events")
        assert reply.status == 200
        assert [one["id"] for one in reply.json] == ["c", "b", "a"]
        fields = {"id", "name", "venue", "description", "starts_at", "on_sale_at", "status"}
        assert all(fields <= set(one) and not INTERNAL & set(one) for one in reply.json)

    def test_drafts_and_tests_are_in_no_list(self, api, serve):
        serve([event("fest"), event("try", status="test")], [ticket("fest-pass"), ticket("try-pass", "try", status="test")])
        draft = builders.create_event(api, status="draft")
        assert [one["id"] for one in api.get("/events").json] == ["fest"]
        assert [one["id"] for one in api.get("/tickets/types").json["ticket_types"]] == ["fest-pass"]
        assert api.get(f"/tickets/types?event_id={draft}").json == {"ticket_types": [], "total": 0}
        assert api.get("/tickets/types?status=test").json["total"] == 0

    def test_an_empty_catalog_has_empty_lists(self, api):
        assert api.get("/events").json == []
        assert api.get("/tickets/types").json == {"ticket_types": [], "total": 0}

    def test_ticket_types_are_as_in_the_file_with_their_event_and_what_is_left(self, api, serve):
        tickets = [ticket("late", display_order=2, sold_count=3), ticket("early", display_order=1)]
        serve([event("fest"), event("other", display_order=9)], [*tickets, ticket("x", "other")])
        reply = api.get("/tickets/types", query={"event_id": "fest"}).json
        assert reply["total"] == 2
        early, late = reply["ticket_types"]
        assert {key: late[key] for key in tickets[0]} == tickets[0]
        assert (early["event_name"], early["event_date"], early["event_venue"]) == ("Fest", "2026-09-01", "Hall")
        assert (late["available_quantity"], late["is_available"]) == (7, True)

    def test_ticket_types_by_status(self, api, serve):
        serve(None, [ticket("a"), ticket("b", status="coming-soon"), ticket("c", status="sold-out"), ticket("d", status="closed")])
        assert [one["id"] for one in api.get("/tickets/types").json["ticket_types"]] == ["a", "b", "c"]
        for status, ids in (("available", ["a"]), ("coming-soon", ["b"]), ("sold-out", ["c"]), ("closed", []), ("test", [])):
            found = api.get("/tickets/types", query={"status": status}).json["ticket_types"]
            assert [one["id"] for one in found] == ids
            assert all(one["is_available"] is (status == "available") for one in found)

    def test_ticket_types_of_an_unknown_event_are_none(self, api, serve):
        serve()
        assert api.get("/tickets/types?event_id=nowhere").json == {"ticket_types": [], "total": 0}

    def test_a_status_that_is_none_is_refused(self, api, serve):
        reply = api.get("/tickets/types?status=gone")
        assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", "$.status")

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_ticket_types_know_no_other_method(self, api, method):
        assert getattr(api, method)("/tickets/types").status == 405


class TestOneEvent:
    def test_has_its_tiers_by_price(self, api, serve):
        serve(None, [ticket("dear", price_cents=900), ticket("free", price_cents=0, per_user_limit=2), ticket("mid", price_cents=5)])
        reply = api.get("/events/fest")
        assert [tier["id"] for tier in reply.json["tiers"]] == ["free", "mid", "dear"]
        free = reply.json["tiers"][0]
        expected = {"event_id": "fest", "name": "free", "price_cents": 0, "capacity": 10, "per_user_limit": 2, "status": "available"}
        assert expected.items() <= free.items()

    def test_unknown_and_drafts_are_404(self, api, serve):
        draft = builders.create_event(api, status="draft")
        for event_id in ("nowhere", draft):
            for path in (f"/events/{event_id}", f"/events/{event_id}/availability"):
                reply = api.get(path)
                assert (reply.status, reply.json["error"]) == (404, "not_found")

    def test_a_test_event_can_be_seen_outside_production_by_who_knows_it(self, api, serve):
        serve([event("try", status="test")], [ticket("try-pass", "try", status="test")])
        assert [tier["id"] for tier in api.get("/events/try").json["tiers"]] == ["try-pass"]
        assert [line["tier_id"] for line in api.get("/events/try/availability").json["availability"]] == ["try-pass"]

    def test_a_test_event_is_not_there_in_production(self, api, serve, monkeypatch):
        serve([event("try", status="test")], [ticket("try-pass", "try", status="test")])
        monkeypatch.setattr("chalicelib.catalog.service.allows_test_sales", lambda: False)
        assert api.get("/events/try").status == 404

    def test_availability_adds_up(self, api, serve, time):
        serve(None, [ticket("fest-pass", sold_count=2)])
        hold("fest-pass", 3)
        reply = api.get("/events/fest/availability")
        line = {"tier_id": "fest-pass", "tier_name": "fest-pass", "capacity": 10, "available": 5, "reserved": 3, "sold": 2}
        assert reply.json == {
            "event_id": "fest",
            "event_name": "Fest",
            "availability": [line | {"price_cents": 5000, "per_user_limit": 4}],
            "last_updated": clock.iso(time.now),
        }


class TestTheClock:
    def status(self, api) -> str:
        (one,) = api.get("/events").json
        assert api.get("/events/fest").json["status"] == one["status"]
        return one["status"]

    def test_moves_the_status_of_an_event(self, api, serve, time):
        opens, ends = time.now + DAY, 1_788_328_799  # the last second of the last day, in Denver
        serve([event("fest", on_sale_at=clock.iso(opens))], [ticket("fest-pass", availability={"end_date": None})])
        for now, status in ((opens - 1, "scheduled"), (opens, "on_sale"), (ends, "on_sale"), (ends + 1, "closed")):
            time.set(now)
            assert (clock.iso(now), self.status(api)) == (clock.iso(now), status)

    def test_moves_tiers_through_their_windows(self, api, serve, time):
        window = {"start_date": clock.iso(time.now + 60), "end_date": clock.iso(time.now + 120)}
        serve(None, [ticket("fest-pass", availability=window)])
        start = time.now
        seen = []
        for now in (start + 59, start + 60, start + 120, start + 121):
            time.set(now)
            (tier,) = api.get("/events/fest").json["tiers"]
            (listed,) = api.get("/tickets/types").json["ticket_types"]
            seen.append((self.status(api), tier["status"], tier["message"], listed["is_available"], listed["message"]))
        assert seen == [
            ("scheduled", "coming-soon", "On sale soon", False, "On sale soon"),
            ("on_sale", "available", None, True, None),
            ("on_sale", "available", None, True, None),
            ("closed", "closed", "Sales have ended", False, "Sales have ended"),
        ]

    def test_and_the_stock_say_sold_out(self, api, serve, time):
        serve()
        assert self.status(api) == "on_sale"
        hold("fest-pass", 10)
        time.advance(1)
        assert self.status(api) == "sold_out"
        assert api.get("/events/fest").json["tiers"][0]["message"] == "Sold out"

    @pytest.mark.parametrize(("status", "shown"), [("past", "closed"), ("cancelled", "cancelled")])
    def test_does_not_open_what_the_file_has_closed(self, api, serve, status, shown):
        serve([event("fest", status=status)])
        assert self.status(api) == shown
        assert not api.get("/tickets/types").json["ticket_types"][0]["is_available"]

    def test_is_read_in_the_events_timezone(self, api, serve):
        serve([event("fest", date="2026-07-01T20:00:00", metadata={"timezone": "Europe/Berlin"})], [])
        assert api.get("/events").json[0]["starts_at"] == "2026-07-01T18:00:00Z"


class TestStates:
    def test_of_the_file_decide_what_is_shown_and_said(self, api, serve):
        states = {
            "closed": {"purchasable": False, "display": True, "message": "Gone"},
            "coming-soon": {"purchasable": True, "display": True, "message": "Presale"},
            "available": {"purchasable": True, "display": False, "message": None},
        }
        tickets = [ticket("a"), ticket("b", status="closed"), ticket("c", status="coming-soon")]
        serve(None, tickets, ticket_states=states)
        listed = api.get("/tickets/types").json["ticket_types"]
        assert [(one["id"], one["message"], one["is_available"]) for one in listed] == [("b", "Gone", False), ("c", "Presale", True)]


class TestCost:
    @pytest.mark.parametrize("path", PATHS)
    def test_a_warm_read_asks_the_store_nothing(self, api, serve, path):
        serve()
        cold = api.get(path)
        with faults.record_calls() as calls:
            warm = [api.get(path) for _ in range(5)]
        assert calls == []
        assert {reply.body for reply in warm} == {cold.body}

    def test_availability_reads_the_stock_once_a_second(self, api, serve, time):
        serve()
        api.get("/events/fest/availability")
        for _ in range(4):
            time.advance(1)
            with faults.record_calls() as calls:
                api.get("/events/fest/availability")
                api.get("/events/fest/availability")
            assert [call for call in calls if call == "BatchGetItem"] == ["BatchGetItem"]

    def test_the_head_is_looked_at_every_few_seconds(self, api, serve, time):
        serve()
        api.get("/events")
        looks = []
        for _ in range(20):
            time.advance(1)
            with faults.record_calls() as calls:
                api.get("/events")
            looks.append(calls.count("GetItem"))
        assert looks == [0, 0, 0, 0, 1] * 4
        assert "Query" not in calls, "a head that has not moved loads nothing"

    def test_hits_and_misses_are_counted_once_for_each_read(self, api, serve):
        serve()
        before = counted("cache_hit"), counted("cache_miss")
        for _ in range(3):
            api.get("/events")
        assert (counted("cache_hit") - before[0], counted("cache_miss") - before[1]) == (2, 1)

    @pytest.mark.parametrize("path", PATHS)
    def test_an_etag_saves_the_body_and_the_cache_is_short(self, api, serve, path):
        serve()
        reply = api.get(path)
        assert reply.headers["cache-control"] in ("public, max-age=1", "public, max-age=2")
        again = api.get(path, headers={"If-None-Match": reply.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert reply.headers["access-control-allow-origin"] == "*"

    def test_gzip_where_the_client_asks(self, api, serve):
        serve(None, [ticket(f"t{number}") for number in range(20)])
        zipped = api.get("/tickets/types", headers={"Accept-Encoding": "gzip"})
        assert zipped.headers["content-encoding"] == "gzip"
        plain = api.get("/tickets/types")
        assert "content-encoding" not in plain.headers
        assert zipped.json == plain.json


class TestNews:
    def test_of_another_instance_comes_when_the_head_is_looked_at(self, api, serve, time, monkeypatch):
        serve()
        api.get("/events")
        with monkeypatch.context() as other:  # another instance: it can't drop the memory of this one
            other.setattr("chalicelib.catalog.snapshots.invalidate", lambda: None)
            serve([event("fest", name="New")])
        assert api.get("/events").json[0]["name"] == "Fest"
        time.advance(settings.current().head_check_seconds)
        assert api.get("/events").json[0]["name"] == "New"

    def test_of_an_event_that_this_instance_does_not_know_comes_at_once(self, api, serve, monkeypatch):
        serve()
        api.get("/events")
        with monkeypatch.context() as other:
            other.setattr("chalicelib.catalog.snapshots.invalidate", lambda: None)
            serve([event("fest"), event("new")], [ticket("fest-pass"), ticket("new-pass", "new")])
        assert api.get("/events/new").status == 200

    def test_a_catalog_is_loaded_again_after_some_minutes_even_if_nobody_bumped_the_head(self, api, serve, time):
        serve()
        api.get("/events")
        time.advance(settings.current().cache_seconds)
        with faults.record_calls() as calls:
            api.get("/events")
        assert "Query" in calls


class TestBadDays:
    @pytest.mark.parametrize("path", PATHS)
    def test_a_cold_instance_without_a_store_says_503(self, api, serve, path):
        serve()
        catalog.invalidate()
        inventory.invalidate()
        with faults.refuse_from(1):
            reply = api.get(path)
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")

    @pytest.mark.parametrize("path", PATHS)
    def test_a_warm_instance_shows_what_it_has(self, api, serve, time, path):
        serve()
        before = api.get(path).json
        stale = counted("cache_stale")
        time.advance(600)
        with faults.refuse_from(1):
            reply = api.get(path)
        assert reply.status == 200
        assert counted("cache_stale") > stale
        if "last_updated" not in before:
            assert reply.json == before

    def test_a_question_about_nothing_does_not_cost_a_warm_instance_what_it_has(self, api, serve):
        serve()
        api.get("/events/fest")
        with faults.refuse_from(1):
            assert api.get("/events/nowhere").status == 404
            assert api.get("/events/fest").status == 200

    def test_a_missing_table_is_no_catalog(self, api, serve, time):
        serve()
        dynamo.client().delete_table(TableName=dynamo.table_name("catalog"))
        catalog.invalidate()
        assert api.get("/events").status == 500
