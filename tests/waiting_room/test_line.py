"""A sale with a waiting room over HTTP: gathering, the draw, waves, passes, and what the admin does to it."""

import random
from collections import Counter
from hashlib import sha256

import pytest

from chalicelib.waiting_room import room_cache, store
from tests import builders, invariants
from tests.simulation import faults

OPENS = 600


@pytest.fixture
def drop(api, time):
    """An event that opens in ten minutes, with waves of 3 every 30 seconds; (event, tier)."""
    return make_drop(api, time)


def make_drop(api, time, name="Drop", capacity=50, **room):
    opens = builders.clock.iso(time.now + OPENS)
    waves = {"wave_size": 3, "wave_seconds": 30, "pass_seconds": 60} | room
    event_id = builders.create_event(api, name, on_sale_at=opens, status="scheduled", waiting_room=waves)
    return event_id, builders.create_tier(api, event_id, capacity=capacity, per_user_limit=4)


def join(api, event_id, user):
    reply = api.post(f"/events/{event_id}/waiting-room/join", user=user)
    assert reply.status == 200, reply.json
    return reply.json["token"]


def status(api, event_id, token):
    reply = api.get(f"/events/{event_id}/waiting-room/status", query={"token": token})
    assert reply.status == 200, reply.json
    return reply.json


def reserve(api, event_id, tier_id, user, token, quantity=1):
    body = {"tier_id": tier_id, "quantity": quantity, "token": token}
    return api.post(f"/events/{event_id}/reservations", json=body, user=user)


def gather(api, event_id, count):
    return {f"u{number}": join(api, event_id, f"u{number}") for number in range(count)}


def in_line(api, event_id, tokens):
    """Users by their position, first to last."""
    places = {user: status(api, event_id, token)["position"] for user, token in tokens.items()}
    return sorted(places, key=places.get)


def test_before_the_opening_everybody_waits_without_a_place(api, time, drop):
    event_id, tier_id = drop
    token = join(api, event_id, "ada")
    assert join(api, event_id, "ada") == token
    join(api, event_id, "bob")
    time.advance(100)
    seen = status(api, event_id, token)
    assert (
        seen.items()
        >= {
            "state": "waiting",
            "onSaleAt": "2026-06-01T12:10:00Z",
            "secondsUntilOnSale": 500,
            "paused": False,
            "position": None,
            "total": 2,
            "canEnter": False,
            "etaSeconds": 500,
        }.items()
    )
    refused = reserve(api, event_id, tier_id, "ada", token)
    assert (refused.status, refused.json["error"], refused.json["etaSeconds"]) == (403, "not_admitted", 500)
    assert reserve(api, event_id, tier_id, "eve", None).json["error"] == "not_admitted"


def test_at_the_opening_waves_come_in_by_the_draw(api, time, drop):
    event_id, tier_id = drop
    tokens = gather(api, event_id, 10)
    time.advance(OPENS)
    line = in_line(api, event_id, tokens)
    places = [status(api, event_id, tokens[user]) for user in line]
    assert [place["position"] for place in places] == list(range(1, 11))
    assert [place["canEnter"] for place in places] == [True] * 3 + [False] * 7
    assert [place["etaSeconds"] for place in places] == [0, 0, 0, 30, 30, 30, 60, 60, 60, 90]
    assert [place["ahead"] for place in places] == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert {place["total"] for place in places} == {10}
    refused = reserve(api, event_id, tier_id, line[3], tokens[line[3]])
    assert (refused.status, refused.json["error"]) == (403, "not_admitted")
    assert refused.json.items() >= {"position": 4, "etaSeconds": 30}.items()
    assert reserve(api, event_id, tier_id, line[0], tokens[line[0]]).status == 201
    time.advance(30)
    assert reserve(api, event_id, tier_id, line[3], tokens[line[3]]).status == 201
    invariants.check(time.now)


def test_who_comes_after_the_opening_stands_behind_in_order(api, time, drop):
    event_id, _ = drop
    gather(api, event_id, 4)
    time.advance(OPENS)
    late = gather(api, event_id, 7)
    positions = {user: status(api, event_id, token)["position"] for user, token in late.items()}
    assert [positions[f"u{number}"] for number in range(4, 7)] == [5, 6, 7]


