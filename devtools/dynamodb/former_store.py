"""Reads folders of the former engine, which kept its snapshots and its journal in SQLite, so that they can be converted once."""

import sqlite3
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from devtools.dynamodb.engine import Record
from devtools.dynamodb.journal import StoreDamaged
from devtools.dynamodb.streams import sequence_number
from devtools.dynamodb.values import encode_item

FORMER_FILE = "store.sqlite"
_MARK = struct.Struct("<q16s")  # in store.witness, twice: the number of the last entry, the digest of the journal up to it
_decode = msgspec.msgpack.decode


def read_former_store(folder: Path) -> list[Record]:
    """Return the records of the state in the folder, without transaction tokens and the change records of closed streams.

    Raises StoreDamaged; nothing is changed.
    """
    file = folder / FORMER_FILE
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return _records(_changes(connection, (folder / "store.witness").read_bytes()))
    except (sqlite3.Error, OSError, msgspec.MsgspecError, struct.error, ValueError, LookupError, TypeError) as damage:
        raise StoreDamaged(f"{file} is damaged ({damage}).") from damage
    finally:
        connection.close()


def _changes(connection: sqlite3.Connection, witness: bytes) -> list[Any]:
    """Return the changes that made the state. Raises ValueError if the files are damaged."""
    ((head, head_digest),) = connection.execute("SELECT head, digest FROM head").fetchall()
    generation, part_count, last_entry, _, (end, digest) = _decode(head)
    parts = connection.execute("SELECT effects, digest FROM snapshot WHERE generation = ? ORDER BY part", (generation,)).fetchall()
    is_whole = _digest(head) == head_digest and len(parts) == part_count and all(_digest(part) == expected for part, expected in parts)
    changes = [change for part, _ in parts for change in _decode(part)]
    for last, content, expected in connection.execute("SELECT last, entries, digest FROM journal WHERE last > ? ORDER BY first", (end,)):
        end, digest = last, _digest(content, digest)
        is_whole = is_whole and digest == expected
        changes += [change for number, _, entry, _ in _decode(content) if number > last_entry for change in entry]
    marks = [_MARK.unpack_from(slot) for slot in (witness[:64], witness[64:]) if slot[24:32] == blake2b(slot[:24], digest_size=8).digest()]
    if not is_whole or max(marks)[0] > end:
        raise ValueError("a part of it is damaged or lost")
    return changes


def _digest(content: bytes, previous: bytes = b"") -> bytes:
    return blake2b(content, digest_size=16, key=previous).digest()


def _records(changes: list[Any]) -> list[Record]:
    definitions: dict[str, Any] = {}
    items: dict[str, dict[Any, Any]] = {}
    change_records: dict[str, list[Any]] = {}
    positions, sequence = {}, 0
    for kind, *values in changes:
        if kind == "t" and values[1] is None:
            del definitions[values[0]], items[values[0]]
        elif kind == "t":
            definitions[values[0]] = values[1:]
            items.setdefault(values[0], {})
        elif kind in ("p", "d"):
            name, attributes = values
            key = tuple(encode_item(attributes[element["AttributeName"]]) for element in definitions[name][0]["KeySchema"])
            items[name].pop(key, None)
            if kind == "p":
                items[name][key] = attributes
        elif kind == "r":
            change_records.setdefault(values[1]["eventSourceARN"], []).append(values[1])
            sequence = max(sequence, sequence_number(values[1]["dynamodb"]["SequenceNumber"]))
        elif kind == "h":
            positions[values[0]] = values[1:]
        elif kind == "n":
            sequence = max(sequence, values[0])
    records: list[Record] = []
    for name, (former, *settings) in definitions.items():
        records.append(("t", name, _definition(name, former, *settings), 0.0))
        records += [("p", name, encode_item(item), 0, 0.0) for item in items[name].values()]
    records += [("h", consumer, *position) for consumer, position in positions.items()]
    arns = [former["LatestStreamArn"] for former, *_ in definitions.values() if _has_stream(former)]
    records += [("c", arn, *_change_record(record)) for arn in arns for record in change_records.get(arn, ())]
    return [*records, ("n", sequence)]


def _has_stream(description: Any) -> bool:
    return bool((description.get("StreamSpecification") or {}).get("StreamEnabled"))


def _definition(name: str, former: Any, ttl: Any, tags: Any, pitr: Any) -> dict[str, Any]:
    description = {key: value for key, value in former.items() if value not in (None, []) and key not in ("pk_name", "sk_name")}
    definition = {
        "description": description,
        "ttl": ttl["AttributeName"] if ttl and ttl["TimeToLiveStatus"] == "ENABLED" else None,
        "tags": {tag["Key"]: tag["Value"] for tag in tags or ()},
        "pitr": bool(pitr),
    }
    if _has_stream(former):
        definition["stream"] = {
            "table": name,
            "arn": former["LatestStreamArn"],
            "label": former["LatestStreamLabel"],
            "view": former["StreamSpecification"]["StreamViewType"],
            "created": former["CreationDateTime"],
            "sequence": 0,
            "key_schema": former["KeySchema"],
        }
    return definition


def _change_record(record: Any) -> tuple[int, float, bool, bytes | None, bytes | None]:
    """Return sequence number, time, whether the item expired, old and new image, which has only the keys if the stream has no images."""
    change, event = record["dynamodb"], record["eventName"]
    old = encode_item(change.get("OldImage", change["Keys"])) if event != "INSERT" else None
    new = encode_item(change.get("NewImage", change["Keys"])) if event != "REMOVE" else None
    return sequence_number(change["SequenceNumber"]), change["ApproximateCreationDateTime"], "userIdentity" in record, old, new
