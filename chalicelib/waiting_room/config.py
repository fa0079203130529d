"""The configuration of an event's waiting room: the event's own values, else the stage's settings."""

from chalicelib.catalog.model import Event
from chalicelib.foundation import settings
from chalicelib.waiting_room import admission_plan
from chalicelib.waiting_room.admission_plan import Segment


def pass_seconds(event: Event) -> int:
    """For how many seconds a buyer may reserve after being admitted."""
    return (event.waiting_room.pass_seconds if event.waiting_room else None) or settings.current().pass_seconds


def first_segment(event: Event, opens_at: int) -> Segment:
    """The first segment of the plan, with the configured waves."""
    configured, default = event.waiting_room, settings.current()
    wave_size = (configured.wave_size if configured else None) or default.wave_size
    wave_seconds = (configured.wave_seconds if configured else None) or default.wave_seconds
    return admission_plan.initial_plan(opens_at, wave_size, wave_seconds)[0]


def follows_stock(event: Event) -> bool:
    """Whether the size of the waves follows the tickets that are left."""
    return event.waiting_room is not None and event.waiting_room.follow_stock
