"""Decide what a caller may do at one event. `edge.auth` has already checked whether the caller may use the route."""

from collections import Counter
from typing import ClassVar

import msgspec

from chalicelib.accounts import profiles
from chalicelib.catalog.model import Catalog, Event
from chalicelib.catalog.snapshots import find_event
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.foundation import clock, settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound

DELETED_PER_ENTRY = 10  # deleted events or tiers that count as one, so that nobody can create and delete entries endlessly
MAX_PROMOTER_MEGABYTES = 20  # of long texts and dates that all events of a verified promoter may have in the memory of every instance
MAX_EVENT_MEGABYTES = 4  # of long texts and dates of an event and its tiers, which its managers get in one reply
# An event that is over still counts for this long after its last change. Otherwise, a promoter could create any number of short events.
RECENT_SECONDS = 30 * 86_400
NEWCOMERS_FACTOR = 3  # how many times as high the limit is for promoters who have deleted fewer than DELETED_PER_ENTRY events or tiers


class PromoterUnverified(ApiError):
    code: ClassVar[str] = "promoter_not_verified"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = (
        "An admin of the shop must verify the event's promoter before the event can be published. "
        "Complete the promoter's profile, then ask the shop. The event stays a draft."
    )


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


def may_manage(identity: Identity, event_id: str) -> bool:
    """Return whether the caller may change an event and see its orders, as an admin, its promoter or one of its coordinators.

    While the promoter is locked, only admins may.
    """
    if "admin" in identity.roles:
        return True
    is_coordinator = identity.events.get(event_id) == "coordinator"
    event = find_event(event_id) if is_coordinator or "promoter" in identity.roles else None
    return event is not None and not event.suspended and (is_coordinator or event.promoter_id == identity.user_id)


def may_appoint_coordinators(identity: Identity, event: Event) -> bool:
    """Return whether the caller may appoint and remove coordinators, as the event's promoter or an admin."""
    return "admin" in identity.roles or ("promoter" in identity.roles and event.promoter_id == identity.user_id)


def may_admit(identity: Identity, event_id: str) -> bool:
    """Return whether the caller may admit people to an event, as one of its managers or staff."""
    return identity.events.get(event_id) in ("staff", "cashier") or may_manage(identity, event_id)


def may_see_money(identity: Identity, event_id: str) -> bool:
    """Return whether the caller may see an event's sales and money, as one of its managers or accountants."""
    if identity.events.get(event_id) != "accountant":
        return may_manage(identity, event_id)
    event = find_event(event_id)
    return event is not None and not event.suspended


def require_seller(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may sell at its box office, as one of its managers or cashiers. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    is_cashier = identity.events.get(event_id) == "cashier" and not event.suspended
    if not (is_cashier or may_manage(identity, event_id)):
        raise Forbidden("You do not sell at this event's box office.", event_id=event_id)
    return event


def require_manager(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may manage it. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    if not may_manage(identity, event_id):
        message = "This event's promoter is locked. Contact the shop." if event.suspended else "You do not manage this event."
        raise Forbidden(message, event_id=event_id)
    return event


def require_accountant(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may see its sales and money. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    return event if may_see_money(identity, event_id) else require_manager(identity, event_id)


def require_actor(identity: Identity, event_id: str) -> str:
    """Return the caller's user id, for the audit log, if the caller may manage the event. Raises NotFound or Forbidden."""
    require_manager(identity, event_id)
    return identity.user_id


def require_publisher(identity: Identity, event_id: str) -> str:
    """Return the caller's user id if the caller may publish the event. Raises NotFound, Forbidden or PromoterUnverified."""
    event = require_manager(identity, event_id)
    is_free = "admin" in identity.roles or event.promoter_id is None or settings.current().publishing == "all"
    if not is_free and not profiles.is_verified(str(event.promoter_id)):
        raise PromoterUnverified(promoter_id=event.promoter_id)
    return identity.user_id


def strict_count(kept: int, total: int) -> int:
    """Return how many entries count for an unverified promoter. `total` includes the deleted entries, which stay in the store."""
    return kept + (total - kept) // DELETED_PER_ENTRY


def deleted_drafts(catalog: Catalog, promoter_id: str) -> int:
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


def check_event_count(catalog: Catalog, promoter_id: str, now: int) -> None:
    """Raise EventQuotaReached or EventLimitReached if a promoter may not have one more event.

    The drafts of all unverified promoters together are limited, because every instance keeps them in its memory. Reads the profile only if
    the promoter has many events, or if there are many drafts.
    """
    limits = settings.current()
    total = [event for event in catalog.events.values() if event.promoter_id == promoter_id]
    own = [event for event in total if event.deleted_at is None]
    unpublished = deleted_drafts(catalog, promoter_id) + sum(
        event.status in ("draft", "cancelled") and event.promoter_id is not None and event.deleted_at is None
        for event in catalog.events.values()
    )
    is_crowded = unpublished >= limits.unverified_drafts
    if strict_count(len(own), len(total)) < limits.unverified_events and not is_crowded:
        return
    if not profiles.is_verified(promoter_id):
        if is_crowded:
            raise EventQuotaReached("The shop accepts no more drafts now. Ask the shop to verify you.", limit=limits.unverified_drafts)
        raise EventQuotaReached(limit=limits.unverified_events)
    recent = [event for event in total if event.created_at > now - RECENT_SECONDS]
    counted = {event.id for event in own if _is_current(event, now)} | {event.id for event in recent if event.deleted_at is None}
    if strict_count(len(counted), len(counted | {event.id for event in recent})) >= limits.promoter_events:
        raise EventLimitReached(limit=limits.promoter_events)


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


def require_door(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may admit people to it. Raises NotFound or Forbidden.

    `checkin.service` also compares the event of the scanned ticket.
    """
    event = _get_event(event_id)
    if not may_admit(identity, event_id):
        raise Forbidden("You are not assigned to this event.", event_id=event_id)
    return event


def _get_event(event_id: str) -> Event:
    event = find_event(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    return event
