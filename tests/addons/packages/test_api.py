"""Packages over HTTP: create, show, change, disable, delete and copy them, and what buyers see."""

import threading
from collections import Counter

import pytest

from chalicelib.catalog import quotas, store
from chalicelib.foundation import clock, settings
from tests import builders, invariants
from tests.addons.packages.requests import PACKAGE, call, create_event, create_package, path, promoter

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture
def event(api, time) -> str:
    return create_event(api)


def listed(api, event_id):
    return call(api, "GET", event_id).json["packages"]


def test_a_package_is_a_tier_in_other_words(api, event, time):
    created = create_package(api, event, description="Dinner for eight.", is_sponsorship=True, currency="EUR")
    assert created == {
        "id": created["id"],
        "event_id": event,
        "name": "VIP table",
        "description": "Dinner for eight.",
        "names": {},
        "descriptions": {},
        "price": 1200.0,
        "price_cents": 120_000,
        "included_fee_cents": 0,
        "currency": "EUR",
        "seats_per_package": 8,
        "is_sponsorship": True,
        "quantity_limit": 10,
        "limit_per_order": None,
        "sold_count": 0,
        "reserved_count": 0,
        "reserved_for_waitlist": 0,
        "available": 10,
        "is_enabled": True,
        "display_order": 0,
        "image_url": None,
        "image": None,
        "options": [],
        "managed_by": "api",
        "version": 1,
        "created_at": created["created_at"],
        "updated_at": created["updated_at"],
        "warnings": [],
    }
    assert call(api, "GET", event, created["id"]).json == created
    assert listed(api, event) == [created]
    tier = api.get(f"/tiers/{created['id']}").json
    expected = {"price_cents": 120_000, "admits": 8, "capacity": 10, "currency": "EUR", "is_sponsorship": True, "options": []}
    assert tier.items() >= expected.items()


@pytest.mark.parametrize(("price", "cents"), [(0, 0), (1200.5, 120_050), ("12.34", 1234), ("1200", 120_000), (0.29, 29)])
def test_a_price_is_a_number_or_a_text(api, event, price, cents):
    created = create_package(api, event, price=price)
    assert (created["price_cents"], created["price"]) == (cents, float(price))


def test_a_price_has_no_more_digits_than_its_currency(api, event):
    assert create_package(api, event, price=1200, currency="JPY")["price_cents"] == 1200
    refusal = call(api, "POST", event, json=PACKAGE | {"name": "Two", "price": 12.5})
    assert (refusal.status, refusal.json["path"]) == (400, "$.price")
    assert refusal.json["message"] == "An amount in JPY has no decimals."
    refusal = call(api, "POST", event, json=PACKAGE | {"name": "Three", "currency": "EUE"})
    assert (refusal.status, refusal.json["path"], refusal.json["rule"]) == (400, "$.currency", "unknown_currency")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": "x" * 101}, "$.name"),
        ({"name": " "}, "$.name"),
        ({"price": -1}, "$.price"),
        ({"price": 12.345}, "$.price"),
        ({"price": "NaN"}, "$.price"),
        ({"price": "a lot"}, "$.price"),
        ({"price": True}, "$.price"),
        ({"price": None}, "$.price"),
        ({"seats_per_package": 0}, "$.seats_per_package"),
        ({"seats_per_package": 101}, "$.seats_per_package"),
        ({"quantity_limit": -1}, "$.quantity_limit"),
        ({"limit_per_order": 0}, "$.limit_per_order"),
        ({"image_url": "javascript:alert(1)"}, "$.image_url"),
        ({"currency": "usd"}, "$.currency"),
        ({"sold_count": 5}, "$.sold_count"),
    ],
)
def test_an_invalid_package_is_refused_and_names_the_field(api, event, fields, at):
    reply = call(api, "POST", event, json=PACKAGE | fields)
    assert (reply.status, reply.json["path"]) == (400, at)
    assert listed(api, event) == []


