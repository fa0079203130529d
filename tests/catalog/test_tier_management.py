"""Promoters and admins create, change and delete tiers."""

from collections import Counter

import pytest

from chalicelib.catalog import event_states, forms, quotas, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.foundation import money
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import MAX_HOLDS
from chalicelib.inventory.store import scan_shards
from tests import builders, invariants
from tests.catalog.requests import KIND, TIER, create_draft, create_kind, create_published, get, open_flags, post, promoter
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("time")


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


@pytest.mark.slow
def test_a_pause_closes_all_shards_of_a_million_tickets(threaded_store, api):
    event_id = builders.create_event(api)
    created = post(api, "/admin/tiers", TIER | {"event_id": event_id, "capacity": 1_000_000}).json
    assert created["available"] == 1_000_000
    for action, is_open in (("pause", False), ("resume", True)):
        assert post(api, f"/admin/events/{event_id}/{action}", {}).status == 200
        assert Counter(shard.is_open for shard in scan_shards()) == {is_open: 1250}


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


def test_a_currency_that_does_not_exist_is_refused_but_a_stored_one_stays(api, monkeypatch):
    event_id = builders.create_event(api)
    refused = post(api, "/admin/tiers", TIER | {"event_id": event_id, "currency": "EUE"})
    assert (refused.status, refused.json["path"], refused.json["rule"]) == (400, "$.currency", "unknown_currency")
    with monkeypatch.context() as earlier:
        earlier.setitem(money.CURRENCIES, "EUE", 2)
        tier_id = builders.create_tier(api, event_id, currency="EUE")
    path, admin = f"/tiers/{tier_id}", {"token": builders.admin_token()}
    assert api.patch(path, json={"name": "Renamed"}, **admin).json["currency"] == "EUE"
    assert api.patch(path, json={"currency": "USN"}, **admin).json["path"] == "$.currency"
    assert api.patch(path, json={"currency": "EUR"}, **admin).status == 200


def test_a_third_decimal_is_refused_but_a_stored_one_stays(api, monkeypatch):
    event_id = builders.create_event(api)
    refused = post(api, "/admin/tiers", TIER | {"event_id": event_id, "currency": "KWD", "price_cents": 5125})
    assert (refused.status, refused.json["path"], refused.json["rule"]) == (400, "$.price_cents", "amount_digits")
    with monkeypatch.context() as earlier:
        earlier.setattr(money, "step", lambda _: 1)
        tier_id = builders.create_tier(api, event_id, currency="KWD", price_cents=5125)
    path, admin = f"/tiers/{tier_id}", {"token": builders.admin_token()}
    assert api.patch(path, json={"name": "Renamed", "price_cents": 5125}, **admin).json["price_cents"] == 5125
    assert api.patch(path, json={"price_cents": 5135}, **admin).json["path"] == "$.price_cents"
    assert api.patch(path, json={"price_cents": 5130}, **admin).status == 200


def test_a_tier_of_an_unknown_event_is_a_404(api):
    assert post(api, "/admin/tiers", TIER | {"event_id": "nowhere"}).status == 404


def test_a_new_tier_of_a_paused_event_is_closed(api, time):
    event_id = builders.create_event(api)
    event_states.set_paused(event_id, True, "root", time.now)
    builders.create_tier(api, event_id, capacity=500)
    assert open_flags(event_id) == {False}


def test_a_promoter_creates_changes_and_deletes_tiers(api, time):
    event_id = create_draft(api)["id"]
    later = {"sale_starts_at": "2026-06-02T00:00:00Z", "sale_ends_at": "2026-06-20T00:00:00Z", "max_per_order": 3}
    created = create_kind(api, event_id, position=2, hidden=True, **later)
    assert created.items() >= ({"position": 2, "hidden": True, "on_sale": True, "status": "coming-soon", "version": 1} | later).items()
    path = f"/tiers/{created['id']}"
    assert api.get(path, **promoter()).json == created
    assert (api.get(path).status, api.patch(path, json={"name": "New"}, **promoter("pol")).status) == (404, 403)
    patched = api.patch(path, json={"price_cents": 700, "sale_starts_at": None, "hidden": False}, **promoter())
    expected = {"price_cents": 700, "status": "available", "hidden": False, "version": 2, "capacity": 10, "max_per_order": 3}
    assert patched.json.items() >= expected.items()
    assert patched.headers["etag"] == '"2"'
    replaced = api.put(path, json=KIND | {"name": "Balcony", "on_sale": False}, **promoter()).json
    expected = {"name": "Balcony", "price_cents": 5000, "on_sale": False, "position": 0, "max_per_order": None, "sale_ends_at": None}
    assert replaced.items() >= expected.items()
    other = create_kind(api, event_id, position=-1)
    listed = api.get(f"/events/{event_id}/tiers", **promoter()).json
    assert ([tier["id"] for tier in listed["tiers"]], listed["next_cursor"]) == ([other["id"], created["id"]], None)
    assert api.delete(path, **promoter()).status == 200
    assert (api.get(path, **promoter()).status, api.delete(path, **promoter()).status) == (404, 200), "a repetition changes nothing"
    assert [tier["id"] for tier in api.get(f"/events/{event_id}/tiers", **promoter()).json["tiers"]] == [other["id"]]
    create_kind(api, event_id, name="Balcony")


