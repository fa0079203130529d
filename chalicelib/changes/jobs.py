"""The function that notifies every follower, in the core and in the add-ons, of changes to purchases, tickets and the catalog.

DynamoDB lets at most two functions read one stream, so the reports have a function of their own, and all other followers share this one.

Events and tiers from the bootstrap file have no items of their own, so the stream shows only the publication of a version. This module
derives the changes that the publication made, in the same form as changes made through the API. The content of a version never changes, so
the same publication always gives the same changes.

A publication may change more entries than followers can handle in one invocation, so they receive PORTION changes at a time. Before each
portion, an item in the catalog's table records where the next portion begins. The stream reports this item, which calls the function again.
So a portion that fails is delivered again alone, and the following portions do not depend on it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from chalice.app import Blueprint

from chalicelib.catalog import service as catalog
from chalicelib.changes.model import (
    CatalogPublished,
    Change,
    EventChanged,
    EventPaused,
    EventResumed,
    OrderPaid,
    PurchaseChange,
    TicketIssued,
    TicketTransferred,
    TierChanged,
)
from chalicelib.changes.stream import stream_consumer
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import addons, clock
from chalicelib.foundation.log import logger

PORTION = 500  # changes; followers handle them in a few seconds

bp = Blueprint(__name__)


@bp.lambda_function(name="follow_changes")
@stream_consumer("follow_changes")
def follow_changes(changes: Sequence[Change]) -> None:
    pass_on(changes)


def pass_on(changes: Sequence[Change]) -> None:
    """Call all followers, even if one fails. After any failure, raises a store error if there was one, or else the first error."""
    everything: list[Change] = []
    for change in changes:
        everything.append(change)
        if isinstance(change, CatalogPublished) and not change.is_copy:  # a copied head publishes nothing
            everything += _take_portion(change)
    errors = []
    for follow in followers():
        try:
            follow(everything)
        except Exception as error:
            logger.exception("follow_changes.follower_failed", follower=follow.__module__, changes=len(changes))
            errors.append(error)
    if errors:
        raise next(filter(dynamo.is_unavailable, errors), errors[0])


def followers() -> list[Callable[[Sequence[Change]], None]]:
    """Return the followers. Each follower gets all changes of a batch, and may be called again with the same batch."""
    return [_mark_for_sweep, _number_seats, _follow_guests, _follow_sales, *addons.hooks("follow_changes")]


def _mark_for_sweep(changes: Sequence[Change]) -> None:
    from chalicelib.purchases.sweep_store import mark_changed

    mark_changed((event_id for change in changes for event_id in _event_ids(change)), clock.now())


def _event_ids(change: Change) -> list[str]:
    """Return the ids of the events whose purchases or settings a change concerns.

    If a promoter was stopped or may sell again, these are all of the promoter's published events. A change to a draft is left out, because
    a draft's tickets cannot be held. Publishing or unpublishing an event is not a change to a draft.
    """
    match change:
        case PurchaseChange():
            return [change.purchase.event_id]
        case EventChanged():
            states = [event.status for event in (change.before, change.after) if event is not None]
            return [] if set(states) == {"draft"} else [change.event_id]
        case EventPaused() | EventResumed():
            return [event_id for event_id in catalog.find_flagged_events(catalog.snapshot(), change.event_id) if not _is_draft(event_id)]
        case TierChanged():
            tier = change.after or change.before
            return [] if tier is None or _is_draft(tier.event_id) else [tier.event_id]
    return []


def _is_draft(event_id: str) -> bool:
    event = catalog.snapshot().events.get(event_id)
    return event is not None and event.status == "draft"


def _number_seats(changes: Sequence[Change]) -> None:
    from chalicelib.tickets import seat_numbers  # imported here, because other functions load this module too

    seat_numbers.number_tickets([change.ticket for change in changes if isinstance(change, TicketIssued)])


def _follow_guests(changes: Sequence[Change]) -> None:
    from chalicelib.purchases import guest_orders

    paid = [change.purchase for change in changes if isinstance(change, OrderPaid)]
    received = [change.ticket for change in changes if isinstance(change, TicketTransferred)]
    guest_orders.keep_guests(paid, received)


def _follow_sales(changes: Sequence[Change]) -> None:
    moved = (change for change in changes if not (isinstance(change, EventChanged) and _keeps_stock(change)))
    catalog.follow_sales((event_id for change in moved for event_id in _event_ids(change)), clock.now())


def _keeps_stock(change: EventChanged) -> bool:
    """Return whether an event has the same tickets before and after a change, for example if only its place has changed."""
    if change.before is None or change.after is None:
        return False
    before, after = ((event.status, event.removed, event.capacity, event.dates, event.pool_id) for event in (change.before, change.after))
    return before == after


def _take_portion(published: CatalogPublished) -> list[Change]:
    """Return the next portion of the changes that a publication made, and record where the portion after it begins. Safe to repeat."""
    end = published.position + PORTION
    found = list(islice(_file_changes(published), published.position, end + 1))
    if len(found) > PORTION:
        catalog.save_passing(published.version, published.before, published.at, end)
    elif published.position:
        catalog.delete_passing(published.version)
    return found[:PORTION]


def _file_changes(published: CatalogPublished) -> Iterator[Change]:
    """Yield the changes to events, then to tiers. An entry removed from the file counts as deleted, although the catalog keeps it."""
    before, after = (catalog.load_content(version) for version in (published.before, published.version))
    events, new_events = ({event.id: event for event in content.events if not event.removed} for content in (before, after))
    for event_id in sorted(events.keys() | new_events.keys()):
        old_event, new_event = events.get(event_id), new_events.get(event_id)
        if old_event != new_event:
            yield EventChanged(at=published.at, event_id=event_id, before=old_event, after=new_event, file_version=published.version)
    tiers, new_tiers = ({tier.id: tier for tier in content.tiers if not tier.removed} for content in (before, after))
    for tier_id in sorted(tiers.keys() | new_tiers.keys()):
        old_tier, new_tier = tiers.get(tier_id), new_tiers.get(tier_id)
        if old_tier != new_tier:
            yield TierChanged(at=published.at, tier_id=tier_id, before=old_tier, after=new_tier)
