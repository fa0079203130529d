"""What a drop would meet on the real service: hot shards are throttled, more shards are not, and nothing else conflicts."""

import pytest

from chalicelib import dynamo
from chalicelib.inventory import service as inventory
from tests import builders, invariants
from tests.simulation.limits import Limits, simulate

pytestmark = pytest.mark.usefixtures("threaded_store")

BUYERS = 240
SLOW = Limits(write_units=100)  # a tenth of the real one, so that a tenth of the buyers makes the same crowd


def drop(api, shards, seconds):
    """Every buyer wants two tickets of 400 within so many seconds; the report and how many reservations there were."""
    event_id, tier_id = builders.shop(api, capacity=400)
    every = inventory.new_shard_items(tier_id, capacity=400, sold=0, shards=shards, is_open=True)
    for number in range(shards, 12):  # a tier of 400 has twelve shards; the rest of them are empty here
        every += [{**inventory.new_shard_items(tier_id, capacity=0, sold=0, shards=1, is_open=True)[0], "id": {"S": f"{tier_id}#{number}"}}]
    dynamo.batch_put(inventory.table_name(), every)
    api.get(f"/events/{event_id}")
    statuses = []

    def buy(number):
        statuses.append(builders.reserve(api, f"buyer-{number}", event_id, tier_id, 2).status)

    actors = {f"buyer-{number}": (seconds * number / BUYERS, lambda number=number: buy(number)) for number in range(BUYERS)}
    report = simulate(actors, seed=1, limits=SLOW)
    return report, statuses.count(201)


def test_one_item_cannot_take_a_drop_and_twelve_can(api, time):
    one, _ = drop(api, 1, seconds=0.5)
    invariants.check(time.now)
    many, sold = drop(api, 12, seconds=0.5)
    invariants.check(time.now)
    assert one.throttles["inventory"] > 50
    assert many.throttles["inventory"] == 0
    assert sold == 200
    assert many.conflicts == one.conflicts == {}, "buyers share no item but the shards, which no transaction writes"
    assert many.percentile(99) < 0.2 < one.percentile(99)
