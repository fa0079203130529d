"""The order in which an event's tiers are listed: set for all of them at once."""

from collections.abc import Sequence
from typing import ClassVar

from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import store
from chalicelib.catalog.model import Catalog, Event, in_display_order
from chalicelib.catalog.revisions import CatalogChange, commit, get_changeable_event
from chalicelib.foundation.errors import ApiError


class StaleOrder(ApiError):
    """The caller has seen other tiers of the event, or another order, than it has now; `package_ids` is the present one."""

    code: ClassVar[str] = "stale_order"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The list has changed in the meantime, so nothing was reordered. Load it again, then send each of its ids once."
    )


def reorder_tiers(event_id: str, tier_ids: Sequence[str], seen_ids: Sequence[str] | None, actor: str, now: int) -> Catalog:
    """List the tiers of an event in this order, and return the catalog with it. All of them change, or none.

    It is one change of the event, in its history too. Raises StaleOrder unless `tier_ids` are all tiers of the event, each once, and
    `seen_ids`, if it is given, is their present order; NotFound and ManagedByBootstrap.
    """

    def build(catalog: Catalog) -> CatalogChange[Event]:
        event = get_changeable_event(catalog, event_id)
        present = {tier.id: tier for tier in in_display_order(catalog.listed_tiers(event_id))}
        if sorted(tier_ids) != sorted(present) or seen_ids not in (None, list(present)):
            raise StaleOrder(package_ids=list(present))
        moved = [
            replace(present[tier_id], display_order=place, version=present[tier_id].version + 1, updated_at=now)
            for place, tier_id in enumerate(tier_ids)
            if present[tier_id].display_order != place
        ]
        if not moved:
            return CatalogChange(event, [])
        changes = {"tier_order": (list(present), list(tier_ids))}
        entry = audit.entry_item(f"event#{event_id}", "event.tiers_reordered", actor, now, {}, changes=changes)
        return CatalogChange(event, [entry, *map(store.put_tier_item, moved)], moved)

    catalog, _ = commit(build)
    return catalog
