"""Tables `webhook-endpoints`: the endpoints of promoters, with their secrets, and `webhook-deliveries`: what they get, the outbox and log.

A delivery is pending as long as it has a `next_attempt_at`, and then it is in the index `due`. It is claimed before it is sent: of two
who try at once one succeeds. A result counts only for the claim that it is of (`attempts_made` grows with each).
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.addons.outgoing_webhooks.model import KEPT_SECONDS, Delivery, DeliveryState, Endpoint, Message, SendAttempt
from chalicelib.dynamodb import dynamo

PAGE_ROWS = 100  # of one call to the store


class EndpointRow(dynamo.Table):
    """`content` is the whole endpoint as JSON; the others are apart from it for conditions, and `failing_since` only there."""

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
    """`message` and `attempts` are JSON. `rounds` counts how often it was queued, so that the stream shows what is to be sent now."""

    feature = "webhook-deliveries"
    contents = "Webhooks that were sent to promoters, and those that are due."
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


# ------------------------------------------------------------------ endpoints
def find_endpoint(promoter_id: str, endpoint_id: str) -> Endpoint | None:
    """The endpoint, strongly consistent, or None."""
    row = EndpointRow.find(promoter_id, endpoint_id)
    return None if row is None else _endpoint(row)


def list_endpoints(promoter_id: str) -> list[Endpoint]:
    """All endpoints of a promoter, the oldest first; strongly consistent."""
    return [_endpoint(row) for row in EndpointRow.query(promoter_id, consistent_read=True)]


def scan_endpoints() -> Iterator[Endpoint]:
    """The endpoints of all promoters. Reads the whole table, which is small."""
    return (_endpoint(row) for row in EndpointRow.scan())


def create_endpoint_item(endpoint: Endpoint) -> dynamo.TransactItem:
    """Transaction item that writes a new endpoint; refused if its id exists."""
    return dynamo.put(_endpoint_row(endpoint), "attribute_not_exists(id)")


def replace_endpoint_item(before: Endpoint, after: Endpoint) -> dynamo.TransactItem:
    """Transaction item that writes an endpoint; refused if it has changed since it was read."""
    return dynamo.put(_endpoint_row(after), "version = :before", before=before.version)


def delete_endpoint_item(endpoint: Endpoint) -> dynamo.TransactItem:
    """Transaction item that deletes an endpoint, whatever has changed; refused if it is gone."""
    return dynamo.delete(EndpointRow(endpoint.promoter_id, endpoint.id), "attribute_exists(id)")


def set_failing(endpoint: Endpoint, since: int | None) -> None:
    """Note since when an endpoint fails, if that is not known; None: it works again."""
    row = EndpointRow(endpoint.promoter_id, endpoint.id)
    condition = "attribute_exists(id)" + (" AND attribute_not_exists(failing_since)" if since is not None else "")
    dynamo.update_if(row, {"failing_since": since}, condition)


# ------------------------------------------------------------------ deliveries
def add_delivery(promoter_id: str, endpoint_id: str, message: Message, now: int) -> bool:
    """Queue a message for an endpoint, due at once; False if it was queued before, however long ago."""
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
    """The delivery, strongly consistent, or None."""
    row = DeliveryRow.find(endpoint_id, delivery_id)
    return None if row is None else _delivery(row)


def query_deliveries(endpoint_id: str, before: str | None) -> Iterator[Delivery]:
    """The deliveries of an endpoint, the newest first; those older than the delivery `before`, if it is given."""
    condition = DeliveryRow.id < before if before is not None else None
    rows = DeliveryRow.query(endpoint_id, condition, scan_index_forward=False, page_size=PAGE_ROWS)
    return map(_delivery, rows)


def query_between(endpoint_id: str, first: str, last: str) -> Iterator[Delivery]:
    """The deliveries of an endpoint with ids from `first` to `last`, both included, the newest first."""
    rows = DeliveryRow.query(endpoint_id, DeliveryRow.id.between(first, last), scan_index_forward=False, page_size=PAGE_ROWS)
    return map(_delivery, rows)


def list_due(endpoint_id: str, now: int, limit: int) -> list[tuple[str, int]]:
    """The ids of up to `limit` pending deliveries that are due, with the time since when; eventually consistent."""
    rows = DeliveryRow.due_index.query(endpoint_id, DeliveryRow.next_attempt_at <= now, limit=limit)
    return [(row.id, int(row.next_attempt_at)) for row in rows]


def claim(endpoint_id: str, delivery_id: str, now: int, until: int) -> Delivery | None:
    """Begin an attempt, which nobody else begins before `until`; None if the delivery is not due, or somebody has begun one."""
    row = DeliveryRow(endpoint_id, delivery_id)
    changes = {"next_attempt_at": until, "claimed_until": until}
    held, item = dynamo.update_if_returning(row, changes, "next_attempt_at <= :now", add={"attempts_made": 1}, now=now)
    return _delivery(DeliveryRow.from_raw_data(item)) if held else None


def finish_attempt(claimed: Delivery, state: DeliveryState, attempts: list[SendAttempt], next_attempt_at: int | None) -> bool:
    """End the attempt that was begun by this claim. False, and nothing is written, if others have begun another one meanwhile."""
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
    """End a delivery that is due without an attempt. False if it is not due."""
    row = DeliveryRow(endpoint_id, delivery_id)
    return dynamo.update_if(row, {"state": "failed", "next_attempt_at": None, "claimed_until": None}, "next_attempt_at <= :now", now=now)


def queue_again(delivery: Delivery, now: int) -> Delivery | None:
    """Make a delivery due at once, with all its attempts to come. None if an attempt is under way, or was made since it was read."""
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


def queued_delivery(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[str, str, str] | None:
    """Promoter, endpoint and delivery, if a change record of the table (in wire format) queues it; None for all others."""
    if after is None or (before is not None and before["rounds"] == after["rounds"]):
        return None
    return after["promoter_id"]["S"], after["endpoint_id"]["S"], after["id"]["S"]


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
