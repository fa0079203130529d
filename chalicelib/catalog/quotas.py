"""Limit how many events, ticket types, tickets and texts a promoter may have. Unverified promoters may have fewer.

Every instance keeps all events and ticket types in its memory, including deleted ones, and anybody can register as a promoter.
"""

from collections import Counter
from typing import ClassVar

import msgspec

from chalicelib.accounts import profiles
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.foundation.errors import ApiError, InvalidInput
from chalicelib.inventory.model import MAX_HOLDS, default_shard_count

# Per event: one transaction reorders all of them, together with the catalog's head, the row of the log and the audit entry. Lists of tiers
# have no pages.
MAX_TIERS = dynamo.MAX_TRANSACT_ITEMS - 3
MAX_FILE_TIERS = 500  # per event in a bootstrap file: one item of a report holds up to seven figures for each of them, and for deleted ones
MAX_EVENT_TICKETS = 2_000_000  # per event: each run of the sweep must be able to read all of its shards
DELETED_PER_ENTRY = 10  # deleted events or tiers that count as one, so that nobody can create and delete entries endlessly
MAX_PROMOTER_MEGABYTES = 20  # of long texts and dates that all events of a verified promoter may have in the memory of every instance
MAX_EVENT_MEGABYTES = 4  # of long texts and dates of an event and its tiers, which its managers get in one reply
# An event that is over still counts for this long after its last change. Otherwise, a promoter could create any number of short events.
RECENT_SECONDS = 30 * 86_400
NEWCOMERS_FACTOR = 3  # how many times as high the limit is for promoters who have deleted fewer than DELETED_PER_ENTRY events or tiers


class EventQuotaReached(ApiError):
    """The promoter, whom no admin has verified, has reached the `limit` of events."""

    code: ClassVar[str] = "event_quota_reached"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You have reached your limit of events. Delete drafts that you do not need, or ask the shop to verify you."
    )


class EventLimitReached(ApiError):
    """The promoter, whom an admin has verified, has reached the `limit` of drafts, events that are not over and recent events."""

    code: ClassVar[str] = "event_limit_reached"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You have reached your limit of events. It counts drafts, events that are not over, and events created in the last 30 days. "
        "Delete drafts that you do not need, or ask the shop for a higher limit."
    )


class TooManyTiers(ApiError):
    code: ClassVar[str] = "too_many_tiers"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        f"The event has reached its limit of ticket types: {MAX_TIERS}, or fewer until an admin of the shop has verified its promoter."
    )


class TooManyTickets(ApiError):
    """The ticket types have too many tickets in total. A type counts with the largest capacity that it ever had; `limit` is the total."""

    code: ClassVar[str] = "too_many_tickets"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        f"The event would exceed its limit of tickets: {MAX_EVENT_TICKETS:,} for all ticket types together, "
        "or fewer until an admin of the shop has verified its promoter. Choose a smaller capacity."
    )


def check_event_count(catalog: Catalog, promoter_id: str, now: int) -> None:
    """Raise EventQuotaReached or EventLimitReached if a promoter may not have one more event.

    Unverified promoters may create no event while all promoters together have too many drafts, because every instance keeps them in its
    memory. Reads the profile only if the promoter has many events, or if there are many drafts.
    """
    limits = settings.current()
    total = [event for event in catalog.events.values() if event.promoter_id == promoter_id]
    own = [event for event in total if event.deleted_at is None]
    is_crowded = _is_crowded(catalog, promoter_id, now)
    if _strict_count(len(own), len(total)) < limits.unverified_events and not is_crowded:
        return
    if not profiles.is_verified(promoter_id):
        if is_crowded:
            raise EventQuotaReached(
                "The shop accepts no more drafts at the moment. Ask the shop to verify you.", limit=limits.unverified_drafts
            )
        raise EventQuotaReached(limit=limits.unverified_events)
    recent = [event for event in total if event.created_at > now - RECENT_SECONDS]
    counted = {event.id for event in own if _is_current(event, now)} | {event.id for event in recent if event.deleted_at is None}
    if _strict_count(len(counted), len(counted | {event.id for event in recent})) >= limits.promoter_events:
        raise EventLimitReached(limit=limits.promoter_events)


def check_tier_count(catalog: Catalog, event: Event, more: int = 1) -> None:
    """Raise TooManyTiers if an event may not have this many more tiers."""
    listed, limit = len(catalog.listed_tiers(event.id)), min(settings.current().unverified_tiers, MAX_TIERS)
    owner, max_drafts = event.promoter_id, settings.current().unverified_drafts
    is_crowded = owner is not None and _deleted_drafts(catalog, owner) >= max_drafts
    wanted = _strict_count(listed, len(catalog.event_tiers(event.id))) + more
    if not is_crowded and wanted <= limit:
        return
    if event.promoter_id is not None and not profiles.is_verified(event.promoter_id):
        message = "The shop accepts no more ticket types at the moment. Ask the shop to verify you." if is_crowded else None
        raise TooManyTiers(message, event_id=event.id, limit=limit)
    if (listed + more if owner is None else wanted) > MAX_TIERS:
        raise TooManyTiers(event_id=event.id, limit=MAX_TIERS)


def check_ticket_count(catalog: Catalog, after: Tier) -> None:
    """Raise TooManyTickets if the event's tiers would have too many tickets with this new or changed tier, unless it does not grow."""
    before = catalog.tiers.get(after.id)
    if before is not None and _size(after) <= _size(before):
        return
    others = [tier for tier in catalog.event_tiers(after.event_id) if tier.id != after.id]
    kept = _size(after) + sum(_size(tier) for tier in others if not tier.removed)
    limit = settings.current().unverified_tickets
    if _strict_count(kept, _size(after) + sum(map(_size, others))) <= limit:
        return
    promoter_id = catalog.events[after.event_id].promoter_id
    if promoter_id is None or profiles.is_verified(promoter_id):
        limit = MAX_EVENT_TICKETS
    if limit < MAX_EVENT_TICKETS or kept > limit:
        raise TooManyTickets(event_id=after.event_id, limit=limit, path="$.capacity")


