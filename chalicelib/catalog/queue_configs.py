"""What an event says about its queues: the waiting room in front of its sale, and the waitlist behind it."""

from typing import Annotated

from msgspec import Meta, Struct


class WaitingRoomConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event's own configuration of its waiting room, in the bootstrap file and in the API. The settings apply where it is null."""

    enabled: bool = True
    wave_size: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    pass_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    follow_stock: bool = False  # waves no larger than the tickets that are left and the payments that the provider accepts


class WaitlistConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event's own configuration of its waitlist, in the bootstrap file and in the API.

    `keeps_tickets`: what comes back while people wait is for them alone; without it, also for passers-by.
    """

    enabled: bool = True
    keeps_tickets: bool = True
