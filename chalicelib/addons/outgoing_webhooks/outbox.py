"""The queue of deliveries: queue messages for endpoints, list deliveries, and queue them again. `sender.py` sends and retries them."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.addons.outgoing_webhooks import payloads, store
from chalicelib.addons.outgoing_webhooks.model import (
    MAX_REPLAYED,
    AttemptUnderWay,
    Delivery,
    DeliveryNotFound,
    DeliveryState,
    Endpoint,
    EndpointDisabled,
    Message,
    QueuedDelivery,
    first_message_id,
)
from chalicelib.addons.outgoing_webhooks.payloads import Notice
from chalicelib.catalog import service as catalog
from chalicelib.changes.model import Change
from chalicelib.foundation import clock, parallel

MAX_ROWS_READ = 500  # per page, however few deliveries are in the requested state


class DeliveryPage(Struct, frozen=True):
    """A page of deliveries, newest first. `next_before` is the last delivery that was read, or None on the last page."""

    deliveries: list[Delivery]
    next_before: str | None


class ReplayedPage(Struct, frozen=True):
    """The number of deliveries that were queued again. `next_before` is where the next call continues, or None on the last page."""

    replayed: int
    next_before: str | None


def follow(changes: Sequence[Change]) -> None:
    """Queue the messages about changes for the promoters' endpoints. Each message is queued once, however often its change is delivered.

    The changes come from the tables' streams (`changes/jobs.py`), so no message is lost if a process dies right after a sale.
    """
    now = clock.now()
    by_promoter: dict[str, list[Message]] = {}
    for notice in _all_notices(changes):
        if promoter_id := notice.promoter_id or _find_promoter_id(notice.event_id):
            by_promoter.setdefault(promoter_id, []).append(notice.message)
    wanted = [
        (endpoint, message)
        for promoter_id, messages in by_promoter.items()
        for endpoint in store.list_endpoints(promoter_id)
        for message in messages
        if endpoint.wants(message)
    ]
    parallel.call_each(lambda each: store.add_delivery(each[0].promoter_id, each[0].id, each[1], now), wanted)


def queued_deliveries(records: Sequence[dict[str, Any]]) -> list[QueuedDelivery]:
    """Return the deliveries that were queued, according to these stream records."""
    images = ((record["dynamodb"].get("OldImage"), record["dynamodb"].get("NewImage")) for record in records)
    return [queued for before, after in images if (queued := store.queued_delivery(before, after)) is not None]


def send_ping(endpoint: Endpoint, nonce: str, now: int) -> Delivery:
    """Queue a test message. The same `nonce` always gives the same message. Raises EndpointDisabled."""
    _require_enabled(endpoint)
    message = payloads.ping(nonce, endpoint.id)
    store.add_delivery(endpoint.promoter_id, endpoint.id, message, now)
    return get_delivery(endpoint, message.id)


def get_delivery(endpoint: Endpoint, delivery_id: str) -> Delivery:
    """Return a delivery of the endpoint. Raises DeliveryNotFound."""
    found = store.find_delivery(endpoint.id, delivery_id)
    if found is None:
        raise DeliveryNotFound(delivery_id=delivery_id)
    return found


def list_deliveries(endpoint: Endpoint, state: DeliveryState | None, limit: int, before: str | None) -> DeliveryPage:
    """Return up to `limit` deliveries, optionally only deliveries in `state`. A page ends early after reading MAX_ROWS_READ deliveries."""
    found: list[Delivery] = []
    for read, delivery in enumerate(store.query_deliveries(endpoint.id, before), start=1):
        if state is None or delivery.state == state:
            if len(found) == limit:
                return DeliveryPage(found, found[-1].id)
            found.append(delivery)
        if read == MAX_ROWS_READ:
            return DeliveryPage(found, delivery.id)
    return DeliveryPage(found, None)


def replay_delivery(endpoint: Endpoint, delivery_id: str, now: int) -> Delivery:
    """Send a message again, with the same id and body and a full round of attempts, even if it was delivered.

    Raises DeliveryNotFound, EndpointDisabled or AttemptUnderWay.
    """
    _require_enabled(endpoint)
    queued = store.queue_again(get_delivery(endpoint, delivery_id), now)
    if queued is None:
        raise AttemptUnderWay(delivery_id=delivery_id, retry_after_seconds=5)
    return queued


def replay_failed_deliveries(endpoint: Endpoint, since: int, until: int, before: str | None, now: int) -> ReplayedPage:
    """Queue permanently failed messages about changes in this period again, newest first, at most MAX_REPLAYED.

    A delivery that is queued again is no longer `failed`, so a repeated call finds only the remaining deliveries. Raises EndpointDisabled.
    """
    _require_enabled(endpoint)
    failed: list[Delivery] = []
    next_before = None
    in_range = store.query_between(endpoint.id, first_message_id(since), before or first_message_id(until + 1))
    for read, delivery in enumerate((delivery for delivery in in_range if delivery.id != before), start=1):
        if delivery.state == "failed":
            failed.append(delivery)
        if len(failed) == MAX_REPLAYED or read == MAX_ROWS_READ:
            next_before = delivery.id
            break
    queued = parallel.call_each(lambda delivery: store.queue_again(delivery, now), failed)
    return ReplayedPage(sum(delivery is not None for delivery in queued), next_before)


def _all_notices(changes: Sequence[Change]) -> Iterator[Notice]:
    return (notice for change in changes if not change.is_copy for notice in payloads.notices(change))


def _find_promoter_id(event_id: str) -> str | None:
    event = catalog.find_event(event_id)
    return event.promoter_id if event is not None else None


def _require_enabled(endpoint: Endpoint) -> None:
    if not endpoint.is_enabled:
        raise EndpointDisabled(endpoint_id=endpoint.id, disabled_reason=endpoint.disabled_reason)
