"""Limits that the stock sets for the waiting room: the size of the next wave, and whether users can still join."""

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.foundation import settings
from chalicelib.inventory.availability import cached_stock
from chalicelib.inventory.model import Stock
from chalicelib.payments import service as payments
from chalicelib.waiting_room import admission_plan, model
from chalicelib.waiting_room.store import Room


def wave_size_for_stock(event: Event, room: Room, total: int, now: int) -> int:
    """Return how many buyers the next wave may admit: each must be able to buy up to the limit, and to pay within the provider's rate.

    Every buyer with a valid pass counts as still buying, so the estimate errs on the low side. The quotient is rounded up, so if nobody has
    a valid pass and tickets are left, the wave admits at least one buyer.
    """
    configured = model.first_segment(event, now)
    limit = event.limit(settings.current().event_purchase_limit)
    stock = _event_stock(event, now)
    buying_count = admission_plan.active_pass_count(room.segments, total, model.pass_seconds(event), now)
    more_buyers = -(-stock.available // limit) - buying_count
    payments_per_second = max(1, payments.call_rate() // settings.PROVIDER_CALLS_PER_PAYMENT)
    return max(0, min(configured.wave_size, more_buyers, payments_per_second * configured.interval))


def why_joining_stopped(event: Event, now: int) -> tuple[str | None, int | None]:
    """Return the reason why joining has stopped (`closed`, `cancelled`, `sold_out`), and the number of tickets that may be returned.

    The reason is None if users can join. The number is None unless all remaining tickets are on hold.
    """
    phase = event_phase(event, now)
    if phase in ("closed", "cancelled"):
        return phase, None
    if phase == "scheduled":
        return None, None
    stock = _event_stock(event, now)
    if stock.capacity == 0 or stock.available > 0:
        return None, None
    return (None, stock.held) if stock.held else ("sold_out", None)


def _event_stock(event: Event, now: int) -> Stock:
    """Return the stock of the event's tickets, at most a few seconds old."""
    snapshot = catalog.snapshot()
    return snapshot.event_stock(event, cached_stock([snapshot.stock_group(event.id)], now))
