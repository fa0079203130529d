"""What the old and the new item of the catalog say about what happened."""

from typing import Any

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.changes.model import CatalogPublished, Change, EventChanged, EventPaused, EventResumed, TierChanged


def catalog_changes(before: dict[str, Any] | None, after: dict[str, Any] | None, at: int) -> list[Change]:
    """What happened, from the items in wire format, since the table has items of many kinds. Empty for those that nobody asks about."""
    image = after or before
    if image is None:
        return []
    partition, (kind, _, subject_id) = image["pk"]["S"], image["sk"]["S"].partition("#")
    if partition == "head":
        versions = [int(item["version"]["N"]) if item and "version" in item else 0 for item in (before, after)]
        return [CatalogPublished(at=at, before=versions[0], version=versions[1])] if versions[0] != versions[1] else []
    if partition != "live":
        return []
    if kind == "pause":
        return _pause_changes(before, after, at, subject_id)
    was, now_is = (catalog.read_image(item) if item else None for item in (before, after))
    if was == now_is:
        return []
    if isinstance(now_is or was, Event):
        return [EventChanged(at=at, event_id=subject_id, before=was, after=now_is)]  # type: ignore[arg-type]
    return [TierChanged(at=at, tier_id=subject_id, before=was, after=now_is)]  # type: ignore[arg-type]


def _pause_changes(before: dict[str, Any] | None, after: dict[str, Any] | None, at: int, event_id: str) -> list[Change]:
    if before is None:
        return [EventPaused(at=at, event_id=event_id)]
    return [EventResumed(at=at, event_id=event_id)] if after is None else []
