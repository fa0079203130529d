"""The catalog for other features: read it, and check which tickets are on sale.

Changes through the API are in `event_management`, `event_states` and `tier_management`.
"""

from collections.abc import Sequence

from chalicelib.catalog import sale_rules
from chalicelib.catalog.event_states import cancel, set_paused
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.publications import Publication, delete_leftovers, new_stock_id, open_publication
from chalicelib.catalog.revisions import HeadChanged, load_head, load_head_and_catalog, publish_version, record_attempt
from chalicelib.catalog.sale_rules import TierNotOnSale, max_hold_seconds, sale_refusal
from chalicelib.catalog.snapshots import (
    expire,
    find_event,
    find_event_for_tiers,
    find_known_event,
    find_snapshot,
    in_language,
    invalidate,
    load_current,
    refresh_snapshot,
    snapshot,
    snapshot_with_drafts,
    write_if_due,
)
from chalicelib.catalog.stock_ledger import changed_by_file, follow_sales, record_figures, record_file, record_totals
from chalicelib.catalog.store import (
    CatalogItem,
    PauseFlag,
    PublicationPosition,
    delete_passing,
    find_flagged_events,
    find_tax_location,
    list_versions,
    load_content,
    load_document,
    read_image,
    save_passing,
    save_tax_location,
    served_version_item,
    write_version,
)
from chalicelib.edge import languages
from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.money import Tax
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import SalePaused

__all__ = [
    "CatalogItem",
    "HeadChanged",
    "PauseFlag",
    "Publication",
    "PublicationPosition",
    "cancel",
    "changed_by_file",
    "delete_leftovers",
    "delete_passing",
    "effective_tax",
    "expire",
    "find_event",
    "find_event_for_tiers",
    "find_flagged_events",
    "find_known_event",
    "find_snapshot",
    "find_tax_location",
    "follow_sales",
    "get_current_tier",
    "get_sellable_tiers",
    "get_visible_event",
    "get_visible_tier",
    "in_language",
    "invalidate",
    "list_versions",
    "load_content",
    "load_current",
    "load_document",
    "load_head",
    "load_head_and_catalog",
    "longest_hold_seconds",
    "new_stock_id",
    "open_publication",
    "publish_version",
    "read_image",
    "record_attempt",
    "record_figures",
    "record_file",
    "record_totals",
    "refresh_snapshot",
    "save_passing",
    "save_tax_location",
    "served_version_item",
    "set_paused",
    "snapshot",
    "snapshot_in",
    "snapshot_with_drafts",
    "stock_group",
    "tier_name",
    "write_if_due",
    "write_version",
]


def get_visible_event(event_id: str, language: Language | None = None) -> tuple[Catalog, Event]:
    """Return an event that the public may see, and its catalog, with the texts of a language.

    Raises NotFound if the event is unknown, a draft, or, in production, a test event.
    """
    catalog = in_language(find_snapshot(lambda catalog: event_id in catalog.events), language)
    event = catalog.events.get(event_id)
    if event is None or event.status == "draft" or (event.status == "test" and not allows_test_sales()):
        raise NotFound("There is no event with this id.", event_id=event_id)
    return catalog, event


def snapshot_in(language: Language | None) -> Catalog:
    """Return the snapshot with its texts in a language. Without a language, returns the snapshot unchanged."""
    return in_language(snapshot(), language)


def tier_name(tier_id: str, name: str, language: Language | None) -> str:
    """Return the name of a tier in a language. Without a language, returns `name`, under which the tier was sold."""
    tier = snapshot().tiers.get(tier_id)
    return name if tier is None else languages.in_language(name, tier.names, language)


def get_visible_tier(tier_id: str, language: Language | None = None) -> tuple[Catalog, Tier]:
    """Return a tier of an event that the public may see, and its catalog, with the texts of a language. Raises NotFound.

    The tier may be hidden from lists.
    """
    tier = in_language(find_snapshot(lambda catalog: tier_id in catalog.tiers), language).tiers.get(tier_id)
    if tier is not None:
        catalog, event = get_visible_event(tier.event_id, language)
        shown = catalog.states[tier.status].display or event.status == tier.status == "test"
        if shown and not tier.removed:
            return catalog, tier
    raise NotFound("There is no ticket type with this id.", tier_id=tier_id)


def get_current_tier(event_id: str, tier_id: str) -> Tier:
    """Return a tier of an event from the current catalog, with a strongly consistent read of its head. Raises NotFound."""
    tier = load_current().tiers.get(tier_id)
    if tier is None or tier.event_id != event_id or tier.removed:
        raise NotFound("The event has no ticket type with this id.", tier_id=tier_id)
    return tier


def get_sellable_tiers(
    event_id: str, tier_ids: Sequence[str], now: int, *, is_presale: bool = False, resale_price_cents: int | None = None
) -> tuple[Event, list[Tier]]:
    """Return the event and the tiers with these ids, in the order of `tier_ids`, if all of them are on sale at `now`.

    In a presale, the event's sale need not have opened. With `resale_price_cents`, the tickets are for resale at this price. Raises
    NotFound (even if the event exists but is not public, or a tier belongs to another event), SalePaused, EventNotOnSale or TierNotOnSale.
    This is only an early check: the conditional writes to the shards decide whether the stock is open and sufficient.
    """
    get_visible_event(event_id)  # refuses an event that the public may not see
    price = resale_price_cents
    catalog = find_snapshot(lambda catalog: all(_belongs_to(catalog, tier_id, event_id, price) for tier_id in tier_ids))
    event = catalog.events[event_id]
    tiers = []
    for tier_id in tier_ids:
        if not _belongs_to(catalog, tier_id, event_id):
            raise NotFound("This event has no ticket type with this id.", event_id=event_id, tier_id=tier_id)
        tier = catalog.tiers[tier_id]
        if price is not None and price not in tier.resale_prices:
            raise TierNotOnSale("No tickets of this type are for resale at this price.", tier_id=tier_id, reason="sold-out")
        tiers.append(tier if price is None else tier.for_resale(price))
    if event.is_paused:
        raise SalePaused()
    for tier in tiers:
        refusal = sale_refusal(catalog, event, tier, now, allows_test_sales(), is_presale=is_presale)
        if refusal is not None:
            raise refusal
    return event, tiers


def effective_tax(event: Event, tier: Tier) -> Tax | None:
    """Return the tax that the price of the event's tier includes now."""
    has_default = tier.tax is None and event.country is not None
    return sale_rules.effective_tax(snapshot(), tier) if has_default else tier.own_tax


def longest_hold_seconds() -> int:
    """Return the longest hold time of all events, in seconds."""
    return max(map(max_hold_seconds, snapshot().events.values()), default=settings.current().hold_seconds)


def stock_group(event_id: str) -> StockGroup:
    """Return the group of an event's stocks, whose figures inventory keeps together."""
    return snapshot().stock_group(event_id)


def allows_test_sales() -> bool:
    """Return whether test events and tiers, which are never listed, can be bought. True in every stage except production."""
    return settings.current().stage != settings.PRODUCTION


def _belongs_to(catalog: Catalog, tier_id: str, event_id: str, resale_price_cents: int | None = None) -> bool:
    tier = catalog.tiers.get(tier_id)
    has_price = tier is not None and (resale_price_cents is None or resale_price_cents in tier.resale_prices)
    return tier is not None and tier.event_id == event_id and has_price
