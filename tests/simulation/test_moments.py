"""Returning to a moment restores the store, the memory and the fake Stripe, so that each try runs as the first one did."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.purchases import store
from infra import tables
from tests import builders, invariants, shops
from tests.simulation import faults
from tests.simulation.moments import Moment

pytestmark = pytest.mark.usefixtures("threaded_store")


def contents():
    """Return all items of all tables."""
    client, names = dynamo.client(), [dynamo.table_name(feature) for feature in tables.definitions()]
    return {name: sorted(map(str, client.scan(TableName=name, ConsistentRead=True)["Items"])) for name in names}


def test_items_that_were_added_changed_and_deleted_are_as_they_were(api, time):
    with shops.isolated_shop(api) as shop:
        reservation = shop.reserve("ada", floor=2).json["id"]
        before, began, moment = contents(), time.now, Moment(time)
        for _ in range(2):
            assert builders.start_checkout(api, "ada", reservation).status == 201
            assert builders.confirm(api, "ada", reservation).status == 201
            assert shop.reserve("bob", floor=1).status == 201
            time.advance(400)
            builders.run_sweep()
            assert contents() != before
            moment.return_to()
            assert (contents(), time.now) == (before, began)
            invariants.check(time.now)


def test_returning_to_a_moment_restores_an_instances_memory(api, time):
    """With the same memory, each try makes the same store calls."""
    with shops.isolated_shop(api) as shop:
        reservation = shop.reserve("ada", floor=2).json["id"]
        assert store._copies.entries
        moment, calls_of_tries = Moment(time), []
        for _ in range(3):
            with faults.record_calls() as calls:
                assert builders.start_checkout(api, "ada", reservation).status == 201
            calls_of_tries.append(calls.names)
            shop.warm_up()
            time.advance(3600)
            shop.warm_up()
            moment.return_to()
        assert calls_of_tries == [calls_of_tries[0]] * 3


def test_the_books_at_stripe_are_as_they_were(shop, time):
    session = shop.open_checkout()
    deliveries, moment = shop.fake.pending_deliveries, Moment(time, shop.fake)
    for _ in range(2):
        shop.pay(session)
        shop.lose_webhooks()
        assert shop.received_and_kept() == (10_000, 10_000)
        assert shop.fake.pending_deliveries != deliveries
        moment.return_to()
        assert shop.received_and_kept() == (0, 0)
        assert shop.fake.pending_deliveries == deliveries
        assert shop.purchase_state(session) == "paying"