def test_a_negative_price_breaks_the_rule_of_a_minimum(api, event):
    refused = call(api, "POST", event, json=PACKAGE | {"price": -1}).json
    assert (refused["path"], refused["rule"], refused["limit"]) == ("$.price", "too_small", 0)


def test_a_price_below_its_fee_is_refused_at_the_price(api, event):
    package = create_package(api, event)["id"]
    assert api.patch(f"/tiers/{package}", json={"included_fee": {"cents": 500}}, token=builders.admin_token()).status == 200
    refused = call(api, "PATCH", event, package, json={"price": 4})
    assert (refused.status, refused.json["path"], refused.json["rule"]) == (400, "$.price", "fee_above_price")


def test_only_the_event_limits_an_order_of_a_package_unless_the_package_does(api, event):
    package = create_package(api, event)["id"]
    assert builders.reserve(api, "ada", event, package, 6).status == 201
    assert builders.reserve(api, "bob", event, package, 7).json["error"] == "purchase_limit_exceeded"
    assert call(api, "PATCH", event, package, json={"limit_per_order": 2}).json["limit_per_order"] == 2
    [shown] = api.get(f"/events/{event}/tickets/packages").json["packages"]
    assert shown["limit_per_order"] == 2
    assert builders.reserve(api, "bob", event, package, 3).json["limit"] == 2
    assert call(api, "PATCH", event, package, json={"limit_per_order": None}).json["limit_per_order"] is None
    assert builders.reserve(api, "bob", event, package, 3).status == 201


def test_a_package_without_a_limit_is_sold_without_one(api, event):
    created = create_package(api, event, quantity_limit=None)
    assert (created["quantity_limit"], created["available"]) == (None, None)
    builders.buy(api, "ada", event, created["id"], 2)
    shown = call(api, "GET", event, created["id"]).json
    assert (shown["sold_count"], shown["available"]) == (2, None)


def test_an_edit_with_sales_is_allowed_audited_and_warned_of(api, event):
    package = create_package(api, event)["id"]
    held = builders.reserve(api, "bob", event, package).json
    bought = builders.buy(api, "ada", event, package, 2).json["order"]
    before = call(api, "PATCH", event, package, json={"price": "1500.00", "name": "Gold table", "seats_per_package": 6})
    assert before.status == 200
    shown = before.json
    assert (shown["price"], shown["name"], shown["version"], shown["sold_count"], shown["reserved_count"]) == (
        1500.0,
        "Gold table",
        2,
        2,
        1,
    )
    assert shown["warnings"] == ["Sold: 2, reserved: 1. Buyers keep the name, price and seats that they bought or reserved."]
    entry = call(api, "GET", event, package, "audit").json["audit_logs"][0]
    assert (entry["action"], entry["actor"]) == ("package.changed", "pia")
    assert entry["changes"] == {
        "name": {"before": "VIP table", "after": "Gold table"},
        "price_cents": {"before": 120_000, "after": 150_000},
        "seats_per_package": {"before": 8, "after": 6},
    }
    assert api.get(f"/orders/{bought['id']}", user="ada").json["order"]["total_price_cents"] == 240_000
    checkout = builders.start_checkout(api, "bob", held["id"]).json
    assert checkout["reservation"]["total_price_cents"] == 120_000


def test_the_limit_never_falls_below_what_is_sold_and_held(api, event, time):
    package = create_package(api, event)["id"]
    builders.buy(api, "ada", event, package, 2)
    builders.reserve(api, "bob", event, package)
    reply = call(api, "PATCH", event, package, json={"quantity_limit": 2})
    assert (reply.status, reply.json["error"], reply.json["minimum"]) == (409, "capacity_too_small", 3)
    assert call(api, "PATCH", event, package, json={"quantity_limit": 3}).json["available"] == 0
    invariants.check(time.now)


