"""Views of a purchase over HTTP: as a reservation, as a checkout session, and as an order. Also the view of a dispute."""

from collections.abc import Iterable
from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import ReturnPolicy, TransferPolicy, timezone_of
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.money import Tax, TaxShare
from chalicelib.payments import service as payments
from chalicelib.payments.model import DisputeStatus, PaymentStatus, ProviderName
from chalicelib.purchases.model import (
    ACTIVE_STATES,
    CheckoutDetails,
    Dispute,
    InvoiceBuyer,
    OptionAnswer,
    Purchase,
    PurchaseState,
    Refund,
    RefundStatus,
    ReturnReason,
    ReturnStatus,
)
from chalicelib.tickets.model import Attendee, Ticket, TicketState, order_number, ticket_id

ReservationState = Literal["active", "converted", "expired", "cancelled"]
SessionState = Literal["pending", "completed", "failed", "refunded", "expired", "cancelled"]
OrderStatus = Literal["pending", "paid", "partially_refunded", "refunded", "expired", "cancelled"]

_SESSION_STATES: dict[PurchaseState, SessionState] = {
    "held": "pending",
    "paying": "pending",
    "paid": "completed",
    "partially_refunded": "completed",
    "refunded": "completed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_ORDER_STATUS: dict[PurchaseState, OrderStatus] = {
    "held": "pending",
    "paying": "pending",
    "paid": "paid",
    "partially_refunded": "partially_refunded",
    "refunded": "refunded",
    "expired": "expired",
    "cancelled": "cancelled",
}
_RESERVATION_STATES: dict[PurchaseState, ReservationState] = {
    "held": "active",
    "paying": "active",
    "paid": "converted",
    "partially_refunded": "converted",
    "refunded": "converted",
    "expired": "expired",
    "cancelled": "cancelled",
}


class OrderItem(Struct, frozen=True, kw_only=True):
    """Tickets of one tier, with the tier's name and price when the tickets were held. The total is after the discount.

    `tax` is the tax that the price includes; null if documents do not mention tax. `included_fee_cents` is the fee that the total includes.
    With `resale`, other buyers offered the tickets for resale at the price that they had paid.
    """

    tier_id: str
    tier_name: str
    quantity: int
    price_cents: int
    discount_cents: int
    total_price_cents: int
    included_fee_cents: int
    tax: Tax | None
    resale: bool


class ReservationView(Struct, frozen=True, kw_only=True):
    """A reservation. If it has several tiers, `items` lists them, and `tier_id`, `tier_name` and `price_cents` are null.

    The total is what the buyer pays. It includes `included_fee_cents` and the `taxes`, lowest rate first.

    `returns` and `transfers` are the event's rules at the time of the reservation, which apply to its tickets. With `bank_transfer_days`,
    the buyer may pay by bank transfer within that number of days.
    """

    id: str
    event_id: str
    state: ReservationState
    tier_id: str | None
    tier_name: str | None
    quantity: int
    price_cents: int | None
    promo_code: str | None
    discount_cents: int
    total_price_cents: int
    currency: str
    items: list[OrderItem]
    included_fee_cents: int
    taxes: list[TaxShare]
    created_at: Timestamp
    expires_at: Timestamp
    expires_in_seconds: int
    returns: ReturnPolicy | None
    transfers: TransferPolicy
    bank_transfer_days: int | UnsetType = UNSET


class BankTransferView(Struct, frozen=True, kw_only=True):
    """A bank transfer that pays for an order. The money must reach this account by `until`, with the `reference` in the transfer's text.

    `received_cents` of the `amount_cents` have already arrived.
    """

    holder: str
    iban: str
    bic: str | None
    reference: str
    amount_cents: int
    received_cents: int
    currency: str
    until: Timestamp


class SessionPayment(Struct, frozen=True, kw_only=True):
    """How a checkout is paid: on our own page with `client_secret` and `publishable_key`, or on the provider's page at `url`.

    `account` is present if the payment belongs to the promoter's account at the provider. Our own page needs it too. `bank_transfer` is
    present while the shop waits for a transfer.
    """

    provider: ProviderName
    status: PaymentStatus
    client_secret: str | UnsetType = UNSET
    publishable_key: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    account: str | UnsetType = UNSET
    bank_transfer: BankTransferView | UnsetType = UNSET


