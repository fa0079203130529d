"""Decide what a caller may do at one event. `edge.auth` has already checked whether the caller may use the route.

`quotas` decides how many events, ticket types and tickets a promoter may have.
"""

from typing import ClassVar

from chalicelib.accounts import profiles
from chalicelib.catalog.model import Event
from chalicelib.catalog.snapshots import find_event
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.foundation import settings
from chalicelib.foundation.errors import ApiError, NotFound


class PromoterUnverified(ApiError):
    code: ClassVar[str] = "promoter_not_verified"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = (
        "An admin of the shop must verify the event's promoter before the event can be published. "
        "Complete the promoter's profile, then ask the shop. The event stays a draft."
    )


def may_manage(identity: Identity, event_id: str) -> bool:
    """Return whether the caller may change an event and see its orders, as an admin, its promoter or one of its coordinators.

    While the promoter is locked, only admins may.
    """
    if "admin" in identity.roles:
        return True
    is_coordinator = identity.events.get(event_id) == "coordinator"
    event = find_event(event_id) if is_coordinator or "promoter" in identity.roles else None
    return event is not None and not event.suspended and (is_coordinator or event.promoter_id == identity.user_id)


def may_appoint_coordinators(identity: Identity, event: Event) -> bool:
    """Return whether the caller may appoint and remove coordinators, as the event's promoter or an admin."""
    return "admin" in identity.roles or ("promoter" in identity.roles and event.promoter_id == identity.user_id)


def may_admit(identity: Identity, event_id: str) -> bool:
    """Return whether the caller may admit people to an event, as one of its managers or staff."""
    return identity.events.get(event_id) in ("staff", "cashier") or may_manage(identity, event_id)


def may_see_money(identity: Identity, event_id: str) -> bool:
    """Return whether the caller may see an event's sales and money, as one of its managers or accountants."""
    if identity.events.get(event_id) != "accountant":
        return may_manage(identity, event_id)
    event = find_event(event_id)
    return event is not None and not event.suspended


def require_seller(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may sell at its box office, as one of its managers or cashiers. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    is_cashier = identity.events.get(event_id) == "cashier" and not event.suspended
    if not (is_cashier or may_manage(identity, event_id)):
        raise Forbidden("You do not sell at this event's box office.", event_id=event_id)
    return event


def require_manager(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may manage it. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    if not may_manage(identity, event_id):
        message = "This event's promoter is locked. Contact the shop." if event.suspended else "You do not manage this event."
        raise Forbidden(message, event_id=event_id)
    return event


def require_accountant(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may see its sales and money. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    return event if may_see_money(identity, event_id) else require_manager(identity, event_id)


def require_actor(identity: Identity, event_id: str) -> str:
    """Return the caller's user id, for the audit log, if the caller may manage the event. Raises NotFound or Forbidden."""
    require_manager(identity, event_id)
    return identity.user_id


def require_publisher(identity: Identity, event_id: str) -> str:
    """Return the caller's user id if the caller may publish the event. Raises NotFound, Forbidden or PromoterUnverified."""
    event = require_manager(identity, event_id)
    is_free = "admin" in identity.roles or event.promoter_id is None or settings.current().publishing == "all"
    if not is_free and not profiles.is_verified(str(event.promoter_id)):
        raise PromoterUnverified(promoter_id=event.promoter_id)
    return identity.user_id


def require_door(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may admit people to it. Raises NotFound or Forbidden.

    `checkin.service` also compares the event of the scanned ticket.
    """
    event = _get_event(event_id)
    if not may_admit(identity, event_id):
        raise Forbidden("You are not assigned to this event.", event_id=event_id)
    return event


def _get_event(event_id: str) -> Event:
    event = find_event(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    return event
