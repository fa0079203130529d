"""Reads folders of the former engine, which kept its snapshots and its journal in SQLite, so that they can be converted once."""

import logging
import sqlite3
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from devtools.dynamodb.engine import Record
from devtools.dynamodb.journal import FORMER_FILE, StoreDamaged
from devtools.dynamodb.streams import sequence_number
from devtools.dynamodb.values import encode_item

_MARK = struct.Struct("<q16s")  # in store.witness, twice: the number of the last entry, the digest of the journal up to it
_decode = msgspec.msgpack.decode
_log = logging.getLogger(__name__)


def read_former_store(folder: Path) -> list[Record]:
    """Return the records of the state in the folder, without transaction tokens. Returns none if the folder is not a former engine's.

    Raises StoreDamaged; nothing is changed.
    """
    file = folder / FORMER_FILE
    if not file.exists():
        return []
    _log.warning("%s is converted. Its file %s is not read again: delete it, or keep it as a copy.", folder, FORMER_FILE)
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
    """Return records that make the same changes to tables and items, and then the streams of the tables."""
    records, stream_records = list[Record](), list[Record]()
    positions, arns, sequence = {}, set(), 0
    for kind, name, *values in changes:
        if kind == "t":
            definition = _definition(name, *values) if values[0] is not None else None
            records.append(("t", name, definition, 0.0))
            arns |= {definition["stream"]["arn"]} if definition and "stream" in definition else set()
        elif kind in ("p", "d"):
            records.append((kind, name, encode_item(values[0]), 0, 0.0))
        elif kind == "h":
            positions[name] = ("h", name, *values)
        elif kind == "n":
            sequence = max(sequence, name)
        elif kind == "r":
            stream_records.append(_change_record(values[0]))
            sequence = max(sequence, stream_records[-1][2])
    return [*records, *positions.values(), *(record for record in stream_records if record[1] in arns), ("n", sequence)]


def _definition(name: str, former: Any, ttl: Any, tags: Any, *_: Any) -> dict[str, Any]:
    description = {key: value for key, value in former.items() if value not in (None, []) and key not in ("pk_name", "sk_name")}
    definition = {
        "description": description,
        "ttl": ttl["AttributeName"] if ttl and ttl["TimeToLiveStatus"] == "ENABLED" else None,
        "tags": {tag["Key"]: tag["Value"] for tag in tags or ()},
    }
    if (former.get("StreamSpecification") or {}).get("StreamEnabled"):
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


def _change_record(record: Any) -> Record:
    """Return the change record in the current form. Its images have only the keys if the stream has no images."""
    change, event = record["dynamodb"], record["eventName"]
    old = encode_item(change.get("OldImage", change["Keys"])) if event != "INSERT" else None
    new = encode_item(change.get("NewImage", change["Keys"])) if event != "REMOVE" else None
    number, at = sequence_number(change["SequenceNumber"]), change["ApproximateCreationDateTime"]
    return "c", record["eventSourceARN"], number, at, "userIdentity" in record, old, new
