"""Views of exported personal data."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from chalicelib.accounts.views import UserView
from chalicelib.foundation import addons
from chalicelib.foundation.clock import Timestamp
from chalicelib.promoters.views import ApiKeyView, MemberView, PromoterView
from chalicelib.purchases.views import FullOrderView
from chalicelib.tickets.views import SeatView, TicketView


class CoreExportView(Struct, frozen=True, kw_only=True):
    """The data kept about a user: account, promoter profile, roles at events, and a page of orders with their tickets.

    `seats` are the seats of these tickets that have a guest. `ticket_emails` are the addresses with which the user accepted tickets from
    other people, by ticket id. Add-ons add their own data: `webhook_endpoints`, `waitlist` with the user's present and past entries, and
    `event_notices` with the waiting rooms about which the user gets emails.

    `next_cursor` is null on the last page.
    """

    exported_at: Timestamp
    user: UserView
    promoter: PromoterView | None
    memberships: list[MemberView]
    api_keys: list[ApiKeyView]
    orders: list[FullOrderView]
    tickets: list[TicketView]
    seats: list[SeatView]
    ticket_emails: dict[str, str]
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