class RefundView(Struct, frozen=True, kw_only=True):
    """A refund as the buyer sees it: due or pending until the money is on its way, then succeeded; failed if it is not possible."""

    id: str
    order_id: str
    status: RefundStatus
    amount_cents: int
    fee_cents: int
    currency: str
    tickets: list[str]
    created_at: Timestamp


class CheckoutSessionView(Struct, frozen=True, kw_only=True):
    """A checkout session. `message` is present if an earlier request opened the session.

    `refunds` is present if the payment got no tickets and is refunded.
    """

    id: str
    reservation_id: str
    state: SessionState
    reservation: ReservationView
    payment: SessionPayment | None
    created_at: Timestamp
    refunds: list[RefundView] | UnsetType = UNSET
    message: str | UnsetType = UNSET


class OrderView(Struct, frozen=True, kw_only=True):
    """An order as its buyer sees it. `refunded_cents` includes all refunds, whatever their status. The total is after the discount.

    `complimentary` tickets were issued for free from tickets that the event's managers held back.

    The total is what the buyer pays. It includes `included_fee_cents` and the `taxes`, lowest rate first.

    `number` is a short number that people can read aloud and search for. It identifies the order only within its event.

    A pending order holds its tickets until `expires_at`. For payment by transfer, `bank_transfer` says how to pay. `payment_id` is the
    payment's id at its provider. It is null until the payment is opened there, and always null for free and simulated payments.
    `accepted_terms` is the id of the legal text that the buyer accepted at the checkout, if any.
    """

    id: str
    number: str
    checkout_session_id: str
    user_id: str
    event_id: str
    status: OrderStatus
    quantity: int
    promo_code: str | None
    discount_cents: int
    total_price_cents: int
    currency: str
    items: list[OrderItem]
    included_fee_cents: int
    taxes: list[TaxShare]
    payment_id: str | None
    created_at: Timestamp
    expires_at: Timestamp | None
    refunded_cents: int
    refunds: list[RefundView]
    disputed: bool
    complimentary: bool
    accepted_terms: str | None = None
    bank_transfer: BankTransferView | UnsetType = UNSET


class FullOrderView(OrderView, frozen=True, kw_only=True):
    """An order with the details that the buyer sent at the checkout. `answers` are the answers to the options of its packages.

    The event's fields come from the current catalog, for the dates of the tickets. They are null if the catalog no longer has the event.

    `promoter_id` is null if the shop itself sells the tickets.

    `tier_id`, `tier_name` and `tier_price_cents` describe the first item. `returns` and `transfers` are the event's rules when the buyer
    reserved the tickets.
    """

    responses: dict[str, str]
    answers: list[OptionAnswer]
    attendees: list[Attendee]
    customer_email: str | None
    invoice: InvoiceBuyer | None
    event_name: str | None
    event_venue: str | None
    event_starts_at: Timestamp | None
    event_timezone: str | None
    event_cancellation_reason: str | None
    promoter_id: str | None
    tier_id: str
    tier_name: str
    tier_price_cents: int
    returns: ReturnPolicy | None
    transfers: TransferPolicy


class PendingOrderView(Struct, frozen=True, kw_only=True):
    """A new order and how to pay for it. `message` is present if an earlier request created the order."""

    order: FullOrderView
    payment: SessionPayment | None
    message: str | UnsetType = UNSET


class OrderTicket(Struct, frozen=True, kw_only=True):
    """A ticket within its order, without the order's own fields. `code` and `qr_sig` are null if the ticket was given to somebody else."""

    id: str
    code: str | None
    qr_sig: str | None
    state: TicketState
    tier_id: str
    created_at: Timestamp
    transferred: bool


class TicketReturnView(Struct, frozen=True, kw_only=True):
    """Tickets that their buyer may return until `until` for `amount_cents`. `timezone` is the event's time zone.

    `fee_cents` is the part of their price that we keep; it is already deducted from the amount. With `needs_approval`, the event's managers
    decide on the return.
    """

    order_id: str
    tickets: list[str]
    amount_cents: int
    fee_cents: int
    currency: str
    until: Timestamp
    timezone: str
    needs_approval: bool


class ResaleTicketView(Struct, frozen=True, kw_only=True):
    """A ticket that its buyer may offer for resale at `price_cents`, less `fee_cents`. While the ticket is offered, `listed` is true."""

    ticket_id: str
    price_cents: int
    fee_cents: int
    listed: bool


