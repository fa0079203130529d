"""Promoters and admins create, change and delete events."""

from typing import Any

import msgspec
import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import event_management, forms, store
from chalicelib.catalog import service as catalog
from chalicelib.edge import auth
from chalicelib.foundation import clock
from chalicelib.inventory import service as inventory
from tests import builders
from tests.catalog.requests import DRAFT, EVENT, KIND, create_draft, create_kind, create_published, get, open_flags, post, promoter

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


def test_an_admins_event_may_have_a_limit_and_no_opening(api):
    fields = {name: value for name, value in EVENT.items() if name != "on_sale_at"}
    created = post(api, "/admin/events", fields | {"purchase_limit": 3, "status": "on_sale"}).json
    assert (created["purchase_limit"], created["on_sale_at"], created["status"]) == (3, None, "on_sale")


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
def test_an_event_outside_the_allowed_years_is_refused(api, field, moment):
    times = {"starts_at": "9998-12-31T23:59:59-14:00", "on_sale_at": "1970-01-01T00:00:00+14:00"}
    reply = post(api, "/admin/events", EVENT | times | {field: moment, "status": "on_sale"})
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", f"$.{field}")
    assert "between 1970 and 9998" in reply.json["message"]
    assert api.get("/events").json == get(api, "/admin/events").json == []


def test_an_event_may_be_at_either_end_of_the_allowed_years(api):
    times = {"starts_at": "9998-12-31T23:59:59-14:00", "on_sale_at": "1970-01-01T00:00:00+14:00"}
    assert post(api, "/admin/events", EVENT | times | {"status": "on_sale"}).status == 201
    (event,) = api.get("/events").json
    assert (event["starts_at"], event["on_sale_at"]) == ("9999-01-01T13:59:59Z", "1969-12-31T10:00:00Z")
    assert api.get(f"/events/{event['id']}").status == 200


@pytest.mark.parametrize("field", [name for name in EVENT if name != "on_sale_at"])
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
    new = forms.EventFields(name="Night", venue="Hall")
    first = event_management.create_event("id", new, "root", time.now)
    assert event_management.create_event("id", new, "root", time.now + 5) == first
    assert len(audit.list_entries("event#id")) == 1


def test_the_creation_of_an_event_is_audited(api, time):
    created = post(api, "/admin/events", EVENT).json
    (entry,) = audit.list_entries(f"event#{created['id']}")
    assert (entry.action, entry.actor, entry.at) == ("event.created", "root", clock.iso(time.now))


def test_only_managers_see_the_draft_of_a_promoter(api, time):
    created = create_draft(api, description="Jazz", metadata={"doors": "19:00"})
    expected = {"status": "draft", "promoter_id": "pia", "slug": "cafe-noir", "version": 1, "city": "Zürich", "on_sale_at": None}
    assert created.items() >= expected.items()
    path = f"/events/{created['id']}"
    assert (api.get(path).status, api.get(path, **promoter("pol")).status, api.get(path, token="forged").status) == (404, 404, 404)
    own = api.get(path, **promoter())
    assert own.json == created
    assert own.headers["cache-control"] == "no-store"
    assert api.get(path, token=builders.admin_token()).json == created
    assert api.get("/events").json == []


def test_promoters_create_their_own_events_and_admins_any(api):
    assert api.post("/events", json=DRAFT, user="ada").status == 403
    coordinator = auth.issue_token("cleo", {"user"}, events={"some": "coordinator"})
    assert api.post("/events", json=DRAFT, token=coordinator).status == 403
    assert api.post("/events", json=DRAFT | {"promoter_id": "pol"}, **promoter()).status == 403
    event_id = post(api, "/events", DRAFT | {"promoter_id": "pol"}).json["id"]
    assert api.patch(f"/events/{event_id}", json={"name": "New"}, **promoter()).status == 403
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "pia"}, **promoter("pol")).status == 403
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "pol", "name": "New"}, **promoter("pol")).json["name"] == "New"


def test_a_patch_changes_named_fields_and_a_put_all_but_the_promoter(api, time):
    event_id = create_draft(api, description="Jazz", category="music", hold_seconds=600)["id"]
    time.advance(5)
    patched = api.patch(f"/events/{event_id}", json={"venue": " Halle ", "hold_seconds": None}, **promoter())
    expected = {"venue": "Halle", "hold_seconds": 180, "description": "Jazz", "category": "music", "version": 2}
    assert patched.json.items() >= expected.items()
    assert (patched.headers["etag"], patched.json["updated_at"]) == ('"2"', clock.iso(time.now))
    replaced = api.put(f"/events/{event_id}", json={"name": "Other"}, **promoter()).json
    expected = {"name": "Other", "venue": "", "description": "", "category": None, "starts_at": None, "promoter_id": "pia", "version": 3}
    assert replaced.items() >= expected.items()
    entry = audit.list_entries(f"event#{event_id}")[1]
    assert (entry.action, entry.actor) == ("event.changed", "pia")
    assert (entry.changes["venue"].before, entry.changes["venue"].after) == ("Kleines Theater", "Halle")