def test_a_sold_package_is_disabled_instead_of_deleted(api, event, time):
    package = create_package(api, event)["id"]
    builders.buy(api, "ada", event, package)
    for _ in range(2):
        reply = call(api, "DELETE", event, package)
        assert (reply.status, reply.json["id"], reply.json["deleted_at"]) == (200, package, None)
        assert reply.json["message"].startswith("Sold: 1, reserved: 0. The package is disabled, not deleted")
    assert call(api, "GET", event, package).json["is_enabled"] is False
    assert builders.reserve(api, "bob", event, package).json["error"] == "tier_not_on_sale"
    assert call(api, "POST", event, package, "enable").json["is_enabled"] is True
    assert builders.reserve(api, "bob", event, package).status == 201


def test_an_unsold_package_is_deleted_and_its_history_stays(api, event):
    package = create_package(api, event)["id"]
    assert call(api, "DELETE", event, package).status == 200
    assert call(api, "DELETE", event, package).status == 200, "a repetition changes nothing"
    assert listed(api, event) == []
    assert call(api, "GET", event, package).status == 404
    logs = call(api, "GET", event, package, "audit").json["audit_logs"]
    assert [entry["action"] for entry in logs] == ["package.deleted", "package.created"]


def test_a_repeated_creation_creates_nothing_more(api, event):
    headers = {"Idempotency-Key": "one"}
    first = call(api, "POST", event, json=PACKAGE, headers=headers)
    again = call(api, "POST", event, json=PACKAGE, headers=headers)
    assert (first.status, again.status, again.json["id"]) == (201, 200, first.json["id"])
    assert call(api, "POST", event, json=PACKAGE).json["error"] == "tier_name_taken"
    assert len(listed(api, event)) == 1


def test_a_copy_is_disabled_and_has_a_name_of_its_own(api, event):
    source = create_package(api, event, display_order=3, is_sponsorship=True, image_url="https://example.com/a.jpg")
    copies = [call(api, "POST", event, source["id"], "duplicate") for _ in range(2)]
    assert [copy.status for copy in copies] == [201, 201]
    assert [copy.json["name"] for copy in copies] == ["VIP table (copy)", "VIP table (copy 2)"]
    expected = {"is_enabled": False, "is_sponsorship": True, "price": 1200.0, "available": 10, "version": 1, "image_url": None}
    assert copies[0].json.items() >= expected.items()
    assert [package["id"] for package in listed(api, event)] == [source["id"], copies[0].json["id"], copies[1].json["id"]]
    builders.buy(api, "ada", event, source["id"])
    assert call(api, "GET", event, copies[0].json["id"]).json["available"] == 10, "it has stock of its own"


def test_packages_get_neither_dearer_nor_stricter_around_an_opening(api, event, time):
    package = create_package(api, event)["id"]
    dear = create_package(api, event, name="Dear", price=2400)["id"]
    assert call(api, "POST", event, dear, "disable").status == 200
    opens = clock.iso(time.now + 2 * 86_400)
    assert api.patch(f"/events/{event}", json={"on_sale_at": opens}, token=promoter()).status == 200
    time.advance(86_400)
    for field, change in (
        ("price", {"price": 1201}),
        ("seats_per_package", {"seats_per_package": 7}),
        ("limit_per_order", {"limit_per_order": 1}),
    ):
        refused = call(api, "PATCH", event, package, json=change)
        assert (refused.status, refused.json["error"], refused.json["field"]) == (409, "sale_frozen", field), refused.json
        assert refused.json["message"].startswith(f"`{field}` cannot change")
    assert call(api, "POST", event, dear, "enable").json["field"] == "is_enabled"
    assert call(api, "POST", event, json=PACKAGE | {"name": "New", "price": 1201}).json["field"] == "price"
    assert call(api, "PATCH", event, package, json={"price": 1100}).status == 200


def test_a_long_name_leaves_room_for_the_copys(api, event):
    source = create_package(api, event, name="x" * 100)["id"]
    assert call(api, "POST", event, source, "duplicate").json["name"] == "x" * 93 + " (copy)"


