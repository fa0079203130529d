"""Waves that know the shop, and what admins and metrics see of a room."""

import pytest

from chalicelib import settings
from tests import builders, invariants
from tests.waiting_room.test_line import OPENS, gather, in_line, make_drop, reserve, status


@pytest.fixture
def drop(api, time):
    return make_drop(api, time, capacity=24, wave_size=3, follow_stock=True, pass_seconds=60)


def inside(api, event_id, tokens):
    return {user for user, token in tokens.items() if status(api, event_id, token)["canEnter"]}


def test_no_more_come_in_than_could_buy(api, time, drop):
    """24 tickets and 6 for each: at most four people inside at once, whatever the waves say."""
    event_id, _ = drop
    tokens = gather(api, event_id, 12)
    time.advance(OPENS)
    assert len(inside(api, event_id, tokens)) == 3
    for _ in range(80):
        time.advance(1)
        assert len(inside(api, event_id, tokens)) <= 4


@pytest.mark.parametrize(("calls_a_second", "come_in"), [(4, 20), (100, 30)])
def test_no_more_come_in_than_the_provider_takes_payments_of(api, time, calls_a_second, come_in):
    """Two calls for each payment, ten seconds from wave to wave; with calls enough the second wave is as large as it may be."""
    event_id, _ = make_drop(api, time, capacity=600, wave_size=30, wave_seconds=10, follow_stock=True)
    tokens = gather(api, event_id, 65)
    with settings.override(stripe_call_rate=calls_a_second):
        time.advance(OPENS)
        assert len(inside(api, event_id, tokens)) == 30
        for _ in range(10):
            time.advance(1)
            status(api, event_id, tokens["u0"])
        assert len(inside(api, event_id, tokens)) == 30 + come_in


def test_nobody_comes_in_while_nothing_is_left_and_somebody_when_it_returns(api, time, drop):
    event_id, tier_id = drop
    tokens = gather(api, event_id, 12)
    time.advance(OPENS)
    first = inside(api, event_id, tokens)
    for user in first:
        assert reserve(api, event_id, tier_id, user, tokens[user], 4).status == 201
    from chalicelib.inventory import service as inventory

    inventory.hold(tier_id, 1, 12, "rest", time.now + 100_000, time.now)
    for _ in range(70):
        time.advance(1)
        assert inside(api, event_id, tokens) <= first
    seen = status(api, event_id, tokens[in_line(api, event_id, tokens)[5]])
    assert (seen["mayReturn"], seen["etaSeconds"], seen["stopped"]) == (24, None, None)
    time.advance(180)
    builders.run_sweep()  # the three let their reservations lapse
    time.advance(35)
    status(api, event_id, tokens["u0"])
    time.advance(35)
    assert len(inside(api, event_id, tokens) - first) >= 1
    invariants.check(time.now)


def test_admins_and_metrics_see_the_room(api, time):
    event_id, _ = make_drop(api, time)
    gather(api, event_id, 8)
    time.advance(OPENS + 30)
    api.get(f"/events/{event_id}/waiting-room/state")
    shown = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    assert shown["queue_length"] == 2
    assert shown["waiting_room"] == {
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
        "stopped": None,
    }
    text = api.get("/metrics").body.decode()
    for name, value in (("queue_length", 2), ("admitted", 6), ("active_passes", 6)):
        assert f'fairgate_{name}{{event_id="{event_id}"}} {value}.0' in text
    assert "fairgate_waiting_room_joins_total" in text