def test_a_change_that_changes_nothing_makes_no_version(api):
    created = create_draft(api)
    assert api.patch(f"/events/{created['id']}", json={"name": created["name"]}, **promoter()).json == created
    assert len(audit.list_entries(f"event#{created['id']}")) == 1


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"on_sale_at": "2026-07-01T20:00:00Z"}, "$.on_sale_at"),
        ({"ends_at": "2026-07-01T20:00:00Z"}, "$.ends_at"),
        ({"timezone": "Europe/Nowhere"}, "$.timezone"),
        ({"timezone": "../etc"}, "$.timezone"),
        ({"metadata": {"x": "y" * 9000}}, "$.metadata"),
        ({"image_url": "javascript:alert(1)"}, "$.image_url"),
        ({"hold_seconds": 5}, "$.hold_seconds"),
        ({"capacity": 0}, "$.capacity"),
        ({"status": "active"}, "$.status"),
        ({"name": None}, "$.name"),
        ({"change_note": "x" * 501}, "$.change_note"),
        ({"change_note": " \n "}, "$.change_note"),
        ({"change_note": ["Flooded."]}, "$.change_note"),
    ],
)
def test_an_invalid_change_is_refused_and_names_the_field(api, change, path):
    created = create_draft(api)
    reply = api.patch(f"/events/{created['id']}", json=change, **promoter())
    assert (reply.status, reply.json["path"]) == (400, path)
    assert api.get(f"/events/{created['id']}", **promoter()).json == created


@pytest.mark.parametrize("depth", [forms.MAX_METADATA_DEPTH + 1, 200, 920, 2_000])
def test_metadata_that_another_instance_could_not_read_is_refused(api, depth):
    """At 920 levels, a request could store the metadata, but an instance that loaded the catalog for a purchase could not read it."""
    event_id, tier_id = create_published(api)
    body = b'{"name":"Deep","price_cents":5000,"capacity":10,"metadata":{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}}"
    for method, path in (("POST", f"/events/{event_id}/tiers"), ("PATCH", f"/tiers/{tier_id}")):
        assert api.request(method, path, body=body, **promoter()).status == 400
    body = body.replace(b',"price_cents":5000,"capacity":10', b"")
    for method, path in (("POST", "/events"), ("PATCH", f"/events/{event_id}"), ("PUT", f"/events/{event_id}")):
        assert api.request(method, path, body=body, **promoter()).status == 400
    catalog.invalidate()
    assert builders.reserve(api, "bob", event_id, tier_id).status == 201


def test_metadata_may_be_nested(api):
    nested: Any = 1
    for _ in range(forms.MAX_METADATA_DEPTH - 1):
        nested = [nested]
    created = create_draft(api, metadata={"a": nested})
    catalog.invalidate()
    assert api.get(f"/events/{created['id']}", **promoter()).json["metadata"] == {"a": nested}


def test_a_note_belongs_to_one_change_of_what_ticket_holders_are_told(api):
    event_id, _ = create_published(api)

    def note_after(**fields):
        reply = api.patch(f"/events/{event_id}", json=fields, **promoter())
        assert reply.status == 200, reply.json
        return reply.json["change_note"]

    assert note_after(venue="Great hall", change_note=" Flooded.\nSorry! ") == "Flooded.\nSorry!"
    assert "change_note" not in api.get(f"/events/{event_id}").json
    assert note_after(venue="Great hall") == note_after(description="Bring a coat.", purchase_limit=3) == "Flooded.\nSorry!"
    for change in (
        {"name": "Nuit"},
        {"venue": "Hall"},
        {"city": "Bern"},
        {"starts_at": "2026-07-02T20:00:00Z"},
        {"timezone": "Europe/Zurich"},
    ):
        assert note_after(change_note="Flooded.") == "Flooded."
        assert note_after(**change) is None
    [cleared, *_] = audit.list_entries(f"event#{event_id}")
    assert (cleared.changes["change_note"].before, cleared.changes["change_note"].after) == ("Flooded.", None)
    assert note_after(change_note="Flooded.") == "Flooded."
    assert note_after(change_note=None) is None


def test_a_timezone_of_the_iana_database_is_accepted(api):
    assert create_draft(api, timezone="America/Denver")["timezone"] == "America/Denver"


def test_a_deleted_draft_is_in_no_list_and_stays_in_the_store(api, time):
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id)["id"]
    assert api.delete(f"/events/{event_id}", **promoter("pol")).status == 403
    deleted = api.delete(f"/events/{event_id}", **promoter())
    assert (deleted.status, deleted.json["deleted_at"]) == (200, clock.iso(time.now))
    for path in (f"/events/{event_id}", "/events/cafe-noir", f"/tiers/{tier_id}", f"/admin/events/{event_id}", f"/admin/tiers/{tier_id}"):
        assert api.get(path, token=builders.admin_token()).status == 404, path
    assert get(api, "/admin/events").json == get(api, "/admin/tiers").json == []
    assert api.patch(f"/events/{event_id}", json={"name": "New"}, **promoter()).status == 404
    assert catalog.load_current().events[event_id].deleted_at == time.now
    assert create_draft(api)["slug"] == "cafe-noir", "its slug is free again"


