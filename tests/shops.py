"""A shop with two tiers on sale in its own tables, for tests that need many shops."""

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.foundation import memory
from tests import builders, engines
from tests.client import Client, ClientReply


class Shop:
    """An event with 10 tickets of the tier `floor`, and 4 tickets of the tier `balcony`, which one reservation can sell out."""

    def __init__(self, api: Client, event_capacity: int | None = None) -> None:
        self.api, self.event_capacity = api, event_capacity
        self.event_id = builders.create_event(api, capacity=event_capacity)
        self.floor = builders.create_tier(api, self.event_id, capacity=10)
        self.balcony = builders.create_tier(api, self.event_id, "Balcony", capacity=4, price_cents=3000)
        self.warm_up()

    def warm_up(self) -> None:
        """Load the catalog into the cache, so that a test counts only the store calls of the purchase."""
        self.api.get(f"/events/{self.event_id}")

    def reserve(self, user: str, *, floor: int = 0, balcony: int = 0, key: str = "") -> ClientReply:
        return builders.reserve_items(self.api, user, self.event_id, {self.floor: floor, self.balcony: balcony}, key=key)


@contextmanager
def isolated_shop(api: Client, event_capacity: int | None = None) -> Iterator[Shop]:
    """Open a shop in empty tables, isolated from the shops before and after it."""
    with engines.fresh_stage():
        yield Shop(api, event_capacity)
    memory.forget_everything()
