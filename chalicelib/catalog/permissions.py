"""What a caller may do with an event: the one place that decides it. `edge.access` has decided before whether they may call the route."""

from chalicelib.catalog.model import Event
from chalicelib.catalog.snapshots import find_snapshot
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.foundation.errors import NotFound


def may_manage(identity: Identity, event_id: str) -> bool:
    """Whether the caller may change an event and see its orders: an admin, its promoter, or a coordinator of it."""
    if "admin" in identity.roles or identity.events.get(event_id) == "coordinator":
        return True
    event = find_event(event_id) if "promoter" in identity.roles else None
    return event is not None and event.promoter_id == identity.user_id


def may_appoint_coordinators(identity: Identity, event: Event) -> bool:
    """Whether the caller may decide who manages the event: its promoter, and admins, but no coordinator."""
    return "admin" in identity.roles or ("promoter" in identity.roles and event.promoter_id == identity.user_id)


def may_admit(identity: Identity, event_id: str) -> bool:
    """Whether the caller may admit people to an event: who manages it, and its staff."""
    return identity.events.get(event_id) == "staff" or may_manage(identity, event_id)


def require_manager(identity: Identity, event_id: str) -> Event:
    """The event, if the caller may manage it; raises NotFound or Forbidden."""
    event = _get_event(event_id)
    if not may_manage(identity, event_id):
        raise Forbidden("You do not manage this event.", event_id=event_id)
    return event


def require_actor(identity: Identity, event_id: str) -> str:
    """The user id of the caller, who is written down with a change, if they may manage the event; raises NotFound or Forbidden."""
    require_manager(identity, event_id)
    return identity.user_id


def require_door(identity: Identity, event_id: str) -> Event:
    """The event, if the caller may admit people to it; raises NotFound or Forbidden."""
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
    """The event, also if it is newer than this instance's snapshot."""
    return find_snapshot(lambda catalog: catalog.find_event(event_id) is not None).find_event(event_id)
