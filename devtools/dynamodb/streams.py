"""DynamoDB Streams: change records, shards and iterators."""

import base64
from bisect import bisect_right
from operator import itemgetter
from typing import Any
from zlib import crc32

import msgspec

from devtools.dynamodb.syntax import Request
from devtools.dynamodb.values import ApiError, Item, decode_item, invalid, item_size, refuse_if, sortable

SHARD_COUNT = 4
RECORD_SECONDS = 24 * 60 * 60
UNPROCESSED_RECORD_SECONDS = 7 * RECORD_SECONDS  # for records that a consumer with a saved position has not processed yet
_TRIM_SECONDS = 60  # how much older the oldest record grows before a write removes it, with all others that are too old
_ITERATOR_SECONDS = 15 * 60
_FIRST_SEQUENCE = 10**20  # DynamoDB's sequence numbers have 21 digits or more
_MAX_RECORDS, _MAX_SCANNED, _MAX_BYTES, _MAX_LISTED = 1000, 10_000, 1024 * 1024, 100

# A change record: sequence number, time, whether the item expired, the encoded old and new item.
Record = tuple[int, float, bool, bytes | None, bytes | None]


class Stream:
    """The change records of a table since its stream was switched on. `closed_at` is the time when the stream was switched off."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.definition = definition
        self.arn: str = definition["arn"]
        self.key_names = [element["AttributeName"] for element in definition["key_schema"]]
        self.view: str = definition["view"]
        self.names = {"StreamArn": self.arn, "TableName": definition["table"], "StreamLabel": definition["label"]}
        self.closed_at: float | None = definition.get("closed_at")
        self.records: list[Record] = []
        self.processed: dict[str, int] = {}  # consumer -> the last sequence number that it has processed
        self.shard_ids = [f"shardId-{int(definition['created'] * 1000):020}-{shard:08x}" for shard in range(SHARD_COUNT)]

    def add(self, sequence: int, at: float, expired: bool, old: bytes | None, new: bytes | None) -> None:
        self.records.append((sequence, at, expired, old, new))
        if self.records[0][1] < at - RECORD_SECONDS - _TRIM_SECONDS:
            self.trim(at)

    def trim(self, now: float) -> None:
        """Forget the records that all consumers with a saved position have read, and those that are too old."""
        read = min(self.processed.values(), default=0)
        max_seconds = UNPROCESSED_RECORD_SECONDS if self.processed else RECORD_SECONDS
        kept = (position for position, (sequence, at, *_) in enumerate(self.records) if sequence > read and now - at <= max_seconds)
        del self.records[: next(kept, len(self.records))]

    def after(self, sequence: int) -> int:
        """Return the index of the first record after a sequence number."""
        return bisect_right(self.records, sequence, key=itemgetter(0))

    def shard(self, record: Record) -> int:
        """Return the number of the shard that has a record, which is the same for all records of an item."""
        return crc32(str(sortable(decode_item(record[3] or record[4] or b"")[self.key_names[0]])).encode()) % SHARD_COUNT

    def wire_record(self, record: Record, region: str, *, for_lambda: bool = False) -> dict[str, Any]:
        """Return a record as GetRecords does, or as Lambda passes it to a handler."""
        sequence, at, expired, *encoded = record
        old, new = (decode_item(image) if image is not None else None for image in encoded)
        item: Item = old or new or {}
        images: dict[str, Item] = {"Keys": {name: item[name] for name in self.key_names}}
        if new is not None and "NEW" in self.view:
            images["NewImage"] = new
        if old is not None and "OLD" in self.view:
            images["OldImage"] = old
        change = {"ApproximateCreationDateTime": int(at), "SequenceNumber": sequence_text(sequence), "StreamViewType": self.view}
        wire: dict[str, Any] = {
            "eventID": f"{sequence:032x}",
            "eventName": "INSERT" if old is None else "MODIFY" if new is not None else "REMOVE",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": region,
            "dynamodb": {**change, **images, "SizeBytes": sum(map(item_size, images.values()))},
        }
        if expired:
            identity = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
            wire["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in identity.items()} if for_lambda else identity
        return {**wire, "eventSourceARN": self.arn} if for_lambda else wire


def sequence_text(sequence: int) -> str:
    return str(_FIRST_SEQUENCE + sequence)


def sequence_number(text: str) -> int:
    """Return the number in a sequence number's text; 0 for an empty text, before all records."""
    return int(text) - _FIRST_SEQUENCE if text else 0


# Operations


def _stream(engine: Any, arn: str) -> Stream:
    refuse_if(not arn.startswith("arn:"), f"Invalid StreamArn: {arn}")
    stream: Stream | None = engine.streams.get(arn)
    if stream is None:
        raise ApiError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
    return stream