def test_a_large_package_is_copied_too(threaded_store, api):
    event = create_event(api)
    source = create_package(api, event, quantity_limit=100_000)["id"]
    copied = call(api, "POST", event, source, "duplicate").json
    assert call(api, "GET", event, copied["id"]).json["available"] == 100_000


def test_buyers_see_enabled_packages_in_order_with_what_is_left(api, event, time):
    last, first, disabled = (create_package(api, event, name=name, quantity_limit=2)["id"] for name in ("Last", "First", "Disabled"))
    call(api, "POST", event, disabled, "disable")
    assert call(api, "POST", event, "reorder", json={"package_ids": [first, disabled, last]}).status == 200
    shown = api.get(f"/events/{event}/tickets/packages").json["packages"]
    assert [(package["id"], package["available"], package["sold_out"]) for package in shown] == [(first, 2, False), (last, 2, False)]
    assert not {"version", "managed_by", "created_at", "reserved_count"} & shown[0].keys()
    builders.buy(api, "ada", event, first, 2)
    time.advance(5)
    sold_out = api.get(f"/events/{event}/tickets/packages").json["packages"][0]
    assert (sold_out["sold_out"], sold_out["status"], sold_out["message"]) == (True, "sold-out", "Sold out")


def test_the_public_list_is_cached_and_a_warm_instance_reads_nothing(api, event):
    from tests.simulation import faults

    create_package(api, event)
    first = api.get(f"/events/{event}/tickets/packages")
    with faults.record_calls() as calls:
        again = api.get(f"/events/{event}/tickets/packages", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, len(calls)) == (304, 0)


def test_only_managers_see_packages_of_a_draft(api, time):
    draft = api.post("/events", json={"name": "Draft"}, token=promoter()).json["id"]
    create_package(api, draft)
    assert api.get(f"/events/{draft}/tickets/packages").status == 404
    assert len(listed(api, draft)) == 1


def test_packages_of_the_bootstrap_file_are_read_only(api, time):
    event, tier = builders.create_promoted_shop("pia")
    shown = call(api, "GET", event, tier).json
    assert shown["managed_by"] == "bootstrap"
    for method, parts, body in (
        ("PATCH", (tier,), {"name": "New"}),
        ("DELETE", (tier,), None),
        ("POST", (tier, "disable"), None),
        ("POST", (tier, "duplicate"), None),
        ("POST", ("reorder",), {"package_ids": [tier]}),
        ("POST", (tier, "options"), {"label": "Dinner", "option_type": "boolean"}),
        ("POST", (), PACKAGE),
    ):
        options = {"json": body} if body is not None else {}
        assert call(api, method, event, *parts, **options).json["error"] == "managed_by_bootstrap", (method, parts)
    assert call(api, "GET", event, tier).json == shown


def test_a_package_is_found_at_its_own_event_only(api, event):
    other = create_event(api)
    package = create_package(api, other)["id"]
    for method, parts in (("GET", ()), ("PATCH", ()), ("DELETE", ()), ("POST", ("enable",)), ("GET", ("audit",)), ("GET", ("options",))):
        body = {"json": {"name": "New"}} if method == "PATCH" else {}
        assert call(api, method, event, package, *parts, **body).status == 404, (method, parts)
    assert call(api, "GET", event, package, by=promoter("eve")).status == 403


# ------------------------------------------------------------------ editing at once
def test_a_stale_edit_is_refused_with_the_package_as_it_is_now(api, event):
    package = create_package(api, event)["id"]
    call(api, "PATCH", event, package, json={"price": 1300, "version": 1})
    stale = call(api, "PATCH", event, package, json={"price": 1400, "version": 1})
    assert (stale.status, stale.json["error"]) == (409, "version_conflict")
    assert (stale.json["current"]["price"], stale.json["current"]["version"]) == (1300.0, 2)
    stale = call(api, "PATCH", event, package, json={"price": 1400}, headers={"If-Match": '"1"'})
    assert (stale.status, stale.json["current"]["version"]) == (412, 2)
    for parts in (("disable",), ()):
        method = "POST" if parts else "DELETE"
        assert call(api, method, event, package, *parts, headers={"If-Match": '"1"'}).status == 412
    assert call(api, "GET", event, package).json["price"] == 1300.0


