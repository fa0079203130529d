"""Table `webhook-endpoints` has the endpoints with their secrets. Table `webhook-deliveries` is the outbox and log of their messages.

A delivery is pending as long as it has a `next_attempt_at`. This attribute puts the delivery into the index `due`. A run claims a delivery
before sending it; if two runs try at once, only one succeeds. Each claim increments `attempts_made`, and a result is recorded only if no
later claim was made.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.addons.outgoing_webhooks.model import KEPT_SECONDS, Delivery, DeliveryState, Endpoint, Message, QueuedDelivery, SendAttempt
from chalicelib.dynamodb import dynamo

PAGE_ROWS = 100  # per call to the store


class EndpointRow(dynamo.Table):
    """`content` is the endpoint as JSON, except for `failing_since`, which is an attribute of its own."""

    feature = "webhook-endpoints"
    contents = "The webhook endpoints of promoters, with their secrets."
    personal_data = dynamo.PersonalData("addresses of a promoter's software", export="yes", erasure="deleted")

    class Meta:
        table_name = None

    promoter_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    failing_since = NumberAttribute(null=True)
    content = UnicodeAttribute()


class DueDeliveriesIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    endpoint_id = UnicodeAttribute(hash_key=True)
    next_attempt_at = NumberAttribute(range_key=True)


class DeliveryRow(dynamo.Table):
    """`message` and `attempts` are JSON. `rounds` counts how often the delivery was queued.

    If a record in the stream changes `rounds`, the delivery must be sent now.
    """

    feature = "webhook-deliveries"
    contents = "Webhooks of promoters: sent and due."
    personal_data = dynamo.PersonalData("what was sent to promoters about orders", export="no", erasure="expires after 30 days")
    has_stream = True

    class Meta:
        table_name = None

    endpoint_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    promoter_id = UnicodeAttribute()
    state = UnicodeAttribute()
    message = UnicodeAttribute()
    rounds = NumberAttribute()
    attempts_made = NumberAttribute()
    round_start = NumberAttribute()
    attempts = UnicodeAttribute(null=True)
    next_attempt_at = NumberAttribute(null=True)
    claimed_until = NumberAttribute(null=True)
    ttl = NumberAttribute()
    due_index = DueDeliveriesIndex()


def find_endpoint(promoter_id: str, endpoint_id: str) -> Endpoint | None:
    """Find an endpoint with a strongly consistent read."""
    row = EndpointRow.find(promoter_id, endpoint_id)
    return None if row is None else _endpoint(row)


def list_endpoints(promoter_id: str) -> list[Endpoint]:
    """List the endpoints of a promoter, oldest first. The read is strongly consistent."""
    return [_endpoint(row) for row in EndpointRow.query(promoter_id, consistent_read=True)]


def scan_endpoints() -> Iterator[Endpoint]:
    """Iterate over the endpoints of all promoters. Reads the whole table, which is small."""
    return (_endpoint(row) for row in EndpointRow.scan())


def create_endpoint_item(endpoint: Endpoint) -> dynamo.TransactItem:
    """Return the item that creates an endpoint. The transaction fails if the id exists."""
    return dynamo.put(_endpoint_row(endpoint), "attribute_not_exists(id)")


def replace_endpoint_item(before: Endpoint, after: Endpoint) -> dynamo.TransactItem:
    """Return the item that replaces an endpoint. The transaction fails if the endpoint has changed since it was read."""
    return dynamo.put(_endpoint_row(after), "version = :before", before=before.version)


def delete_endpoint_item(endpoint: Endpoint) -> dynamo.TransactItem:
    """Return the item that deletes an endpoint in any version. The transaction fails if the endpoint no longer exists."""
    return dynamo.delete(EndpointRow(endpoint.promoter_id, endpoint.id), "attribute_exists(id)")


def set_failing(endpoint: Endpoint, since: int | None) -> None:
    """Record since when an endpoint has been failing, unless a time is already recorded. None means that the endpoint works again."""
    row = EndpointRow(endpoint.promoter_id, endpoint.id)
    condition = "attribute_exists(id)" + (" AND attribute_not_exists(failing_since)" if since is not None else "")
    dynamo.update_if(row, {"failing_since": since}, condition)


def add_delivery(promoter_id: str, endpoint_id: str, message: Message, now: int) -> bool:
    """Queue a message for an endpoint. It is due immediately. Returns False if the delivery already exists, whatever its state."""
    row = DeliveryRow(
        endpoint_id,
        message.id,
        promoter_id=promoter_id,
        state="pending",
        message=msgspec.json.encode(message).decode(),
        rounds=1,
        attempts_made=0,
        round_start=0,
        next_attempt_at=now,
        ttl=now + KEPT_SECONDS,
    )
    return dynamo.put_if(row, "attribute_not_exists(id)") is None


def find_delivery(endpoint_id: str, delivery_id: str) -> Delivery | None:
    """Find a delivery with a strongly consistent read."""
    row = DeliveryRow.find(endpoint_id, delivery_id)
    return None if row is None else _delivery(row)


def query_deliveries(endpoint_id: str, before: str | None) -> Iterator[Delivery]:
    """Iterate over the deliveries of an endpoint, newest first. With `before`, yields only deliveries older than that delivery."""
    condition = DeliveryRow.id < before if before is not None else None
    rows = DeliveryRow.query(endpoint_id, condition, scan_index_forward=False, page_size=PAGE_ROWS)
    return map(_delivery, rows)


def query_between(endpoint_id: str, first: str, last: str) -> Iterator[Delivery]:
    """Iterate over the deliveries of an endpoint with ids from `first` to `last`, inclusive, newest first."""
    rows = DeliveryRow.query(endpoint_id, DeliveryRow.id.between(first, last), scan_index_forward=False, page_size=PAGE_ROWS)
    return map(_delivery, rows)


def list_due(endpoint_id: str, now: int, limit: int) -> list[tuple[str, int]]:
    """List the ids of up to `limit` due deliveries, each with the time when it became due. The read is eventually consistent."""
    rows = DeliveryRow.due_index.query(endpoint_id, DeliveryRow.next_attempt_at <= now, limit=limit)
    return [(row.id, int(row.next_attempt_at)) for row in rows]


def claim(endpoint_id: str, delivery_id: str, now: int, until: int) -> Delivery | None:
    """Claim a due delivery for an attempt until `until`. Returns None if the delivery is not due or another run has claimed it."""
    row = DeliveryRow(endpoint_id, delivery_id)
    changes = {"next_attempt_at": until, "claimed_until": until}
    held, item = dynamo.update_if_returning(row, changes, "next_attempt_at <= :now", add={"attempts_made": 1}, now=now)
    return _delivery(DeliveryRow.from_raw_data(item)) if held else None


def finish_attempt(claimed: Delivery, state: DeliveryState, attempts: list[SendAttempt], next_attempt_at: int | None) -> bool:
    """Record the result of a claimed attempt. Returns False and writes nothing if another run has claimed the delivery in the meantime."""
    return dynamo.update_if(
        DeliveryRow(claimed.endpoint_id, claimed.id),
        {
            "state": state,
            "attempts": msgspec.json.encode(attempts).decode(),
            "next_attempt_at": next_attempt_at,
            "claimed_until": None,
        },
        "attempts_made = :made",
        made=claimed.attempts_made,
    )


def give_up(endpoint_id: str, delivery_id: str, now: int) -> bool:
    """Mark a due delivery as failed without an attempt. Returns False if the delivery is not due."""
    row = DeliveryRow(endpoint_id, delivery_id)
    return dynamo.update_if(row, {"state": "failed", "next_attempt_at": None, "claimed_until": None}, "next_attempt_at <= :now", now=now)


def queue_again(delivery: Delivery, now: int) -> Delivery | None:
    """Make a delivery due now, with a full round of attempts. Returns None if an attempt is in progress or has changed the delivery."""
    changes = {
        "state": "pending",
        "next_attempt_at": now,
        "claimed_until": None,
        "round_start": delivery.attempts_made,
        "ttl": now + KEPT_SECONDS,
    }
    condition = "attempts_made = :made AND (attribute_not_exists(claimed_until) OR claimed_until <= :now)"
    row = DeliveryRow(delivery.endpoint_id, delivery.id)
    if not dynamo.update_if(row, changes, condition, add={"rounds": 1}, made=delivery.attempts_made, now=now):
        return None
    return replace(delivery, state="pending", next_attempt_at=now, claimed_until=None, round_start=delivery.attempts_made)


def queued_delivery(before: dict[str, Any] | None, after: dict[str, Any] | None) -> QueuedDelivery | None:
    """Return the delivery that a change record (in wire format) queues, or None if it queues no delivery."""
    if after is None or (before is not None and before["rounds"] == after["rounds"]):
        return None
    return QueuedDelivery(after["promoter_id"]["S"], after["endpoint_id"]["S"], after["id"]["S"])


def _endpoint_row(endpoint: Endpoint) -> EndpointRow:
    content = msgspec.json.encode(replace(endpoint, failing_since=None)).decode()
    return EndpointRow(endpoint.promoter_id, endpoint.id, version=endpoint.version, failing_since=endpoint.failing_since, content=content)


def _endpoint(row: EndpointRow) -> Endpoint:
    endpoint = msgspec.json.decode(row.content, type=Endpoint)
    return replace(endpoint, failing_since=None if row.failing_since is None else int(row.failing_since))


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        endpoint_id=row.endpoint_id,
        message=msgspec.json.decode(row.message, type=Message),
        state=row.state,  # type: ignore[arg-type]
        attempts_made=int(row.attempts_made),
        round_start=int(row.round_start),
        attempts=msgspec.json.decode(row.attempts, type=list[SendAttempt]) if row.attempts else [],
        next_attempt_at=None if row.next_attempt_at is None else int(row.next_attempt_at),
        claimed_until=None if row.claimed_until is None else int(row.claimed_until),
    )
