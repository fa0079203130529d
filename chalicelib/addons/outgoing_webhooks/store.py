"""Table `webhook-endpoints` has the endpoints with their secrets. Table `webhook-deliveries` is the outbox and log of their messages.

A delivery is pending as long as it has a `next_attempt_at`. This attribute puts the delivery into the index `due`. A run claims a delivery
before sending it; if two runs try at once, only one succeeds. Each claim increments `attempts_made`, and a result is recorded only if no
later claim was made.

The deliveries of an endpoint are spread over LANES keys, in the table and in the index, because one key accepts only 1,000 writes per
second. The first lane has the key under which the previous version wrote all deliveries of an endpoint, so this version finds them too.
"""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any
from zlib import crc32

from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.addons.outgoing_webhooks.model import KEPT_SECONDS, Delivery, DeliveryState, Endpoint, Message, QueuedDelivery, SendAttempt
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute

PAGE_ROWS = 100  # per page of deliveries
LANES = 4  # per endpoint


class EndpointRow(dynamo.Table):
    """`content` is the endpoint, except for `failing_since`, which is an attribute of its own."""

    feature = "webhook-endpoints"
    contents = "The webhook endpoints of promoters, with their secrets."
    personal_data = dynamo.PersonalData("addresses of a promoter's software", export="yes", erasure="deleted")

    promoter_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    failing_since = NumberAttribute(null=True)
    content = StructAttribute(Endpoint)


class DueDeliveriesIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    endpoint_id = UnicodeAttribute(hash_key=True)
    next_attempt_at = NumberAttribute(range_key=True)


class DeliveryRow(dynamo.Table):
    """A delivery. `rounds` counts how many times the delivery was queued.

    `endpoint_id` contains the lane's number too. If a record in the stream changes `rounds`, the delivery must be sent now.
    """

    feature = "webhook-deliveries"
    contents = "Webhooks of promoters: sent and due."
    personal_data = dynamo.PersonalData("what was sent to promoters about orders", export="no", erasure="expires after 30 days")
    has_stream = True

    endpoint_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    promoter_id = UnicodeAttribute()
    state = UnicodeAttribute()
    message = StructAttribute(Message)
    rounds = NumberAttribute()
    attempts_made = NumberAttribute()
    round_start = NumberAttribute()
    attempts = StructAttribute(list[SendAttempt], null=True)
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
    return [_endpoint(row) for row in EndpointRow.query(promoter_id)]


def scan_endpoints() -> Iterator[Endpoint]:
    """Iterate over the endpoints of all promoters. Reads the whole table, which is small."""
    return (_endpoint(row) for row in EndpointRow.scan(consistent_read=False))


def create_endpoint_item(endpoint: Endpoint) -> dynamo.TransactItem:
    """Return the item that creates an endpoint. The transaction fails if the id exists."""
    return dynamo.transact_put(_endpoint_row(endpoint), EndpointRow.id.does_not_exist())


def replace_endpoint_item(before: Endpoint, after: Endpoint) -> dynamo.TransactItem:
    """Return the item that replaces an endpoint. The transaction fails if the endpoint has changed since it was read."""
    return dynamo.transact_put(_endpoint_row(after), EndpointRow.version == before.version)


def delete_endpoint_item(endpoint: Endpoint) -> dynamo.TransactItem:
    """Return the item that deletes an endpoint, whatever its version. The transaction fails if the endpoint no longer exists."""
    return dynamo.transact_delete(EndpointRow(endpoint.promoter_id, endpoint.id), EndpointRow.id.exists())


def set_failing(endpoint: Endpoint, since: int | None) -> None:
    """Record when an endpoint began to fail, unless a time is already recorded. None clears the time, because the endpoint works again."""
    row = EndpointRow(endpoint.promoter_id, endpoint.id)
    exists = EndpointRow.id.exists()
    condition = exists if since is None else exists & EndpointRow.failing_since.does_not_exist()
    dynamo.update_if(row, EndpointRow.set_or_remove({"failing_since": since}), condition)


def add_delivery(promoter_id: str, endpoint_id: str, message: Message, now: int) -> bool:
    """Queue a message for an endpoint. It is due immediately. Returns False if the delivery already exists, whatever its state."""
    row = DeliveryRow(
        _lane_key(endpoint_id, _lane(message.id)),
        message.id,
        promoter_id=promoter_id,
        state="pending",
        message=message,
        rounds=1,
        attempts_made=0,
        round_start=0,
        next_attempt_at=now,
        ttl=now + KEPT_SECONDS,
    )
    return dynamo.put_if(row, DeliveryRow.id.does_not_exist())


def find_delivery(endpoint_id: str, delivery_id: str) -> Delivery | None:
    """Find a delivery with a strongly consistent read."""
    rows = (DeliveryRow.find(key, delivery_id) for key in _possible_keys(endpoint_id, delivery_id))
    return next((_delivery(row) for row in rows if row is not None), None)


def query_deliveries(endpoint_id: str, before: str | None) -> Iterator[Delivery]:
    """Iterate over the deliveries of an endpoint, newest first. With `before`, yields only deliveries older than that delivery."""
    return _query_lanes(endpoint_id, DeliveryRow.id < before if before is not None else None)


def query_between(endpoint_id: str, first: str, last: str) -> Iterator[Delivery]:
    """Iterate over the deliveries of an endpoint with ids from `first` to `last`, inclusive, newest first."""
    return _query_lanes(endpoint_id, DeliveryRow.id.between(first, last))


