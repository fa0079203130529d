"""DynamoDB Streams: change records, shards and iterators; and the positions of consumers that read as Lambda does."""

import base64
from bisect import bisect_right
from operator import itemgetter
from typing import Any
from zlib import crc32

import msgspec

from devtools.dynamodb_engine.tables import Key
from devtools.dynamodb_engine.values import ApiError, Item, decode_item, invalid, item_size, sortable

SHARD_COUNT = 4
RECORD_SECONDS = 24 * 60 * 60
UNPROCESSED_RECORD_SECONDS = 7 * RECORD_SECONDS  # for records that a consumer with a saved position has not processed yet
TRIM_SECONDS = 60  # how much older records grow before they are removed, so that not every write removes some
ITERATOR_SECONDS = 15 * 60
_FIRST_SEQUENCE = 10**20  # DynamoDB's sequence numbers have 21 digits or more
_MAX_RECORDS, _MAX_SCANNED, _MAX_BYTES = 1000, 10_000, 1024 * 1024

# A change record: sequence, time, shard, whether the time to live was over, the encoded old and new item.
Record = tuple[int, float, int, bool, bytes | None, bytes | None]
_sequence = itemgetter(0)


class Stream:
    """The change records of a table since its stream was switched on. `closed_at`: when it was switched off."""

    def __init__(self, arn: str, definition: dict[str, Any]) -> None:
        self.arn, self.definition = arn, definition
        self.table_name: str = definition["table"]
        self.key_names = [element["AttributeName"] for element in definition["key_schema"]]
        self.view: str = definition["view"]
        self.closed_at: float | None = definition.get("closed_at")
        self.records: list[Record] = []
        self.processed: dict[str, int] = {}  # consumer -> the last sequence number that it has processed

    def add(self, key: Key, sequence: int, at: float, expired: bool, old: bytes | None, new: bytes | None) -> None:
        shard = crc32(str(key[0]).encode()) % SHARD_COUNT
        self.records.append((sequence, at, shard, expired, old, new))
        if self.records[0][1] < at - RECORD_SECONDS - TRIM_SECONDS:
            self.trim(at)

    def trim(self, now: float) -> None:
        """Forget the records that are older than 24 hours, unless a consumer is waiting for them."""
        unprocessed = min(self.processed.values(), default=2**63)
        count = 0
        for sequence, at, *_ in self.records:
            if now - at <= (RECORD_SECONDS if sequence <= unprocessed else UNPROCESSED_RECORD_SECONDS):
                break
            count += 1
        del self.records[:count]

    def after(self, sequence: int) -> int:
        """The index of the first record after a sequence number."""
        return bisect_right(self.records, sequence, key=_sequence)

    def shards(self) -> list[dict[str, Any]]:
        spans = {"StartingSequenceNumber": sequence_text(self.definition["sequence"] + 1)}
        if self.closed_at is not None:
            spans["EndingSequenceNumber"] = sequence_text(self.definition["end"])
        return [{"ShardId": shard, "SequenceNumberRange": spans} for shard in self.shard_ids()]

    def shard_ids(self) -> list[str]:
        created = int(self.definition["created"] * 1000)
        return [f"shardId-{created:020}-{shard:08x}" for shard in range(SHARD_COUNT)]

    def wire_record(self, record: Record, region: str) -> dict[str, Any]:
        """A record as GetRecords returns it."""
        sequence, at, _, expired, *encoded = record
        old, new = (decode_item(image) if image is not None else None for image in encoded)
        image: Item = old or new or {}
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": int(at),
            "Keys": {name: image[name] for name in self.key_names},
            "SequenceNumber": sequence_text(sequence),
            "StreamViewType": self.view,
        }
        if new is not None and self.view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
            change["NewImage"] = new
        if old is not None and self.view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
            change["OldImage"] = old
        change["SizeBytes"] = sum(item_size(change[part]) for part in ("Keys", "NewImage", "OldImage") if part in change)
        wire = {
            "eventID": f"{sequence:032x}",
            "eventName": "INSERT" if old is None else "MODIFY" if new is not None else "REMOVE",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": region,
            "dynamodb": change,
        }
        if expired:
            wire["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
        return wire

    def lambda_record(self, record: Record, region: str) -> dict[str, Any]:
        """A record as Lambda passes it to a handler."""
        wire = {**self.wire_record(record, region), "eventSourceARN": self.arn}
        if "userIdentity" in wire:
            wire["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        return wire


def sequence_text(sequence: int) -> str:
    return str(_FIRST_SEQUENCE + sequence)


def sequence_number(text: str) -> int:
    """The number behind a sequence number's text; 0 for an empty text, before all records."""
    return int(text) - _FIRST_SEQUENCE if text else 0


def key_at(stream: Stream, image: bytes) -> Key:
    """The key of an encoded item of the stream's table."""
    item = decode_item(image)
    return tuple(sortable(item[name]) for name in stream.key_names)


def stream_at(engine: Any, arn: str) -> Stream:
    stream = engine.streams.get(arn)
    if stream is None:
        raise ApiError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
    return stream  # type: ignore[no-any-return]


# Operations


def list_streams(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    with engine.lock:
        engine.forget_closed_streams()
        arns = sorted(arn for arn, stream in engine.streams.items() if request.get("TableName", stream.table_name) == stream.table_name)
    start = request.get("ExclusiveStartStreamArn", "")
    arns = [arn for arn in arns if arn > start]
    page = arns[: request.get("Limit", 100)]
    streams = [
        {"StreamArn": arn, "TableName": engine.streams[arn].table_name, "StreamLabel": engine.streams[arn].definition["label"]}
        for arn in page
    ]
    return {"Streams": streams, **({"LastEvaluatedStreamArn": page[-1]} if len(page) < len(arns) else {})}


def describe_stream(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    stream = stream_at(engine, request["StreamArn"])
    definition = stream.definition
    shards = stream.shards()
    shards = [shard for shard in shards if shard["ShardId"] > request.get("ExclusiveStartShardId", "")]
    page = shards[: request.get("Limit", 100)]
    description = {
        "StreamArn": stream.arn,
        "StreamLabel": definition["label"],
        "StreamStatus": "ENABLED" if stream.closed_at is None else "DISABLED",
        "StreamViewType": stream.view,
        "CreationRequestDateTime": definition["created"],
        "TableName": stream.table_name,
        "KeySchema": definition["key_schema"],
        "Shards": page,
    }
    if len(page) < len(shards):
        description["LastEvaluatedShardId"] = page[-1]["ShardId"]
    return {"StreamDescription": description}


def get_shard_iterator(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    stream, shard_id = stream_at(engine, request["StreamArn"]), request["ShardId"]
    if shard_id not in stream.shard_ids():
        raise ApiError("ResourceNotFoundException", f"Requested resource not found: Shard {shard_id} in stream {stream.arn} not found")
    kind, text = request["ShardIteratorType"], request.get("SequenceNumber")
    if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        if not text or not text.isdigit():
            raise invalid(f"SequenceNumber must be given for the ShardIteratorType {kind}")
        position = sequence_number(text) - (kind == "AT_SEQUENCE_NUMBER")
        if not stream.definition["sequence"] <= position <= engine.sequence:
            raise invalid(f"Invalid SequenceNumber: {text} is not in the shard's range")
    elif text:
        raise invalid(f"SequenceNumber must not be given for the ShardIteratorType {kind}")
    else:
        position = engine.sequence if kind == "LATEST" else 0
    return {"ShardIterator": _iterator(engine, stream, stream.shard_ids().index(shard_id), position)}


def get_records(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    try:
        arn, _, token = request["ShardIterator"].rpartition("|")
        shard, position, created_at = msgspec.json.decode(base64.b64decode(token), type=tuple[int, int, float])
    except (ValueError, msgspec.DecodeError):
        raise invalid("Invalid ShardIterator") from None
    stream = stream_at(engine, arn.partition("|")[2] or arn)
    if engine.clock() - created_at > ITERATOR_SECONDS:
        raise ApiError("ExpiredIteratorException", "Iterator expired. The iterator is older than 15 minutes")
    found: list[Record] = []
    with engine.lock:
        stream.trim(engine.clock())
        start, size = stream.after(position), 0
        scanned = stream.records[start : start + _MAX_SCANNED]
        pending = engine.last_pending
    engine.await_reading(pending)
    for record in scanned:
        if record[2] == shard:
            if len(found) == request.get("Limit", _MAX_RECORDS) or size > _MAX_BYTES:
                break
            found.append(record)
            size += len(record[4] or b"") + len(record[5] or b"")
        position = record[0]
    response: dict[str, Any] = {"Records": [stream.wire_record(record, engine.region) for record in found]}
    if stream.closed_at is None or scanned:
        response["NextShardIterator"] = _iterator(engine, stream, shard, position)
    return response


def _iterator(engine: Any, stream: Stream, shard: int, position: int) -> str:
    token = base64.b64encode(msgspec.json.encode((shard, position, engine.clock()))).decode()
    return f"000000000000000000000000|{stream.arn}|{token}"
