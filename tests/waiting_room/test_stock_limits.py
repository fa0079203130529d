"""Waves that follow the stock and the provider, and joining that stops when nothing is left."""

import zlib

import pytest

from chalicelib.catalog import quotas
from chalicelib.foundation import clock, settings
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.waiting_room import room_cache
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.simulation.display import watch_sale
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join_many, reserve, users_by_position


@pytest.fixture
def small_sale(api, time):
    """A sale with 24 tickets whose waves follow the stock."""
    return create_sale(api, time, capacity=24, wave_size=3, follow_stock=True, pass_seconds=60)


def admitted_users(api, event_id, tokens):
    """The users who may reserve now."""
    return {user for user, token in tokens.items() if get_status(api, event_id, token)["can_enter"]}


@pytest.mark.parametrize("grace", [0, 20])
def test_no_more_buyers_are_admitted_than_the_stock_suffices_for(api, time, grace):
    """24 tickets, at most 6 for each buyer: never more than four can buy at once, whatever the wave size; buyers in the grace count."""
    event_id, _ = create_sale(api, time, capacity=24, wave_size=3, follow_stock=True, grace_seconds=grace)
    tokens = join_many(api, event_id, 12)
    time.advance(SECONDS_TO_OPENING)
    assert len(admitted_users(api, event_id, tokens)) == 3
    for _ in range(80):
        time.advance(1)
        assert len(admitted_users(api, event_id, tokens)) <= 4


@pytest.mark.parametrize(("calls_per_second", "of_an_endpoint", "admitted"), [(4, 25, 20), (100, 25, 30), (100, 2, 20)])
def test_admissions_stay_within_the_providers_rates(api, time, calls_per_second, of_an_endpoint, admitted):
    """Two calls per payment, to different endpoints, ten seconds between waves; with enough calls the second wave has its full size."""
    event_id, _ = create_sale(api, time, capacity=600, wave_size=30, wave_seconds=10, follow_stock=True)
    tokens = join_many(api, event_id, 65)
    with settings.override(stripe_call_rate=calls_per_second, stripe_endpoint_rate=of_an_endpoint):
        time.advance(SECONDS_TO_OPENING)
        assert len(admitted_users(api, event_id, tokens)) == 30
        for _ in range(10):
            time.advance(1)
            get_status(api, event_id, tokens["u0"])
        assert len(admitted_users(api, event_id, tokens)) == 30 + admitted


def test_nobody_is_admitted_until_tickets_return(api, time, small_sale):
    event_id, tier_id = small_sale
    tokens = join_many(api, event_id, 12)
    time.advance(SECONDS_TO_OPENING)
    first_wave = admitted_users(api, event_id, tokens)
    for user in first_wave:
        assert reserve(api, event_id, tier_id, user, tokens[user], 4).status == 201
    hold_tickets(HoldRequest(tier_id, 1, 12, "rest", time.now + 100_000, time.now))
    for _ in range(70):
        time.advance(1)
        assert admitted_users(api, event_id, tokens) <= first_wave
    status = get_status(api, event_id, tokens[users_by_position(api, event_id, tokens)[5]])
    assert (status["may_return"], status["eta_seconds"], status["stopped"]) == (24, None, None)
    time.advance(180)
    builders.run_sweep()  # the reservations of the first wave expire
    time.advance(35)
    get_status(api, event_id, tokens["u0"])
    time.advance(35)
    assert len(admitted_users(api, event_id, tokens) - first_wave) >= 1
    invariants.check(time.now)


def test_people_who_wait_see_what_is_left_of_each_tier(api, time):
    event_id, tier_id = create_sale(api, time, capacity=40)
    seats = builders.create_tier(api, event_id, name="Seats", capacity=6)
    crew = builders.create_tier(api, event_id, name="Crew")
    assert api.patch(f"/tiers/{crew}", json={"hidden": True}, token=builders.admin_token()).status == 200
    tokens = join_many(api, event_id, 3)
    state = f"/events/{event_id}/waiting-room/state"
    assert api.get(state).json["tickets"] is None  # before the opening, nothing is sold
    time.advance(SECONDS_TO_OPENING)
    assert api.get(state).json["tickets"] == {tier_id: {"available": 40, "taken": 0}, seats: {"available": 6, "taken": 0}}
    assert reserve(api, event_id, tier_id, "u0", tokens["u0"], 4).status == 201
    time.advance(2)
    assert api.get(state).json["tickets"][tier_id] == {"available": 36, "taken": 4}
    time.advance(60 * 86_400)
    assert api.get(state).json["tickets"] is None


