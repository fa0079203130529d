"""Concurrent changes of the catalog, and changes of what others have changed."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from msgspec.structs import asdict

from chalicelib.audit import service as audit
from chalicelib.catalog import event_management, forms, store, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from tests import builders
from tests.catalog.requests import EVENT, KIND, TIER, create_draft, create_published, get, open_flags, post, promoter

pytestmark = pytest.mark.usefixtures("time")


def test_an_event_of_the_bootstrap_file_cannot_be_changed_through_the_api(api, apply_document):
    apply_document()
    reply = post(api, "/admin/tiers", TIER | {"event_id": "fest"})
    assert (reply.status, reply.json["error"]) == (409, "managed_by_bootstrap")
    assert get(api, "/admin/events").json[0]["managed_by"] == "bootstrap"
    assert get(api, "/admin/tiers").json[0]["managed_by"] == "bootstrap"


def test_a_change_is_built_again_after_a_concurrent_one(api, time):
    """Two admins create a tier of the same name at once: the second attempt sees the first tier and is refused."""
    event_id = builders.create_event(api)
    interfered = []

    def interfere(model, **_):
        if model.name == "TransactWriteItems" and not interfered:
            interfered.append(True)
            tier_management.create_tier("first", event_id, forms.TierFields(name="Floor", price_cents=1, capacity=1), "ann", time.now)

    events = dynamo.client().meta.events
    events.register("before-call.dynamodb", interfere)
    try:
        with pytest.raises(tier_management.TierNameTaken):
            tier_management.create_tier("second", event_id, forms.TierFields(name="Floor", price_cents=1, capacity=1), "bob", time.now)
    finally:
        events.unregister("before-call.dynamodb", interfere)
    assert [tier["id"] for tier in get(api, "/admin/tiers").json] == ["first"]


def test_an_invalidation_changes_the_revision_and_is_audited(api, time):
    before = catalog.load_head_and_catalog()[0].revision
    assert post(api, "/admin/catalog/invalidate", {}).status == 200
    assert catalog.load_head_and_catalog()[0].revision == before + 1
    assert audit.list_entries("catalog")[0].action == "catalog.invalidated"


def test_a_change_that_always_conflicts_is_a_409(api, monkeypatch):
    def refuse(items):
        raise dynamo.ConditionFailed([])

    monkeypatch.setattr(dynamo, "transact", refuse)
    reply = post(api, "/admin/events", EVENT)
    assert (reply.status, reply.json["error"], reply.headers["retry-after"]) == (409, "catalog_changing", "1")


@pytest.mark.parametrize("step", ["pause", "resume", "cancel"])
def test_a_change_of_a_sale_succeeds_although_others_keep_changing_drafts(api, time, step):
    """Before each of its first attempts, somebody else changes a draft."""
    event_id, _ = create_published(api)
    if step == "resume":
        assert post(api, f"/admin/events/{event_id}/pause", None).status == 200
    draft, names, is_editing = create_draft(api)["id"], [f"Name {number}" for number in range(20)], []

    def interfere(model, **_):
        if model.name == "TransactWriteItems" and names and not is_editing:
            is_editing.append(True)
            event_management.update_event(draft, forms.EventChanges(name=names.pop()), "pia", time.now)
            is_editing.clear()

    events = dynamo.client().meta.events
    events.register("before-call.dynamodb", interfere)
    path, body = (f"/events/{event_id}/cancel", {}) if step == "cancel" else (f"/admin/events/{event_id}/{step}", None)
    try:
        assert post(api, path, body).status == 200
    finally:
        events.unregister("before-call.dynamodb", interfere)
    assert names == []
    assert open_flags(event_id) == {step == "resume"}


def test_a_lost_race_is_a_412_with_if_match_and_a_409_with_a_version(api):
    event_id, tier_id = create_published(api)
    for path, fields in ((f"/events/{event_id}", {"name": "New"}), (f"/tiers/{tier_id}", {"name": "New"})):
        version = api.get(path, **promoter()).json["version"]
        stale = {"If-Match": f'"{version - 1}"'}
        refused = api.patch(path, json=fields, headers=stale, **promoter())
        assert (refused.status, refused.json["error"], refused.json["version"]) == (412, "precondition_failed", version)
        refused = api.patch(path, json=fields | {"version": version + 1}, **promoter())
        assert (refused.status, refused.json["error"], refused.json["version"]) == (409, "version_conflict", version)
        assert api.delete(path, headers=stale, **promoter()).status == 412
        assert api.get(path, **promoter()).json["version"] == version
        assert api.patch(path, json=fields | {"version": version}, **promoter()).json["version"] == version + 1
        for if_match in (api.get(path, **promoter()).headers["etag"], "*", f'"7", "{version + 3}"'):
            version += 1
            reply = api.patch(path, json={"name": f"New {version}"}, headers={"If-Match": if_match}, **promoter())
            assert (reply.status, reply.json["version"]) == (200, version + 1)


def test_one_of_many_editors_succeeds_and_the_others_learn_the_version(threaded_store, api, time):
    event_id = create_draft(api)["id"]
    start = Barrier(8)

    def edit(number):
        start.wait()
        return api.patch(f"/events/{event_id}", json={"name": f"Name {number}"}, headers={"If-Match": '"1"'}, **promoter())

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(edit, range(8)))
    refusals = [reply for reply in replies if reply.status != 200]
    assert [reply.json["name"] for reply in replies if reply.status == 200] == [api.get(f"/events/{event_id}", **promoter()).json["name"]]
    assert len(refusals) == 7
    assert {(reply.status, reply.json.get("version")) for reply in refusals} <= {(412, 2), (409, None)}


def test_editors_of_different_fields_lose_nothing(threaded_store, api, time):
    event_id = create_draft(api)["id"]
    fields = [{"venue": "Halle"}, {"category": "music"}, {"city": "Bern"}]
    start = Barrier(3)

    def edit(body):
        start.wait()
        return api.patch(f"/events/{event_id}", json=body, **promoter()).status

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(edit, fields)) == [200, 200, 200]
    event = api.get(f"/events/{event_id}", **promoter()).json
    assert (event["venue"], event["category"], event["city"], event["version"]) == ("Halle", "music", "Bern", 4)


def test_after_a_change_its_instance_has_the_catalog_of_the_store(api, time):
    """It does not load it again: it knows what it has changed."""

    def check():
        assert asdict(catalog.load_current()) == asdict(store.load(store.read_head()))

    event_id, tier_id = create_published(api)
    check()
    for method, path, body in (
        ("PATCH", f"/events/{event_id}", {"name": "Other", "metadata": {"a": [1, None]}, "waiting_room": {"enabled": False}}),
        ("PATCH", f"/tiers/{tier_id}", {"price_cents": 1, "position": 3}),
        ("PUT", f"/tiers/{tier_id}", KIND | {"capacity": 200}),
        ("POST", f"/admin/events/{event_id}/pause", None),
        ("POST", f"/admin/events/{event_id}/resume", None),
        ("POST", f"/events/{event_id}/unpublish", None),
        ("DELETE", f"/tiers/{tier_id}", None),
        ("DELETE", f"/events/{event_id}", None),
    ):
        options = {} if body is None else {"json": body}
        assert api.request(method, path, token=builders.admin_token(), **options).status == 200, path
        check()
