"""Checkout and confirm with this instance's own copy of the purchase: fewer reads, and right whatever others have done meanwhile."""

import pytest

from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import InstanceMemory, separate_memories


@pytest.fixture
def reservation_id(api, time):
    return builders.reserve(api, "ada", *builders.create_shop(api), 2).json["id"]


def calls(request, status):
    """The calls of a request, without those that fill the caches."""
    with record_calls() as log:
        assert request().status == status
    return [entry.operation for entry in log.entries if entry.tables != ["catalog"]]


def start_checkout(api, reservation_id, user="ada"):
    return lambda: builders.start_checkout(api, user, reservation_id)


def confirm(api, checkout_id, user="ada", simulate="success"):
    return lambda: builders.confirm(api, user, checkout_id, simulate)


def elsewhere(action):
    """Do something on another instance: this one keeps the copies that it has."""
    kept = dict(store._copies.entries)
    result = action()
    store._copies.entries = kept
    return result


def test_the_instance_that_reserved_needs_no_read_to_finish_the_order(api, time, reservation_id):
    assert calls(start_checkout(api, reservation_id), 201) == ["UpdateItem"]
    assert calls(confirm(api, reservation_id), 201) == ["TransactWriteItems", "UpdateItem"]
    assert calls(confirm(api, reservation_id), 200) == ["GetItem", "BatchGetItem"]
    invariants.check(time.now, recovered=True)


def test_the_instance_that_opened_the_checkout_declines_it_without_reading(api, time, reservation_id):
    builders.start_checkout(api, "ada", reservation_id)
    assert calls(confirm(api, reservation_id, simulate="fail"), 200) == ["TransactWriteItems", "UpdateItem"]
    invariants.check(time.now, recovered=True)


def test_another_instance_reads_first(api, time, reservation_id):
    with separate_memories(), InstanceMemory().active():
        assert calls(start_checkout(api, reservation_id), 201) == ["GetItem", "UpdateItem"]
        with InstanceMemory().active():
            assert calls(confirm(api, reservation_id), 201) == ["GetItem", "TransactWriteItems", "UpdateItem"]
    invariants.check(time.now, recovered=True)


def test_a_copy_that_is_too_old_is_not_used(api, time, reservation_id):
    time.advance(store.MAX_AGE_SECONDS)
    assert calls(start_checkout(api, reservation_id), 201) == ["GetItem", "UpdateItem"]
    time.advance(store.MAX_AGE_SECONDS)
    assert calls(confirm(api, reservation_id), 201) == ["GetItem", "TransactWriteItems", "UpdateItem"]


def test_nobody_else_gets_at_a_copy(api, time, reservation_id):
    assert calls(start_checkout(api, reservation_id, "bob"), 404) == ["GetItem"]
    builders.start_checkout(api, "ada", reservation_id)
    assert calls(confirm(api, reservation_id, "bob"), 404) == ["GetItem"]
    assert store.load(reservation_id).state == "paying"


@pytest.mark.parametrize(
    ("happens", "status", "error"),
    [
        ("start_checkout", 200, None),
        ("release", 409, "reservation_expired_or_invalid"),
        ("buy", 409, "reservation_converted"),
    ],
)
def test_a_checkout_notices_what_another_instance_has_done(api, time, reservation_id, happens, status, error):
    def buy():
        builders.start_checkout(api, "ada", reservation_id, key="elsewhere")
        builders.confirm(api, "ada", reservation_id)

    actions = {
        "start_checkout": lambda: builders.start_checkout(api, "ada", reservation_id, key="elsewhere"),
        "release": lambda: api.delete(f"/reservations/{reservation_id}", user="ada"),
        "buy": buy,
    }
    elsewhere(actions[happens])
    with record_calls() as log:
        reply = builders.start_checkout(api, "ada", reservation_id)
    assert (reply.status, reply.json.get("error")) == (status, error)
    assert [entry.outcome for entry in log.of("UpdateItem")] == ["refused"]
    invariants.check(time.now, recovered=happens != "start_checkout")


@pytest.mark.parametrize(
    ("happens", "simulate", "status", "outcome"),
    [
        ("confirm", "success", 200, "completed"),
        ("confirm", "fail", 200, "completed"),
        ("confirm", None, 200, "completed"),
        ("decline", "success", 200, "failed"),
        ("decline", "fail", 200, "failed"),
        ("release", "success", 409, "reservation_expired_or_invalid"),
        ("release", "fail", 409, "reservation_expired_or_invalid"),
    ],
)
def test_a_confirm_notices_what_another_instance_has_done(api, time, reservation_id, happens, simulate, status, outcome):
    builders.start_checkout(api, "ada", reservation_id)
    actions = {
        "confirm": confirm(api, reservation_id),
        "decline": confirm(api, reservation_id, simulate="fail"),
        "release": lambda: api.delete(f"/reservations/{reservation_id}", user="ada"),
    }
    elsewhere(actions[happens])
    reply = builders.confirm(api, "ada", reservation_id, simulate)
    assert (reply.status, reply.json.get("error") or reply.json["checkout_session"]["state"]) == (status, outcome)
    invariants.check(time.now, recovered=True)


def test_a_confirm_notices_any_new_version(api, time, reservation_id):
    """Recovery may have written the purchase to keep others from listing its holds, without another change."""
    builders.start_checkout(api, "ada", reservation_id)
    purchase = store.load(reservation_id)
    store.save(purchase, purchase)
    with record_calls() as log:
        assert builders.confirm(api, "ada", reservation_id).status == 201
    assert [entry.outcome for entry in log.of("TransactWriteItems")] == ["refused", "done"]
    invariants.check(time.now, recovered=True)


def test_refusals_follow_a_read(api, time, reservation_id):
    assert builders.start_checkout(api, "ada", reservation_id, success_url="nowhere").json["path"] == "$.success_url"
    builders.start_checkout(api, "ada", reservation_id)
    assert calls(confirm(api, reservation_id, simulate=None), 400) == ["GetItem"]
    assert calls(confirm(api, reservation_id), 201) == ["GetItem", "TransactWriteItems", "UpdateItem"]


def test_a_copy_whose_time_is_over_is_not_used(api, time, reservation_id):
    time.advance(175)
    second = builders.reserve(api, "bob", *builders.create_shop(api)).json["id"]
    builders.start_checkout(api, "bob", second)
    elsewhere(lambda: time.advance(6))
    assert builders.start_checkout(api, "ada", reservation_id).json["error"] == "reservation_expired_or_invalid"
    builders.run_sweep()
    invariants.check(time.now)
