"""Export and erasure of personal data. Orders stay for the books, without the person."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from msgspec import Struct

from chalicelib.accounts import members, profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.members import Membership
from chalicelib.accounts.model import Account, WrongPassword
from chalicelib.accounts.views import user_view
from chalicelib.addons.outgoing_webhooks import endpoints as webhook_endpoints
from chalicelib.addons.outgoing_webhooks.views import endpoint_view
from chalicelib.addons.waitlist import service as waitlist
from chalicelib.addons.waitlist.views import managed_entry_view
from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.edge.auth import Identity
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import clock, parallel
from chalicelib.foundation.errors import ApiError
from chalicelib.privacy.views import ExportView
from chalicelib.promoters.views import member_view, promoter_view
from chalicelib.purchases import erasure, queries
from chalicelib.purchases.views import full_order_view
from chalicelib.tickets import seats
from chalicelib.tickets.views import seat_view, ticket_view


class PromoterHasEvents(ApiError):
    code: ClassVar[str] = "promoter_has_events"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You have events that are not over yet. Cancel them, or ask an admin to move them to another promoter."


def export(identity: Identity, limit: int, before: str | None, now: int) -> ExportView:
    """What is kept about a user, with at most `limit` purchases, those older than the purchase `before` if it is given."""
    account, promoter = accounts.find_account(identity.user_id), profiles.find(identity.user_id)
    snapshot = catalog.snapshot()
    purchases, tickets, last = queries.list_kept_page(identity.user_id, limit, before)
    named = ((ticket, guest.seat) for ticket in tickets for guest in ticket.guests)
    return ExportView(
        exported_at=clock.iso(now),
        user=user_view(identity, account),
        promoter=promoter_view(promoter) if promoter else None,
        memberships=[member_view(membership) for membership in members.list_memberships(account.email)] if account else [],
        orders=[full_order_view(purchase, queries.load_details(purchase)) for purchase in purchases],
        tickets=[ticket_view(ticket, snapshot, now) for ticket in tickets],
        seats=[seat_view(seat, identity.user_id) for seat in seats.list_seats(named)],
        next_cursor=cursors.encode(last) if last else None,
        **show(read(identity.user_id), now),
    )


def erase(request: RequestContext, identity: Identity, password: str | None) -> None:
    """Delete what is kept about a user. The account goes last, so after a crash it can be repeated.

    Raises WrongPassword, TooManyAttempts and AccountChanging, if there is an account, and PromoterHasEvents.
    """
    # What is kept is read beside the checks, and erased only once they have passed.
    (account, memberships), (details, found) = parallel.both(
        lambda: _checked_account(request, identity, password),
        lambda: parallel.both(lambda: erasure.find_personal_details(identity.user_id), lambda: read(identity.user_id)),
    )
    _check_events(identity.user_id, request.now)
    deletions: list[Callable[[], None]] = [
        lambda: erasure.erase_personal_details(details),
        lambda: members.delete_all(memberships),
        lambda: delete(found, identity.user_id, request.now),
    ]
    parallel.call_each(lambda delete: delete(), deletions)
    if account is not None:
        accounts.delete_account(account, request.now)


def _checked_account(request: RequestContext, identity: Identity, password: str | None) -> tuple[Account | None, Sequence[Membership]]:
    """The user's account, whose password this is, with the roles at events of its address. Without an account, None and no roles."""
    account = accounts.find_account(identity.user_id)
    if account is None:
        return None, []
    _, memberships = parallel.both(lambda: _check_password(request, account, password), lambda: members.list_memberships(account.email))
    return account, memberships


def _check_password(request: RequestContext, account: Account, password: str | None) -> None:
    if password is None:
        raise WrongPassword("Send your password to confirm, because this cannot be undone.")
    accounts.check_password(request, account, password)


def _check_events(user_id: str, now: int) -> None:
    """Raise PromoterHasEvents if the user is the promoter of an event that is not over."""
    events = (event for event in catalog.snapshot().events.values() if event.promoter_id == user_id and event.status != "cancelled")
    if any(max(event.starts_at, event.ends_at or 0) > now and not event.removed and event.deleted_at is None for event in events):
        raise PromoterHasEvents()


# What is kept about a person in tables of its own, and is deleted with them: each feature that has such a table has a line here.


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
        waitlist.list_user_entries,
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
