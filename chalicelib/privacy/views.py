"""The view of the data export that users request about themselves."""

from msgspec import Struct

from chalicelib.accounts.views import UserView
from chalicelib.addons.outgoing_webhooks.views import EndpointView
from chalicelib.addons.waitlist.views import ManagedEntryView
from chalicelib.foundation.clock import Timestamp
from chalicelib.promoters.views import MemberView, PromoterView
from chalicelib.purchases.views import FullOrderView
from chalicelib.tickets.views import SeatView, TicketView


class ExportView(Struct, frozen=True, kw_only=True):
    """The data kept about a user: account, promoter profile, webhook endpoints, roles at events, and a page of orders with their tickets.

    `seats` are the seats of these tickets that have a guest.

    `waitlist` has the user's present and past waitlist entries.

    `next_cursor` is null on the last page.
    """

    exported_at: Timestamp
    user: UserView
    promoter: PromoterView | None
    memberships: list[MemberView]
    webhook_endpoints: list[EndpointView]
    orders: list[FullOrderView]
    tickets: list[TicketView]
    seats: list[SeatView]
    waitlist: list[ManagedEntryView]
    next_cursor: str | None
