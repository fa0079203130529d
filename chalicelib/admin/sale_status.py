"""The status of an event's sale for admins: tickets sold, held and available, the queue, revenue, and outcomes of attempts to buy."""

from msgspec import Struct

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, PublicEventStatus
from chalicelib.catalog.sale_rules import public_event_status
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.foundation import addons, clock, parallel
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.money import TaxShare
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import finite
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.views import AdminRoomView


class TierSale(Struct, frozen=True, kw_only=True):
    """The tickets of one tier. Null means no limit."""

    tier_id: str
    tier_name: str
    capacity: int | None
    sold: int
    active_holds: int
    available: int | None


class SaleStatusView(Struct, frozen=True, kw_only=True):
    """The status of an event's sale: the tickets of all tiers together and of each tier, and the queue. Null means no limit."""

    event_id: str
    event_name: str
    status: PublicEventStatus
    paused: bool
    total_capacity: int | None
    total_sold: int
    total_active_holds: int
    total_available: int | None
    queue_length: int
    waiting_room: AdminRoomView | None
    tiers: list[TierSale]


def sale_status(event_id: str, now: int) -> SaleStatusView:
    """Return the current status of an event's sale, read from the store instead of a cache. Raises NotFound."""
    current = catalog.load_current()
    event = current.events.get(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    tiers = current.event_tiers(event_id)
    stocks, room = parallel.both(lambda: read_stock(current.shard_counts([event_id])), lambda: waiting_room.admin_overview(event, now))
    tier_stocks = [(tier, current.tier_stock(tier, stocks)) for tier in tiers]
    total = current.event_stock(event, stocks)
    return SaleStatusView(
        event_id=event.id,
        event_name=event.name,
        status=public_event_status(current, event, now, stocks),
        paused=event.is_paused,
        total_capacity=finite(total.capacity),
        total_sold=total.sold,
        total_active_holds=total.held,
        total_available=finite(total.available),
        queue_length=room.queue_length if room else 0,
        waiting_room=room,
        tiers=[
            TierSale(
                tier_id=tier.id,
                tier_name=tier.name,
                capacity=finite(stock.capacity),
                sold=stock.sold,
                active_holds=stock.held,
                available=finite(stock.available),
            )
            for tier, stock in tier_stocks
        ],
    )


# The live dashboard. Dashboards poll every two seconds. In that time, each instance reads the store at most once for each event, however
# many dashboards poll the instance.

MAX_AGE_SECONDS = 2
_MAX_EVENTS = 1000


class RevenueFigures(Struct, frozen=True, kw_only=True):
    """Money received and paid out through one provider in one currency, in minor units, according to the payment ledger.

    `taxes` are the taxes in the sales less refunds and disputes, one share for each rate. `included_fee_cents` is the fee in their prices.
    """

    provider: str
    currency: str
    captured_cents: int
    refunded_cents: int
    disputed_cents: int
    balance_cents: int
    taxes: list[TaxShare]
    included_fee_cents: int


class PurchaseFigures(Struct, frozen=True, kw_only=True):
    """How many purchases were reserved, reached a checkout, became orders, or ended without an order.

    `declined` counts declined payments. `rejected` counts purchases whose payment was refunded because it came too late or did not match.
    """

    reservations: int
    checkouts: int
    orders: int
    expired: int
    cancelled: int
    declined: int
    rejected: int


class LiveSaleView(Struct, frozen=True, kw_only=True):
    """A sale at the time `at`. While the store answers, `at` is at most two seconds ago.

    `sale` is read from the stock and the waiting room. `purchases` and `takings` lag behind by a few seconds, and are null if the
    add-on `reports` is off; `takings` has one entry for each provider and currency. `on_sale_at` is null for an event that has always
    been on sale.
    """

    at: Timestamp
    on_sale_at: Timestamp | None
    sale: SaleStatusView
    purchases: PurchaseFigures | None
    takings: list[RevenueFigures] | None


_sales: TtlCache[LiveSaleView] = TtlCache(lambda: MAX_AGE_SECONDS, max_keys=_MAX_EVENTS)  # by event id


def live_sale(event: Event, now: int) -> LiveSaleView:
    """Return an event's sale, at most two seconds old. A catalog change that this instance knows of, such as a pause, shows at once."""
    return _sales.get(now, catalog.snapshot().revision, lambda: _load(event, now), event.id)


def _load(event: Event, now: int) -> LiveSaleView:
    sale, (purchases, takings) = parallel.both(lambda: sale_status(event.id, now), lambda: _figures(event.id))
    return LiveSaleView(
        at=clock.iso(now),
        on_sale_at=None if event.on_sale_at is None else clock.iso(event.on_sale_at),
        sale=sale,
        purchases=purchases,
        takings=takings,
    )


def _figures(event_id: str) -> tuple[PurchaseFigures | None, list[RevenueFigures] | None]:
    """Return an event's purchase and revenue figures, if an add-on provides them."""
    for figures in addons.hooks("sale_figures"):
        purchases, takings = figures(event_id)
        return purchases, takings
    return None, None
