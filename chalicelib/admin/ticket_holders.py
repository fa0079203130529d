"""The people whom a change to an event reaches, and the refunds of a cancellation. Managers see both before they save or cancel."""

from collections.abc import Iterable

from msgspec import Struct

from chalicelib.accounts import service as accounts
from chalicelib.catalog.model import Event
from chalicelib.foundation import parallel
from chalicelib.payments.model import WITHOUT_MONEY
from chalicelib.promoters.service import find_verified_promoter, is_known
from chalicelib.purchases import queries, refunds
from chalicelib.purchases.model import Purchase
from chalicelib.tickets.store import change_position, query_changed_tickets

MAX_TICKETS = 2000  # read by one request


class CancellationRefunds(Struct, frozen=True, kw_only=True):
    """The orders in one currency that a cancellation refunds, and the sum of these refunds."""

    currency: str
    orders: int
    amount_cents: int


class TicketHoldersView(Struct, frozen=True, kw_only=True):
    """The people who have tickets for an event, and what a cancellation would refund now.

    `people` own the `tickets`. We have no email address for `people_without_email` of them, nor for the buyers of `refunds_without_email`
    of the orders in `refunds`. `orders_without_payment` were free or imported: a cancellation neither refunds nor announces these orders.
    It announces complimentary orders, and counts them neither here nor in `refunds`. It leaves orders of the box office to its counter and
    `disputed_orders` to the bank.
    An email about a change contains its `change_note` only if `sends_note` is true: if an admin has verified the promoter, or only admins
    manage the event. If `is_complete` is false, the event has more tickets than were read, and all figures are minimums.
    """

    event_id: str
    tickets: int
    people: int
    people_without_email: int
    refunds: list[CancellationRefunds]
    refunds_without_email: int
    orders_without_payment: int
    disputed_orders: int
    sends_note: bool
    is_complete: bool


def ticket_holders(event: Event) -> TicketHoldersView:
    """Count the people with valid or frozen tickets for an event, and the refunds of its orders. Reads at most MAX_TICKETS tickets."""
    (found, following), promoter = parallel.both(
        lambda: query_changed_tickets(event.id, change_position(0), MAX_TICKETS), lambda: find_verified_promoter(event)
    )
    kept = [ticket for ticket in found if ticket.state != "void"]
    loaded = queries.load_many({ticket.purchase_id for ticket in kept}) if kept else {}
    orders = [order for order in loaded.values() if order is not None and order.is_order]
    owners = {ticket.owner_id for ticket in kept}
    received = {ticket.id: ticket.owner_id for ticket in kept if ticket.transfer is not None and ticket.transfer.accepted_at is not None}
    (mailed, accepted), users = parallel.both(
        lambda: parallel.both(lambda: _orders_with_email(orders), lambda: queries.load_owner_emails(received)),
        lambda: _users_with_account(owners | {order.user_id for order in orders}),
    )
    reached = users | {order.user_id for order in orders if order.id in mailed} | {received[ticket_id] for ticket_id in accepted}
    paid = [order for order in orders if order.payment is not None and order.payment.provider not in (*WITHOUT_MONEY, "box_office")]
    refunded = [order for order in paid if not order.is_disputed]
    return TicketHoldersView(
        event_id=event.id,
        tickets=len(kept),
        people=len(owners),
        people_without_email=len(owners - reached),
        refunds=_refunds(refunded),
        refunds_without_email=sum(order.id not in mailed and order.user_id not in users for order in refunded),
        orders_without_payment=sum(not order.is_issued_by_staff for order in orders) - len(paid),
        disputed_orders=len(paid) - len(refunded),
        sends_note=is_known(event, promoter),
        is_complete=following is None,
    )


def _orders_with_email(orders: Iterable[Purchase]) -> set[str]:
    return {order_id for order_id, details in queries.load_many_details(orders).items() if details.email}


def _users_with_account(user_ids: Iterable[str]) -> set[str]:
    return {account.user_id for account in accounts.find_accounts(user_ids)}


def _refunds(orders: Iterable[Purchase]) -> list[CancellationRefunds]:
    amounts: dict[str, list[int]] = {}
    for order in orders:
        amounts.setdefault(order.currency, []).append(refunds.refundable_cents(order, order.kept_tickets))
    return [CancellationRefunds(currency=currency, orders=len(each), amount_cents=sum(each)) for currency, each in sorted(amounts.items())]
