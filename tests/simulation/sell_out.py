"""A simulation that holds all tickets of a stock at a steady rate, on many instances, against the limits of the real DynamoDB.

No hold is paid before all tickets are held. This is the worst case, in which the items become as large as they can.
"""

from collections import Counter

import msgspec

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import NotEnoughTickets, default_shard_count
from tests.simulation.call_log import record_calls
from tests.simulation.instances import simulated_fleet

STOCK_ID = f"{'t' * 26}@12"
START = 1_780_315_200
EXPIRES_AT = START + 601
BEGINS_AT = 10.0  # virtual second of the first hold


class SellOutReport(msgspec.Struct, frozen=True):
    """The costs of a sell-out. `refused_writes`: writes refused by a shard's condition. `refused_buyers`: buyers who got no tickets.

    `largest_item` is in bytes. `hottest_shard` is the most write units that one shard took in one second.
    """

    shards: int
    holds: int
    refused_writes: int
    refused_buyers: int
    largest_item: int
    units_per_hold: float
    hottest_shard: float
    throttled: int
    read_units: float


def sell_out(
    capacity: int, *, rate: float, quantity: int, shard_count: int | None = None, late_buyers: int = 0, seed: int = 1
) -> SellOutReport:
    """Let `rate` buyers per second hold `quantity` tickets each, until the stock is used up and `late_buyers` more buyers have tried."""
    shards = shard_count or default_shard_count(capacity)
    dynamo.batch_put(inventory.new_shards(STOCK_ID, capacity=capacity, sold=0, shard_count=shards, is_open=True))
    group = StockGroup("sale", {STOCK_ID: shards})
    outcomes: Counter[str] = Counter()

    def hold() -> None:
        try:
            hold_tickets(HoldRequest(STOCK_ID, shards, quantity, ids.new_id(), EXPIRES_AT, clock.now(), group))
            outcomes["held"] += 1
        except NotEnoughTickets:
            outcomes["refused"] += 1

    instances = max(2, round(rate / 10))
    with simulated_fleet(instances, start=START, seed=seed) as (timeline, fleet, service), record_calls() as calls:
        for number in range(capacity // quantity + late_buyers):
            timeline.at(BEGINS_AT + number / rate, lambda: fleet.submit(hold))
        timeline.run()
    report = service.report
    return SellOutReport(
        shards=shards,
        holds=outcomes["held"],
        refused_writes=sum(call.outcome == "refused" for call in calls.of(table="inventory")),
        refused_buyers=outcomes["refused"],
        largest_item=report.largest_items["inventory"],
        units_per_hold=sum(write for _, write in report.units.values()) / outcomes["held"],
        hottest_shard=max(report.busiest_seconds.values()),
        throttled=report.throttles.total(),
        read_units=sum(read for read, _ in report.units.values()),
    )
