"""What is kept about a person in tables of its own, and is deleted with them: each feature that has such a table has a line here."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.foundation import parallel
from chalicelib.outgoing_webhooks import endpoints as webhook_endpoints
from chalicelib.outgoing_webhooks.views import endpoint_view
from chalicelib.waitlist import service as waitlist
from chalicelib.waitlist.views import managed_entry_view


class Kept(Struct, frozen=True):
    """`read` finds all by the user's id; `show` makes the view of one, now; `delete` deletes what was read, for the user, now."""

    read: Callable[[str], Sequence[Any]]
    show: Callable[[Any, int], Any]
    delete: Callable[[Sequence[Any], str, int], None]


Found = dict[str, Sequence[Any]]  # field of the export -> what was read

# Field of the export (`ExportView`) -> what is kept.
KEPT = {
    "webhook_endpoints": Kept(webhook_endpoints.list_endpoints, endpoint_view, webhook_endpoints.delete_all),
    "waitlist": Kept(
        waitlist.list_of_user,
        lambda entry, _now: managed_entry_view(entry),
        lambda entries, _actor, _now: waitlist.delete_all(entries),
    ),
}


def read(user_id: str) -> Found:
    """All that is kept about a user in these tables, read at once."""
    found = parallel.call_each(lambda kept: kept.read(user_id), list(KEPT.values()))
    return dict(zip(KEPT, found, strict=True))


def show(found: Found, now: int) -> dict[str, Any]:
    """The fields of the export that show it."""
    return {field: [KEPT[field].show(item, now) for item in items] for field, items in found.items()}


def delete(found: Found, user_id: str, now: int) -> None:
    """Delete it, at once; after a crash it can be repeated."""
    parallel.call_each(lambda field: KEPT[field].delete(found[field], user_id, now), list(found))