@pytest.mark.needs_addon
def test_a_deleted_draft_keeps_no_long_texts(api):
    """Every instance keeps deleted drafts in its memory, and they count as a tenth of a draft."""
    dates = [{"id": "friday", "starts_at": "2026-09-01T19:00:00Z"}]
    more = {"descriptions": {"de": "About it, in German"}, "names": {"de": "About it"}}
    event_id = create_draft(api, description="About the night", metadata={"genre": "jazz"}, dates=dates, **more)["id"]
    held_back = {"id": "press", "reason": "press", "quantity": 2, "label": "The local radio"}
    texts = {"description": "About the floor", "metadata": {"side": "left"}, "holdbacks": [held_back], "date_ids": ["friday"]}
    tier_id = create_kind(api, event_id, **texts, **more)["id"]
    deleted_before = create_kind(api, event_id, name="Balcony", description="About the view", **more)["id"]
    question = {"label": "Dinner", "option_type": "text_input"}
    assert api.post(f"/admin/events/{event_id}/tickets/packages/{tier_id}/options", json=question, **promoter()).status == 201
    assert api.delete(f"/tiers/{deleted_before}", **promoter()).status == 200
    known = catalog.load_current()
    assert api.delete(f"/events/{event_id}", **promoter()).status == 200
    head = catalog.load_head()
    for loaded in (catalog.load_current(), store.load(head, known), store.load_live(head)):
        event, tiers = loaded.events[event_id], loaded.event_tiers(event_id)
        assert (event.description, event.metadata, event.dates, len(tiers)) == ("", {}, [], 2)
        kept = [(tier.description, tier.metadata, tier.options, tier.holdbacks, tier.date_ids) for tier in tiers]
        assert kept == [("", {}, [], [], [])] * 2
        assert b"About" not in msgspec.json.encode((event, tiers))
    assert api.delete(f"/events/{event_id}", **promoter()).status == 404


def test_a_published_event_is_not_deleted_and_one_with_sales_never(api):
    event_id, tier_id = create_published(api)
    assert api.delete(f"/events/{event_id}", **promoter()).json["error"] == "event_not_draft"
    builders.reserve(api, "ada", event_id, tier_id, 2)
    refused = api.delete(f"/events/{event_id}", **promoter())
    assert (refused.status, refused.json["error"], refused.json["held"]) == (409, "event_has_sales", 2)
    assert "Cancel the event" in refused.json["message"]


def test_an_event_of_the_bootstrap_file_is_read_only_for_its_promoter_too(api):
    event_id, tier_id = builders.create_promoted_shop("pia")
    assert api.get(f"/events/{event_id}", **promoter()).json["managed_by"] == "bootstrap"
    replies = [
        api.patch(f"/events/{event_id}", json={"name": "New"}, **promoter()),
        api.delete(f"/events/{event_id}", **promoter()),
        api.post(f"/events/{event_id}/publish", **promoter()),
        api.post(f"/events/{event_id}/unpublish", **promoter()),
        api.post(f"/events/{event_id}/tiers", json=KIND, **promoter()),
        api.patch(f"/tiers/{tier_id}", json={"name": "New"}, **promoter()),
        api.delete(f"/tiers/{tier_id}", **promoter()),
    ]
    assert [(reply.status, reply.json["error"]) for reply in replies] == [(409, "managed_by_bootstrap")] * len(replies)


def test_an_event_has_its_own_time_of_a_hold(api, time):
    event_id, tier_id = create_published(api)
    assert api.patch(f"/events/{event_id}", json={"hold_seconds": 600}, **promoter()).status == 200
    assert builders.reserve(api, "ada", event_id, tier_id).json["expires_in_seconds"] == 600


def test_a_slug_works_in_every_path_and_is_fixed_by_publication(api):
    event_id, tier_id = create_published(api)
    assert create_draft(api)["slug"] == "cafe-noir-2"
    assert api.get("/events/cafe-noir").json["id"] == api.get("/events/cafe-noir/availability").json["event_id"] == event_id
    reserved = api.post("/events/cafe-noir/reservations", json={"tier_id": tier_id, "quantity": 1}, user="ada")
    assert (reserved.status, reserved.json["event_id"]) == (201, event_id)
    assert api.patch("/events/cafe-noir", json={"name": "Renamed"}, **promoter()).json["slug"] == "cafe-noir"
    draft = create_draft(api, name="Untitled")
    assert api.patch(f"/events/{draft['id']}", json={"name": "!!!"}, **promoter()).json["slug"] == "event"
    assert api.get("/events/nothing-like-it").status == 404


def test_a_draft_with_open_stock_is_closed_before_it_is_deleted(api):
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id)["id"]
    inventory.set_open({tier_id: 1}, True)
    assert api.delete(f"/events/{event_id}", **promoter()).status == 200
    assert open_flags(event_id) == {False}


def test_the_public_sees_whose_event_it_is(api):
    event_id, _ = create_published(api)
    assert api.get(f"/events/{event_id}").json["promoter_id"] == "pia"
    assert [event["promoter_id"] for event in api.get("/events").json] == ["pia"]
