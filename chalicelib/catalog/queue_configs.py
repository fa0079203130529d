"""An event's configuration of its queues: the waiting room before the sale, and the waitlist for sold-out tickets."""

from typing import Annotated

from msgspec import Meta, Struct


class WaitingRoomConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event's configuration of its waiting room, in the bootstrap file and the API. The stage's settings apply to null fields."""

    enabled: bool = True
    wave_size: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    pass_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    follow_stock: bool = False  # limits waves to the tickets that are left and the payments that the provider accepts


class WaitlistConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event's configuration of its waitlist, in the bootstrap file and the API.

    With `keeps_tickets`, tickets returned while people wait go only to them; without it, anybody can buy these tickets.
    """

    enabled: bool = True
    keeps_tickets: bool = True
