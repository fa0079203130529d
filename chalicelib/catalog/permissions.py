"""Decide what a caller may do at one event. `edge.operation` has already checked whether the caller may use the route."""

from chalicelib.catalog.model import Event
from chalicelib.catalog.snapshots import find_snapshot
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.foundation.errors import NotFound


def may_manage(identity: Identity, event_id: str) -> bool:
    """Whether the caller may change an event and see its orders, as an admin, its promoter or one of its coordinators."""
    if "admin" in identity.roles or identity.events.get(event_id) == "coordinator":
        return True
    event = find_event(event_id) if "promoter" in identity.roles else None
    return event is not None and event.promoter_id == identity.user_id


def may_appoint_coordinators(identity: Identity, event: Event) -> bool:
    """Whether the caller may appoint and remove coordinators, as the event's promoter or an admin."""
    return "admin" in identity.roles or ("promoter" in identity.roles and event.promoter_id == identity.user_id)


def may_admit(identity: Identity, event_id: str) -> bool:
    """Whether the caller may admit people to an event, as one of its managers or staff."""
    return identity.events.get(event_id) == "staff" or may_manage(identity, event_id)


def require_manager(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may manage it. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    if not may_manage(identity, event_id):
        raise Forbidden("You do not manage this event.", event_id=event_id)
    return event


def require_actor(identity: Identity, event_id: str) -> str:
    """Return the caller's user id, for the audit log, if the caller may manage the event. Raises NotFound or Forbidden."""
    require_manager(identity, event_id)
    return identity.user_id


def require_door(identity: Identity, event_id: str) -> Event:
    """Return the event if the caller may admit people to it. Raises NotFound or Forbidden."""
    event = _get_event(event_id)
    if not may_admit(identity, event_id):
        raise Forbidden("You are not assigned to this event.", event_id=event_id)
    return event


def _get_event(event_id: str) -> Event:
    event = find_event(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    return event


def find_event(event_id: str) -> Event | None:
    """Return the event, even if it is newer than this instance's snapshot. Returns None if there is no such event."""
    return find_snapshot(lambda catalog: catalog.find_event(event_id) is not None).find_event(event_id)
