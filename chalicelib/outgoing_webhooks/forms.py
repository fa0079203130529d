"""What callers send to create and change webhook endpoints."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.catalog.forms import Moment, Version, epoch_seconds
from chalicelib.edge.cursors import Cursor
from chalicelib.foundation.errors import InvalidInput
from chalicelib.outgoing_webhooks.destinations import MAX_URL_LENGTH
from chalicelib.outgoing_webhooks.model import KEPT_SECONDS, EventType

Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL_LENGTH, description="An https address on the public internet.")]
Description = Annotated[str, Meta(max_length=500)]
EventTypes = Annotated[list[EventType], Meta(max_length=20)]


class NewEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint. `event_types`: what it gets; empty is everything, also types that come later."""

    url: Url
    description: Description = ""
    event_types: EventTypes = []


class FailedDeliveries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deliveries that failed for good, of what happened from `since` until `until`, both included. Without them: of the last 30 days."""

    since: Moment | None = None
    until: Moment | None = None
    cursor: Cursor | None = None

    def seconds(self, now: int) -> tuple[int, int]:
        """Both times in epoch seconds. Raises InvalidInput if the second one is before the first."""
        since = epoch_seconds("since", self.since) or now - KEPT_SECONDS
        until = epoch_seconds("until", self.until) or now
        if until < since:
            raise InvalidInput("The end must be after the start.", path="$.until", rule="until_before_since")
        return since, until


class EndpointChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of an endpoint; those that are left out stay as they are. `enabled`: whether it gets what happens from now on."""

    url: Url | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """The values that are given, by the names of the model."""
        values = {name: value for name, value in asdict(self).items() if value is not UNSET and name != "version"}
        if "event_types" in values:
            values["event_types"] = list(dict.fromkeys(values["event_types"]))
        if "enabled" in values:
            values["disabled_reason"] = None if values.pop("enabled") else "by_promoter"
        return values
