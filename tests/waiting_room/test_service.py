"""Joining, and the pass that a reservation needs."""

from base64 import urlsafe_b64decode
from collections import Counter
from itertools import count

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.edge import proof_of_work
from chalicelib.foundation import clock, memory, settings
from chalicelib.waiting_room import room_cache, service
from chalicelib.waiting_room.model import TokenExpired
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders, invariants
from tests.simulation.joins import join_at_once
from tests.simulation.limits import Limits
from tests.simulation.threads import run_in_threads
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position


def test_a_pass_buys_once(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 2)
    time.advance(SECONDS_TO_OPENING)
    reservation_id = reserve(api, event_id, tier_id, "u0", tokens["u0"]).json["id"]
    api.delete(f"/reservations/{reservation_id}", user="u0")
    reservation_id = reserve(api, event_id, tier_id, "u0", tokens["u0"]).json["id"]  # a released reservation does not use the pass
    builders.start_checkout(api, "u0", reservation_id)
    assert builders.confirm(api, "u0", reservation_id).status == 201
    refused = reserve(api, event_id, tier_id, "u0", tokens["u0"])
    assert (refused.status, refused.json["error"]) == (403, "pass_used")
    invariants.check(time.now)


def test_each_bad_token_is_refused_with_its_own_code(api, time, sale):
    event_id, tier_id = sale
    other_event_id, _ = create_sale(api, time, "Other")
    tokens = join_many(api, event_id, 2)
    foreign_token = join(api, other_event_id, "u0")
    time.advance(SECONDS_TO_OPENING)
    payload, _, signature = tokens["u0"].partition(".")
    cases = {
        None: "not_admitted",
        tokens["u1"]: "token_of_another_user",
        foreign_token: "token_of_another_event",
        f"{payload}x.{signature}": "token_invalid",
        f"{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}": "token_invalid",
        "rubbish": "token_invalid",
        "": "token_invalid",
    }
    for token, code in cases.items():
        refused = reserve(api, event_id, tier_id, "u0", token)
        assert (refused.status, refused.json["error"]) == (403, code), token
    for token in (foreign_token, f"{payload}x.{signature}", "rubbish"):
        assert api.get(f"/events/{event_id}/waiting-room/status", query={"token": token}).status == 404
    assert api.get(f"/events/{event_id}/waiting-room/status").status == 400
    assert reserve(api, event_id, tier_id, "u0", tokens["u0"]).status == 201


def test_an_expired_token_is_refused(api, time, sale):
    token = join(api, sale[0], "ada")
    event = catalog.load_current().events[sale[0]]
    with pytest.raises(TokenExpired):
        service.require_pass(event, "ada", token, event.last_sale_at + 1)


def test_people_in_line_keep_their_turn_when_their_event_is_postponed(api, time):
    event_id, tier_id = create_sale(api, time, wave_size=1, wave_seconds=3600, pass_seconds=3000)
    tokens = join_many(api, event_id, 2)
    old_start = time.now + 30 * 86_400
    moved = {"starts_at": clock.iso(old_start + 3 * 86_400), "on_sale_at": clock.iso(old_start + 3600)}
    assert api.patch(f"/events/{event_id}", json=moved, token=builders.admin_token()).status == 200
    time.set(old_start + 3600)
    first, second = users_by_position(api, event_id, tokens)
    assert reserve(api, event_id, tier_id, first, tokens[first]).status == 201
    time.advance(3600)
    prolonged = join(api, event_id, second)  # for example on another device
    assert prolonged != tokens[second]
    assert get_status(api, event_id, prolonged)["position"] == 2
    assert reserve(api, event_id, tier_id, second, prolonged).status == 201


def test_an_event_without_a_waiting_room_needs_no_token(api, time):
    event_id, tier_id = builders.create_shop(api)
    reply = api.post(f"/events/{event_id}/waiting-room/join", user="ada")
    assert reply.json.items() >= {"token": None, "state": "sale_open", "can_enter": True}.items()
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    assert get_status(api, event_id, "whatever").items() >= {"state": "sale_open", "can_enter": True, "position": None}.items()
    assert api.get(f"/events/{event_id}/waiting-room/state").status == 404
    assert api.post("/events/unknown/waiting-room/join", user="ada").status == 404


