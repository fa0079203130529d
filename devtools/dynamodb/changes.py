"""The changes that calls make to a store, as values: the journal and the snapshots consist of them.

The tags and the order of the fields are the format on disk; the names are not part of it.
"""

from typing import Any

import msgspec

Item = dict[str, Any]  # attribute name -> DynamoDB's attribute value, such as {"S": "a"}; binaries are base64 text


class ItemPut(msgspec.Struct, array_like=True, tag="p"):
    """The table contains exactly this item under its key."""

    table: str
    item: Item


class ItemDeletion(msgspec.Struct, array_like=True, tag="d"):
    """The table contains no item with this key."""

    table: str
    key: Item


class StreamRecord(msgspec.Struct, array_like=True, tag="r"):
    """A change record, in the shape that Lambda receives, is appended to the table's stream."""

    table: str
    record: dict[str, Any]


class TableDefinition(msgspec.Struct, array_like=True, tag="t"):
    """The table has this definition and these settings, its items aside. Without a definition, the table does not exist."""

    table: str
    definition: dict[str, Any] | None
    ttl: dict[str, Any] | None = None
    tags: list[dict[str, Any]] | None = None
    pitr: bool | None = None


class TransactionToken(msgspec.Struct, array_like=True, tag="k"):
    """A transaction's ClientRequestToken, with a digest of its request and the response that was sent."""

    token: str
    digest: bytes
    response: dict[str, Any]
    sizes: dict[str, list[int]]
    completed_at: float


class ConsumerPosition(msgspec.Struct, array_like=True, tag="h"):
    """A consumer has processed its stream up to and including this sequence number ("": nothing yet)."""

    consumer: str
    stream: str
    sequence: str


class TrimmedRecords(msgspec.Struct, array_like=True, tag="m"):
    """The number of records that were trimmed from the table's stream so far: positions count from the first record ever."""

    table: str
    count: int


class ClosedStream(msgspec.Struct, array_like=True, tag="c"):
    """A stream that was switched off, or whose table was deleted, with the records that can still be read."""

    stream: str
    contents: dict[str, Any]


class SequenceCounter(msgspec.Struct, array_like=True, tag="n"):
    """The last sequence number that any stream has used."""

    sequence: int


Change = (
    ItemPut
    | ItemDeletion
    | StreamRecord
    | TableDefinition
    | TransactionToken
    | ConsumerPosition
    | TrimmedRecords
    | ClosedStream
    | SequenceCounter
)


class JournalEntry(msgspec.Struct, array_like=True):
    """All changes of one call, which happened at once. `checksum` is that of the tables after them."""

    number: int
    at: float
    changes: list[Change]
    checksum: int


encoder = msgspec.msgpack.Encoder()
entries_decoder = msgspec.msgpack.Decoder(list[JournalEntry])
changes_decoder = msgspec.msgpack.Decoder(list[Change])