def _query_lanes(endpoint_id: str, condition: Any) -> Iterator[Delivery]:
    lanes = [
        DeliveryRow.query(
            _lane_key(endpoint_id, lane), condition, scan_index_forward=False, page_size=PAGE_ROWS // LANES, consistent_read=False
        )
        for lane in range(LANES)
    ]
    return map(_delivery, dynamo.merge_sorted(lanes, attrgetter("id"), reverse=True))


def list_due(endpoint_id: str, lane: int, now: int, limit: int) -> list[tuple[int, str]]:
    """List up to `limit` due deliveries in a lane of an endpoint, each as the time when it became due and its id.

    The read is eventually consistent.
    """
    rows = DeliveryRow.due_index.query(_lane_key(endpoint_id, lane), DeliveryRow.next_attempt_at <= now, limit=limit)
    return [(int(row.next_attempt_at), row.id) for row in rows]


def claim(endpoint_id: str, delivery_id: str, now: int, until: int) -> Delivery | None:
    """Claim a due delivery for an attempt until `until`. Returns None if the delivery is not due or another run has claimed it."""
    changes = [DeliveryRow.next_attempt_at.set(until), DeliveryRow.claimed_until.set(until), DeliveryRow.attempts_made.add(1)]
    row = _update_due(endpoint_id, delivery_id, changes, now)
    return None if row is None else _delivery(row)


def finish_attempt(claimed: Delivery, state: DeliveryState, attempts: list[SendAttempt], next_attempt_at: int | None) -> bool:
    """Record the result of a claimed attempt. Returns False and writes nothing if another run has claimed the delivery in the meantime."""
    row = DeliveryRow(_lane_key(claimed.endpoint_id, claimed.lane), claimed.id)
    changes = DeliveryRow.set_or_remove({"state": state, "attempts": attempts, "next_attempt_at": next_attempt_at, "claimed_until": None})
    return dynamo.update_if(row, changes, DeliveryRow.attempts_made == claimed.attempts_made)


def give_up(endpoint_id: str, delivery_id: str, now: int) -> bool:
    """Mark a due delivery as failed without an attempt. Returns False if the delivery is not due."""
    changes = [DeliveryRow.state.set("failed"), DeliveryRow.next_attempt_at.remove(), DeliveryRow.claimed_until.remove()]
    return _update_due(endpoint_id, delivery_id, changes, now) is not None


def _update_due(endpoint_id: str, delivery_id: str, changes: Sequence[Action], now: int) -> DeliveryRow | None:
    """Change a due delivery. Returns its new row, or None if the delivery is not due."""
    for key in _possible_keys(endpoint_id, delivery_id):
        was_due, row = dynamo.update_if_returning(DeliveryRow(key, delivery_id), changes, DeliveryRow.next_attempt_at <= now)
        if row is not None:
            return row if was_due else None
    return None


def queue_again(delivery: Delivery, now: int) -> Delivery | None:
    """Make a delivery due now, with a full round of attempts. Returns None if an attempt is in progress or has changed the delivery."""
    changes = [
        DeliveryRow.state.set("pending"),
        DeliveryRow.next_attempt_at.set(now),
        DeliveryRow.claimed_until.remove(),
        DeliveryRow.round_start.set(delivery.attempts_made),
        DeliveryRow.rounds.add(1),
        DeliveryRow.ttl.set(now + KEPT_SECONDS),
    ]
    is_unclaimed = DeliveryRow.claimed_until.does_not_exist() | (DeliveryRow.claimed_until <= now)
    row = DeliveryRow(_lane_key(delivery.endpoint_id, delivery.lane), delivery.id)
    if not dynamo.update_if(row, changes, (DeliveryRow.attempts_made == delivery.attempts_made) & is_unclaimed):
        return None
    return replace(delivery, state="pending", next_attempt_at=now, claimed_until=None, round_start=delivery.attempts_made)


def queued_delivery(before: dict[str, Any] | None, after: dict[str, Any] | None) -> QueuedDelivery | None:
    """Return the delivery that a change record (in wire format) queues, or None if it queues no delivery."""
    if after is None or (before is not None and before["rounds"] == after["rounds"]):
        return None
    row = DeliveryRow.from_raw_data(after)
    return QueuedDelivery(row.promoter_id, row.endpoint_id.partition("#")[0], row.id)


def _endpoint_row(endpoint: Endpoint) -> EndpointRow:
    content = replace(endpoint, failing_since=None)
    return EndpointRow(endpoint.promoter_id, endpoint.id, version=endpoint.version, failing_since=endpoint.failing_since, content=content)


def _endpoint(row: EndpointRow) -> Endpoint:
    return replace(row.content, failing_since=None if row.failing_since is None else int(row.failing_since))


def _lane(delivery_id: str) -> int:
    return crc32(delivery_id.encode()) % LANES


def _lane_key(endpoint_id: str, lane: int) -> str:
    return f"{endpoint_id}#{lane}" if lane else endpoint_id


def _possible_keys(endpoint_id: str, delivery_id: str) -> list[str]:
    """Return the keys under which a delivery may be stored: its own, and the key that the previous version used."""
    return list(dict.fromkeys(_lane_key(endpoint_id, lane) for lane in (_lane(delivery_id), 0)))


def _delivery(row: DeliveryRow) -> Delivery:
    endpoint_id, _, lane = row.endpoint_id.partition("#")
    return Delivery(
        endpoint_id=endpoint_id,
        lane=int(lane or 0),
        message=row.message,
        state=row.state,  # type: ignore[arg-type]
        attempts_made=int(row.attempts_made),
        round_start=int(row.round_start),
        attempts=row.attempts or [],
        next_attempt_at=None if row.next_attempt_at is None else int(row.next_attempt_at),
        claimed_until=None if row.claimed_until is None else int(row.claimed_until),
    )