def test_a_guest_is_identified_by_the_token_in_a_demo_stage(api, time, sale):
    event_id, tier_id = sale
    joined = api.post(f"/events/{event_id}/waiting-room/join").json
    assert joined["user_id"].startswith("demo-guest-")
    time.advance(SECONDS_TO_OPENING)
    body = {"tier_id": tier_id, "quantity": 1, "token": joined["token"]}
    reserved = api.post(f"/events/{event_id}/reservations", json=body)
    assert reserved.status == 201
    assert api.get(f"/events/{event_id}/reservations", query={"token": joined["token"]}).json["id"] == reserved.json["id"]
    checkout = builders.start_checkout(api, joined["user_id"], reserved.json["id"])
    assert builders.confirm(api, joined["user_id"], checkout.json["id"]).status == 201
    with settings.override(identity="jwt"):
        assert api.post(f"/events/{event_id}/waiting-room/join").status == 401
        assert api.post(f"/events/{event_id}/reservations", json=body).status == 401


def test_each_guest_pays_for_their_own_place_with_a_token_that_names_nobody(api, time, sale):
    """A bot farm that solves one challenge must not get places for all guests that it makes up."""
    path = f"/events/{sale[0]}/waiting-room/join"
    with settings.override(identity="jwt", join_difficulty=4):
        first, second = (api.post("/auth/guest").json for _ in range(2))
        challenge = api.post(path, token=first["access_token"]).json["challenge"]
        nonce = next(str(number) for number in count() if proof_of_work.leading_zero_bits(challenge, str(number)) >= 4)
        solved = {"challenge": challenge, "nonce": nonce}
        refused = api.post(path, json=solved, token=second["access_token"])
        assert (refused.status, refused.json["error"]) == (403, "challenge_invalid")
        joined = api.post(path, json=solved, token=first["access_token"]).json
        payload = joined["token"].partition(".")[0]
        assert first["user"]["id"] not in urlsafe_b64decode(payload + "==").decode()
        assert api.post(path, token=first["access_token"]).json["token"] == joined["token"]
        time.advance(SECONDS_TO_OPENING)
        body = {"tier_id": sale[1], "quantity": 1, "token": joined["token"]}
        replies = [api.post(f"/events/{sale[0]}/reservations", json=body, token=guest["access_token"]) for guest in (second, first)]
        assert [(reply.status, reply.json.get("error")) for reply in replies] == [(403, "token_of_another_user"), (201, None)]


def test_admins_and_metrics_see_the_room(api, time):
    event_id, _ = create_sale(api, time)
    join_many(api, event_id, 8)
    time.advance(SECONDS_TO_OPENING + 30)
    api.get(f"/events/{event_id}/waiting-room/state")
    overview = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    assert overview["queue_length"] == 2
    assert overview["waiting_room"] == {
        "room": 1,
        "opened": True,
        "total": 8,
        "admitted": 6,
        "queue_length": 2,
        "active_passes": 6,
        "paused": False,
        "wave_size": 3,
        "wave_seconds": 30,
        "pass_seconds": 60,
        "grace_seconds": 0,
        "stopped": None,
        "randomness": "key",
        "entry": "open",
    }
    metrics = api.get("/metrics").body.decode()
    for name, value in (("queue_length", 2), ("admitted", 6), ("active_passes", 6)):
        assert f'fairgate_{name}{{event_id="{event_id}"}} {value}.0' in metrics
    assert "fairgate_waiting_room_joins_total" in metrics


