"""Which shards a sweep reads: those in which holds can be, and a slice of all, so that it costs no more the more was ever sold."""

from collections.abc import Iterator

from msgspec import Struct

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.foundation import settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, Shard, shard_ids
from chalicelib.purchases.sweep import store

LINGER_SECONDS = 86_400  # how long the shards of an event are read in every run after its last hold must have expired
SLICE = 250  # shards of the whole table that a run reads in addition: strays of old events are found within (all shards / SLICE) minutes


class SweptShards(Struct, frozen=True):
    """The shards of a run, the catalog that named them, what the run before has handed on, and where the slice of the next run begins."""

    shards: list[Shard]
    catalog: Catalog
    state: store.SweepState
    next_cursor: str | None

    def expired_holds(self, now: int) -> list[Hold]:
        """The holds that have expired, the one that expired first being the first. One that was postponed is behind those that were not."""
        found = [(shard.expires_at(hold), hold) for shard in self.shards for hold in shard.expired_holds(now)]
        return [hold for _, hold in sorted(found, key=lambda entry: (entry[0], entry[1].hold_id))]

    def hand_on(self, low_tiers: frozenset[str], *, is_finished: bool) -> None:
        """Keep which tiers are low, and where the next run goes on: behind this slice, if this run is finished."""
        state = store.SweepState(self.next_cursor if is_finished else self.state.shard_id, low_tiers)
        if state != self.state:
            store.save(state)


def read_shards(now: int) -> SweptShards:
    """Read the shards that a run is about; strongly consistent."""
    current = catalog.snapshot()
    shards = {shard.id: shard for shard in inventory.read_shards(_ids_on_sale(current, now))}
    state = store.load()
    others, next_cursor = inventory.scan_slice(state.shard_id, SLICE)
    return SweptShards([*(shards | {shard.id: shard for shard in others}).values()], current, state, next_cursor)


def _ids_on_sale(current: Catalog, now: int) -> Iterator[str]:
    for event in current.events.values():
        if _may_have_holds(event, now):
            for stock_id, shard_count in current.shard_counts([event.id]).items():
                yield from shard_ids(stock_id, shard_count)


def _may_have_holds(event: Event, now: int) -> bool:
    """By its dates alone: an event that is cancelled, or a tier that is closed, may have holds from before that."""
    chosen = settings.current()
    last_hold_until = event.last_sale_at + event.seconds_of_hold(chosen.hold_seconds) + chosen.checkout_seconds
    return (event.on_sale_at is None or event.on_sale_at <= now) and now <= last_hold_until + LINGER_SECONDS
