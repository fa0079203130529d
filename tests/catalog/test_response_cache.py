"""The public replies: what they contain, what they cost, and what happens while the store is unavailable."""

import random

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.inventory.display import invalidate_figures
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.dynamodb.test_cache import counted
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import InstanceMemory, separate_memories

PATHS = ["/events", "/events/fest", "/events/fest/availability", "/tickets/types", "/tickets/types?event_id=fest&status=available"]


def test_drafts_and_test_events_are_in_no_list(api, apply_document):
    apply_document([event("fest"), event("try", status="test")], [ticket("fest-pass"), ticket("try-pass", "try", status="test")])
    draft = builders.create_event(api, status="draft")
    assert [event["id"] for event in api.get("/events").json] == ["fest"]
    assert [ticket_type["id"] for ticket_type in api.get("/tickets/types").json["ticket_types"]] == ["fest-pass"]
    assert api.get(f"/tickets/types?event_id={draft}").json == {"ticket_types": [], "total": 0}
    assert api.get("/tickets/types?status=test").json["total"] == 0


def test_an_empty_catalog_has_empty_lists(api):
    assert api.get("/events").json == []
    assert api.get("/tickets/types").json == {"ticket_types": [], "total": 0}


def test_ticket_types_can_be_selected_by_status(api, apply_document):
    apply_document(None, [ticket("a"), ticket("b", status="coming-soon"), ticket("c", status="sold-out"), ticket("d", status="closed")])
    assert [ticket_type["id"] for ticket_type in api.get("/tickets/types").json["ticket_types"]] == ["a", "b", "c"]
    for status, ids in (("available", ["a"]), ("coming-soon", ["b"]), ("sold-out", ["c"]), ("closed", []), ("test", [])):
        ticket_types = api.get("/tickets/types", query={"status": status}).json["ticket_types"]
        assert [ticket_type["id"] for ticket_type in ticket_types] == ids
        assert all(ticket_type["is_available"] is (status == "available") for ticket_type in ticket_types)


def test_ticket_types_without_sale_times_have_an_empty_availability(api, apply_document):
    apply_document(None, [ticket("a", availability=None)])
    assert api.get("/tickets/types").json["ticket_types"][0]["availability"] == {}


def test_an_unknown_event_has_no_ticket_types(api, apply_document):
    apply_document()
    assert api.get("/tickets/types?event_id=nowhere").json == {"ticket_types": [], "total": 0}


@pytest.mark.parametrize("path", PATHS)
def test_a_repeated_request_does_not_call_the_store(api, apply_document, path):
    apply_document()
    cold = api.get(path)
    with record_calls() as calls:
        warm = [api.get(path) for _ in range(5)]
    assert calls == []
    assert {reply.body for reply in warm} == {cold.body}


def test_in_a_drop_every_instance_says_what_was_left_two_seconds_ago_at_most(api, apply_document, time):
    apply_document(None, [ticket("fest-pass", max_quantity=100)])
    chance = random.Random(3)
    with separate_memories():
        instances, sold = [InstanceMemory() for _ in range(6)], {}
        for second in range(40):
            builders.reserve(api, f"u{second}", "fest", "fest-pass")
            sold[second] = second + 1
            for instance in chance.sample(instances, len(instances)):
                with instance.active():
                    shown = api.get("/events/fest/availability").json["availability"][0]["reserved"]
                assert shown >= sold.get(second - 2, 0), f"at second {second}"
            time.advance(1)


def test_availability_reads_the_stock_once_a_second_while_it_changes(api, apply_document, time):
    apply_document()
    api.get("/events/fest/availability")
    for number in range(4):
        time.advance(1)
        builders.reserve(api, f"u{number}", "fest", "fest-pass")
        with record_calls() as log:
            first, second = (api.get("/events/fest/availability").json["availability"][0] for _ in range(2))
        assert first["reserved"] == second["reserved"] == number + 1
        assert [entry.outcome for entry in log.of("BatchGetItem", "inventory")] == ["done"]


@pytest.mark.parametrize("path", PATHS)
def test_a_matching_etag_saves_the_body_and_browsers_keep_it_briefly(api, apply_document, path):
    apply_document()
    reply = api.get(path)
    assert reply.headers["cache-control"] in ("public, max-age=1", "public, max-age=2")
    again = api.get(path, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert reply.headers["access-control-allow-origin"] == "*"


def test_a_reply_is_zipped_if_the_client_accepts_it(api, apply_document):
    apply_document(None, [ticket(f"t{number}") for number in range(20)])
    zipped = api.get("/tickets/types", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    plain = api.get("/tickets/types")
    assert "content-encoding" not in plain.headers
    assert zipped.json == plain.json


@pytest.mark.parametrize("path", PATHS)
def test_a_new_instance_without_a_store_replies_503(api, apply_document, path):
    apply_document()
    catalog.invalidate()
    invalidate_figures()
    with faults.refuse_from(1):
        reply = api.get(path)
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize("path", PATHS)
def test_an_instance_with_a_cache_replies_with_old_data_without_a_store(api, apply_document, time, path):
    apply_document()
    before = api.get(path).json
    stale = counted("cache_stale")
    time.advance(600)
    with faults.refuse_from(1):
        reply = api.get(path)
    assert reply.status == 200
    assert counted("cache_stale") > stale
    if "last_updated" not in before:
        assert reply.json == before


def test_an_unknown_id_does_not_empty_the_cache_without_a_store(api, apply_document):
    apply_document()
    api.get("/events/fest")
    with faults.refuse_from(1):
        assert api.get("/events/nowhere").status == 404
        assert api.get("/events/fest").status == 200


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/events", "/events?limit=200", "/tickets/types", "/admin/events", "/admin/tiers"])
def test_no_list_exceeds_a_megabyte_whatever_promoters_write(api, apply_document, path):
    long_text = "\u0001" * 10_000  # each of these characters takes six bytes of JSON
    metadata = {"timezone": "UTC", "description": long_text, "note": "x" * 8_000}
    events = [event(f"fest-{number:03}", name="\u0001" * 199 + "x", venue="\u0001" * 199 + "x", metadata=metadata) for number in range(150)]
    apply_document(events, [ticket(f"pass-{number:03}", f"fest-{number:03}", description=long_text) for number in range(150)])
    found, target = [], path
    for _ in range(100):
        reply = api.get(target, token=builders.admin_token())
        assert reply.status == 200
        assert len(reply.body) < 1_000_000
        body = reply.json
        found += [entry["id"] for entry in (body if isinstance(body, list) else body["ticket_types"])]
        link = reply.headers.get("link")
        if link is None:
            break
        target = path.partition("?")[0] + link.removeprefix("<").partition(">")[0]
    assert len(found) == len(set(found)) == 150


def test_lists_of_events_have_the_beginning_of_a_long_description(api, apply_document):
    apply_document([event("fest", metadata={"description": "A long night. " * 100})], [ticket("fest-pass")])
    whole = api.get("/events/fest").json["description"]
    for path in ("/events", "/events?q=night"):
        [listed] = api.get(path).json
        assert len(listed["description"]) <= 300
        assert listed["description"].endswith("…")
        assert whole.startswith(listed["description"].rstrip("…"))
