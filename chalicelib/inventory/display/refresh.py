"""Refresh the figures of display items: take the lease, read the shards, write the figures.

The instance that refreshed an item last needs no lease: its write is refused if another one has taken over. A crash after any step leaves
at most a lease that ends by itself.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, parallel
from chalicelib.inventory import store as shard_store
from chalicelib.inventory.display import store
from chalicelib.inventory.display.model import Display, Figures
from chalicelib.inventory.model import Shard, shard_ids


class RefreshRequest(Struct, frozen=True):
    """Which stocks of an item are to be refreshed: stock id -> number of shards."""

    display: Display
    shard_counts: Mapping[str, int]


def refresh(requests: Sequence[RefreshRequest], instance: str, now: int) -> list[Display]:
    """Refresh these items, except those that another instance refreshes at this moment. Returns all of them as they are then."""
    begun = parallel.call_each(lambda request: (*begin(request.display, instance, now), request.shard_counts), requests)
    leased = [RefreshRequest(display, shard_counts) for is_ours, display, shard_counts in begun if is_ours]
    shards = read_shards_by_stock({stock_id: count for request in leased for stock_id, count in request.shard_counts.items()})
    published = parallel.call_each(
        lambda request: publish(request.display, instance, {stock_id: shards[stock_id] for stock_id in request.shard_counts}, now), leased
    )
    return [*published, *(display for is_ours, display, _ in begun if not is_ours)]


def begin(display: Display, instance: str, now: int) -> tuple[bool, Display]:
    """Whether this instance may refresh the item now, and the item as it is then."""
    if display.holder == instance:
        return True, display
    return store.take_lease(display, instance, now)


def publish(display: Display, instance: str, shards: Mapping[str, Sequence[Shard]], now: int) -> Display:
    """Write the figures of these shards, given by stock id. Returns the item with them, also if it could not be written."""
    figures = {stock_id: Figures.of(of_stock, now, display.figures.get(stock_id)) for stock_id, of_stock in shards.items()}
    try:
        return store.write_figures(display, instance, figures)
    except dynamo.STORE_ERRORS as error:
        log.warning("display.not_written", group_id=display.group_id, error=type(error).__name__)
        return display.with_figures(figures)


def read_shards_by_stock(shard_counts: Mapping[str, int]) -> dict[str, list[Shard]]:
    """The shards of stocks, given as stock id -> number of shards. Strongly consistent, 100 shards in a round trip."""
    ids = [shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)]
    pages = [ids[start : start + dynamo.MAX_BATCH_GET] for start in range(0, len(ids), dynamo.MAX_BATCH_GET)]
    by_stock: dict[str, list[Shard]] = {stock_id: [] for stock_id in shard_counts}
    for page in parallel.call_each(shard_store.read_shards, pages):
        for shard in page:
            by_stock[shard.stock_id].append(shard)
    return by_stock
