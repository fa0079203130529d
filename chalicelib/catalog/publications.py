"""Write what the catalog does not refer to yet, and delete it if the catalog never does: a version, the stock of new tiers.

What an apply writes, or the creation of a large tier, is too much for one transaction. So a publication begins with a number of its
own and a row under it; its stock is named after the number, which no other attempt ever gets. The transaction that makes everything
visible deletes the row, under the condition that it is there and not abandoned. So the row is the arbiter: once it is
abandoned, nothing of the publication can become visible any more, and it may be deleted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard

# The sweep abandons a publication after this time: longer than an apply takes. One that stalls for longer is refused and begins again.
MAX_SECONDS = 3600
# An abandoned publication keeps its row for a day, so that a process that goes on meanwhile finds it and deletes what it has written.
KEPT_SECONDS = 86_400


class Publication:
    """One attempt to publish something. `number` is its number; for an apply it is that of the version."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._shard_ids: list[str] = []

    def stock_id(self, tier_id: str) -> str:
        return new_stock_id(tier_id, self.number)

    def write_shards(self, items: Sequence[dict[str, Any]]) -> None:
        """Write new shards, in wire format, whose stock has an id of this publication."""
        self._shard_ids = [item["id"]["S"] for item in items]
        dynamo.batch_put(inventory.table_name(), items)

    def end_item(self) -> dynamo.TransactItem:
        """Transaction item that ends the publication, with the items that publish it; it fails if the publication was abandoned."""
        return store.end_publication_item(self.number)

    def discard(self) -> None:
        """Delete what was written, unless it was published."""
        if store.abandon_publication(self.number):
            inventory.delete_unused(self._shard_ids)
            store.delete_version(self.number)
            store.delete_publication(self.number)


def new_stock_id(tier_id: str, number: int) -> str:
    """The stock id of a tier that the publication `number` creates. See docs/decisions/0002-stock-ids.md."""
    return f"{tier_id}@{number}"


@contextmanager
def open_publication(now: int) -> Iterator[Publication]:
    """Begin a publication for the block, and discard it if the block raises. After a crash the sweep does that."""
    publication = Publication(store.begin_publication(now))
    try:
        yield publication
    except Exception:
        with suppress(*dynamo.STORE_ERRORS, deadline.DeadlineExceeded):  # the block's own error says more
            publication.discard()
        raise


def delete_unpublished(shards: Sequence[Shard], now: int) -> int:
    """Delete what publications have left that failed to clean up, and return how many shards. `shards` is any stock that was just read.

    A shard goes if nobody ever used it, no tier or event has its stock, and its publication is not open. Each of these is read after what
    could change it: a publication has a row before it has shards, so the rows are read after the shards; and when it has no row any more
    because it was published, its stock is in the catalog, which is read last.
    """
    open_numbers = set()
    for publication in store.list_publications():
        if publication.is_abandoned or publication.begun_at + MAX_SECONDS < now:
            _report_once(publication)
            _clean_up(publication, now)
        else:
            open_numbers.add(str(publication.number))
    candidates = _not_in_catalog(shards, snapshots.snapshot())
    if candidates:
        candidates = _not_in_catalog(candidates, snapshots.load_current())
    return inventory.delete_unused([shard.id for shard in candidates if _publication_number(shard) not in open_numbers])


def _report_once(publication: store.PublicationRecord) -> None:
    if not publication.is_abandoned:
        log.count("publications_abandoned")
        log.warning("catalog.publication_abandoned", number=publication.number, begun_at=clock.iso(publication.begun_at))


def _clean_up(publication: store.PublicationRecord, now: int) -> None:
    """Abandon a publication and delete its version, as often as it is found; its shards are found among all stock."""
    store.abandon_publication(publication.number)
    store.delete_version(publication.number)
    if publication.begun_at + KEPT_SECONDS <= now:
        store.delete_publication(publication.number)


def _not_in_catalog(shards: Sequence[Shard], catalog: Catalog) -> list[Shard]:
    """The shards of publications whose stock is not in the catalog, and that were not written to since they were made."""
    stock_ids = catalog.shard_counts(catalog.events)
    return [shard for shard in shards if shard.stock_id not in stock_ids and shard.is_unused and _publication_number(shard).isdecimal()]


def _publication_number(shard: Shard) -> str:
    return shard.stock_id.rpartition("@")[2]
