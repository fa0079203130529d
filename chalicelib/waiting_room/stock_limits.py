"""What the stock means for the waiting room: how large the next wave may be, and whether joining still makes sense."""

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.foundation import settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Stock
from chalicelib.waiting_room import admission_plan, model
from chalicelib.waiting_room.store import Room


def wave_size_for_stock(event: Event, room: Room, total: int, now: int) -> int:
    """How many the next wave may admit so that each buyer could still buy their limit, and the provider can take their payments.

    Everybody with a valid pass counts as still buying, so the estimate is rather too low than too high. If nobody has a valid pass and
    anything is left, at least one is admitted.
    """
    configured = model.first_segment(event, now)
    limit = event.limit(settings.current().event_purchase_limit)
    stock = _event_stock(event, now)
    inside = admission_plan.active_pass_count(room.segments, total, model.pass_seconds(event), now)
    could_buy = -(-stock.available // limit) - inside
    payments_per_second = max(1, settings.current().stripe_call_rate // settings.STRIPE_CALLS_PER_PAYMENT)
    return max(0, min(configured.wave_size, could_buy, payments_per_second * configured.interval))


def why_joining_stopped(event: Event, now: int) -> tuple[str | None, int | None]:
    """Why nobody can join any more (`closed`, `cancelled`, `sold_out`), or None; and how many tickets are on hold if no others are left."""
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
    """The tickets of the event, a few seconds old at most."""
    snapshot = catalog.snapshot()
    return snapshot.event_stock(event, inventory.cached_stock([snapshot.stock_group(event.id)], now))
