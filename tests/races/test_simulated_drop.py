"""A drop against the limits of the real DynamoDB: one shard is throttled, five are not, and nothing else conflicts."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import default_shard_count
from chalicelib.inventory.store import new_shard
from tests import builders, invariants
from tests.simulation.limits import Limits, simulate

pytestmark = pytest.mark.usefixtures("threaded_store")

BUYERS = 240
SHARDS = default_shard_count(400)
LIMITS = Limits(write_units=100)  # a tenth of the real limit, so that a tenth of the buyers suffices


def drop(api, shards, seconds):
    """Every buyer reserves two of 400 tickets, within so many seconds. Returns the report and the number of reservations."""
    event_id, tier_id = builders.create_shop(api, capacity=400)
    items = inventory.new_shards(tier_id, capacity=400, sold=0, shard_count=shards, is_open=True)
    for number in range(shards, SHARDS):  # the rest of the tier's shards are empty here
        items.append(new_shard(f"{tier_id}#{number}", capacity=0, sold=0, is_open=True))
    dynamo.batch_put(items)
    api.get(f"/events/{event_id}")
    statuses = []

    def buy(number):
        statuses.append(builders.reserve(api, f"buyer-{number}", event_id, tier_id, 2).status)

    actors = {f"buyer-{number}": (seconds * number / BUYERS, lambda number=number: buy(number)) for number in range(BUYERS)}
    report = simulate(actors, seed=1, limits=LIMITS)
    return report, statuses.count(201)


@pytest.mark.slow
def test_one_shard_cannot_take_a_drop_and_five_can(api, time):
    one_shard, _ = drop(api, 1, seconds=0.5)
    invariants.check(time.now)
    five_shards, reservations = drop(api, SHARDS, seconds=0.5)
    invariants.check(time.now)
    assert one_shard.throttles["inventory"] > 50
    assert five_shards.throttles["inventory"] == 0
    assert reservations == 200
    assert five_shards.conflicts == one_shard.conflicts == {}, "buyers share no item but the shards, which no transaction writes"
    assert five_shards.percentile(99) < 0.2 < one_shard.percentile(99)