def test_the_key_is_committed_before_and_revealed_at_the_opening(api, time, drop):
    event_id, _ = drop
    before = api.get(f"/events/{event_id}/waiting-room/proof").json
    assert (before["opened"], before["key"], before["n"]) == (False, None, None)
    assert api.get(f"/events/{event_id}/waiting-room/state").json["key"] is None
    gather(api, event_id, 5)
    time.advance(OPENS)
    after = api.get(f"/events/{event_id}/waiting-room/proof").json
    assert after["commitment"] == before["commitment"] == sha256(bytes.fromhex(after["key"])).hexdigest()
    assert (after["opened"], after["n"], after["offsets"]) == (True, 5, [0])


def test_a_pass_runs_out_and_the_user_goes_to_the_end(api, time, drop):
    event_id, tier_id = drop
    tokens = gather(api, event_id, 5)
    time.advance(OPENS)
    first = in_line(api, event_id, tokens)[0]
    time.advance(59)
    assert status(api, event_id, tokens[first])["passSecondsLeft"] == 1
    time.advance(1)
    seen = status(api, event_id, tokens[first])
    assert (seen["canEnter"], seen["passExpired"], seen["position"]) == (False, True, 1)
    refused = reserve(api, event_id, tier_id, first, tokens[first])
    assert (refused.status, refused.json["error"]) == (403, "pass_expired")
    again = join(api, event_id, first)
    assert again != tokens[first]
    assert status(api, event_id, again)["position"] == 6


def test_a_pass_buys_once(api, time, drop):
    event_id, tier_id = drop
    tokens = gather(api, event_id, 2)
    time.advance(OPENS)
    reservation_id = reserve(api, event_id, tier_id, "u0", tokens["u0"]).json["id"]
    api.delete(f"/reservations/{reservation_id}", user="u0")
    reservation_id = reserve(api, event_id, tier_id, "u0", tokens["u0"]).json["id"]  # given back, chosen again
    builders.start_checkout(api, "u0", reservation_id)
    assert builders.confirm(api, "u0", reservation_id).status == 201
    refused = reserve(api, event_id, tier_id, "u0", tokens["u0"])
    assert (refused.status, refused.json["error"]) == (403, "pass_used")
    invariants.check(time.now)


def test_each_bad_token_is_refused_with_its_own_code(api, time, drop):
    event_id, tier_id = drop
    other, _ = make_drop(api, time, "Other")
    tokens = gather(api, event_id, 2)
    foreign = join(api, other, "u0")
    time.advance(OPENS)
    payload, _, signature = tokens["u0"].partition(".")
    cases = {
        None: "not_admitted",
        tokens["u1"]: "token_of_another_user",
        foreign: "token_of_another_event",
        f"{payload}x.{signature}": "token_invalid",
        f"{payload}.{signature[:-2]}AA": "token_invalid",
        "rubbish": "token_invalid",
        "": "token_invalid",
    }
    for token, code in cases.items():
        refused = reserve(api, event_id, tier_id, "u0", token)
        assert (refused.status, refused.json["error"]) == (403, code), token
    for token in (foreign, f"{payload}x.{signature}", "rubbish"):
        assert api.get(f"/events/{event_id}/waiting-room/status", query={"token": token}).status == 404
    assert api.get(f"/events/{event_id}/waiting-room/status").status == 400
    assert reserve(api, event_id, tier_id, "u0", tokens["u0"]).status == 201


def test_a_poll_reads_nothing_and_a_join_writes_twice(api, time, drop):
    event_id, _ = drop
    token = join(api, event_id, "ada")
    with faults.record_calls() as made:
        for _ in range(5):
            status(api, event_id, token)
            api.get(f"/events/{event_id}/waiting-room/state")
    assert list(made) == []
    with faults.record_calls() as made:
        join(api, event_id, "bob")
    assert list(made) == ["GetItem", "UpdateItem", "PutItem"]
    time.advance(OPENS)
    status(api, event_id, token)
    with faults.record_calls() as made:
        status(api, event_id, token)
        join(api, event_id, "eve")
    assert list(made) == ["GetItem", "UpdateItem", "PutItem"]


