"""Make a stock named `t`, hold tickets of it and read it back; instances that display it."""

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.inventory import availability
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import Hold, Stock
from tests.simulation.instance_memory import InstanceMemory

NOW, EXPIRES_AT = 1000, 1180


def create_stock(capacity: int, shard_count: int, *, sold: int = 0) -> None:
    items = inventory.new_shards("t", capacity=capacity, sold=sold, shard_count=shard_count, is_open=True)
    dynamo.batch_put(items)


def hold(quantity: int, shard_count: int, purchase_id: str = "p", expires_at: int = EXPIRES_AT) -> list[Hold]:
    return hold_tickets(HoldRequest("t", shard_count, quantity, purchase_id, expires_at, NOW))


def read_stock(shard_count: int) -> Stock:
    stock = availability.read_stock({"t": shard_count})["t"]
    assert stock.available + stock.held + stock.sold == stock.capacity
    return stock


class DisplayingInstance(InstanceMemory):
    """An instance that has just started, inside `separate_memories`. It shows the group `g`, of the stock `t` alone."""

    def __init__(self, shard_count: int = 2) -> None:
        super().__init__()
        self.group = StockGroup("g", {"t": shard_count})

    def show(self, now: float) -> Stock:
        """The figures that this instance shows."""
        with self.active(), clock.override(lambda: now):
            return cached_stock([self.group], int(now))["t"]