def test_one_of_two_simultaneous_editors_wins(threaded_store, api):
    event = create_event(api)
    package = create_package(api, event)["id"]
    barrier, replies = threading.Barrier(8), []

    def edit(number):
        barrier.wait()
        replies.append(call(api, "PATCH", event, package, json={"price": 100 + number, "version": 1}))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(reply.status for reply in replies) == {200: 1, 409: 7}
    winner = next(reply.json for reply in replies if reply.status == 200)
    told = [reply.json for reply in replies if reply.status == 409 and reply.json["error"] == "version_conflict"]
    assert told
    assert {reply["current"]["price"] for reply in told} == {winner["price"]}
    assert call(api, "GET", event, package).json["version"] == 2


# ------------------------------------------------------------------ order
def test_a_new_order_is_set_whole_and_is_one_change_of_the_event(api, event):
    ids = [create_package(api, event, name=name)["id"] for name in ("A", "B", "C")]
    reply = call(api, "POST", event, "reorder", json={"package_ids": ids[::-1], "seen_package_ids": ids})
    assert [package["id"] for package in reply.json["packages"]] == ids[::-1]
    assert [package["id"] for package in listed(api, event)] == ids[::-1]
    assert call(api, "POST", event, "reorder", json={"package_ids": ids[::-1]}).status == 200, "a repetition changes nothing"
    entries = api.get(f"/events/{event}/audit", query={"action": "event.tiers_reordered"}, token=promoter()).json["entries"]
    assert [entry["changes"] for entry in entries] == [{"tier_order": {"before": ids, "after": ids[::-1]}}]


def test_a_stale_list_is_refused_whole(api, event):
    ids = [create_package(api, event, name=name)["id"] for name in ("A", "B", "C")]
    new = create_package(api, event, name="New")["id"]
    for twice, at in (([*ids, ids[0]], 3), ([ids[0], *ids, new], 1)):
        reply = call(api, "POST", event, "reorder", json={"package_ids": twice})
        assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", f"$.package_ids[{at}]")
        assert "twice" in reply.json["message"]
    for stale in (ids[::-1], [*ids, new, "other"]):
        reply = call(api, "POST", event, "reorder", json={"package_ids": stale})
        assert (reply.status, reply.json["error"], reply.json["package_ids"]) == (409, "stale_order", [*ids, new])
    assert [package["id"] for package in listed(api, event)] == [*ids, new]
    call(api, "POST", event, "reorder", json={"package_ids": [new, *ids]})
    moved = call(api, "POST", event, "reorder", json={"package_ids": [*ids[::-1], new], "seen_package_ids": [*ids, new]})
    assert (moved.status, moved.json["package_ids"]) == (409, [new, *ids]), "somebody else has moved one meanwhile"


def test_a_description_of_null_is_none(api, event):
    created = create_package(api, event, description=None)
    assert created["description"] == ""
    described = call(api, "PATCH", event, created["id"], json={"description": "Dinner."}).json
    assert described["description"] == "Dinner."
    assert call(api, "PATCH", event, created["id"], json={"description": None}).json["description"] == ""


