"""A change that was made is never answered with an error because the reply could not show it: after the transaction, every call fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import builders, invariants, shops
from tests.proof.buyers import BuyerScene
from tests.simulation import faults
from tests.simulation.interception import Listener, StoreCall, intercept
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, join_many

pytestmark = pytest.mark.usefixtures("threaded_store")


class StoreThatFailsAfterCommit(Listener):
    """Throttles every call after the first transaction that was written."""

    rank = 50

    def __init__(self) -> None:
        self.is_committed = False
        self.refused: list[str] = []

    def before(self, call: StoreCall) -> None:
        if self.is_committed:
            self.refused.append(call.operation)
            raise faults.throttled(call)

    def after(self, call: StoreCall) -> None:
        if call.operation == "TransactWriteItems" and call.error is None:
            self.is_committed = True


@contextmanager
def failing_after_commit() -> Iterator[StoreThatFailsAfterCommit]:
    with intercept(store := StoreThatFailsAfterCommit()):
        yield store
    assert store.is_committed


def test_a_new_event_is_shown_as_it_was_written(api, time):
    body = {"name": "Night", "venue": "Hall", "starts_at": "2027-01-01T20:00:00Z", "on_sale_at": "2026-12-01T10:00:00Z"}
    with failing_after_commit():
        created = api.post("/admin/events", json=body, token=builders.admin_token(), headers={"Idempotency-Key": "k"})
    assert created.status == 201, created.json
    assert api.get(f"/admin/events/{created.json['id']}", token=builders.admin_token()).json == created.json


def test_a_new_tier_is_shown_as_it_was_written(api, time):
    event_id = builders.create_event(api)
    with failing_after_commit():
        created = api.post(
            "/admin/tiers", json={"event_id": event_id, "name": "Floor", "price_cents": 100, "capacity": 9}, token=builders.admin_token()
        )
    assert created.status == 201, created.json
    assert api.get(f"/admin/tiers/{created.json['id']}", token=builders.admin_token()).json == created.json


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize(("path", "body"), [("rate", {"wave_size": 7, "wave_seconds": 9}), ("let-in", {"count": 3})])
def test_a_new_plan_is_shown_as_it_was_written(api, time, path, body, opened):
    event_id, _ = create_sale(api, time)
    join_many(api, event_id, 9)
    time.advance(SECONDS_TO_OPENING if opened else 0)
    api.get(f"/events/{event_id}/waiting-room/state")
    with failing_after_commit():
        changed = api.post(f"/admin/events/{event_id}/waiting-room/{path}", json=body, token=builders.admin_token())
    assert changed.status == 200, changed.json
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert [changed.json[name] for name in ("room", "segments", "total")] == [state[name] for name in ("room", "segments", "total")]


def test_a_cleared_room_is_cleared(api, time):
    event_id, _ = create_sale(api, time)
    api.get(f"/events/{event_id}/waiting-room/state")
    with failing_after_commit():
        cleared = api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token())
    assert (cleared.status, cleared.json["cleared"]) == (200, 0)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_sale_is_paused_also_if_its_waiting_room_cannot_be_loaded(api, time, action):
    event_id, _ = create_sale(api, time)
    with faults.fail_from(1, faults.throttled, table="waiting-room") as fault:
        reply = api.post(f"/admin/events/{event_id}/{action}", token=builders.admin_token())
    assert fault.was_triggered
    assert (reply.status, reply.json["event"]["paused"]) == (200, action == "pause")


PAID = ["reserve", "start_checkout", "confirm"]
STEPS = {"reserve": [], "confirm": PAID[:2], "decline": PAID[:2], "release": PAID[:1], "refund": PAID}


class Buyer(BuyerScene):
    def __init__(self, api, time):
        super().__init__(api, time, shops.Shop(api))

    def refund(self):
        return builders.refund(self.api, self.id)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_a_purchase_that_was_written_succeeds(api, time, name):
    buyer = Buyer(api, time)
    buyer.run(*STEPS[name])
    with failing_after_commit():
        reply = buyer.run(name)
    assert reply.status == (200 if name in ("decline", "release") else 201), reply.json
    time.advance(181)
    builders.run_sweep()
    invariants.check(time.now, recovered=True)


def test_a_refund_whose_order_cannot_be_shown_says_so(api, time):
    buyer = Buyer(api, time)
    buyer.run(*PAID)
    with failing_after_commit() as store:
        reply = buyer.refund()
    assert store.refused
    assert reply.json["refund"]["status"] == "succeeded"
    assert reply.json["order"]["status"] == "refunded"
    assert "Load the order again" in reply.json["message"]


def test_a_refund_that_could_not_be_recorded_stays_due(shop, time):
    order_id = shop.buy()
    with failing_after_commit():
        reply = builders.refund(shop.api, order_id)
    assert (reply.status, reply.json["refund"]["status"]) == (201, "due"), reply.json
    time.advance(3700)
    builders.run_sweep()
    assert len(shop.list_refunds()) == 1
    shop.fake.deliver()


def test_a_refund_that_is_tried_again_is_shown(shop, time):
    order_id = shop.buy()
    shop.fake.fail_next_request("POST", "/v1/refunds", status=503, times=3)
    refund_id = builders.refund(shop.api, order_id).json["refund"]["id"]
    with failing_after_commit():
        reply = shop.retry_refund(order_id, refund_id)
    assert (reply.status, reply.json["refund"]["id"]) == (200, refund_id), reply.json


def test_a_reply_that_cannot_be_stored_is_still_sent(api, time):
    buyer = Buyer(api, time)
    with faults.fail(1, faults.throttled, operation="UpdateItem", table="idempotency") as fault:
        reply = buyer.reserve()
    assert fault.was_triggered
    assert reply.status == 201
    time.advance(31)
    assert buyer.reserve().json["id"] == reply.json["id"]
