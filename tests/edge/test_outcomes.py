"""What a reply says about the outcome of a request that could not be finished: nothing was changed, or that is not certain."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.edge import error_replies
from chalicelib.edge.store import RateLimitRow
from chalicelib.foundation import sdk_calls
from chalicelib.purchases import queries, store
from tests import builders, invariants, shops
from tests.simulation import faults
from tests.simulation.interception import Listener, intercept

pytestmark = pytest.mark.usefixtures("threaded_store", "time")


@pytest.fixture
def shop(api):
    return shops.Shop(api)


def reserve(shop, key="k"):
    return shop.reserve("ada", floor=2, key=key)


def assert_unavailable(reply, outcome):
    assert (reply.status, reply.json["error"], reply.json["outcome"]) == (503, "service_unavailable", outcome), reply.json
    assert reply.headers["retry-after"] == str(error_replies.STORE_RETRY_SECONDS)
    assert (error_replies.UNCHANGED in reply.json["message"]) == (outcome == "unchanged")
    assert (error_replies.UNKNOWN in reply.json["message"]) == (outcome == "unknown")


@pytest.mark.parametrize("error", [faults.throttled, faults.timeout])
def test_a_read_that_fails_first_leaves_everything_unchanged(shop, api, error):
    reservation_id = reserve(shop).json["id"]
    with faults.fail(1, error, operation="GetItem") as fault:
        assert_unavailable(api.delete(f"/reservations/{reservation_id}", user="ada"), "unchanged")
    assert fault.was_triggered
    assert api.delete(f"/reservations/{reservation_id}", user="ada").status == 200


def test_a_first_write_that_is_refused_leaves_everything_unchanged(shop):
    with faults.fail(1, faults.throttled, table="inventory") as fault:
        assert_unavailable(reserve(shop), "unchanged")
    assert fault.was_triggered


def test_our_own_bookkeeping_does_not_count_as_an_effect(shop):
    """The row of the key is written before anything else."""
    with faults.lose_answer(1, table="idempotency"):
        assert_unavailable(reserve(shop), "unchanged")


def test_a_reserve_whose_answer_is_lost_may_have_taken_effect(shop, api):
    with faults.lose_answer(1, operation="TransactWriteItems") as fault:
        reply = reserve(shop)
    assert fault.was_triggered
    assert_unavailable(reply, "unknown")
    assert error_replies.REPEAT in reply.json["message"]
    (purchase,) = store.scan_purchases()
    again = reserve(shop)
    assert (again.status, again.json["id"]) == (201, purchase.id)


def test_without_a_key_the_caller_is_advised_to_look_first(shop):
    with faults.lose_answer(1, operation="TransactWriteItems"):
        reply = reserve(shop, key="")
    assert_unavailable(reply, "unknown")
    assert error_replies.LOOK_FIRST in reply.json["message"]


def test_a_request_that_needs_no_key_may_be_repeated_without_one(shop, api):
    order_id = builders.buy(api, "ada", shop.event_id, shop.floor).json["order"]["id"]
    with faults.lose_answer(1, table="tickets", operation="UpdateItem"):
        reply = api.post(f"/tickets/{order_id}-1/transfer", user="ada")
    assert_unavailable(reply, "unknown")
    assert "Send it again, with the same Idempotency-Key if it has one." in reply.json["message"]
    assert api.post(f"/tickets/{order_id}-1/transfer", user="ada").status == 200


def test_a_key_is_not_recommended_where_it_is_not_used(shop, api):
    """More buyers would be let in again."""
    with faults.lose_answer(1, operation="TransactWriteItems"):
        reply = api.post(f"/admin/events/{shop.event_id}/pause", token=builders.admin_token(), headers={"Idempotency-Key": "k"})
    assert_unavailable(reply, "unknown")
    assert error_replies.LOOK_FIRST in reply.json["message"]


def test_an_error_after_a_write_is_not_reported_as_unchanged(shop):
    """The hold is written, then the transaction is throttled; whether the hold could be released is not certain."""
    with faults.fail(1, faults.throttled, operation="TransactWriteItems"):
        assert_unavailable(reserve(shop), "unknown")


def test_a_read_only_request_changes_nothing(shop, api, monkeypatch):
    def fail(*_):
        RateLimitRow("x", tat=0, ttl=0).save()
        raise dynamo.StoreUnavailable

    monkeypatch.setattr(queries, "get_own_order", fail)
    assert_unavailable(api.get("/orders/o1", user="ada"), "unchanged")


@pytest.mark.parametrize(("writes", "outcome"), [(True, "unknown"), (False, "unchanged")])
def test_an_error_of_ours_says_too_what_may_have_happened(shop, monkeypatch, writes, outcome):
    def fail(*_, **__):
        if writes:
            RateLimitRow("x", tat=0, ttl=0).save()
        raise ZeroDivisionError

    monkeypatch.setattr("chalicelib.purchases.reservations.reserve", fail)
    reply = reserve(shop)
    assert (reply.status, reply.json["error"], reply.json["outcome"]) == (500, "internal_error", outcome)


class SlowStore(Listener):
    """A store that takes seven seconds for each write."""

    def __init__(self, time) -> None:
        self._time = time

    def after(self, call) -> None:
        if call.operation in sdk_calls.WRITES:
            self._time.advance(7)


def test_a_request_that_runs_out_of_time_says_so_in_time(shop, time):
    """The use of the key and the hold take 14 of 14 seconds, so the purchase is not written."""
    began = time.now
    with intercept(SlowStore(time)), faults.record_calls() as calls:
        reply = reserve(shop)
    assert [name for name in calls.names if name in sdk_calls.WRITES] == ["PutItem", "UpdateItem"]
    assert_unavailable(reply, "unknown")
    assert time.now - began < 20
    time.advance(181)
    builders.run_sweep()
    invariants.check(time.now, recovered=True)
