"""Export and erasure of personal data. Orders are kept for the books, without personal data."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import Struct

from chalicelib.accounts import members, profiles, sessions
from chalicelib.accounts import service as accounts
from chalicelib.accounts.members import Membership
from chalicelib.accounts.model import Account, WrongPassword
from chalicelib.accounts.views import PasskeyView, UserView, passkey_view, user_view
from chalicelib.catalog import event_states
from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.edge.auth import Identity
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import addons, clock, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import ApiError
from chalicelib.promoters.views import ApiKeyView, MemberView, PromoterView, api_key_view, member_view, promoter_view
from chalicelib.purchases import erasure, queries
from chalicelib.purchases.model import CheckoutDetails
from chalicelib.purchases.views import FullOrderView, full_order_view
from chalicelib.tickets import seats
from chalicelib.tickets.views import SeatView, TicketView, seat_view, ticket_view
from chalicelib.waiting_room import appeals
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.views import AppealView, appeal_view


class CoreExportView(Struct, frozen=True, kw_only=True):
    """The data kept about a user: account, passkeys, promoter profile, roles at events, and a page of orders with their tickets.

    `seats` are the seats of these tickets that have a guest. `ticket_emails` are the addresses with which the user accepted tickets from
    other people, by ticket id. `appeals` are the user's appeals against refusals of waiting rooms, by event id. Add-ons add their own data:
    `webhook_endpoints`, `waitlist` with the user's present and past entries, and `event_notices` with the waiting rooms about which the
    user gets emails.

    `next_cursor` is null on the last page.
    """

    exported_at: Timestamp
    user: UserView
    promoter: PromoterView | None
    memberships: list[MemberView]
    api_keys: list[ApiKeyView]
    passkeys: list[PasskeyView]
    orders: list[FullOrderView]
    tickets: list[TicketView]
    seats: list[SeatView]
    ticket_emails: dict[str, str]
    appeals: dict[str, AppealView]
    next_cursor: str | None


class AddressExportView(Struct, frozen=True, kw_only=True):
    """The data kept about people without an account who typed an address when they bought or accepted tickets.

    `seats` and `ticket_emails` mean the same as in the export of a user. `next_cursor` is null on the last page.
    """

    exported_at: Timestamp
    email: str
    orders: list[FullOrderView]
    tickets: list[TicketView]
    seats: list[SeatView]
    ticket_emails: dict[str, str]
    next_cursor: str | None


if TYPE_CHECKING:
    ExportView = CoreExportView
else:
    ExportView = msgspec.defstruct(
        "ExportView",
        [(kind.field, list[kind.view]) for kind in addons.hooks("personal_items")],
        bases=(CoreExportView,),
        namespace={"__doc__": CoreExportView.__doc__},
        module=__name__,
        frozen=True,
        kw_only=True,
    )


class PromoterHasEvents(ApiError):
    code: ClassVar[str] = "promoter_has_events"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You have events that have not ended. Cancel them, or ask an admin to move them to another promoter."


def export(identity: Identity, limit: int, before: str | None, now: int) -> ExportView:
    """Return the data kept about a user, with at most `limit` purchases.

    If the purchase id `before` is given, only older purchases are included.
    """
    (account, promoter), written = parallel.both(
        lambda: parallel.both(lambda: accounts.find_account(identity.user_id), lambda: profiles.find_promoter(identity.user_id)),
        lambda: appeals.list_of_user(identity.user_id),
    )
    snapshot = catalog.snapshot()
    purchases, tickets, last = queries.list_kept_page(identity.user_id, limit, before)
    guest_seats = ((ticket, guest.seat) for ticket in tickets for guest in ticket.guests)
    return ExportView(
        exported_at=clock.iso(now),
        user=user_view(identity, account),
        promoter=promoter_view(promoter, is_own=True) if promoter else None,
        memberships=[member_view(membership) for membership in _list_memberships(account)] if account else [],
        api_keys=[api_key_view(key) for key in members.list_api_keys(identity.user_id)] if promoter else [],
        passkeys=[passkey_view(passkey) for passkey in account.passkeys] if account else [],
        **_fit(
            [full_order_view(purchase, queries.load_details(purchase)) for purchase in purchases],
            [ticket_view(ticket, snapshot, now) for ticket in tickets],
            [seat_view(seat, identity.user_id) for seat in seats.list_seats(guest_seats)],
            last,
        ),
        appeals={event_id: appeal_view(appeal) for event_id, appeal in written.items()},
        **show_addons(addons.read_personal_items(identity.user_id), now),
    )


def export_address(email: str, limit: int, before: str | None, now: int) -> AddressExportView:
    """Return the data kept about people without an account who typed this address when they bought or accepted tickets.

    Contains at most `limit` purchases and received tickets, and only older ones if the id `before` is given.
    """
    (details, last), snapshot = erasure.find_details_page(email, limit, before), catalog.snapshot()
    sent = queries.load_many_details(details.purchases)
    guest_seats = ((ticket, guest.seat) for ticket in details.tickets for guest in ticket.guests)
    return AddressExportView(
        exported_at=clock.iso(now),
        email=email,
        **_fit(
            [full_order_view(purchase, sent.get(purchase.id, CheckoutDetails())) for purchase in details.purchases],
            [ticket_view(ticket, snapshot, now) for ticket in details.tickets],
            [seat_view(seat, seat.ticket.owner_id) for seat in seats.list_seats(guest_seats)],
            last,
        ),
    )


def _fit(orders: list[FullOrderView], tickets: list[TicketView], seat_views: list[SeatView], last: str | None) -> dict[str, Any]:
    """Return the fields of a page of an export, with as many of the newest purchases as fit into a reply.

    `last` is the id to continue with after the whole page.
    """
    by_purchase: dict[str, list[FullOrderView | TicketView | SeatView]] = {}
    for order in orders:
        by_purchase.setdefault(order.id, []).append(order)
    for ticket in tickets:
        by_purchase.setdefault(ticket.order_id, []).append(ticket)
    for seat in seat_views:
        by_purchase.setdefault(seat.ticket_id.rpartition("-")[0], []).append(seat)
    newest_first = sorted(by_purchase, reverse=True)
    fitting = newest_first[: len(cursors.fit(by_purchase[purchase_id] for purchase_id in newest_first))]
    if len(fitting) < len(newest_first):
        last = fitting[-1]
    views = [view for purchase_id in fitting for view in by_purchase[purchase_id]]
    shown = [view for view in views if isinstance(view, TicketView)]
    return {
        "orders": [view for view in views if isinstance(view, FullOrderView)],
        "tickets": shown,
        "seats": [view for view in views if isinstance(view, SeatView)],
        "ticket_emails": queries.load_owner_emails(ticket.id for ticket in shown),
        "next_cursor": cursors.encode(last) if last else None,
    }


def erase_address(email: str) -> None:
    """Erase the data kept about people without an account who typed this address. The tickets stay valid. Can be repeated."""
    for details in erasure.find_details_of_address(email):
        erasure.erase_personal_details(details)


def erase(request: RequestContext, identity: Identity, password: str | None) -> None:
    """Delete the data kept about a user. The account is deleted last, so the user can repeat the request after a crash.

    Raises PromoterHasEvents and, if there is an account, WrongPassword, TooManyAttempts, AccountLocked and AccountChanging.
    """
    # The data is read while the checks run, and erased only after all checks have passed.
    ((account, memberships), session_ids), (details, found) = parallel.both(
        lambda: parallel.both(lambda: _checked_account(request, identity, password), lambda: sessions.list_session_ids(identity.user_id)),
        lambda: parallel.both(
            lambda: erasure.find_personal_details(identity.user_id), lambda: addons.read_personal_items(identity.user_id)
        ),
    )
    _check_events(identity.user_id, request.now)
    moved = {purchase.moved_from for purchase in details.purchases if purchase.moved_from is not None}
    deletions: list[Callable[[], object]] = [
        lambda: erasure.erase_personal_details(details),
        lambda: members.delete_memberships(memberships),
        lambda: members.delete_api_keys(identity.user_id),
        lambda: parallel.call_each(sessions.end_session, session_ids),  # including the sessions from before a guest registered
        lambda: addons.delete_personal_items(found, identity.user_id, request.now),
        lambda: waiting_room.forget_losses(identity.user_id),
        lambda: parallel.call_each(appeals.empty_texts, sorted({identity.user_id} | moved)),
        lambda: event_states.forget_brand(identity.user_id, request.now),
    ]
    parallel.call_each(lambda delete: delete(), deletions)
    if account is not None:
        accounts.delete_account(account, request.now)


def _checked_account(request: RequestContext, identity: Identity, password: str | None) -> tuple[Account | None, Sequence[Membership]]:
    """Check the password, and return the user's account and the event roles of its email address.

    If the user has no account, checks nothing, and returns None and no roles.
    """
    account = accounts.find_account(identity.user_id)
    if account is None:
        return None, []
    _, memberships = parallel.both(lambda: _check_password(request, account, password), lambda: _list_memberships(account))
    return account, memberships


def _list_memberships(account: Account) -> Sequence[Membership]:
    """Return the event roles of an account's verified address. Until it is verified, the address may belong to somebody else."""
    return members.list_memberships(account.email) if account.verified_at is not None else []


def _check_password(request: RequestContext, account: Account, password: str | None) -> None:
    if password is None:
        raise WrongPassword("Send your password to confirm, because this cannot be undone.")
    accounts.check_password(request, account, password)


def _check_events(user_id: str, now: int) -> None:
    """Raise PromoterHasEvents if the user is the promoter of an event that has not ended and is not cancelled or removed."""
    every = catalog.snapshot_with_drafts().events.values()
    events = (event for event in every if event.promoter_id == user_id and event.status != "cancelled")
    if any(max(event.starts_at, event.ends_at or 0) > now and not event.removed and event.deleted_at is None for event in events):
        raise PromoterHasEvents()


# Personal data in the add-ons' own tables.


def show_addons(found: addons.Found, now: int) -> dict[str, Any]:
    """Return the fields of the export that show the items."""
    return {kind.field: [kind.show(item, now) for item in items] for kind, items in found}