def test_a_pause_stops_passes_from_running_out(api, time, drop):
    event_id, tier_id = drop
    tokens = gather(api, event_id, 8)
    time.advance(OPENS)
    line = in_line(api, event_id, tokens)
    time.advance(20)
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    time.advance(1000)
    first, fourth = status(api, event_id, tokens[line[0]]), status(api, event_id, tokens[line[3]])
    assert (first["paused"], first["canEnter"], first["passSecondsLeft"], first["passExpired"]) == (True, False, 40, False)
    assert (fourth["position"], fourth["etaSeconds"], fourth["canEnter"]) == (4, None, False)
    assert reserve(api, event_id, tier_id, line[0], tokens[line[0]]).json["error"] == "event_paused"
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    fourth = status(api, event_id, tokens[line[3]])
    assert (fourth["position"], fourth["etaSeconds"]) == (4, 10)
    assert reserve(api, event_id, tier_id, line[0], tokens[line[0]]).status == 201
    time.advance(10)
    assert reserve(api, event_id, tier_id, line[3], tokens[line[3]]).status == 201


def test_a_sale_that_opens_paused_opens_when_it_goes_on(api, time, drop):
    """However long nobody looks: the first wave neither misses its passes nor brings those along who come after it."""
    event_id, tier_id = drop
    tokens = gather(api, event_id, 5)
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    time.advance(2)
    before = status(api, event_id, tokens["u0"])
    assert (before["state"], before["paused"], before["etaSeconds"]) == ("waiting", True, None)
    time.advance(OPENS + 500)
    line = in_line(api, event_id, tokens)
    assert {status(api, event_id, token)["canEnter"] for token in tokens.values()} == {False}
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    first, fourth = status(api, event_id, tokens[line[0]]), status(api, event_id, tokens[line[3]])
    assert (first["canEnter"], first["passSecondsLeft"]) == (True, 60)
    assert (fourth["canEnter"], fourth["etaSeconds"]) == (False, 30)
    assert reserve(api, event_id, tier_id, line[0], tokens[line[0]]).status == 201


def test_a_poll_that_began_before_a_pause_finds_it_and_does_not_pause_again(api, time, drop):
    """A request is as old as its first moment; the pause that it reads from the store may be of the second after."""
    event_id, _ = drop
    token = join(api, event_id, "ada")
    time.advance(OPENS)
    status(api, event_id, token)
    time.advance(40)
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    plan = store.load(event_id)[0].segments
    time.advance(-1)
    room_cache.invalidate()
    assert status(api, event_id, token)["position"] == 1
    assert store.load(event_id)[0].segments == plan


def test_the_admin_changes_the_waves_and_lets_some_in(api, time, drop):
    event_id, _ = drop
    tokens = gather(api, event_id, 12)
    time.advance(OPENS)
    line = in_line(api, event_id, tokens)
    admin = {"token": builders.admin_token()}
    assert api.post(f"/admin/events/{event_id}/waiting-room/let-in", json={"count": 2}, **admin).status == 200
    assert [status(api, event_id, tokens[user])["canEnter"] for user in line].count(True) == 5
    changed = api.post(f"/admin/events/{event_id}/waiting-room/rate", json={"wave_size": 1, "wave_seconds": 10}, **admin)
    assert changed.status == 200
    assert [status(api, event_id, tokens[user])["etaSeconds"] for user in line[5:8]] == [10, 20, 30]
    time.advance(30)
    assert [status(api, event_id, tokens[user])["canEnter"] for user in line].count(True) == 8
    for path in ("rate", "let-in"):
        assert api.post(f"/admin/events/{event_id}/waiting-room/{path}", json={}, user="ada").status == 403
        assert api.post(f"/admin/events/{event_id}/waiting-room/{path}", json={}, **admin).status == 400
    from chalicelib.audit import service as audit

    actions = [entry.action for entry in audit.list_entries(f"event#{event_id}")]
    assert {"waiting_room.let_in", "waiting_room.rate"} <= set(actions)


def test_the_state_stays_small_however_often_it_is_steered(api, time, drop):
    event_id, _ = drop
    gather(api, event_id, 3)
    time.advance(OPENS)
    for number in range(12):
        body = {"wave_size": 1 + number % 2, "wave_seconds": 30}
        reply = api.post(f"/admin/events/{event_id}/waiting-room/rate", json=body, token=builders.admin_token())
        assert reply.status == 200
        time.advance(30)
    assert len(api.get(f"/events/{event_id}/waiting-room/state").json["segments"]) <= 5  # a pass lives for two of them


