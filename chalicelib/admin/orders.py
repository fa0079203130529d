"""Orders, previews of refunds, and revenue, as admins and promoters see them."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from chalicelib.accounts import service as accounts
from chalicelib.accounts.members import Person, PersonRole, find_people
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import ReturnPolicy, TransferPolicy
from chalicelib.checkin.views import CheckInView, checkin_view
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Identity
from chalicelib.foundation import addons, clock, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.ids import Id
from chalicelib.foundation.log import logger
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind, LedgerEntry, RevenueTotals
from chalicelib.payments.model import Payment, ProviderName
from chalicelib.purchases import queries, refunds, views
from chalicelib.purchases.errors import OrderNotFound
from chalicelib.purchases.model import Buyer, Dispute, InvoiceBuyer, OptionAnswer, Purchase, Refund
from chalicelib.purchases.refunds import RefundRequest
from chalicelib.purchases.views import (
    DisputeView,
    OrderStatus,
    OrderTicket,
    OrderView,
    RefundView,
    ReturnRequestView,
    dispute_view,
    order_status,
    return_request_views,
)
from chalicelib.tickets.model import Attendee, Ticket, ticket_id


class AdminOrder(OrderView, frozen=True, kw_only=True):
    """An order with its event and the details sent with its checkout.

    The fields that `OrderView` does not have are missing if the store cannot be read now. `has_account` says whether the buyer has an
    account.
    """

    buyer: Buyer | UnsetType = UNSET
    has_account: bool | UnsetType = UNSET
    responses: dict[str, str] | UnsetType = UNSET
    answers: list[OptionAnswer] | UnsetType = UNSET
    attendees: list[Attendee] | UnsetType = UNSET
    customer_email: str | UnsetType | None = UNSET
    invoice: InvoiceBuyer | UnsetType | None = UNSET
    event_name: str | UnsetType | None = UNSET
    event_venue: str | UnsetType | None = UNSET
    event_starts_at: Timestamp | UnsetType | None = UNSET
    event_timezone: str | UnsetType | None = UNSET
    event_cancellation_reason: str | UnsetType | None = UNSET
    promoter_id: str | UnsetType | None = UNSET
    tier_id: str | UnsetType = UNSET
    tier_name: str | UnsetType = UNSET
    tier_price_cents: int | UnsetType = UNSET
    returns: ReturnPolicy | UnsetType | None = UNSET
    transfers: TransferPolicy | UnsetType = UNSET


class OrderPayment(Struct, frozen=True, kw_only=True):
    """The payment of an order.

    `reference` is the id of the payment or hosted page that was opened at the provider. `capture` is the id of the payment that took the
    money. `account` is the promoter's account that has the payment, and `fee_cents` is the operator's fee; both are absent for payments on
    the operator's account.
    """

    provider: ProviderName
    reference: str | None
    capture: str | None
    account: str | UnsetType = UNSET
    fee_cents: int | UnsetType = UNSET


class AdminRefundView(RefundView, frozen=True, kw_only=True):
    """A refund with the fields that only admins and promoters see. `reference` is the refund's id at the provider.

    `by` is the user id of the requester. `by_name` is null for admins, programs, and people who no longer work at the event. `by_role` is
    null for programs and for people who no longer work at the event. Both are null if the store cannot be read now.
    """

    reason: str
    by: str
    by_name: str | None
    by_role: PersonRole | None
    note: str | None
    attempt: int
    reference: str | None
    failure: str | None
    seats_returned: bool


class AdminDisputeView(DisputeView, frozen=True, kw_only=True):
    """A dispute. `capture` is the id of the disputed payment. `voided` has the numbers of the tickets that a lost dispute voided."""

    voided: list[int]
    capture: str


class TransactionView(Struct, frozen=True, kw_only=True):
    """One entry of the ledger. `facts` are the details that were recorded with the entry."""

    event_id: str
    purchase_id: str
    kind: EntryKind
    reference: str
    amount_cents: int
    currency: str
    provider: str
    at: Timestamp
    facts: dict[str, Any]


class AdminOrderTicket(OrderTicket, frozen=True, kw_only=True):
    """A ticket within its order, with the person who comes with it, and its check-ins, oldest first."""

    attendee: Attendee | None
    checkins: list[CheckInView]


class AdminOrderView(Struct, frozen=True, kw_only=True):
    """An order with its payment, refunds, disputes and ledger.

    `balance_cents` is the money that the shop keeps, before the provider's fees. If the order cannot be shown in full after a change,
    `message` says so, and tickets, payment, transactions and balance are missing. In the reply to a refund request, `refund` is the
    requested refund.
    """

    order: AdminOrder
    tickets: list[AdminOrderTicket] | UnsetType = UNSET
    payment: OrderPayment | UnsetType | None = UNSET
    refunds: list[AdminRefundView]
    return_requests: list[ReturnRequestView]
    disputes: list[AdminDisputeView]
    transactions: list[TransactionView] | UnsetType = UNSET
    balance_cents: int | UnsetType = UNSET
    message: str | UnsetType = UNSET
    refund: AdminRefundView | UnsetType = UNSET


class RevenueView(Struct, frozen=True, kw_only=True):
    """The revenue of an event, by provider and currency, at most a few seconds old."""

    event_id: str
    event_name: str
    takings: list[RevenueTotals]


def get_order(identity: Identity, order_id: str) -> Purchase:
    """Return an order. Raises OrderNotFound if it does not exist or the caller may not manage its event."""
    purchase = queries.get_order(order_id)
    if not permissions.may_manage(identity, purchase.event_id):
        raise OrderNotFound()
    return purchase


def admin_order_view(purchase: Purchase) -> AdminOrderView:
    """Return the view of an order with its payment, refunds, disputes and ledger."""
    (entries, tickets), ((details, account), people) = parallel.both(
        lambda: parallel.both(lambda: ledger.list_purchase_entries(purchase.event_id, purchase.id), lambda: queries.load_tickets(purchase)),
        lambda: parallel.both(
            lambda: parallel.both(lambda: queries.load_details(purchase), lambda: accounts.find_account(purchase.user_id)),
            lambda: _find_refunders(purchase),
        ),
    )
    order = views.full_order_view(purchase, details)
    return AdminOrderView(
        order=AdminOrder(**asdict(order), buyer=queries.find_buyer(purchase, details, account), has_account=account is not None),
        tickets=[_ticket_view(ticket, purchase) for ticket in tickets],
        payment=_payment_view(purchase.payment) if purchase.payment else None,
        refunds=[_refund_view(refund, purchase, people) for refund in purchase.refunds],
        return_requests=return_request_views(purchase),
        disputes=[_dispute_view(dispute) for dispute in purchase.disputes],
        transactions=[transaction_view(entry) for entry in entries],
        balance_cents=ledger.balances(entries).get(purchase.currency, 0),
    )


def _payment_view(payment: Payment) -> OrderPayment:
    view = OrderPayment(provider=payment.provider, reference=payment.provider_id, capture=payment.payment_intent_id)
    connected = payment.connected
    return view if connected is None else replace(view, account=connected.id, fee_cents=connected.fee_cents)


def changed_order_view(purchase: Purchase) -> AdminOrderView:
    """Return the view of an order after a change. If the store does not answer, the view shows only the written purchase."""
    try:
        return admin_order_view(purchase)
    except dynamo.STORE_ERRORS as error:
        logger.warning("order.partly_shown", order_id=purchase.id, error=type(error).__name__, store_code=dynamo.error_code(error))
        return AdminOrderView(
            order=AdminOrder(**asdict(views.order_view(purchase))),
            refunds=[_refund_view(refund, purchase, {}) for refund in purchase.refunds],
            return_requests=return_request_views(purchase),
            disputes=[_dispute_view(dispute) for dispute in purchase.disputes],
            message="The change was made, but the order's tickets and transactions cannot be shown right now. Load the order again.",
        )


def _ticket_view(ticket: Ticket, purchase: Purchase) -> AdminOrderTicket:
    view = asdict(views.order_ticket_view(ticket, purchase))
    return AdminOrderTicket(**view, attendee=ticket.attendee, checkins=[checkin_view(checkin) for checkin in ticket.checkins])


def _find_refunders(purchase: Purchase) -> dict[str, Person]:
    """Return the people of the event who requested refunds of the order, by user id."""
    user_ids = {refund.by for refund in purchase.refunds}
    event = catalog.snapshot().events.get(purchase.event_id)
    return find_people(purchase.event_id, event.promoter_id if event is not None else None, user_ids) if user_ids else {}


def _refund_view(refund: Refund, purchase: Purchase, people: Mapping[str, Person]) -> AdminRefundView:
    person = people.get(refund.by)
    return AdminRefundView(
        **asdict(views.refund_view(refund, purchase)),
        reason=refund.reason,
        by=refund.by,
        by_name=person.name if person is not None else None,
        by_role=person.role if person is not None else None,
        note=None if purchase.is_erased else refund.note,  # earlier releases kept the notes of erased buyers
        attempt=refund.attempt,
        reference=refund.provider_id,
        failure=refund.failure,
        seats_returned=refund.seats_returned,
    )


def _dispute_view(dispute: Dispute) -> AdminDisputeView:
    return AdminDisputeView(**asdict(dispute_view(dispute)), voided=dispute.voided, capture=dispute.payment_intent_id)


def transaction_view(entry: LedgerEntry) -> TransactionView:
    """Return the view of a ledger entry."""
    fields = asdict(entry) | {"at": clock.iso(entry.at)}
    return TransactionView(facts=fields.pop("details"), **fields)


def event_revenue(event_id: str) -> RevenueView:
    """Return the revenue of an event, by provider and currency. Raises NotFound if the event does not exist.

    The reports keep the totals, so this takes two round trips for any number of orders. Without the reports, it reads the event's ledger.
    """
    event = catalog.snapshot().events.get(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    for load_totals in addons.hooks("revenue_totals"):
        return RevenueView(event_id=event.id, event_name=event.name, takings=load_totals(event_id))
    return RevenueView(event_id=event.id, event_name=event.name, takings=ledger.revenue_report(event_id).totals)


# Refund previews, planned by the same code as refunds.


class RefundPreviewView(Struct, frozen=True, kw_only=True):
    """The effect of a refund. The buyer gets `amount_cents`: the tickets' `price_cents` less `fee_cents` and `refunded_before_cents`.

    `refunded_before_cents` is the part of this money that was already refunded in the provider's dashboard. `tickets` are the ids of the
    tickets that become void, `kept` is the number of tickets that the buyer keeps, and `order_status` is the status after the refund.
    """

    order_id: str
    tickets: list[Id]
    price_cents: int
    fee_cents: int
    refunded_before_cents: int
    amount_cents: int
    currency: str
    seats_returned: bool
    kept: int
    order_status: OrderStatus


def preview_refund(purchase: Purchase, request: RefundRequest, by: str, now: int) -> RefundPreviewView:
    """Return the effect that the request would have on the order now. Writes nothing. Raises the refusals of `refunds.request_refund`."""
    refund = refunds.plan_refund(purchase, request, "preview", by, now)
    price = sum(purchase.ticket_price(number) for number in refund.tickets)
    return RefundPreviewView(
        order_id=purchase.id,
        tickets=[ticket_id(purchase.id, number) for number in refund.tickets],
        price_cents=price,
        fee_cents=refund.fee_cents,
        refunded_before_cents=price - refund.fee_cents - refund.amount_cents,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        seats_returned=refund.seats_returned,
        kept=len(purchase.kept_tickets) - len(refund.tickets),
        order_status=order_status(refunds.state_after_return(purchase, refund.tickets)),
    )
