"""The route that cancels an event."""

from typing import Literal

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.catalog import permissions
from chalicelib.catalog.revisions import CatalogChanging, ManagedByBootstrap
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.purchases.event_cancellation import service
from chalicelib.waiting_room import service as waiting_room

bp = Blueprint(__name__)


class CancellationView(Struct, frozen=True, kw_only=True):
    """How far the refunds of a cancelled event have come. Disputed orders wait for the buyer's bank and are open cases."""

    event_id: str
    status: Literal["refunding", "finished"]
    ended_reservations: int
    refunded_orders: int
    disputed_orders: int
    cancelled_at: Timestamp
    finished_at: Timestamp | None


@route(bp, "POST", "/events/{event_id}/cancel", access="manager", errors=(CatalogChanging, ManagedByBootstrap))
def cancel_event(request: RequestContext, event_id: str) -> Reply[CancellationView]:
    """Cancel an event for good. Its orders are refunded within minutes; repeat the request to see the progress."""
    caller = request.require_user()
    permissions.require_manager(caller, event_id)
    cancellation = service.cancel_event(event_id, caller.user_id, request.now)
    waiting_room.forget(event_id)
    return Reply(
        CancellationView(
            event_id=event_id,
            status="refunding" if cancellation.finished_at is None else "finished",
            ended_reservations=cancellation.reservations,
            refunded_orders=cancellation.orders,
            disputed_orders=cancellation.disputed,
            cancelled_at=clock.iso(cancellation.at),
            finished_at=None if cancellation.finished_at is None else clock.iso(cancellation.finished_at),
        )
    )
