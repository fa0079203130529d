"""The people whom a change to an event reaches, and the refunds of a cancellation. Managers see both before they save or cancel."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts import service as accounts
from chalicelib.catalog import service as catalog
from chalicelib.catalog.event_states import require_date
from chalicelib.catalog.model import CancelledDate, Event, Tier
from chalicelib.foundation import addons, parallel
from chalicelib.foundation.ids import Id
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.model import NO_STOCK, Stock
from chalicelib.payments.model import WITHOUT_MONEY
from chalicelib.promoters.service import find_verified_promoter, is_known
from chalicelib.purchases import queries, refunds
from chalicelib.purchases.model import Purchase
from chalicelib.tickets.store import position_at, query_changed_tickets
from chalicelib.waiting_room import service as waiting_room

MAX_TICKETS = 2000  # read by one request


class TicketHoldersQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`date_id` is one of the event's dates. Without it, all tickets count, and the whole event would be cancelled."""

    date_id: Id | None = None


class CancellationRefunds(Struct, frozen=True, kw_only=True):
    """The orders in one currency that a cancellation refunds, and the sum of these refunds."""

    currency: str
    orders: int
    amount_cents: int


class CancellationTier(Struct, frozen=True, kw_only=True):
    """A tier with sold or reserved tickets that a cancellation concerns. Its figures come from its stock, and are a few seconds old.

    `sold_cents` is the price of the `sold` tickets today. `reserved` tickets are in reservations that would end. If `stays_valid` is true,
    these are passes or tickets for several dates: they stay valid for the other dates, and are not refunded.
    """

    tier_id: str
    tier_name: str
    sold: int
    sold_cents: int
    currency: str
    reserved: int
    stays_valid: bool


class TicketHoldersView(Struct, frozen=True, kw_only=True):
    """The people who have tickets for an event, and what a cancellation would refund now.

    With a `date_id`, only this date would be cancelled, and all figures are about tickets that are valid for no other date. `people` own
    the `tickets`. We have no email address for `people_without_email` of them, nor for the buyers of `refunds_without_email` of the orders
    in `refunds`. `orders_without_payment` were free or imported: a cancellation neither refunds these orders nor notifies their buyers. It
    notifies the owners of complimentary orders, and counts these orders neither here nor in `refunds`. It leaves orders of the box office
    to the box office, and `disputed_orders` to the bank. `queue_length` is the number of people in the waiting room, who would leave it,
    and `waitlist_length` the number of people on the waitlist, who would get no more offers and no email. Both are 0 if other dates of the
    event remain, because these people keep their places. An email about a change contains its `change_note` only if `sends_note` is true:
    if an admin has verified the promoter, or only admins manage the event. If `is_complete` is false, the event has more tickets than were
    read, and all figures are minimums, except those in `tiers`.
    """

    event_id: str
    date_id: str | None
    tickets: int
    people: int
    people_without_email: int
    refunds: list[CancellationRefunds]
    refunds_without_email: int
    orders_without_payment: int
    disputed_orders: int
    queue_length: int
    waitlist_length: int
    tiers: list[CancellationTier]
    sends_note: bool
    is_complete: bool


def ticket_holders(event: Event, date_id: str | None, now: int) -> TicketHoldersView:
    """Count the people with valid or frozen tickets for an event, and the refunds of its orders. Reads at most MAX_TICKETS tickets.

    With a date, counts only what its cancellation would end. Raises NotFound for an unknown date.
    """
    after = _after_cancellation(event, date_id)
    only_date = date_id if after.status != "cancelled" else None
    current = catalog.snapshot()
    tiers = [tier for tier in current.event_tiers(event.id) if only_date is None or tier.is_valid_on(only_date)]
    ended = {tier.id for tier in tiers if after.for_tiers([tier]).status == "cancelled"}
    (found, following), (promoter, (stocks, (room, waiting))) = parallel.both(
        lambda: query_changed_tickets(event.id, position_at(0), MAX_TICKETS),
        lambda: parallel.both(
            lambda: find_verified_promoter(event),
            lambda: parallel.both(
                lambda: cached_stock([current.stock_group(event.id)], now),
                lambda: parallel.both(
                    lambda: waiting_room.admin_overview(event, now),
                    lambda: sum(count(event.id) for count in addons.hooks("waiting_count")),
                ),
            ),
        ),
    )
    # If the whole event is cancelled, tickets of tiers that are no longer in the catalog count too.
    kept = [ticket for ticket in found if ticket.state != "void" and (only_date is None or ticket.tier_id in ended)]
    loaded = queries.load_readable({ticket.purchase_id for ticket in kept})[0] if kept else {}
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
        date_id=date_id,
        tickets=len(kept),
        people=len(owners),
        people_without_email=len(owners - reached),
        refunds=_refunds(refunded, None if only_date is None else ended),
        refunds_without_email=sum(order.id not in mailed and order.user_id not in users for order in refunded),
        orders_without_payment=sum(not order.is_issued_by_staff for order in orders) - len(paid),
        disputed_orders=len(paid) - len(refunded),
        queue_length=room.queue_length if room is not None and only_date is None else 0,
        waitlist_length=waiting if only_date is None else 0,
        tiers=list(_affected_tiers(tiers, ended, stocks)),
        sends_note=is_known(event, promoter),
        is_complete=following is None,
    )


def _affected_tiers(tiers: Iterable[Tier], ended: Collection[str], stocks: Mapping[str, Stock]) -> Iterator[CancellationTier]:
    for tier in tiers:
        sold = stocks.get(tier.stock_id, NO_STOCK).sold
        reserved = sum(stocks.get(each.stock_id, NO_STOCK).held for each in (tier, *tier.resale_tiers))
        if sold or reserved:
            yield CancellationTier(
                tier_id=tier.id,
                tier_name=tier.name,
                sold=sold,
                sold_cents=sold * tier.price_cents,
                currency=tier.currency,
                reserved=reserved,
                stays_valid=tier.id not in ended,
            )


def _after_cancellation(event: Event, date_id: str | None) -> Event:
    """Return the event as it would be after the cancellation. Raises NotFound for an unknown date."""
    if date_id is None:
        return replace(event, status="cancelled")
    require_date(event, date_id)
    return event if date_id in event.cancelled_date_ids else event.with_cancelled_date(CancelledDate(date_id))


def _orders_with_email(orders: Iterable[Purchase]) -> set[str]:
    return {order_id for order_id, details in queries.load_many_details(orders).items() if details.email}


def _users_with_account(user_ids: Iterable[str]) -> set[str]:
    return {account.user_id for account in accounts.find_accounts(user_ids)}


def _refunds(orders: Iterable[Purchase], tier_ids: Collection[str] | None) -> list[CancellationRefunds]:
    amounts: dict[str, list[int]] = {}
    for order in orders:
        amounts.setdefault(order.currency, []).append(refunds.refundable_cents(order, order.kept_tickets_of(tier_ids)))
    return [CancellationRefunds(currency=currency, orders=len(each), amount_cents=sum(each)) for currency, each in sorted(amounts.items())]
