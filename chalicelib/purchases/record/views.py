"""A purchase over HTTP: a reservation while it is held, a checkout session while it is paid, an order from then on."""

from typing import Any

import msgspec

from chalicelib import clock, settings
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.purchases.record.model import ACTIVE_STATES, CheckoutDetails, Purchase, Refund
from chalicelib.tickets.model import Ticket, ticket_id

_SESSION_STATUS = {
    "held": "pending",
    "paying": "pending",
    "paid": "completed",
    "partially_refunded": "completed",
    "refunded": "completed",
    "expired": "expired",
    "cancelled": "canceled",
}
_RESERVATION_STATUS = {
    "held": "active",
    "paying": "active",
    "paid": "converted",
    "partially_refunded": "converted",
    "refunded": "converted",
    "expired": "expired",
    "cancelled": "canceled",
}


def reservation_view(purchase: Purchase, now: int) -> dict[str, Any]:
    """A reservation. With several tiers `tier_id`, `tier_name` and `price_cents` are null; `items` lists them."""
    only_line = purchase.lines[0] if len(purchase.lines) == 1 else None
    return {
        "id": purchase.id,
        "event_id": purchase.event_id,
        "status": reservation_status(purchase, now),
        "tier_id": only_line.tier_id if only_line else None,
        "tier_name": only_line.tier_name if only_line else None,
        "quantity": purchase.quantity,
        "price_cents": only_line.price_cents if only_line else None,
        "total_price_cents": purchase.total_cents,
        "currency": purchase.currency,
        "items": [
            {
                "tier_id": line.tier_id,
                "tier_name": line.tier_name,
                "quantity": line.quantity,
                "price_cents": line.price_cents,
                "total_price_cents": line.total_cents,
            }
            for line in purchase.lines
        ],
        "created_at": clock.iso(purchase.created_at),
        "expires_at": clock.iso(purchase.expires_at),
        "expires_in_seconds": max(0, purchase.expires_at - now),
    }


def reservation_status(purchase: Purchase, now: int) -> str:
    """The status of a purchase as a reservation: active, converted, expired or canceled."""
    if purchase.state in ACTIVE_STATES and not purchase.is_active(now):
        return "expired"  # its time is over; the sweep will record that
    return _RESERVATION_STATUS[purchase.state]


def session_status(purchase: Purchase, now: int) -> str:
    """The status of a purchase as a checkout session: pending, completed, failed, refunded, expired or canceled."""
    if purchase.is_declined:
        return "failed"
    if purchase.state == "refunded" and not purchase.was_order:
        return "refunded"
    if purchase.state in ACTIVE_STATES and not purchase.is_active(now):
        return "expired"
    return _SESSION_STATUS[purchase.state]


def checkout_session_view(purchase: Purchase, now: int, client_secret: str | None = None, url: str | None = None) -> dict[str, Any]:
    """A checkout session. The buyer pays on our own page with `client_secret` and `publishable_key`, or on the hosted page at `url`."""
    payment = purchase.payment
    access = {"client_secret": client_secret, "publishable_key": settings.current().stripe_publishable_key} if client_secret else {}
    if url:
        access = {"url": url}
    return {
        "id": purchase.id,
        "reservation_id": purchase.id,
        "status": session_status(purchase, now),
        "reservation": reservation_view(purchase, now),
        "payment": {"provider": payment.provider, "status": payment.status, **access} if payment else None,
        "created_at": clock.iso(purchase.checkout_at or purchase.created_at),
    }


def order_view(purchase: Purchase) -> dict[str, Any]:
    """An order as its buyer sees it."""
    return {
        "id": purchase.id,
        "checkout_session_id": purchase.id,
        "event_id": purchase.event_id,
        "status": purchase.state,
        "quantity": purchase.quantity,
        "total_price_cents": purchase.total_cents,
        "currency": purchase.currency,
        "items": [{"tier_id": line.tier_id, "tier_name": line.tier_name, "quantity": line.quantity} for line in purchase.lines],
        "created_at": clock.iso(purchase.ended_at or purchase.created_at),
        "refunded_cents": purchase.refunded_cents,
        "refunds": [refund_view(refund, purchase) for refund in purchase.refunds if refund.tickets],
        "disputed": purchase.is_disputed,
    }


def refund_view(refund: Refund, purchase: Purchase) -> dict[str, Any]:
    """A refund for its buyer, without the reason. `status` is due or pending until the money is on its way, then succeeded; or failed."""
    return {
        "id": refund.id,
        "order_id": purchase.id,
        "status": refund.status,
        "amount_cents": refund.amount_cents,
        "fee_cents": refund.fee_cents,
        "currency": refund.currency,
        "tickets": [ticket_id(purchase.id, number) for number in refund.tickets],
        "created_at": clock.iso(refund.at),
    }


def full_order_view(purchase: Purchase, details: CheckoutDetails) -> dict[str, Any]:
    """An order with what was sent along with its checkout, and the event's current name, venue and start; null if it is no longer known."""
    event: Event | None = catalog.snapshot().events.get(purchase.event_id)
    first = purchase.lines[0]
    return {
        **order_view(purchase),
        **msgspec.to_builtins(details),
        "event_name": event.name if event else None,
        "event_venue": event.venue if event else None,
        "event_starts_at": clock.iso(event.starts_at) if event else None,
        "tier_id": first.tier_id,
        "tier_name": first.tier_name,
        "tier_price_cents": first.price_cents,
    }


def order_ticket_view(ticket: Ticket) -> dict[str, Any]:
    """A ticket within its order, without what the order says already."""
    return {
        "id": ticket.id,
        "code": ticket.code,
        "qr_sig": ticket.qr_sig,
        "state": ticket.state,
        "tier_id": ticket.tier_id,
        "created_at": clock.iso(ticket.created_at),
    }


def confirmation_view(purchase: Purchase, tickets: list[Ticket], repeated: bool, now: int) -> dict[str, Any]:
    """A confirmed checkout, paid or declined; if it was confirmed before, `message` says so."""
    if purchase.is_order:
        message = "Payment received. Here are your tickets."
    elif purchase.was_order:
        message = "This order was refunded, so its tickets are no longer valid."
    else:
        message = "The payment was declined and the tickets were released. Please try again."
    view: dict[str, Any] = {
        "checkout_session": {"id": purchase.id, "status": session_status(purchase, now)},
        "reservation": {"id": purchase.id, "status": reservation_status(purchase, now)},
        "message": f"{message} (idempotent: this checkout was confirmed before)" if repeated else message,
    }
    if purchase.was_order:
        view |= {"order": order_view(purchase), "tickets": [order_ticket_view(ticket) for ticket in tickets]}
    return view
