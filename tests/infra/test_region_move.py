"""A stage moves to another region as docs/backup.md says, in two regions of an emulated AWS."""

import pytest

from chalicelib.foundation import memory, settings
from infra.backup import main
from tests import builders, engines, invariants
from tests.reconciliation.comparing import compare_last_hour, list_findings
from tests.stripe_shop import open_shop


@pytest.fixture
def store():
    """moto, which has regions."""
    with engines.moto(), engines.fresh_stage():
        yield


def test_a_stage_moves_with_its_orders_and_its_line(api, time, tmp_path):
    shop = event_id, tier_id = builders.create_shop(api)
    order = builders.create_order(api, shop)
    queue = builders.create_event(api, "Queue", waiting_room={"enabled": True})
    place = api.post(f"/events/{queue}/waiting-room/join", user="ada").json["token"]
    code = api.get(f"/tickets/{order}-1", user="ada").json["code"]
    builders.reserve(api, "late", event_id, tier_id, 3)

    for paused in (event_id, queue):
        assert api.post(f"/admin/events/{paused}/pause", token=builders.admin_token()).status == 200
    time.advance(settings.current().hold_seconds + 1)
    builders.run_sweep()
    assert main(["backup", str(tmp_path / "backup")]) == 0

    with settings.override(region="eu-west-1"):
        memory.forget_everything()
        assert main(["restore", str(tmp_path / "backup")]) == 1, "it has no tables"
        assert main(["restore", str(tmp_path / "backup"), "--create-tables"]) == 0
        invariants.check(time.now, recovered=True)
        assert builders.reserve(api, "bob", event_id, tier_id).json["error"] == "event_paused"
        for paused in (event_id, queue):
            assert api.post(f"/admin/events/{paused}/resume", token=builders.admin_token()).status == 200
        assert builders.buy(api, "bob", event_id, tier_id, 4).status == 201
        assert api.get(f"/events/{event_id}/availability").json["availability"][0]["available"] == 4
        assert api.get(f"/events/{queue}/waiting-room/status?token={place}").status == 200
        with settings.override(doors_open_seconds=31 * 86_400):
            assert api.post("/checkin", json={"code": code}, token=builders.admin_token()).status == 200
        invariants.check(time.now)

    memory.forget_everything()
    assert builders.reserve(api, "cleo", event_id, tier_id).json["error"] == "event_paused", "the old region sells nothing"
    invariants.check(time.now)


@pytest.fixture
def moved(api, time, tmp_path):
    """A shop that has moved to eu-west-1. Yields it in the old region, where functions still run."""
    with open_shop(api, time) as shop:
        assert main(["backup", str(tmp_path / "backup")]) == 0
        with settings.override(region="eu-west-1"):
            assert main(["restore", str(tmp_path / "backup"), "--create-tables"]) == 0
        yield shop
    memory.forget_everything()


def buy_in_new_region(shop):
    """Buy tickets in the new region, without webhooks. Returns the id of the order."""
    with settings.override(region="eu-west-1"):
        memory.forget_everything()
        shop.lose_webhooks()
        order_id = shop.buy("bob", 2)
    memory.forget_everything()
    return order_id


def test_the_old_region_shows_the_payments_of_the_new_region_and_refunds_none(moved):
    order_id = buy_in_new_region(moved)
    for _ in range(2):
        assert compare_last_hour(moved).findings == {"unknown_purchase": 1}
    assert moved.received_and_kept() == (10_000, 10_000)
    [case] = moved.list_open_cases()
    assert (case["order_id"], case["amount_cents"], case["region"]) == (order_id, 10_000, "eu-west-1")
    with settings.override(region="eu-west-1"):
        memory.forget_everything()
        assert (moved.load_purchase(order_id).state, moved.ticket_states(order_id, "bob")) == ("paid", ["valid", "valid"])
        assert compare_last_hour(moved).findings == {}
        moved.refund_in_dashboard(order_id, 10_000)
    memory.forget_everything()
    compare_last_hour(moved)
    assert list_findings(moved) == {}, "the payment is refunded"


def test_a_webhook_in_the_old_region_refunds_no_payment_of_the_new_region(moved):
    buy_in_new_region(moved)
    assert moved.post_newest_event("payment_intent.succeeded") == "other_region"
    assert moved.received_and_kept() == (10_000, 10_000)
    assert len(moved.list_open_cases()) == 1
