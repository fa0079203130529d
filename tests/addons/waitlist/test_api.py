"""Waitlists over HTTP: join, see one's place, leave, accept and decline; what managers see and do."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.foundation import settings
from tests import builders, invariants
from tests.addons.waitlist import lines


@pytest.fixture(autouse=True)
def _invariants(api, time):
    yield
    builders.run_sweep()
    lines.run_allocator()
    invariants.check(time.now, recovered=True)


@pytest.fixture
def sold_out(api, time):
    """(event id, tier id, ids of the three orders)"""
    return lines.sold_out_shop(api, time, sold=3)


def test_who_leaves_and_joins_again_is_limited(api, sold_out):
    """Each time may cause an offer and an email about it."""
    event_id, statuses = sold_out[0], []
    with settings.override(rate_limits="on", limit_waitlist="3/60"):
        for _ in range(6):
            joined = lines.join(api, "w1", event_id)
            statuses.append(joined.status)
            if joined.status == 201:
                assert api.delete(f"/waitlist/{joined.json['id']}", user="w1").status == 200
    assert statuses == [201] * 4 + [429] * 2  # the first entry is bounded by its record


def test_joining_the_waitlist_returns_an_honest_position(api, sold_out):
    event_id, tier_id, _ = sold_out
    first = lines.join(api, "w1", event_id, 2)
    assert first.status == 201
    assert first.json == {
        "id": first.json["id"],
        "event_id": event_id,
        "event_name": "Night",
        "event_timezone": "UTC",
        "tier_ids": [tier_id],
        "tier_id": tier_id,
        "quantity": 2,
        "max_price_cents": None,
        "status": "waiting",
        "joined_at": "2026-06-01T12:00:05Z",
        "created_at": "2026-06-01T12:00:05Z",
        "position": 1,
        "people_before": 0,
        "tickets_before": 0,
        "has_number": False,
        "drawn_position": None,
        "weight": None,
        "card": None,
        "offer": None,
    }
    lines.join(api, "w2", event_id, 3)
    third = lines.join(api, "w3", event_id, tier_ids=[tier_id], max_price_cents=5000).json
    assert (third["people_before"], third["tickets_before"], third["max_price_cents"]) == (2, 5, 5000)
    api.delete(f"/waitlist/{first.json['id']}", user="w1")
    lines.run_allocator()
    assert [(entry["position"], entry["people_before"], entry["tickets_before"]) for entry in lines.own(api, "w3")] == [(2, 1, 3)]


def test_joining_takes_only_an_event(api, sold_out):
    event_id, tier_id, _ = sold_out
    joined = api.post("/waitlist", json={"event_id": event_id}, user="w1")
    assert (joined.status, joined.json["quantity"], joined.json["tier_ids"]) == (201, 1, [tier_id])


def test_one_tier_needs_no_list(api, sold_out):
    event_id, tier_id, _ = sold_out
    joined = api.post("/waitlist", json={"event_id": event_id, "tier_id": tier_id}, user="w1")
    assert (joined.status, joined.json["tier_ids"]) == (201, [tier_id])
    both = api.post("/waitlist", json={"event_id": event_id, "tier_id": tier_id, "tier_ids": [tier_id]}, user="w2")
    assert (both.status, both.json["path"]) == (400, "$.tier_id")


def test_people_may_join_as_soon_as_a_tier_is_sold_out(api):
    """The displayed figures still show the ticket."""
    event_id, tier_id = builders.create_shop(api, capacity=1)
    refused = lines.join(api, "w1", event_id)
    assert (refused.status, refused.json["error"]) == (409, "tickets_available")
    assert builders.buy(api, "buyer", event_id, tier_id).status == 201
    for user, fields in (("w1", {}), ("w2", {"tier_ids": [tier_id]})):
        assert lines.join(api, user, event_id, **fields).status == 201


def test_joining_twice_gives_the_same_entry(api, sold_out):
    first = lines.join(api, "w1", sold_out[0])
    again = lines.join(api, "w1", sold_out[0], 2)
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    assert [entry["id"] for entry in lines.own(api, "w1")] == [first.json["id"]]


def test_a_person_who_left_may_rejoin_at_the_end(api, sold_out):
    entry_id = lines.join(api, "w1", sold_out[0]).json["id"]
    lines.join(api, "w2", sold_out[0])
    left = api.delete(f"/waitlist/{entry_id}", user="w1")
    assert (left.status, left.json["status"]) == (200, "left")
    assert api.delete(f"/waitlist/{entry_id}", user="w1").json["status"] == "left"
    lines.run_allocator()
    again = lines.join(api, "w1", sold_out[0])
    assert (again.status, again.json["people_before"]) == (201, 1)
    assert api.delete(f"/waitlist/{entry_id}", user="w1").status == 404


def test_the_waitlist_is_for_what_is_sold_out_or_not_on_sale_yet(api, time):
    event_id, tier_id = builders.create_shop(api)
    for fields in ({}, {"tier_ids": [tier_id]}):
        refused = lines.join(api, "w1", event_id, **fields)
        assert (refused.status, refused.json["error"]) == (409, "tickets_available")
    later = builders.create_tier(api, event_id, "Later")
    api.patch(f"/tiers/{later}", json={"sale_starts_at": "2026-06-02T00:00:00Z"}, token=builders.admin_token())
    joined = lines.join(api, "w1", event_id)
    assert (joined.status, joined.json["tier_ids"]) == (201, [later])


def test_an_entry_before_the_opening_takes_nothing_from_the_opening(api, time):
    event_id = builders.create_event(api, on_sale_at="2026-06-01T13:00:00Z")
    tier_id = builders.create_tier(api, event_id, capacity=1)
    assert lines.join(api, "w1", event_id).status == 201
    time.advance(3600)
    assert lines.run_allocator()["offered"] == 0
    reserved = builders.reserve(api, "ada", event_id, tier_id)
    assert reserved.status == 201
    lines.run_allocator()
    api.delete(f"/reservations/{reserved.json['id']}", user="ada")
    assert builders.reserve(api, "bob", event_id, tier_id).status == 409
    assert lines.run_allocator()["offered"] == 1


@pytest.mark.parametrize(
    ("fields", "status", "error", "path"),
    [
        ({"quantity": 0}, 400, "invalid_input", "$.quantity"),
        ({"quantity": 51}, 400, "invalid_input", "$.quantity"),
        ({"quantity": 5}, 400, "tier_limit_exceeded", "$.quantity"),
        ({"tier_ids": []}, 400, "invalid_input", "$.tier_ids"),
        ({"tier_ids": ["a b"]}, 400, "invalid_input", "$.tier_ids[0]"),
        ({"tier_ids": ["unknown"]}, 404, "not_found", None),
        ({"max_price_cents": -1}, 400, "invalid_input", "$.max_price_cents"),
        ({"event_id": "unknown"}, 404, "not_found", None),
        ({"more": 1}, 400, "invalid_input", "$"),
    ],
)
def test_a_wrong_entry_is_refused_and_names_the_field(api, sold_out, fields, status, error, path):
    refused = api.post("/waitlist", json={"event_id": sold_out[0], "quantity": 1} | fields, user="w1")
    assert (refused.status, refused.json["error"]) == (status, error), refused.json
    assert path is None or refused.json["path"].startswith(path)
    assert lines.own(api, "w1") == []


@pytest.mark.parametrize(("limit", "tickets"), [(1, "1 ticket"), (2, "2 tickets")])
def test_a_party_above_the_limit_of_the_tier_is_refused_with_the_limit(api, time, limit, tickets):
    event_id, _, _ = lines.sold_out_shop(api, time, per_user_limit=limit)
    refused = lines.join(api, "w1", event_id, 3)
    assert (refused.status, refused.json["limit"]) == (400, limit)
    assert refused.json["message"] == f"You can buy at most {tickets} of this type at once."


def test_a_party_larger_than_the_tier_or_the_event_is_refused(api, time):
    """Nothing could ever be offered to it, but tickets would be kept back for it."""
    event_id, large = builders.create_shop(api, event_capacity=3, capacity=3)
    small = builders.create_tier(api, event_id, "Balcony", capacity=1)
    for tier_id, quantity in ((large, 2), (small, 1)):
        builders.create_order(api, (event_id, tier_id), quantity, f"b-{tier_id}")
    time.advance(5)
    for tier_ids, limit in (([small], 1), ([small, large], 3), (None, 3)):
        refused = lines.join(api, "w1", event_id, limit + 1, tier_ids=tier_ids)
        assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "tier_limit_exceeded", "$.quantity"), refused.json
        assert refused.json["limit"] == limit
        tickets = "is only 1 ticket" if limit == 1 else f"are only {limit} tickets"
        assert refused.json["message"].startswith(f"There {tickets} in total")
    joined = lines.join(api, "w1", event_id, 2, tier_ids=[small, large])
    assert (joined.status, joined.json["tier_ids"], joined.json["tier_id"]) == (201, [small, large], small)


def test_a_tier_is_named_once_and_costs_no_more_than_one_would_pay(api, sold_out):
    twice = lines.join(api, "w1", sold_out[0], tier_ids=[sold_out[1], sold_out[1]])
    assert (twice.status, twice.json["path"]) == (400, "$.tier_ids")
    dear = lines.join(api, "w1", sold_out[0], tier_ids=[sold_out[1]], max_price_cents=4999)
    assert (dear.status, dear.json["path"]) == (400, "$.tier_ids[0]")


def test_a_guest_without_an_account_cannot_join(api, sold_out):
    """Otherwise, one person could be any number of guests, each of whom would hold a returned ticket for a day."""
    guest = api.post("/auth/guest").json
    refused = api.post("/waitlist", json={"event_id": sold_out[0]}, token=guest["access_token"])
    assert (refused.status, refused.json["error"]) == (403, "account_required")
    assert api.get("/waitlist", token=guest["access_token"]).json["entries"] == []
    lines.join(api, "w1", sold_out[0])
    lines.give_back(api, sold_out[2][0])
    lines.run_allocator()
    assert [entry["status"] for entry in lines.own(api, "w1")] == ["offered"]


def test_owned_tickets_count_against_the_limit(api, time):
    event_id, _, _ = lines.sold_out_shop(api, time)
    api.patch(f"/events/{event_id}", json={"purchase_limit": 2}, token=builders.admin_token())
    refused = lines.join(api, "b0", event_id, 2)
    assert (refused.status, refused.json["error"]) == (403, "purchase_limit_exceeded")
    assert (refused.json["already_purchased"], refused.json["requested"], refused.json["limit"]) == (1, 2, 2)
    assert lines.join(api, "b0", event_id, 1).status == 201


def test_an_event_without_a_waitlist_or_that_is_over_takes_no_entries(api, time):
    event_id, _, _ = lines.sold_out_shop(api, time)
    api.patch(f"/events/{event_id}", json={"waitlist": {"enabled": False}}, token=builders.admin_token())
    assert lines.join(api, "w1", event_id).json["error"] == "waitlist_closed"
    api.patch(f"/events/{event_id}", json={"waitlist": None}, token=builders.admin_token())
    entry = lines.join(api, "w1", event_id).json
    api.post(f"/events/{event_id}/cancel", token=builders.admin_token())
    assert lines.join(api, "w2", event_id).json["error"] == "event_not_on_sale"
    assert [shown["status"] for shown in lines.own(api, "w1")] == ["closed"]
    assert api.delete(f"/waitlist/{entry['id']}", user="w1").json["status"] == "left"


def test_an_offer_is_a_reservation_that_is_paid_like_any_other(api, sold_out):
    event_id, tier_id, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.give_back(api, orders[0])
    assert lines.run_allocator() == {"offered": 1, "ended": 0, "deferred": 0}
    [entry] = lines.own(api, "w1")
    offer = entry["offer"]
    assert (entry["status"], entry["people_before"]) == ("offered", None)
    assert (offer["state"], offer["tier_id"], offer["expires_in_seconds"]) == ("active", tier_id, 86_400)
    assert api.get(f"/events/{event_id}/reservations", user="w1").json["id"] == offer["id"]
    assert builders.start_checkout(api, "w1", offer["id"]).status == 201
    assert builders.confirm(api, "w1", offer["id"]).status == 201
    assert lines.own(api, "w1")[0]["status"] == "accepted"  # also before an allocator has noted it
    assert api.delete(f"/waitlist/{entry['id']}", user="w1").json["error"] == "reservation_converted"
    assert lines.run_allocator()["ended"] == 1
    assert lines.own(api, "w1")[0]["status"] == "accepted"


def test_an_offer_takes_a_promo_code(api, sold_out):
    event_id, _, orders = sold_out
    builders.create_promo_code(api, event_id)
    lines.join(api, "w1", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    offer_id = lines.own(api, "w1")[0]["offer"]["id"]
    session = builders.start_checkout(api, "w1", offer_id, promo_code="SAVE")
    assert session.json["reservation"]["total_price_cents"] == 4500


@pytest.mark.parametrize("way", ["waitlist", "reservations"])
def test_a_declined_offer_is_passed_on(api, sold_out, way):
    event_id, _, orders = sold_out
    entry_id = lines.join(api, "w1", event_id).json["id"]
    lines.join(api, "w2", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    target = entry_id if way == "waitlist" else lines.own(api, "w1")[0]["offer"]["id"]
    assert api.delete(f"/{way}/{target}", user="w1").status == 200
    assert lines.own(api, "w1")[0]["status"] == "declined"
    assert lines.run_allocator()["offered"] == 1
    assert lines.own(api, "w2")[0]["status"] == "offered"
    assert lines.join(api, "w1", event_id).status == 201


def test_an_offer_that_nobody_takes_up_expires_and_passes_on(api, sold_out, time):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.join(api, "w2", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    time.advance(86_400)
    assert lines.own(api, "w1")[0]["status"] == "expired"
    assert lines.own(api, "w2")[0]["status"] == "waiting"
    builders.run_sweep()
    assert lines.run_allocator() == {"offered": 1, "ended": 1, "deferred": 0}
    assert lines.own(api, "w2")[0]["status"] == "offered"


def test_whose_offer_has_just_expired_may_join_again(api, sold_out, time):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    assert lines.join(api, "w1", event_id).json["status"] == "offered"
    time.advance(86_400)
    builders.run_sweep()
    assert lines.join(api, "w1", event_id).status == 201


def test_managers_see_the_line_by_pages_and_the_demand_by_tier(api, sold_out):
    event_id, tier_id, orders = sold_out
    for number in range(3):
        lines.join(api, f"w{number}", event_id, number + 1)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    first = api.get(f"/events/{event_id}/waitlist?limit=1", token=builders.admin_token()).json
    assert [entry["user_id"] for entry in first["entries"]] == ["w1"]
    assert (first["waiting"], first["offered"], first["conversion"]) == (2, 1, None)
    assert first["tiers"] == [{"tier_id": tier_id, "people": 2, "tickets": 5}]
    rest = api.get(f"/events/{event_id}/waitlist?limit=1&cursor={first['next_cursor']}", token=builders.admin_token()).json
    assert [(entry["user_id"], entry["quantity"]) for entry in rest["entries"]] == [("w2", 3)]
    assert rest["next_cursor"] is None
    [offered] = api.get(f"/events/{event_id}/waitlist?status=offered", token=builders.admin_token()).json["entries"]
    assert (offered["user_id"], offered["status"]) == ("w0", "offered")
    builders.confirm(api, "w0", builders.start_checkout(api, "w0", offered["reservation_id"]).json["id"])
    lines.run_allocator()
    assert api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json["conversion"] == 1.0


@pytest.mark.parametrize("status", ["waiting", "offered"])
def test_a_cursor_without_an_entry_is_refused(api, sold_out, status):
    query = {"status": status, "cursor": cursors.encode_key(("",))}
    reply = api.get(f"/events/{sold_out[0]}/waitlist", query=query, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, "cursor")


def test_the_analytics_have_the_paid_share_of_ended_offers(api, time):
    """Of four people the first pays, the second declines, the third forgets the offer, and the fourth still has one."""
    event_id, _, orders = lines.sold_out_shop(api, time)
    share = lambda: api.get(f"/events/{event_id}/analytics", token=builders.admin_token()).json["waitlist_conversion"]  # noqa: E731
    for number in range(4):
        lines.join(api, f"w{number}", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    assert share() is None, "nothing has ended"
    builders.confirm(api, "w0", builders.start_checkout(api, "w0", lines.own(api, "w0")[0]["offer"]["id"]).json["id"])
    lines.run_allocator()
    assert share() == 1.0
    lines.give_back(api, orders[1])
    lines.run_allocator()
    api.delete(f"/waitlist/{lines.own(api, 'w1')[0]['id']}", user="w1")
    lines.run_allocator()
    assert share() == 0.5
    time.advance(86_400)
    builders.run_sweep()
    lines.run_allocator()
    assert share() == 0.3333
    assert lines.own(api, "w3")[0]["status"] == "offered"


def test_managers_see_who_was_passed_over(api, sold_out):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id, 2)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    [entry] = api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json["entries"]
    assert entry["passed_over_since"] == "2026-06-01T12:00:05Z"


def test_a_manager_offers_free_tickets_out_of_turn_and_that_is_recorded(api, sold_out):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    entry_id = lines.join(api, "w2", event_id).json["id"]
    refused = api.post(f"/waitlist/{entry_id}/notify", token=builders.admin_token())
    assert (refused.status, refused.json["error"]) == (409, "not_enough_tickets")
    lines.give_back(api, orders[0])
    made = api.post(f"/waitlist/{entry_id}/notify", token=builders.admin_token())
    assert (made.status, made.json["status"]) == (200, "offered")
    assert lines.own(api, "w2")[0]["offer"]["id"] == made.json["reservation_id"]
    assert api.post(f"/waitlist/{entry_id}/notify", token=builders.admin_token()).json["error"] == "waitlist_entry_not_waiting"
    entries = api.get(f"/events/{event_id}/audit", token=builders.admin_token()).json["entries"]
    assert [entry["details"]["user"] for entry in entries if entry["action"] == "waitlist.offered"] == ["w2"]
    assert lines.run_allocator()["offered"] == 0


def test_a_manager_of_another_event_offers_nothing(api, sold_out):
    entry_id = lines.join(api, "w1", sold_out[0]).json["id"]
    assert api.post(f"/waitlist/{entry_id}/notify", token=builders.token("olaf", "promoter")).status == 403
    assert api.post("/waitlist/unknown.1/notify", token=builders.admin_token()).status == 404
    assert api.delete(f"/waitlist/{entry_id}", user="w2").status == 404


def test_entries_are_exported_and_erased(api, sold_out):
    event_id, _, orders = sold_out
    entry_id = lines.join(api, "w1", event_id).json["id"]
    lines.join(api, "w2", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    for user, status in (("w1", "offered"), ("w2", "waiting")):
        [kept] = api.get("/me/export", user=user).json["waitlist"]
        assert (kept["user_id"], kept["status"]) == (user, status)
        assert api.delete("/auth/me", json={}, user=user).status == 200
        assert lines.own(api, user) == []
    assert api.delete(f"/waitlist/{entry_id}", user="w1").status == 404
    seen = api.get(f"/events/{event_id}/waitlist", token=builders.admin_token()).json
    assert (seen["waiting"], seen["offered"]) == (0, 1)  # the offer is a reservation, and ends as one


@pytest.mark.parametrize("entry_id", ["no-dot", ".1", "event.", "unknown.01KT1HEGE0X6BB2KP3ATQ0ZHDV"])
def test_an_entry_that_there_is_not_is_not_found(api, entry_id):
    for reply in (api.delete(f"/waitlist/{entry_id}", user="ada"), api.post(f"/waitlist/{entry_id}/notify", token=builders.admin_token())):
        assert reply.status == 404, reply.json


def test_the_waitlist_never_gets_tickets_that_require_a_code(api, sold_out):
    event_id, tier_id, orders = sold_out
    assert lines.join(api, "w1", event_id).status == 201
    changed = api.patch(f"/tiers/{tier_id}", json={"requires_code": True}, token=builders.admin_token())
    assert changed.status == 200, changed.json
    refused = lines.join(api, "w2", event_id, tier_ids=[tier_id])
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tier_not_on_sale", "requires_code")
    lines.give_back(api, orders[0])
    assert lines.run_allocator()["offered"] == 0


def test_an_offer_by_hand_learns_of_a_capacity_that_the_event_got_meanwhile(api, time, monkeypatch):
    event_id, tier_id = builders.create_shop(api)
    admin = builders.admin_token()
    assert api.patch(f"/tiers/{tier_id}", json={"sale_starts_at": "2026-06-01T13:00:00Z"}, token=admin).status == 200
    entry_id = lines.join(api, "w1", event_id).json["id"]
    time.advance(3600)
    known = [catalog.snapshot()]
    assert api.post(f"/events/{event_id}/unpublish", token=admin).status == 200
    assert api.patch(f"/events/{event_id}", json={"capacity": 4}, token=admin).status == 200
    assert api.post(f"/events/{event_id}/publish", token=admin).status == 200
    for name in ("snapshot", "find_snapshot"):
        monkeypatch.setattr(f"chalicelib.catalog.service.{name}", lambda *_: known[0])
    monkeypatch.setattr("chalicelib.catalog.service.refresh_snapshot", lambda: known.insert(0, catalog.load_current()))
    made = api.post(f"/waitlist/{entry_id}/notify", token=admin)
    assert (made.status, made.json.get("status")) == (200, "offered")
    assert len(known) == 2
