"""A tier of 100,000 tickets sells out at 1,000 holds a second: its items stay small, no shard is hot, and nothing is oversold.

Shards share nothing, so a sale with a part of the tickets at that part of the rate is the same for each of its shards.
"""

import pytest
from pynamodb.expressions.condition import size

from chalicelib.inventory import store
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import default_shard_count
from tests.simulation.sell_out import STOCK_ID, sell_out

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("threaded_store")]

CAPACITY, RATE = 100_000, 1000
KB = 1024


@pytest.mark.parametrize(("scale", "quantity", "units"), [(25, 2, 1.7), (50, 1, 2.7)])
def test_100_000_tickets_at_1000_holds_a_second(scale, quantity, units):
    capacity = CAPACITY // scale
    assert default_shard_count(capacity) * scale == default_shard_count(CAPACITY)
    report = sell_out(capacity, rate=RATE / scale, quantity=quantity, late_buyers=10)
    assert (report.holds * quantity, report.refused_buyers) == (capacity, 10)
    stock = read_stock({STOCK_ID: report.shards})[STOCK_ID]
    assert (stock.held, stock.available) == (capacity, 0)
    assert report.largest_item <= 4 * KB
    assert report.hottest_shard <= 30, "of the 1,000 write units that one item takes in a second"
    assert report.throttled == 0
    assert report.units_per_hold < units
    assert report.refused_writes < report.holds * 0.05
    assert report.read_units < report.holds * 0.5, "near the end not every buyer reads all shards"


@pytest.mark.parametrize("capacity", [100, 1000])
def test_smaller_tiers_sell_out_in_a_second_and_no_shard_is_throttled(capacity):
    report = sell_out(capacity, rate=RATE, quantity=2, late_buyers=50)
    assert (report.holds * 2, report.refused_buyers) == (capacity, 50)
    assert report.largest_item <= 2.5 * KB
    assert report.throttled == 0


def test_without_the_limit_of_holds_an_item_outgrows_4_kb(monkeypatch):
    """The counter-test: a quarter of the tickets that each of 32 shards for 100,000 would have."""
    monkeypatch.setattr(store, "_HAS_ROOM", size(store.ShardRow.holds) < CAPACITY)
    report = sell_out(800, rate=10, quantity=2, shard_count=1)
    assert report.largest_item > 19 * KB
    assert report.units_per_hold > 9