def test_the_public_reads_the_tiers_and_their_availability(api):
    event_id, tier_id = create_published(api)
    hidden = create_kind(api, event_id, name="Friends", hidden=True)["id"]
    builders.reserve(api, "ada", event_id, tier_id, 2)
    listed = api.get(f"/events/{event_id}/tiers").json
    assert [tier["id"] for tier in listed["tiers"]] == [tier_id]
    assert not {"hidden", "version", "managed_by", "reserved"} & listed["tiers"][0].keys()
    assert api.get(f"/tiers/{tier_id}").json == listed["tiers"][0]
    availability = api.get(f"/tiers/{tier_id}/availability").json
    expected = {"event_id": event_id, "capacity": 10, "available": 8, "reserved": 2, "sold": 0, "status": "available"}
    assert availability.items() >= expected.items()
    assert [tier["id"] for tier in api.get(f"/events/{event_id}").json["tiers"]] == [tier_id]
    assert api.get(f"/tiers/{hidden}").json["name"] == "Friends"
    assert builders.reserve(api, "bob", event_id, hidden).status == 201, "who knows the id of a hidden tier can buy it"
    assert api.get("/tiers/unknown").status == api.get("/tiers/unknown/availability").status == 404


def test_a_tier_that_is_not_on_sale_is_refused(api):
    event_id, tier_id = create_published(api)
    assert api.patch(f"/tiers/{tier_id}", json={"on_sale": False}, **promoter()).json["status"] == "closed"
    assert builders.reserve(api, "ada", event_id, tier_id).json["error"] == "tier_not_on_sale"


def test_an_order_has_no_more_tickets_of_a_tier_than_the_smaller_limit(api):
    event_id, tier_id = create_published(api, per_user_limit=5, max_per_order=2)
    assert builders.reserve(api, "ada", event_id, tier_id, 3).json["limit"] == 2


def test_an_open_reservation_keeps_the_price_that_it_was_made_at(api, time):
    event_id, tier_id = create_published(api)
    reserved = builders.reserve(api, "ada", event_id, tier_id).json
    changed = api.patch(f"/tiers/{tier_id}", json={"price_cents": 9900}, **promoter()).json
    assert changed["warnings"] == ["Sold: 0, reserved: 1. Buyers keep the name and price that they bought or reserved."]
    assert builders.start_checkout(api, "ada", reserved["id"]).json["reservation"]["total_price_cents"] == 5000
    assert builders.confirm(api, "ada", reserved["id"]).json["order"]["total_price_cents"] == 5000
    assert builders.reserve(api, "bob", event_id, tier_id).json["total_price_cents"] == 9900
    invariants.check(time.now)


def test_the_capacity_never_falls_below_what_is_sold_or_held(api, time):
    event_id, tier_id = create_published(api)
    builders.buy(api, "ada", event_id, tier_id, 3)
    builders.reserve(api, "bob", event_id, tier_id, 2)
    refused = api.patch(f"/tiers/{tier_id}", json={"capacity": 4}, **promoter())
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "capacity_too_small", 5)
    assert api.get(f"/tiers/{tier_id}/availability").json["capacity"] == 10
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 5}, **promoter()).json["available"] == 0
    assert builders.reserve(api, "cleo", event_id, tier_id).json["error"] == "not_enough_tickets"
    grown = api.patch(f"/tiers/{tier_id}", json={"capacity": 5 * MAX_HOLDS}, **promoter()).json
    assert (grown["capacity"], grown["available"], grown["sold"], grown["reserved"]) == (5 * MAX_HOLDS, 5 * MAX_HOLDS - 5, 3, 2)
    assert catalog.load_current().tiers[tier_id].shards == 5
    assert open_flags(event_id) == {True}
    invariants.check(time.now)


