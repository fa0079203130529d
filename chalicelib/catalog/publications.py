"""Publications write a version or new stock before the catalog refers to it. If the catalog never does, the data is deleted.

The sweep also deletes the stock of deleted tiers and drafts (`delete_leftovers`).

An apply or the creation of a large tier writes too much for one transaction. So a publication first gets a unique number and a row. Its
stock is named after the number, which no other attempt ever gets. The transaction that makes everything visible
(`revisions.publish_version` for an apply) deletes the row, on condition that the row exists and is not abandoned. Once the row
is abandoned, no part of the publication can become visible, and its data may be deleted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, log
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard

# The sweep abandons a publication after this time, which is longer than an apply takes. An apply that stalls longer fails and starts over.
MAX_SECONDS = 3600
# The row of an abandoned publication stays for a day, so that a stalled process finds the row when it resumes, and deletes its data.
KEPT_SECONDS = 86_400
# The stock of deleted tiers and drafts stays for this time, so that requests that began before the deletion still find it.
DELETED_SECONDS = 3600


class Publication:
    """One attempt to publish something. For an apply, `number` is also the number of the version."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._shard_ids: list[str] = []

    def stock_id(self, tier_id: str) -> str:
        return new_stock_id(tier_id, self.number)

    def write_shards(self, shards: inventory.NewShards) -> None:
        """Write the shards of new stock that is named after this publication."""
        self._shard_ids = [shard.id for shard in shards]
        dynamo.batch_put(shards)

    def end_item(self) -> dynamo.TransactItem:
        """Return the transaction item that ends the publication. The transaction fails if the publication was abandoned."""
        return store.end_publication_item(self.number)

    def discard(self) -> None:
        """Delete everything that was written, unless it was published."""
        if store.abandon_publication(self.number):
            inventory.delete_unused_shards(self._shard_ids)
            store.delete_version(self.number)
            store.delete_publication(self.number)


def new_stock_id(tier_id: str, number: int) -> str:
    """Return the stock id of a tier that the publication `number` creates. See docs/decisions/0002-stock-ids.md."""
    return f"{tier_id}@{number}"


@contextmanager
def open_publication(now: int) -> Iterator[Publication]:
    """Begin a publication for the block, and discard it if the block raises. After a crash, the sweep discards it."""
    publication = Publication(store.begin_publication(now))
    try:
        yield publication
    except Exception:
        with suppress(*dynamo.STORE_ERRORS):  # the block's own error is more informative
            publication.discard()
        raise


def delete_leftovers(shards: Sequence[Shard], now: int) -> int:
    """Delete the leftovers of publications that failed to clean up, and of deletions. Returns the number of deleted shards.

    `shards` are shards that were just read. A shard is deleted if it was never used, no tier or event has its stock, and its publication is
    not open. The order of the reads makes this safe: a publication has a row before it has shards, so the rows are read after the shards;
    and a published publication has no row, but its stock is in the catalog, which is read last.

    A shard of a deleted tier or draft is deleted if none of its tickets are sold or held. A deletion is final and closes or empties the
    stock first, so any catalog that shows the deletion will do.
    """
    deleted_ids = _deleted_stock_ids(snapshots.snapshot(), now)
    deleted = [shard.id for shard in shards if shard.stock_id in deleted_ids and not (shard.sold or shard.holds)]
    return inventory.delete_free_shards(deleted) + _delete_unpublished(shards, now)


def _deleted_stock_ids(catalog: Catalog, now: int) -> set[str]:
    """Return the stocks of the tiers and drafts that were deleted more than DELETED_SECONDS ago."""
    before = now - DELETED_SECONDS
    events = {event.id: event for event in catalog.events.values() if event.deleted_at is not None and event.deleted_at < before}
    pool_ids = {event.pool_id for event in events.values() if event.pool_id is not None}
    tiers = (tier for tier in catalog.tiers.values() if tier.managed_by == "api")
    deleted = [tier for tier in tiers if tier.event_id in events or (tier.removed and tier.updated_at < before)]
    return pool_ids.union(
        *({tier.stock_id, *tier.holdback_shard_counts, *(resale.stock_id for resale in tier.resale_tiers)} for tier in deleted)
    )


def _delete_unpublished(shards: Sequence[Shard], now: int) -> int:
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
    return inventory.delete_unused_shards([shard.id for shard in candidates if _publication_number(shard) not in open_numbers])


def _report_once(publication: store.PublicationRecord) -> None:
    if not publication.is_abandoned:
        log.count("publications_abandoned")
        logger.warning("catalog.publication_abandoned", number=publication.number, begun_at=clock.iso(publication.begun_at))


def _clean_up(publication: store.PublicationRecord, now: int) -> None:
    """Abandon a publication and delete its version. Safe to repeat. The caller finds and deletes the shards."""
    store.abandon_publication(publication.number)
    store.delete_version(publication.number)
    if publication.begun_at + KEPT_SECONDS <= now:
        store.delete_publication(publication.number)


def _not_in_catalog(shards: Sequence[Shard], catalog: Catalog) -> list[Shard]:
    """Return the unused shards of publications whose stock is not in the catalog."""
    stock_ids = {*catalog.shard_counts(catalog.events), *(tier.stock_id for tier in catalog.tiers.values())}  # also of deleted tiers
    return [shard for shard in shards if shard.stock_id not in stock_ids and shard.is_unused and _publication_number(shard).isdecimal()]


def _publication_number(shard: Shard) -> str:
    return shard.stock_id.rpartition("@")[2]
