"""A fresh shop for each crash, so that a crash point never inherits what another one left."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests import builders, engines
from tests.client import Client


class World:
    """Two tiers on sale: a sharded one, and a small one that a spanning hold empties."""

    def __init__(self, api: Client) -> None:
        self.event_id, self.floor = builders.shop(api, capacity=10)
        self.balcony = builders.tier(api, self.event_id, "Balcony", capacity=4, price_cents=3000)
        api.get(f"/events/{self.event_id}")  # warms the catalog: crash points are those of the purchase


@contextmanager
def fresh(api: Client) -> Iterator[World]:
    with engines.fresh_stage():
        yield World(api)
    engines.clear_caches()