@pytest.mark.slow
def test_all_can_join_after_the_opening_at_three_times_the_rate_of_one_counter(api):
    """The limits and the rate are a tenth of DynamoDB's and of a large drop's, so that the test takes less time."""
    report = join_at_once(
        api, rate=300, seconds=2, opening=0, instances=30, counters=8, start=clock.now(), limits=Limits(write_units=100, read_units=300)
    )
    assert (report.replies, report.throttled, report.late) == ({200: 600}, 0, 600)
    assert report.largest_shift < 300  # less than a second's arrivals
    assert report.unused < 100


def test_a_room_of_an_earlier_version_has_one_late_counter(api, time):
    with settings.override(waiting_room_counters=4):
        event_id, _ = create_sale(api, time)
        token = join(api, event_id, "ada")
        dynamo.update_now(WaitingRoomRow(f"room#{event_id}"), [WaitingRoomRow.late_counters.remove()])
        time.advance(SECONDS_TO_OPENING)
        late = [join(api, event_id, f"late-{number}") for number in range(3)]
    assert [get_status(api, event_id, token)["position"] for token in (token, *late)] == [1, 2, 3, 4]
    assert api.get(f"/events/{event_id}/waiting-room/proof").json["late_counters"] == 1


def test_everybody_who_joins_a_quiet_sale_with_many_counters_is_admitted(api, time):
    """The counters leave positions unused; the waves continue to the last position that was given out."""
    with settings.override(waiting_room_counters=8):
        event_id, _ = create_sale(api, time, wave_size=1, wave_seconds=10)
        time.advance(SECONDS_TO_OPENING)
        for number in range(5):
            token = join(api, event_id, f"late-{number}")
            for _ in range(8 * 3):
                time.advance(10)
                if get_status(api, event_id, token)["can_enter"]:
                    break
            else:
                pytest.fail(f"late-{number} was not admitted")
    invariants.check(time.now)


def test_a_join_that_finds_its_counter_closed_gets_a_late_position(api, time, sale):
    """This instance still has the room from before the opening; another instance has run the draw in the meantime."""
    event_id, _ = sale
    join(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING - 1)
    room_cache.get_room(event_id, time.now)
    current = catalog.load_current()
    room_cache._load(current.revision, current.events[event_id], time.now + 1)
    token = join(api, event_id, "bob")
    time.advance(1)
    assert get_status(api, event_id, token)["position"] == 2


def test_a_user_who_joins_twice_at_once_gets_the_same_token_twice(api, time, sale):
    """The second request runs between the read and the writes of the first."""
    replies = []

    def join_on_another_device():
        replies.append(service.join(sale[0], "ada", lambda: None, lambda _: False, time.now))

    replies.append(service.join(sale[0], "ada", join_on_another_device, lambda _: False, time.now))
    assert len(replies) == 2
    assert replies[0].view.token == replies[1].view.token
    assert [reply.is_new for reply in replies] == [True, False]


@pytest.mark.usefixtures("threaded_store")
def test_joins_during_the_opening_are_either_drawn_or_late(api, time):
    event_id, _ = create_sale(api, time, wave_size=1000)
    tokens = run_in_threads(16, lambda number: join(api, event_id, f"early-{number}"), range(60))

    time.advance(SECONDS_TO_OPENING - 1)

    def join_around_the_opening(number):
        if number == 30:
            time.advance(1)
        return join(api, event_id, f"u{number}")

    with settings.override(request_seconds=2 * SECONDS_TO_OPENING):  # the clock moves while other requests run
        tokens += run_in_threads(16, join_around_the_opening, range(120))
    memory.forget_everything()
    positions = Counter(get_status(api, event_id, token)["position"] for token in tokens)
    assert positions == Counter(range(1, 181))


@pytest.mark.usefixtures("threaded_store")
def test_a_user_who_joins_on_many_devices_gets_one_token(api, time):
    event_id, _ = create_sale(api, time)
    tokens = run_in_threads(16, lambda _: join(api, event_id, "ada"), range(48))
    assert len(set(tokens)) == 1
    assert len(set(run_in_threads(8, lambda number: join(api, event_id, f"u{number % 4}"), range(32)))) == 4