def test_one_of_two_simultaneous_reorders_wins(threaded_store, api):
    event = create_event(api)
    ids = [create_package(api, event, name=name)["id"] for name in "ABC"]
    orders = [ids[::-1], [ids[1], ids[0], ids[2]]]
    barrier, replies = threading.Barrier(2), {}

    def reorder(number):
        barrier.wait()
        replies[number] = call(api, "POST", event, "reorder", json={"package_ids": orders[number], "seen_package_ids": ids})

    threads = [threading.Thread(target=reorder, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status for reply in replies.values()) == [200, 409]
    winner = next(number for number, reply in replies.items() if reply.status == 200)
    assert [package["id"] for package in listed(api, event)] == orders[winner]


def test_as_many_packages_as_an_event_may_have_are_reordered_at_once(threaded_store, api, monkeypatch):
    event = create_event(api)
    ids = [create_package(api, event, name=f"Table {number}", display_order=number)["id"] for number in range(97)]
    assert call(api, "POST", event, json=PACKAGE | {"name": "One more"}).json["error"] == "too_many_tiers"
    before = store.read_head()
    reply = call(api, "POST", event, "reorder", json={"package_ids": ids[::-1]})
    assert [package["id"] for package in reply.json["packages"]] == ids[::-1]
    assert store.read_head().logged_since == before.logged_since, "the change is in the log, so nobody reads the whole catalog again"


def test_an_event_with_one_package_more_than_allowed_is_reordered_in_the_log(threaded_store, api, monkeypatch):
    """Earlier versions allowed 98."""
    monkeypatch.setattr(quotas, "MAX_TIERS", 98)
    event = create_event(api)
    with settings.override(unverified_tiers=98):
        ids = [create_package(api, event, name=f"Table {number}", display_order=number)["id"] for number in range(98)]
    monkeypatch.undo()
    before = store.read_head()
    for order in (ids[::-1], ids, [*ids[1:], ids[0]]):
        reply = call(api, "POST", event, "reorder", json={"package_ids": order})
        assert [package["id"] for package in reply.json["packages"]] == order
        assert [package["id"] for package in listed(api, event)] == order
    assert store.read_head().logged_since == before.logged_since


def test_history_comes_in_pages(api, event, time):
    package = create_package(api, event)["id"]
    for price in (1, 2, 3):
        time.advance(1)
        call(api, "PATCH", event, package, json={"price": price})
    seen, query = [], {"limit": "2"}
    while True:
        page = api.get(path(event, package, "audit"), query=query, token=promoter()).json
        seen += [entry["changes"].get("price_cents", {}).get("after") for entry in page["audit_logs"]]
        if page["next_cursor"] is None:
            break
        query = {"limit": "2", "cursor": page["next_cursor"]}
    assert seen == [300, 200, 100, None]


def test_only_admins_see_from_which_addresses_a_package_was_changed(api, event):
    package = create_package(api, event)["id"]
    for token, address in ((promoter(), None), (builders.admin_token(), "127.0.0.1")):
        entries = api.get(path(event, package, "audit"), token=token).json["audit_logs"]
        assert [entry["address"] for entry in entries] == [address]


def test_of_a_package_limited_to_none_nobody_can_buy_one(api, event):
    package = create_package(api, event, quantity_limit=0)
    assert (package["quantity_limit"], package["available"]) == (0, 0)
    assert builders.reserve(api, "ada", event, package["id"]).status == 409
    [shown] = api.get(f"/events/{event}/tickets/packages").json["packages"]
    assert (shown["sold_out"], shown["available"]) == (True, 0)
    assert call(api, "PATCH", event, package["id"], json={"quantity_limit": 1}).json["available"] == 1
    assert builders.reserve(api, "ada", event, package["id"]).status == 201
    assert call(api, "PATCH", event, package["id"], json={"quantity_limit": 0}).json["error"] == "capacity_too_small"


def test_errors_of_packages_speak_of_packages(api, event):
    package = create_package(api, event)
    taken = call(api, "POST", event, json=PACKAGE)
    assert (taken.json["error"], taken.json["message"]) == (
        "tier_name_taken",
        "The event already has a package with this name. Choose another name.",
    )
    builders.buy(api, "ada", event, package["id"])
    small = call(api, "PATCH", event, package["id"], json={"quantity_limit": 0})
    assert small.json["message"] == "1 packages are sold and 0 are on hold. Choose a capacity of 1 or more."
