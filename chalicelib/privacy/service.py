"""A person's rights: to get what is kept about them, and to be erased. Orders stay for the books, without the person."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from chalicelib.accounts import service as accounts
from chalicelib.accounts.members import service as members
from chalicelib.accounts.members.service import Membership
from chalicelib.accounts.model import Account, WrongPassword
from chalicelib.accounts.profiles import service as profiles
from chalicelib.accounts.views import user_view
from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.edge.auth import Identity
from chalicelib.edge.http import RequestContext
from chalicelib.foundation import clock, parallel
from chalicelib.foundation.errors import ApiError
from chalicelib.privacy import kept
from chalicelib.privacy.views import ExportView
from chalicelib.promoters.views import member_view, promoter_view
from chalicelib.purchases.record import erasure, queries
from chalicelib.purchases.record.views import full_order_view
from chalicelib.tickets.seats import service as seats
from chalicelib.tickets.seats.views import seat_view
from chalicelib.tickets.views import ticket_view


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
        **kept.show(kept.read(identity.user_id), now),
    )


def erase(request: RequestContext, identity: Identity, password: str | None) -> None:
    """Delete what is kept about a user. The account goes last, so after a crash it can be repeated.

    Raises WrongPassword, TooManyAttempts and AccountChanging, if there is an account, and PromoterHasEvents.
    """
    # What is kept is read beside the checks, and erased only once they have passed.
    (account, memberships), (details, found) = parallel.both(
        lambda: _checked_account(request, identity, password),
        lambda: parallel.both(lambda: erasure.find_personal_details(identity.user_id), lambda: kept.read(identity.user_id)),
    )
    _check_events(identity.user_id, request.now)
    deletions: list[Callable[[], None]] = [
        lambda: erasure.erase_personal_details(details),
        lambda: members.delete_all(memberships),
        lambda: kept.delete(found, identity.user_id, request.now),
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
