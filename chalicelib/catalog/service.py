"""The catalog's story: what there is, and what may be sold now. Changes are in `management`."""

from collections.abc import Sequence

from chalicelib import settings
from chalicelib.catalog.management import create_event, create_tier, drop_caches, set_paused
from chalicelib.catalog.model import Catalog, Event, Tier, sale_refusal
from chalicelib.catalog.publishing import HeadMoved, publish, record, standing
from chalicelib.catalog.snapshots import checked, fresh, invalidate, snapshot
from chalicelib.catalog.store import document, new_version, versions, write_version
from chalicelib.errors import NotFound
from chalicelib.inventory.model import StockClosed

__all__ = [
    "HeadMoved",
    "create_event",
    "create_tier",
    "document",
    "drop_caches",
    "fresh",
    "invalidate",
    "new_version",
    "publish",
    "record",
    "sellable",
    "set_paused",
    "snapshot",
    "standing",
    "versions",
    "visible",
    "write_version",
]


def visible(event_id: str) -> tuple[Catalog, Event]:
    """An event that the public may see, with the catalog it is in; raises NotFound for drafts, and in production for tests."""
    catalog = snapshot()
    event = catalog.events.get(event_id)
    if event is None:  # it may be newer than what this instance knows
        catalog = checked()
        event = catalog.events.get(event_id)
    if event is None or event.status == "draft" or (event.status == "test" and not tests_are_sold()):
        raise NotFound("There is no such event.", event_id=event_id)
    return catalog, event


def sellable(event_id: str, tier_ids: Sequence[str], now: int) -> tuple[Event, list[Tier]]:
    """The event and these tiers of it, in order, if they are for sale at `now`.

    Raises NotFound (event hidden, or a tier that is not of it), StockClosed (paused), EventNotOnSale, TierNotOnSale. It
    informs: that the stock is open and enough is decided by the shards' conditions.
    """
    catalog, event = visible(event_id)
    if any(not _is_of(catalog, tier_id, event_id) for tier_id in tier_ids):
        catalog = checked()
        event = catalog.events[event_id]
    tiers = []
    for tier_id in tier_ids:
        if not _is_of(catalog, tier_id, event_id):
            raise NotFound("This event has no such ticket.", event_id=event_id, tier_id=tier_id)
        tiers.append(catalog.tiers[tier_id])
    if event.paused:
        raise StockClosed()
    for tier in tiers:
        refusal = sale_refusal(catalog, event, tier, now, tests_are_sold())
        if refusal is not None:
            raise refusal
    return event, tiers


def tests_are_sold() -> bool:
    """Test events and tiers can be bought, though they are listed nowhere, in every stage but production."""
    return settings.current().stage != "prod"


def _is_of(catalog: Catalog, tier_id: str, event_id: str) -> bool:
    tier = catalog.tiers.get(tier_id)
    return tier is not None and tier.event_id == event_id
