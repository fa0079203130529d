"""Webhook endpoints and deliveries over HTTP: the bodies of requests and replies."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.addons.outgoing_webhooks import endpoints, store
from chalicelib.addons.outgoing_webhooks.model import (
    KEPT_SECONDS,
    AttemptError,
    Delivery,
    DeliveryState,
    DisabledReason,
    Endpoint,
    EventType,
    MessageType,
    SendAttempt,
)
from chalicelib.catalog.forms import Moment, Version, epoch_seconds
from chalicelib.catalog.views import iso_or_none
from chalicelib.edge.cursors import Cursor
from chalicelib.foundation import clock
from chalicelib.foundation.addons import PersonalItems
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.outbound_http import MAX_URL_LENGTH


class EndpointView(Struct, frozen=True, kw_only=True):
    """A webhook endpoint. `secret` appears only in the reply to the request that created the secret.

    Messages are also signed with the previous secret until `previous_secret_until`. An empty list of `event_types` means all types.
    `failing_since` is the time of the first failure since the last success. `disabled_reason` is `gone` if the endpoint replied 410, and
    `failing` after five days without a success.
    """

    id: str
    promoter_id: str
    url: str
    description: str
    event_types: list[EventType]
    enabled: bool
    disabled_reason: DisabledReason | None
    failing_since: Timestamp | None
    previous_secret_until: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int
    secret: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


class EndpointsView(Struct, frozen=True):
    """All webhook endpoints of a promoter, oldest first."""

    webhook_endpoints: list[EndpointView]


class DeliveryView(Struct, frozen=True, kw_only=True):
    """A message for an endpoint. It is `pending` until the endpoint replies with a 2xx status or the last attempt has failed.

    `attempts_made` includes the attempts of all replays. `last_status` is the status of the last attempt's reply. If there was no reply,
    `last_status` is null, and `last_error` is the reason.
    """

    id: str
    endpoint_id: str
    type: MessageType
    event_id: str | None
    state: DeliveryState
    created_at: Timestamp
    attempts_made: int
    last_attempt_at: Timestamp | None
    last_status: int | None
    last_error: AttemptError | None
    next_attempt_at: Timestamp | None
    message: str | UnsetType = UNSET


class DeliveriesView(Struct, frozen=True):
    """A page of deliveries, newest first. If there is a `next_cursor`, there may be more deliveries, even if the page is not full."""

    deliveries: list[DeliveryView]
    next_cursor: str | None


class ReplayedView(Struct, frozen=True):
    """The number of deliveries that this call queued again. If there is a `next_cursor`, pass it to the next call to continue."""

    replayed: int
    next_cursor: str | None
    message: str | UnsetType = UNSET


class AttemptView(Struct, frozen=True, kw_only=True):
    """An attempt to send. `error` is null after a success, and `status` is null if there was no reply."""

    at: Timestamp
    milliseconds: int
    status: int | None
    error: AttemptError | None


class FullDeliveryView(DeliveryView, frozen=True, kw_only=True):
    """A delivery with the body that is sent, the latest attempts, and the beginning of the last reply's body."""

    payload: Any
    attempts: list[AttemptView]
    last_reply: str


def endpoint_view(endpoint: Endpoint, now: int) -> EndpointView:
    """Return the view of an endpoint, without its secret."""
    return EndpointView(
        id=endpoint.id,
        promoter_id=endpoint.promoter_id,
        url=endpoint.url,
        description=endpoint.description,
        event_types=endpoint.event_types,
        enabled=endpoint.is_enabled,
        disabled_reason=endpoint.disabled_reason,
        failing_since=iso_or_none(endpoint.failing_since),
        previous_secret_until=clock.iso(endpoint.previous_secret_until) if len(endpoint.secrets(now)) > 1 else None,
        created_at=clock.iso(endpoint.created_at),
        updated_at=clock.iso(endpoint.updated_at),
        version=endpoint.version,
    )


PERSONAL_ITEMS = PersonalItems(
    field="webhook_endpoints",
    view=EndpointView,
    read=store.list_endpoints,
    show=endpoint_view,
    delete=endpoints.delete_endpoints,
)


def delivery_view(delivery: Delivery) -> DeliveryView:
    return DeliveryView(**_fields(delivery))


def full_delivery_view(delivery: Delivery) -> FullDeliveryView:
    return FullDeliveryView(
        **_fields(delivery),
        payload=msgspec.json.decode(delivery.message.payload),
        attempts=[_attempt_view(attempt) for attempt in delivery.attempts],
        last_reply=delivery.attempts[-1].reply if delivery.attempts else "",
    )


def _fields(delivery: Delivery) -> dict[str, Any]:
    last = delivery.attempts[-1] if delivery.attempts else None
    return {
        "id": delivery.id,
        "endpoint_id": delivery.endpoint_id,
        "type": delivery.message.type,
        "event_id": delivery.message.event_id,
        "state": delivery.state,
        "created_at": clock.iso(delivery.message.at),
        "attempts_made": delivery.attempts_made,
        "last_attempt_at": clock.iso(last.at) if last else None,
        "last_status": last.status if last else None,
        "last_error": last.error if last else None,
        "next_attempt_at": iso_or_none(delivery.next_attempt_at),
    }


def _attempt_view(attempt: SendAttempt) -> AttemptView:
    return AttemptView(at=clock.iso(attempt.at), milliseconds=attempt.milliseconds, status=attempt.status, error=attempt.error)


Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL_LENGTH, description="An https address on the public internet.")]
Description = Annotated[str, Meta(max_length=500)]
EventTypes = Annotated[list[EventType], Meta(max_length=20)]


class NewEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint. An empty list of `event_types` means all types, including types added later."""

    url: Url
    description: Description = ""
    event_types: EventTypes = []


class FailedDeliveries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Permanently failed deliveries about changes from `since` to `until`, inclusive. The default is the last 30 days."""

    since: Moment | None = None
    until: Moment | None = None
    cursor: Cursor | None = None

    def seconds(self, now: int) -> tuple[int, int]:
        """Return both times in epoch seconds. Raises InvalidInput if `until` is before `since`."""
        since = epoch_seconds("since", self.since) or now - KEPT_SECONDS
        until = epoch_seconds("until", self.until) or now
        if until < since:
            raise InvalidInput("The end must be after the start.", path="$.until", rule="until_before_since")
        return since, until


class EndpointChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields to change; omitted fields keep their values. `enabled` sets whether the endpoint gets messages from now on."""

    url: Url | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Return the given values by their field names in the model."""
        values = {name: value for name, value in asdict(self).items() if value is not UNSET and name != "version"}
        if "event_types" in values:
            values["event_types"] = list(dict.fromkeys(values["event_types"]))
        if "enabled" in values:
            values["disabled_reason"] = None if values.pop("enabled") else "by_promoter"
        return values