def check_text_size(before: Catalog, after: Catalog, event_id: str) -> None:
    """Raise InvalidInput if a change makes the long texts and the dates of an event too large for a reply, or for its promoter.

    Until an admin has verified the promoter, each event has a limit. Afterwards, drafts, events that are not over, and events with a recent
    change share a limit. Reads the profile only if the texts are long. Events that are small enough for unverified promoters need no shared
    limit, because their number is limited.
    """
    promoter_id, limit = after.events[event_id].promoter_id, settings.current().unverified_kilobytes
    size, highest = _text_size(after, event_id), MAX_EVENT_MEGABYTES * 1024 * 1024
    if size <= min(highest, limit * 1024) or size <= _text_size(before, event_id):
        return
    if size > highest:
        what = f"An event and its ticket types can have {MAX_EVENT_MEGABYTES} MB of texts and dates together."
        raise InvalidInput(f"{what} Send shorter texts or fewer dates.", path="$.description")
    if promoter_id is None or size <= limit * 1024:
        return
    if not profiles.is_verified(promoter_id):
        what = f"Until the shop has verified its promoter, an event and its ticket types can have {limit} KB of texts and dates."
        raise InvalidInput(f"{what} Send shorter texts or fewer dates.", path="$.description")
    own, now = [event for event in after.events.values() if event.promoter_id == promoter_id and event.deleted_at is None], clock.now()
    counted = [event for event in own if event.id == event_id or _is_current(event, now) or _is_recent(after, event, now)]
    total = sum(_text_size(after, event.id) for event in counted)
    if total > MAX_PROMOTER_MEGABYTES * 1024 * 1024:
        what = f"{MAX_PROMOTER_MEGABYTES} MB of texts and dates"
        message = (
            f"All drafts of a promoter, events that are not over and events changed in the last 30 days can have {what} together. "
            "Send shorter texts, or delete drafts."
        )
        raise InvalidInput(message, path="$.description")


def _strict_count(kept: int, total: int) -> int:
    """Return how many entries count for an unverified promoter. `total` includes the deleted entries, which stay in the store."""
    return kept + (total - kept) // DELETED_PER_ENTRY


def _is_crowded(catalog: Catalog, promoter_id: str, now: int) -> bool:
    """Return whether the stage has so many drafts and cancelled events of promoters that this promoter must be verified to create more.

    Events of promoters whom an admin has stopped do not count, nor do cancelled events that are over or have a verified promoter. Reads
    profiles only if the cancelled events decide.
    """
    limit = settings.current().unverified_drafts - _deleted_drafts(catalog, promoter_id)
    kept = [event for event in catalog.events.values() if event.deleted_at is None and not event.suspended]
    drafts = sum(event.status == "draft" and event.promoter_id is not None for event in kept)
    cancelled = [event for event in kept if event.status == "cancelled" and event.last_sale_at >= now]
    owners = [event.promoter_id for event in cancelled if event.promoter_id is not None]
    if not drafts < limit <= drafts + len(owners):
        return drafts >= limit
    verified = profiles.load_sellers(set(owners))
    return drafts + sum(owner not in verified for owner in owners) >= limit


def _deleted_drafts(catalog: Catalog, promoter_id: str) -> int:
    """Return the number of drafts that all promoters' deleted events and ticket types count as, when this promoter wants to create more.

    Deleted drafts stay in the memory of every instance. The quotas of a promoter do not limit them, because anybody can register many
    promoters. The limit is higher for promoters who have deleted few drafts. Otherwise, one stranger could lock out all new promoters.
    """
    deleted: Counter[str] = Counter()
    for event in catalog.events.values():
        if event.promoter_id is not None:
            tiers = catalog.event_tiers(event.id)
            is_kept = event.deleted_at is None
            deleted[event.promoter_id] += len(tiers) - len(catalog.listed_tiers(event.id)) if is_kept else 1 + len(tiers)
    factor = 1 if deleted[promoter_id] >= DELETED_PER_ENTRY else NEWCOMERS_FACTOR
    return deleted.total() // (DELETED_PER_ENTRY * factor)


def _is_current(event: Event, now: int) -> bool:
    """Return whether an event is a draft or is not over."""
    return event.status == "draft" or event.last_sale_at >= now


def _is_recent(catalog: Catalog, event: Event, now: int) -> bool:
    """Return whether an event or one of its tiers was changed recently."""
    return max(event.updated_at, *(tier.updated_at for tier in catalog.event_tiers(event.id)), 0) > now - RECENT_SECONDS


def _text_size(catalog: Catalog, event_id: str) -> int:
    """Return how many bytes the texts and the dates of an event and its tiers take, without texts that are always short."""
    event, tiers = catalog.events.get(event_id), catalog.event_tiers(event_id)
    own = None
    if event is not None:
        reasons = event.cancellation_reasons, event.cancelled_dates
        own = event.description, event.names, event.descriptions, event.metadata, event.dates, *reasons
    texts = [
        (tier.description, tier.names, tier.descriptions, tier.metadata, tier.options, tier.holdbacks, tier.date_ids) for tier in tiers
    ]
    return len(msgspec.json.encode((own, texts)))


def _size(tier: Tier) -> int:
    """Return the capacity of a tier. If it once was larger or has no limit, return the number of tickets for which it has shards."""
    if tier.capacity is not None and tier.shards <= default_shard_count(tier.capacity):
        return tier.capacity
    return tier.shards * MAX_HOLDS