def test_clearing_starts_a_new_room_and_old_tokens_say_so(api, time, drop):
    event_id, tier_id = drop
    tokens = gather(api, event_id, 3)
    path = f"/events/{event_id}/waiting-room/clear"
    assert api.delete(path, user="ada").status == 403
    cleared = api.delete(path, token=builders.admin_token())
    assert (cleared.status, cleared.json["cleared"]) == (200, 3)
    gone = api.get(f"/events/{event_id}/waiting-room/status", query={"token": tokens["u0"]})
    assert (gone.status, gone.json["error"]) == (410, "waiting_room_cleared")
    again = join(api, event_id, "u0")
    time.advance(OPENS)
    assert reserve(api, event_id, tier_id, "u0", tokens["u0"]).json["error"] == "waiting_room_cleared"
    assert reserve(api, event_id, tier_id, "u0", again).status == 201


def test_admissions_do_not_pile_up_behind_an_empty_line(api, time, drop):
    event_id, _ = drop
    time.advance(OPENS + 3600)
    tokens = gather(api, event_id, 8)
    seen = [status(api, event_id, token) for token in tokens.values()]
    assert [one["canEnter"] for one in seen] == [True] * 3 + [False] * 5
    assert max(one["etaSeconds"] for one in seen) <= 60


def test_joining_stops_when_everything_is_sold(api, time):
    event_id, tier_id = make_drop(api, time, capacity=4)
    tokens = gather(api, event_id, 3)
    time.advance(OPENS)
    reservation_id = reserve(api, event_id, tier_id, "u0", tokens["u0"], 4).json["id"]
    time.advance(2)
    assert status(api, event_id, tokens["u1"])["mayReturn"] == 4
    builders.start_checkout(api, "u0", reservation_id)
    builders.confirm(api, "u0", reservation_id)
    time.advance(2)
    seen = status(api, event_id, tokens["u1"])
    assert (seen["stopped"], seen["canEnter"]) == ("sold_out", False)
    refused = api.post(f"/events/{event_id}/waiting-room/join", user="new")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "waiting_room_stopped", "sold_out")


def test_an_event_without_a_waiting_room_is_open(api, time):
    event_id, tier_id = builders.create_shop(api)
    reply = api.post(f"/events/{event_id}/waiting-room/join", user="ada")
    assert reply.json.items() >= {"token": None, "state": "sale_open", "canEnter": True}.items()
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    assert status(api, event_id, "whatever").items() >= {"state": "sale_open", "canEnter": True, "position": None}.items()
    assert api.get(f"/events/{event_id}/waiting-room/state").status == 404
    assert api.post("/events/unknown/waiting-room/join", user="ada").status == 404


def test_a_guest_is_known_by_the_token_where_the_header_names_users(api, time, drop):
    event_id, tier_id = drop
    joined = api.post(f"/events/{event_id}/waiting-room/join").json
    assert joined["user_id"].startswith("guest-")
    time.advance(OPENS)
    body = {"tier_id": tier_id, "quantity": 1, "token": joined["token"]}
    reserved = api.post(f"/events/{event_id}/reservations", json=body)
    assert reserved.status == 201
    assert api.get(f"/events/{event_id}/reservations", query={"token": joined["token"]}).json["id"] == reserved.json["id"]
    begun = builders.start_checkout(api, joined["user_id"], reserved.json["id"])
    assert builders.confirm(api, joined["user_id"], begun.json["id"]).status == 201
    from chalicelib import settings

    with settings.override(identity="jwt"):
        assert api.post(f"/events/{event_id}/waiting-room/join").status == 401
        assert api.post(f"/events/{event_id}/reservations", json=body).status == 401


@pytest.mark.no_cover
def test_two_thousand_joins_make_a_permutation(api, time):
    from chalicelib import settings

    with settings.override(waiting_room_counters=4):
        event_id, _ = make_drop(api, time, wave_size=100)
        random.seed(7)
        tokens = gather(api, event_id, 2000)
        time.advance(OPENS)
        positions = Counter(status(api, event_id, token)["position"] for token in tokens.values())
    assert positions == Counter(range(1, 2001))
