"""The admin's view over one event: what is sold, held and left."""

from typing import Any

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import public_event_status
from chalicelib.errors import NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import NO_STOCK, Stock
from chalicelib.waiting_room import service as waiting_room


def status(event_id: str, now: int) -> dict[str, Any]:
    """Figures as they are now, not from a cache."""
    shown = catalog.load_current()
    event = shown.events.get(event_id)
    if event is None:
        raise NotFound("There is no such event.", event_id=event_id)
    tiers = shown.tiers_of(event_id)
    stocks = inventory.read_stock({tier.stock_id: tier.shards for tier in tiers})
    each = [(tier, stocks.get(tier.stock_id, NO_STOCK)) for tier in tiers]
    whole = Stock.total_of(stock for _, stock in each)
    room = waiting_room.admin_overview(event, now)
    return {
        "event_id": event.id,
        "event_name": event.name,
        "status": public_event_status(shown, event, now, stocks),
        "paused": event.paused,
        "total_capacity": whole.capacity,
        "total_sold": whole.sold,
        "total_active_holds": whole.held,
        "total_available": whole.available,
        "queue_length": room["queue_length"] if room else 0,
        "waiting_room": room,
        "tiers": [
            {
                "tier_id": tier.id,
                "tier_name": tier.name,
                "capacity": stock.capacity,
                "sold": stock.sold,
                "active_holds": stock.held,
                "available": stock.available,
            }
            for tier, stock in each
        ],
    }