@pytest.mark.not_on_moto
def test_a_crashed_change_never_adds_tickets_to_a_tier_and_is_completed(api, time):
    _, tier_id = create_published(api, capacity=50)
    for capacity in (200, 20, 90):
        before = catalog.load_current().tiers[tier_id].capacity
        with record_calls() as calls:
            _set_capacity(tier_id, capacity, time.now)
        for number in range(1, len(calls) + 1):
            _set_capacity(tier_id, before, time.now)
            with faults.crash_after(number):
                _set_capacity(tier_id, capacity, time.now)
            tier = catalog.load_current().tiers[tier_id]
            assert read_stock({tier.stock_id: tier.shards})[tier.stock_id].capacity <= tier.capacity
            _set_capacity(tier_id, capacity, time.now)
            tier = catalog.load_current().tiers[tier_id]
            assert read_stock({tier.stock_id: tier.shards})[tier.stock_id].capacity == tier.capacity == capacity
    invariants.check(time.now)


def _set_capacity(tier_id, capacity, now):
    tier_management.update_tier(tier_id, forms.TierChanges(capacity=capacity), "pia", now)


def test_a_refused_deletion_leaves_the_tickets_on_sale(api, time, monkeypatch):
    """Somebody changes the tier after its stock has shrunk, so that the deletion names an outdated version."""
    _, tier_id = create_published(api)
    version, stock = get(api, f"/tiers/{tier_id}").json["version"], read_stock({tier_id: 1})
    resize, edits = tier_management.resize_stock, [{"name": "Stalls"}]

    def resize_before_an_edit(*values):
        shards = resize(*values)
        if edits:
            assert api.patch(f"/tiers/{tier_id}", json=edits.pop(), **promoter()).status == 200
        return shards

    monkeypatch.setattr(tier_management, "resize_stock", resize_before_an_edit)
    refused = api.delete(f"/tiers/{tier_id}", headers={"If-Match": f'"{version}"'}, **promoter())
    assert (refused.status, read_stock({tier_id: 1})) == (412, stock)
    invariants.check(time.now)


def test_a_tier_with_sales_is_not_deleted(api, time):
    event_id, tier_id = create_published(api)
    order_id = builders.create_order(api, (event_id, tier_id))
    refused = api.delete(f"/tiers/{tier_id}", **promoter())
    assert (refused.status, refused.json["error"], refused.json["sold"]) == (409, "tier_has_sales", 2)
    assert builders.refund(api, order_id).status == 201
    assert api.delete(f"/tiers/{tier_id}", **promoter()).status == 200
    assert api.get(f"/orders/{order_id}", user="ada").json["order"]["tier_name"] == "Floor"
    invariants.check(time.now)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"capacity": -1}, "$.capacity"),
        ({"capacity": 0}, "$.capacity"),
        ({"sale_starts_at": "2026-06-02T00:00:00Z", "sale_ends_at": "2026-06-02T00:00:00Z"}, "$.sale_ends_at"),
        ({"currency": "EUR"}, "$.currency"),
        ({"display_order": 3}, "$.display_order"),
    ],
)
def test_an_invalid_change_of_a_tier_is_refused_and_names_the_field(api, change, path):
    event_id, tier_id = create_published(api)
    create_kind(api, event_id, name="Balcony")
    reply = api.patch(f"/tiers/{tier_id}", json=change, **promoter())
    assert (reply.status, reply.json["path"]) == (400, path)
    assert api.patch(f"/tiers/{tier_id}", json={"name": "balcony"}, **promoter()).json["error"] == "tier_name_taken"


def test_an_event_has_no_more_tiers_than_a_list_shows(api, monkeypatch):
    monkeypatch.setattr(quotas, "MAX_TIERS", 2)
    event_id = create_draft(api)["id"]
    for number in range(2):
        create_kind(api, event_id, name=f"Kind {number}")
    assert api.post(f"/events/{event_id}/tiers", json=KIND, **promoter()).json["error"] == "too_many_tiers"
