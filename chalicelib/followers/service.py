"""Those who follow the changes of purchases, tickets and the catalog.

DynamoDB lets two functions at most read one stream: the reports have one of their own, all others share this one.
"""

from collections.abc import Callable, Sequence

from chalicelib.changes.model import Change
from chalicelib.dynamodb import dynamo
from chalicelib.followers.publications import with_file_changes
from chalicelib.foundation import log
from chalicelib.messages import service as messages
from chalicelib.numbering import service as numbering
from chalicelib.outgoing_webhooks import outbox as outgoing_webhooks
from chalicelib.waitlist import service as waitlist

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
