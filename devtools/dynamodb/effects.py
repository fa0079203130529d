"""What calls do to a store, as values: the words of the journal and of the snapshots."""

from typing import Any

import msgspec

Item = dict[str, Any]  # attribute name -> DynamoDB's attribute value, such as {"S": "a"}; binaries are base64 text


class Put(msgspec.Struct, array_like=True, tag="p"):
    """The item is there as a whole."""

    table: str
    item: Item


class Remove(msgspec.Struct, array_like=True, tag="d"):
    """The item with this key is not there."""

    table: str
    key: Item


class Emit(msgspec.Struct, array_like=True, tag="r"):
    """A change record, in the shape that Lambda gets, at the end of the table's stream."""

    table: str
    record: dict[str, Any]


class Define(msgspec.Struct, array_like=True, tag="t"):
    """The table is so, without its items; no definition: there is no such table."""

    table: str
    definition: dict[str, Any] | None
    ttl: dict[str, Any] | None = None
    tags: list[dict[str, Any]] | None = None
    pitr: bool | None = None


class Remember(msgspec.Struct, array_like=True, tag="k"):
    """A transaction's ClientRequestToken: what it asked for (a digest) and what it was answered."""

    token: str
    digest: bytes
    response: dict[str, Any]
    sizes: dict[str, list[int]]
    completed_at: float


class Handled(msgspec.Struct, array_like=True, tag="h"):
    """A stream's consumer is done with everything up to this sequence number ("": with nothing yet)."""

    consumer: str
    stream: str
    sequence: str


class Trimmed(msgspec.Struct, array_like=True, tag="m"):
    """How many records the table's stream has lost to age: positions count from its first record ever."""

    table: str
    count: int


class Closed(msgspec.Struct, array_like=True, tag="c"):
    """A stream that was switched off, or whose table is gone, with the records that can still be read."""

    stream: str
    contents: dict[str, Any]


class Count(msgspec.Struct, array_like=True, tag="n"):
    """The last sequence number that any stream has used."""

    sequence: int


Effect = Put | Remove | Emit | Define | Remember | Handled | Trimmed | Closed | Count


class Entry(msgspec.Struct, array_like=True):
    """All effects of one call: they happened at once. `checksum` is that of the tables afterwards."""

    number: int
    at: float
    effects: list[Effect]
    checksum: int


encoder = msgspec.msgpack.Encoder()
entries = msgspec.msgpack.Decoder(list[Entry])
snapshot_part = msgspec.msgpack.Decoder(list[Effect])
