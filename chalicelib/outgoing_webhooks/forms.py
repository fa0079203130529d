"""What callers send to create and change webhook endpoints."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.catalog.forms import Version
from chalicelib.outgoing_webhooks.destinations import MAX_URL_LENGTH
from chalicelib.outgoing_webhooks.model import EventType

Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL_LENGTH, description="An https address on the public internet.")]
Description = Annotated[str, Meta(max_length=500)]
EventTypes = Annotated[list[EventType], Meta(max_length=20)]


class NewEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint. `event_types`: what it gets; empty is everything, also types that come later."""

    url: Url
    description: Description = ""
    event_types: EventTypes = []


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