class ResaleView(Struct, frozen=True, kw_only=True):
    """The tickets of an order that its buyer offers for resale, or may offer until `until`. `timezone` is the event's time zone."""

    order_id: str
    tickets: list[ResaleTicketView]
    currency: str
    until: Timestamp
    timezone: str


class ReturnRequestView(Struct, frozen=True, kw_only=True):
    """A buyer's request to return tickets. It is accepted once the tickets are refunded. `answer` is the managers' reason for declining.

    A new request takes the `number` of a withdrawn request.
    """

    number: int
    tickets: list[str]
    status: ReturnStatus
    reason: ReturnReason | None
    answer: str | None
    created_at: Timestamp
    declined_at: Timestamp | None


class OrderWithTicketsView(Struct, frozen=True, kw_only=True):
    """An order and all its tickets, including refunded tickets. `returnable` is null if the buyer may return no tickets now.

    `resale` is null if no ticket is or may be offered for resale. `return_requests` are the buyer's requests to return tickets on which
    managers decide.
    """

    order: FullOrderView
    tickets: list[OrderTicket]
    returnable: TicketReturnView | None
    resale: ResaleView | None
    return_requests: list[ReturnRequestView]


class ConfirmedSession(Struct, frozen=True):
    """The checkout session that was confirmed."""

    id: str
    state: SessionState


class ConfirmedReservation(Struct, frozen=True):
    """The reservation that was confirmed."""

    id: str
    state: ReservationState


class ConfirmationView(Struct, frozen=True, kw_only=True):
    """A confirmed checkout. `order` and `tickets` are missing if the payment was declined."""

    checkout_session: ConfirmedSession
    reservation: ConfirmedReservation
    message: str
    order: OrderView | UnsetType = UNSET
    tickets: list[OrderTicket] | UnsetType = UNSET


def reservation_view(purchase: Purchase, now: int) -> ReservationView:
    """Return the view of a purchase as a reservation."""
    only_line = purchase.lines[0] if len(purchase.lines) == 1 else None
    return ReservationView(
        id=purchase.id,
        event_id=purchase.event_id,
        state=reservation_state(purchase, now),
        tier_id=only_line.tier_id if only_line else None,
        tier_name=only_line.tier_name if only_line else None,
        quantity=purchase.quantity,
        price_cents=only_line.price_cents if only_line else None,
        promo_code=purchase.promo_code,
        discount_cents=purchase.discount_cents,
        total_price_cents=purchase.total_cents,
        currency=purchase.currency,
        items=_items(purchase),
        included_fee_cents=purchase.included_fee_cents,
        taxes=purchase.taxes,
        created_at=clock.iso(purchase.created_at),
        expires_at=clock.iso(purchase.expires_at),
        expires_in_seconds=max(0, purchase.expires_at - now),
        returns=purchase.returns,
        transfers=purchase.transfers or "free",
        bank_transfer_days=UNSET if purchase.bank_transfer_days is None else purchase.bank_transfer_days,
    )


def reservation_state(purchase: Purchase, now: int) -> ReservationState:
    """Return the state of a purchase as a reservation: active, converted, expired or cancelled."""
    if purchase.state in ACTIVE_STATES and not purchase.is_active(now):
        return "expired"  # it has expired; the sweep will record that
    return _RESERVATION_STATES[purchase.state]


def order_status(state: PurchaseState) -> OrderStatus:
    """Return the status of a purchase in this state as an order."""
    return _ORDER_STATUS[state]


def session_state(purchase: Purchase, now: int) -> SessionState:
    """Return the state of a purchase as a checkout session: pending, completed, failed, refunded, expired or cancelled."""
    if purchase.is_declined:
        return "failed"
    if purchase.state == "refunded" and not purchase.was_order:
        return "refunded"
    if purchase.state in ACTIVE_STATES and not purchase.is_active(now):
        return "expired"
    return _SESSION_STATES[purchase.state]


def checkout_session_view(purchase: Purchase, now: int, client_secret: str | None = None, url: str | None = None) -> CheckoutSessionView:
    """Return the view of a purchase as a checkout session.

    The buyer pays on our own page with `client_secret` and `publishable_key`, or on the hosted page at `url`.
    """
    state = session_state(purchase, now)
    return CheckoutSessionView(
        id=purchase.id,
        reservation_id=purchase.id,
        state=state,
        reservation=reservation_view(purchase, now),
        payment=session_payment(purchase, client_secret, url),
        created_at=clock.iso(purchase.checkout_at or purchase.created_at),
        refunds=[refund_view(refund, purchase) for refund in purchase.refunds] if state == "refunded" else UNSET,
    )