def test_people_who_wait_see_what_is_left_of_as_many_tiers_as_an_event_may_have(api, time, monkeypatch):
    """The document stays small, and polls read the stock only once, because they also need it to say whether joining has stopped."""
    event_id, _ = create_sale(api, time, capacity=12_345)
    for number in range(1, quotas.MAX_TIERS):
        builders.create_tier(api, event_id, name=f"Block {number}", capacity=12_345)
    time.advance(SECONDS_TO_OPENING)

    def poll():
        time.advance(10)
        with record_calls() as polling:
            reply = api.get(f"/events/{event_id}/waiting-room/state")
        return reply, [call.operation for call in polling.entries if {"inventory", "stock-display"} & set(call.tables)]

    poll()
    reply, reads = poll()
    assert list(reply.json["tickets"].values()) == [{"available": 12_345, "taken": 0}] * quotas.MAX_TIERS
    assert len(reply.body) < 7_500
    assert len(zlib.compress(reply.body)) < 2_000, "as the CDN sends it"
    monkeypatch.setattr(room_cache, "tickets_left", lambda event, now: None)
    assert reads == poll()[1]


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_people_who_wait_see_a_sale_with_a_delay_of_seconds(api):
    """Also behind a CDN, with instances whose clocks are up to 0.3 seconds early or late, and until nothing is left."""
    report = watch_sale(api, instances=100, pages=150, cdn_places=50, seed=1, start=clock.now())
    assert report.last_shown == {0}
    assert max(report.in_replies) < 2.3, "two seconds, and the difference between the clocks of two instances"
    assert max(report.on_pages) < 5


def test_joining_stops_when_everything_is_sold(api, time):
    event_id, tier_id = create_sale(api, time, capacity=4)
    tokens = join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING)
    reservation_id = reserve(api, event_id, tier_id, "u0", tokens["u0"], 4).json["id"]
    time.advance(2)
    assert get_status(api, event_id, tokens["u1"])["may_return"] == 4
    builders.start_checkout(api, "u0", reservation_id)
    builders.confirm(api, "u0", reservation_id)
    time.advance(2)
    status = get_status(api, event_id, tokens["u1"])
    assert (status["stopped"], status["can_enter"]) == ("sold_out", False)
    refused = api.post(f"/events/{event_id}/waiting-room/join", user="new")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "waiting_room_stopped", "sold_out")


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_tickets_that_nobody_can_buy_keep_nobody_in_line(api, time, is_cancelled):
    """Those of a cancelled date, and of a tier that is closed."""
    event_id, tier_id = create_sale(api, time, capacity=4)
    other_id = builders.create_tier(api, event_id, name="Saturday")
    starts_at = [builders.clock.iso(time.now + days * 86_400) for days in (30, 31)]
    dates = [{"id": name, "starts_at": at} for name, at in zip(("friday", "saturday"), starts_at, strict=True)]
    changes = [(f"/events/{event_id}", {"dates": dates})]
    changes += [(f"/tiers/{tier_id}", {"date_ids": ["friday"]}), (f"/tiers/{other_id}", {"date_ids": ["saturday"]})]
    for path, change in changes:
        assert api.patch(path, json=change, token=builders.admin_token()).status == 200
    tokens = join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING)
    order_id = reserve(api, event_id, tier_id, "u0", tokens["u0"], 4).json["id"]
    builders.start_checkout(api, "u0", order_id)
    assert builders.confirm(api, "u0", order_id).status == 201
    time.advance(2)
    assert get_status(api, event_id, tokens["u1"])["stopped"] is None
    if is_cancelled:
        reply = api.post(f"/events/{event_id}/cancel", json={"date_id": "saturday"}, token=builders.admin_token())
    else:
        reply = api.patch(f"/tiers/{other_id}", json={"on_sale": False}, token=builders.admin_token())
    assert reply.status == 200, reply.json
    time.advance(2)
    assert api.get(f"/events/{event_id}").json["status"] == "sold_out"
    assert get_status(api, event_id, tokens["u1"])["stopped"] == "sold_out"
    invariants.check(time.now)


def test_a_closed_sale_and_a_draft_cannot_be_joined(api, time):
    event_id, _ = create_sale(api, time)
    time.advance(SECONDS_TO_OPENING + 40 * 86_400)
    refused = api.post(f"/events/{event_id}/waiting-room/join", user="ada")
    assert (refused.status, refused.json["reason"]) == (409, "closed")
    draft = builders.create_event(api, "Draft", status="draft", waiting_room={"enabled": True})
    assert api.post(f"/events/{draft}/waiting-room/join", user="ada").status == 404
