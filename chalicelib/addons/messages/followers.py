"""Pass the changes of purchases, tickets and the catalog on to every follower.

DynamoDB lets two functions at most read one stream: the reports have one of their own, all others share this one.
"""

from collections.abc import Callable, Iterator, Sequence

from chalicelib.addons.messages import seat_numbers as numbering
from chalicelib.addons.messages import service as messages
from chalicelib.addons.outgoing_webhooks import outbox as outgoing_webhooks
from chalicelib.addons.waitlist import service as waitlist
from chalicelib.catalog import service as catalog
from chalicelib.changes.model import CatalogPublished, Change, EventChanged, TierChanged
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log

# What a publication of the bootstrap file has changed, as the changes that the API would have made.
#
# Events and tiers of the file have no items of their own, so the stream has only the publication. The content of a version never changes,
# so the same publication gives the same changes however often it comes.


def with_file_changes(changes: Sequence[Change]) -> Iterator[Change]:
    """All changes in their order; behind each publication, what it changed."""
    for change in changes:
        yield change
        if isinstance(change, CatalogPublished):
            yield from _file_changes(change)


def _file_changes(published: CatalogPublished) -> Iterator[Change]:
    """Those of events, then those of tiers. What is no longer in the file is deleted, although the catalog keeps it."""
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


# Those who follow the changes of purchases, tickets and the catalog.
#
# DynamoDB lets two functions at most read one stream: the reports have one of their own, all others share this one.

# One line for each who follows. Each gets all changes of a batch, picks what it asks about, and may be called again with the same ones.
FOLLOWERS: tuple[Callable[[Sequence[Change]], None], ...] = (
    numbering.follow,
    messages.follow,
    outgoing_webhooks.follow,
    waitlist.follow,
)


def pass_on(changes: Sequence[Change]) -> None:
    """Call all followers, also if one fails. Raises the first error, or the one that says that the store is at fault."""
    everything = list(with_file_changes(changes))
    errors = []
    for follow in FOLLOWERS:
        try:
            follow(everything)
        except Exception as error:
            log.exception("follow_changes.follower_failed", follower=follow.__module__, changes=len(changes))
            errors.append(error)
    if errors:
        raise next(filter(dynamo.is_unavailable, errors), errors[0])
