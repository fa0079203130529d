"""How a ticket looks over HTTP."""

from typing import Any

from chalicelib import clock
from chalicelib.catalog.model import Catalog
from chalicelib.tickets.model import Ticket


def ticket_view(ticket: Ticket, catalog: Catalog) -> dict[str, Any]:
    """The ticket as buyers see it. Names are null if the catalog no longer has the event or tier."""
    event, tier = catalog.events.get(ticket.event_id), catalog.tiers.get(ticket.tier_id)
    return {
        "id": ticket.id,
        "code": ticket.code,
        "qr_sig": ticket.qr_sig,
        "state": ticket.state,
        "created_at": clock.iso(ticket.created_at),
        "order_id": ticket.purchase_id,
        "event": {
            "id": ticket.event_id,
            "name": event.name if event else None,
            "venue": event.venue if event else None,
            "starts_at": clock.iso(event.starts_at) if event else None,
        },
        # The price is what was paid, not what the tier costs today.
        "tier": {"id": ticket.tier_id, "name": tier.name if tier else None, "price_cents": ticket.price_cents},
    }