def _limit(request: Request, highest: int) -> int:
    limit: int = request.get("Limit", highest)
    refuse_if(limit > highest, f"Limit must be less than or equal to {highest}, not {limit}")
    return limit


def list_streams(engine: Any, request: Request) -> Request:
    limit, start = _limit(request, _MAX_LISTED), request.get("ExclusiveStartStreamArn", "")
    refuse_if(start and not start.startswith("arn:"), f"Invalid StreamArn: {start}")
    with engine.lock:
        engine.forget_closed_streams()
        streams = sorted((stream.arn, stream) for stream in engine.streams.values() if stream.arn > start)
    found = [stream.names for _, stream in streams if stream.names["TableName"] == request.get("TableName", stream.names["TableName"])]
    return {"Streams": found[:limit], **({"LastEvaluatedStreamArn": found[limit - 1]["StreamArn"]} if len(found) > limit else {})}


def describe_stream(engine: Any, request: Request) -> Request:
    stream, limit = _stream(engine, request["StreamArn"]), _limit(request, _MAX_LISTED)
    wanted = request.get("ShardFilter")
    refuse_if(wanted is not None and not wanted.keys() >= {"Type", "ShardId"}, "ShardFilter must have a Type and a ShardId")
    # A shard has no children: shards last as long as their stream.
    start, span = request.get("ExclusiveStartShardId", ""), {"StartingSequenceNumber": sequence_text(stream.definition["sequence"] + 1)}
    if stream.closed_at is not None:
        span["EndingSequenceNumber"] = sequence_text(stream.definition["end"])
    shards = [{"ShardId": shard, "SequenceNumberRange": span} for shard in stream.shard_ids if wanted is None and shard > start]
    description = {
        **stream.names,
        "StreamStatus": "ENABLED" if stream.closed_at is None else "DISABLED",
        "StreamViewType": stream.view,
        "CreationRequestDateTime": stream.definition["created"],
        "KeySchema": stream.definition["key_schema"],
        "Shards": shards[:limit],
        **({"LastEvaluatedShardId": shards[limit - 1]["ShardId"]} if len(shards) > limit else {}),
    }
    return {"StreamDescription": description}


def get_shard_iterator(engine: Any, request: Request) -> Request:
    stream, shard_id = _stream(engine, request["StreamArn"]), request["ShardId"]
    if shard_id not in stream.shard_ids:
        raise ApiError("ResourceNotFoundException", f"Requested resource not found: Shard {shard_id} in stream {stream.arn} not found")
    kind, text = request["ShardIteratorType"], request.get("SequenceNumber")
    position = engine.sequence if kind == "LATEST" else 0
    refuse_if((text is not None) != kind.endswith("SEQUENCE_NUMBER"), f"{kind} {'does not allow' if text else 'needs'} a SequenceNumber")
    if text is not None:
        is_valid = text.isdigit() and stream.definition["sequence"] < sequence_number(text) <= engine.sequence + 1
        refuse_if(not is_valid, f"Invalid SequenceNumber: {text}")
        position = sequence_number(text) - (kind == "AT_SEQUENCE_NUMBER")
    return {"ShardIterator": _iterator(engine, stream, stream.shard_ids.index(shard_id), position)}


def _iterator(engine: Any, stream: Stream, shard: int, position: int) -> str:
    return base64.b64encode(msgspec.json.encode((stream.arn, shard, position, engine.clock()))).decode()


def get_records(engine: Any, request: Request) -> Request:
    try:
        arn, shard, position, created_at = msgspec.json.decode(base64.b64decode(request["ShardIterator"]), type=tuple[str, int, int, float])
    except (ValueError, msgspec.DecodeError):
        raise invalid("Invalid ShardIterator") from None
    stream, limit = _stream(engine, arn), _limit(request, _MAX_RECORDS)
    if engine.clock() - created_at > _ITERATOR_SECONDS:
        raise ApiError("ExpiredIteratorException", "Iterator expired. The iterator is older than 15 minutes")
    with engine.lock:
        stream.trim(engine.clock())
        start = stream.after(position)
        scanned, pending = stream.records[start : start + _MAX_SCANNED], engine.last_pending
    engine.settle(pending)
    found, size = list[Record](), 0
    for record in scanned:
        if stream.shard(record) == shard:
            if len(found) == limit or size > _MAX_BYTES:
                break
            found.append(record)
            size += len(record[3] or b"") + len(record[4] or b"")
        position = record[0]
    following = {"NextShardIterator": _iterator(engine, stream, shard, position)} if stream.closed_at is None or scanned else {}
    return {"Records": [stream.wire_record(record, engine.region) for record in found], **following}