def session_payment(purchase: Purchase, client_secret: str | None, url: str | None) -> SessionPayment | None:
    """Return how the purchase is paid. Returns None before its checkout is open."""
    payment = purchase.payment
    account: str | UnsetType = UNSET if purchase.account is None else purchase.account
    if payment is None:
        return None
    transfer = bank_transfer_view(purchase)
    view = SessionPayment(provider=payment.provider, status=payment.status, account=account, bank_transfer=transfer)
    if url:
        return replace(view, url=url)
    if client_secret:
        return replace(view, client_secret=client_secret, publishable_key=payments.browser_key(view.provider))
    return view


def bank_transfer_view(purchase: Purchase) -> BankTransferView | UnsetType:
    """Return the bank transfer that pays for the purchase. Returns UNSET unless the purchase waits for a transfer."""
    payment = purchase.payment
    if payment is None or payment.bank_account is None or purchase.state != "paying":
        return UNSET
    account = payment.bank_account
    return BankTransferView(
        holder=account.holder,
        iban=account.iban,
        bic=account.bic,
        reference=order_number(purchase.id, catalog.find_known_event(purchase.event_id)),
        amount_cents=payment.amount_cents,
        received_cents=payment.transferred_cents,
        currency=payment.currency,
        until=clock.iso(purchase.expires_at),
    )


def order_view(purchase: Purchase) -> OrderView:
    """Return the view of a purchase as an order, as its buyer sees it."""
    return OrderView(
        id=purchase.id,
        number=order_number(purchase.id, catalog.find_known_event(purchase.event_id)),
        checkout_session_id=purchase.id,
        user_id=purchase.user_id,
        event_id=purchase.event_id,
        status=order_status(purchase.state),
        quantity=purchase.quantity,
        promo_code=purchase.promo_code,
        discount_cents=purchase.discount_cents,
        total_price_cents=purchase.total_cents,
        currency=purchase.currency,
        items=_items(purchase),
        included_fee_cents=purchase.included_fee_cents,
        taxes=purchase.taxes,
        payment_id=(purchase.payment.payment_intent_id or purchase.payment.provider_id) if purchase.payment else None,
        created_at=clock.iso(purchase.ended_at or purchase.created_at),
        expires_at=clock.iso(purchase.expires_at) if purchase.state in ACTIVE_STATES else None,
        refunded_cents=purchase.refunded_cents,
        refunds=[refund_view(refund, purchase) for refund in purchase.refunds if refund.tickets or not purchase.was_order],
        disputed=purchase.is_disputed,
        complimentary=purchase.is_complimentary,
        accepted_terms=purchase.accepted_terms,
        bank_transfer=bank_transfer_view(purchase),
    )


def ticket_return_view(
    purchase: Purchase, numbers: Iterable[int], amount_cents: int, fee_cents: int, until: int, *, needs_approval: bool
) -> TicketReturnView:
    """Return the view of the tickets that the buyer may return until `until`, in epoch seconds."""
    return TicketReturnView(
        order_id=purchase.id,
        tickets=[ticket_id(purchase.id, number) for number in numbers],
        amount_cents=amount_cents,
        fee_cents=fee_cents,
        currency=purchase.currency,
        until=clock.iso(until),
        timezone=_timezone(purchase),
        needs_approval=needs_approval,
    )


def resale_view(purchase: Purchase, tickets: Iterable[ResaleTicketView], until: int) -> ResaleView:
    """Return the view of the tickets that the buyer offers for resale, or may offer until `until`, in epoch seconds."""
    return ResaleView(
        order_id=purchase.id, tickets=list(tickets), currency=purchase.currency, until=clock.iso(until), timezone=_timezone(purchase)
    )


def _timezone(purchase: Purchase) -> str:
    return timezone_of(catalog.snapshot().events.get(purchase.event_id))


def return_request_views(purchase: Purchase) -> list[ReturnRequestView]:
    """Return the views of the buyer's requests to return tickets, by number."""
    return [
        ReturnRequestView(
            number=number,
            tickets=[ticket_id(purchase.id, ticket) for ticket in request.tickets],
            status=purchase.return_status(request),
            reason=request.reason,
            answer=request.answer,
            created_at=clock.iso(request.at),
            declined_at=None if request.declined_at is None else clock.iso(request.declined_at),
        )
        for number, request in enumerate(purchase.return_requests, start=1)
    ]


