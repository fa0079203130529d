"""A sale while it runs: one reply has all of it, and many who watch cost as much as one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import app
from infra.local.event_sources import create_poller
from tests import builders, engines
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, join_many


@pytest.fixture
def poller(threaded_store):
    """Passes the changes of the store to their consumers when the test says `poller.drain()`."""
    return create_poller(app.app, engines.local_engine(), window_seconds=0)


def watch(api, event_id, **who):
    reply = api.get(f"/admin/events/{event_id}/live", **(who or {"token": builders.admin_token()}))
    assert reply.status == 200, reply.json
    return reply.json


@pytest.mark.needs_addon
def test_one_reply_has_the_stock_the_money_and_how_purchases_ended(api, poller, time):
    event_id, tier_id = builders.create_shop(api)
    order_id = builders.create_order(api, (event_id, tier_id), 3)
    builders.refund(api, order_id, tickets=[f"{order_id}-1"])
    declined = builders.reserve(api, "bob", event_id, tier_id).json["id"]
    builders.start_checkout(api, "bob", declined)
    builders.confirm(api, "bob", declined, "fail")
    builders.reserve(api, "cyd", event_id, tier_id, 2)
    poller.drain()
    live = watch(api, event_id)
    assert live["at"] == "2026-06-01T12:00:00Z"
    assert live["on_sale_at"] == "2026-06-01T11:00:00Z"
    assert live["sale"] == api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    assert (live["sale"]["total_sold"], live["sale"]["total_active_holds"]) == (2, 2)
    assert live["purchases"] == {
        "reservations": 3,
        "checkouts": 2,
        "orders": 1,
        "expired": 0,
        "cancelled": 0,
        "declined": 1,
        "rejected": 0,
    }
    [takings] = live["takings"]
    assert (takings["currency"], takings["captured_cents"], takings["refunded_cents"], takings["balance_cents"]) == (
        "USD",
        15_000,
        5000,
        10_000,
    )


def test_the_line_is_shown_as_it_moves(api, time):
    event_id, _ = create_sale(api, time)
    join_many(api, event_id, 8)
    time.advance(2)
    room = watch(api, event_id)["sale"]["waiting_room"]
    assert (room["opened"], room["total"], room["admitted"], room["queue_length"]) == (False, 8, 0, 8)
    time.advance(SECONDS_TO_OPENING)
    api.get(f"/events/{event_id}/waiting-room/state")
    room = watch(api, event_id)["sale"]["waiting_room"]
    assert (room["opened"], room["admitted"], room["queue_length"]) == (True, room["wave_size"], 8 - room["wave_size"])


def test_watching_takes_two_trips_and_ten_watchers_cost_as_one(api, time):
    event_id, _ = builders.create_shop(api)
    watch(api, event_id)
    time.advance(2)
    with record_calls() as one:
        watch(api, event_id)
    assert one.sequential_round_trips <= 3
    time.advance(2)
    with record_calls() as ten, ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: watch(api, event_id), range(10)))
    assert ten.round_trips == one.round_trips
    time.advance(1)
    with record_calls() as again:
        watch(api, event_id)
    assert again.round_trips == 0


def test_a_pause_is_shown_at_once(api, time):
    event_id, _ = builders.create_shop(api)
    admin = {"token": builders.admin_token()}
    assert watch(api, event_id)["sale"]["paused"] is False
    assert api.post(f"/admin/events/{event_id}/pause", **admin).status == 200
    assert watch(api, event_id)["sale"]["paused"] is True
    assert api.post(f"/admin/events/{event_id}/resume", **admin).status == 200
    assert watch(api, event_id)["sale"]["paused"] is False


@pytest.mark.parametrize("event_id", ["nowhere", "a"])
def test_an_event_that_does_not_exist_is_a_404(api, event_id):
    assert api.get(f"/admin/events/{event_id}/live", token=builders.admin_token()).status == 404
