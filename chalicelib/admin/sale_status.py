"""The status of an event's sale for admins: what is sold, held and available, and who waits."""

from msgspec import Struct

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import PublicEventStatus, public_event_status
from chalicelib.errors import NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import NO_STOCK, Stock
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.views import AdminRoomView


class TierSale(Struct, frozen=True, kw_only=True):
    """The tickets of one tier."""

    tier_id: str
    tier_name: str
    capacity: int
    sold: int
    active_holds: int
    available: int


class SaleStatusView(Struct, frozen=True, kw_only=True):
    """The status of an event's sale: the tickets of all tiers together, of each tier, and who waits."""

    event_id: str
    event_name: str
    status: PublicEventStatus
    paused: bool
    total_capacity: int
    total_sold: int
    total_active_holds: int
    total_available: int
    queue_length: int
    waiting_room: AdminRoomView | None
    tiers: list[TierSale]


def sale_status(event_id: str, now: int) -> SaleStatusView:
    """The status of an event's sale, as it is now and not from a cache. Raises NotFound."""
    current = catalog.load_current()
    event = current.events.get(event_id)
    if event is None:
        raise NotFound("There is no such event.", event_id=event_id)
    tiers = current.tiers_of(event_id)
    stocks = inventory.read_stock({tier.stock_id: tier.shards for tier in tiers})
    tier_stocks = [(tier, stocks.get(tier.stock_id, NO_STOCK)) for tier in tiers]
    total = Stock.total_of(stock for _, stock in tier_stocks)
    room = waiting_room.admin_overview(event, now)
    return SaleStatusView(
        event_id=event.id,
        event_name=event.name,
        status=public_event_status(current, event, now, stocks),
        paused=event.paused,
        total_capacity=total.capacity,
        total_sold=total.sold,
        total_active_holds=total.held,
        total_available=total.available,
        queue_length=room.queue_length if room else 0,
        waiting_room=room,
        tiers=[
            TierSale(
                tier_id=tier.id,
                tier_name=tier.name,
                capacity=stock.capacity,
                sold=stock.sold,
                active_holds=stock.held,
                available=stock.available,
            )
            for tier, stock in tier_stocks
        ],
    )