def refund_view(refund: Refund, purchase: Purchase) -> RefundView:
    """Return the view of a refund as its buyer sees it, without the reason."""
    return RefundView(
        id=refund.id,
        order_id=purchase.id,
        status=refund.status,
        amount_cents=refund.amount_cents,
        fee_cents=refund.fee_cents,
        currency=refund.currency,
        tickets=[ticket_id(purchase.id, number) for number in refund.tickets],
        created_at=clock.iso(refund.at),
    )


def full_order_view(purchase: Purchase, details: CheckoutDetails, language: Language | None = None) -> FullOrderView:
    """Return the view of an order with its checkout details and its event's current fields, with the event's name in a language."""
    event = purchase.event_in(catalog.snapshot_in(language))
    first = purchase.lines[0]
    return FullOrderView(
        **asdict(order_view(purchase)),
        responses=details.responses,
        answers=details.answers,
        attendees=details.attendees,
        customer_email=details.email,
        invoice=details.invoice,
        event_name=event.name if event else None,
        event_venue=event.venue if event else None,
        event_starts_at=clock.iso(event.starts_at) if event else None,
        event_timezone=event.timezone if event else None,
        event_cancellation_reason=event.cancellation_reason if event else None,
        promoter_id=event.promoter_id if event else None,
        tier_id=first.tier_id,
        tier_name=first.tier_name,
        tier_price_cents=first.price_cents,
        returns=purchase.returns,
        transfers=purchase.transfers or "free",
    )


def order_ticket_view(ticket: Ticket, purchase: Purchase) -> OrderTicket:
    """Return the view of a ticket within its order. A ticket that was given away is shown without its code."""
    is_buyers = ticket.owner_id == purchase.user_id
    return OrderTicket(
        id=ticket.id,
        code=ticket.code if is_buyers else None,
        qr_sig=ticket.qr_sig if is_buyers else None,
        state=ticket.state,
        tier_id=ticket.tier_id,
        created_at=clock.iso(ticket.created_at),
        transferred=not is_buyers,
    )


def confirmation_view(purchase: Purchase, tickets: list[Ticket], repeated: bool, now: int) -> ConfirmationView:
    """Return the view of a confirmed checkout, paid or declined. If the checkout was confirmed before, `message` says so."""
    if purchase.is_order:
        message = "Payment received. Here are your tickets." if purchase.total_cents > 0 else "Here are your tickets."
    elif purchase.was_order:
        message = "This order was refunded, so its tickets are no longer valid."
    else:
        message = "The payment was declined and the tickets were released. Please try again."
    return ConfirmationView(
        checkout_session=ConfirmedSession(purchase.id, session_state(purchase, now)),
        reservation=ConfirmedReservation(purchase.id, reservation_state(purchase, now)),
        message=f"{message} (idempotent: this checkout was confirmed before)" if repeated else message,
        order=order_view(purchase) if purchase.was_order else UNSET,
        tickets=[order_ticket_view(ticket, purchase) for ticket in tickets] if purchase.was_order else UNSET,
    )


def _items(purchase: Purchase) -> list[OrderItem]:
    return [
        OrderItem(
            tier_id=line.tier_id,
            tier_name=line.tier_name,
            quantity=line.quantity,
            price_cents=line.price_cents,
            discount_cents=line.discount_cents,
            total_price_cents=line.total_cents,
            included_fee_cents=line.included_fee_cents,
            tax=line.effective_tax,
            resale=line.is_resale,
        )
        for line in purchase.lines
    ]


# Disputes, as the event's managers see them.


class DisputeView(Struct, frozen=True, kw_only=True):
    """A claim by the buyer's bank for the money of a payment.

    `due_at` is the provider's deadline for evidence; it is null if the provider gives none.
    """

    id: str
    status: DisputeStatus
    amount_cents: int
    currency: str
    reason: str
    at: Timestamp
    due_at: Timestamp | None


def dispute_view(dispute: Dispute) -> DisputeView:
    """Return the view of a dispute."""
    return DisputeView(
        id=dispute.id,
        status=dispute.status,
        amount_cents=dispute.amount_cents,
        currency=dispute.currency,
        reason=dispute.reason,
        at=clock.iso(dispute.at),
        due_at=clock.iso(dispute.due_at) if dispute.due_at is not None else None,
    )
