"""The catalog's items: the head, versions in parts beside each other, what the API made, and which events are paused.

| pk | sk | what |
| --- | --- | --- |
| `head` | `head` | which version is served; `revision` counts every change that readers could see |
| `counter` | `version` | the last version number that was given out |
| `versions` | `<number>` | one for each version that was ever the head |
| `version#<number>` | `part#<i>`, `document#<i>` | the version as readers load it, and the file's document |
| `live` | `event#<id>`, `tier#<id>`, `pause#<event id>` | made or set through the API |
"""

import zlib
from collections.abc import Iterable
from typing import Any

import msgspec
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib import dynamo
from chalicelib.catalog.model import Catalog, Content, Event, Head, Tier

PART_BYTES = 300_000  # an item has 400 KB at most


class Record(dynamo.Table):
    feature = "catalog"

    class Meta:
        table_name = None

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = BinaryAttribute(legacy_encoding=False, null=True)
    text = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)
    revision = NumberAttribute(null=True)
    checksum = UnicodeAttribute(null=True)
    at = NumberAttribute(null=True)
    by = UnicodeAttribute(null=True)


def read_head() -> Head:
    """Strongly consistent; one read unit."""
    found = Record.find("head", "head")
    return Head() if found is None else _head(found)


def load(head: Head) -> Catalog:
    """The catalog as of `head`: its version and what the API made, in at least two queries."""
    content = _content(head.version) if head.version else Content([], [], {})
    made_events: list[Event] = []
    made_tiers: list[Tier] = []
    paused = set()
    for item in Record.query("live", consistent_read=True):
        kind, _, name = item.sk.partition("#")
        if kind == "pause":
            paused.add(name)
        elif kind == "event":
            made_events.append(msgspec.json.decode(item.text, type=Event))
        else:
            made_tiers.append(msgspec.json.decode(item.text, type=Tier))
    events = [msgspec.structs.replace(event, paused=True) if event.id in paused else event for event in (*content.events, *made_events)]
    return Catalog.of(events, (*content.tiers, *made_tiers), content.states, version=head.version, revision=head.revision)


def document(version: int) -> bytes | None:
    """The bootstrap document (JSON) of a version that was the head once, else None."""
    if Record.find("versions", _number(version)) is None:
        return None
    return _joined(version, "document")


def versions(limit: int) -> list[Head]:
    """The latest heads, newest first."""
    found = Record.query("versions", scan_index_forward=False, limit=limit, consistent_read=True)
    return [_head(item) for item in found]


def new_version() -> int:
    """A version number that nobody ever had."""
    counter = Record("counter", "version")
    counter.update([Record.version.add(1)])
    return int(counter.version)


def write_version(version: int, content: Content, document: bytes) -> None:
    """Put a version beside the others; nobody reads it before `flip`."""
    parts = [*_parts(version, "part", msgspec.json.encode(content)), *_parts(version, "document", document)]
    dynamo.batch_put(Record.name(), (part.serialize() for part in parts))


def flip(read: Head, to: Head) -> list[dynamo.TransactItem]:
    """Transaction items that make `to` the head, unless anything changed since `read`: an apply, a pause, an API call.

    Without the condition an apply that stalled would bring back an old version, or forget to close the new shards of an
    event that was paused meanwhile.
    """
    actions = [
        Record.version.set(to.version),
        Record.revision.set(to.revision),
        Record.checksum.set(to.checksum),
        Record.at.set(to.at),
        Record.by.set(to.by),
    ]
    listed = Record("versions", _number(to.version), **msgspec.structs.asdict(to))
    return [dynamo.update(Record("head", "head"), actions, _unmoved(read.revision)), dynamo.put(listed)]


def bump(read: int | None = None) -> dynamo.TransactItem:
    """Transaction item that tells all readers that something changed; with `read`, only if nothing changed since that revision."""
    return dynamo.update(Record("head", "head"), [Record.revision.add(1)], None if read is None else _unmoved(read))


def put_event(event: Event) -> dynamo.TransactItem:
    return _put_made(f"event#{event.id}", event)


def put_tier(tier: Tier) -> dynamo.TransactItem:
    return _put_made(f"tier#{tier.id}", tier)


def set_paused(event_id: str, paused: bool, by: str, now: int) -> dynamo.TransactItem:
    flag = Record("live", f"pause#{event_id}", by=by, at=now)
    return dynamo.put(flag) if paused else dynamo.delete(flag)


def is_paused(event_id: str) -> bool:
    return Record.find("live", f"pause#{event_id}") is not None


def _put_made(key: str, made: Event | Tier) -> dynamo.TransactItem:
    # Absent: a creation that is repeated after it was committed must not be a second one.
    absent: Condition = Record.pk.does_not_exist()
    return dynamo.put(Record("live", key, text=msgspec.json.encode(made).decode()), absent)


def _unmoved(revision: int) -> Condition:
    condition: Condition = Record.revision == revision if revision else Record.revision.does_not_exist()
    return condition


def _head(item: Record) -> Head:
    return Head(
        version=int(item.version or 0),
        revision=int(item.revision or 0),
        checksum=item.checksum or "",
        at=int(item.at or 0),
        by=item.by or "",
    )


def _number(version: int) -> str:
    return f"{version:010d}"


def _parts(version: int, kind: str, raw: bytes) -> Iterable[Record]:
    packed = zlib.compress(raw)
    for index, start in enumerate(range(0, len(packed), PART_BYTES)):
        yield Record(f"version#{_number(version)}", f"{kind}#{index:04d}", body=packed[start : start + PART_BYTES])


def _content(version: int) -> Content:
    return msgspec.json.decode(_joined(version, "part"), type=Content)


def _joined(version: int, kind: str) -> bytes:
    belongs: Any = Record.sk.startswith(f"{kind}#")
    found = Record.query(f"version#{_number(version)}", belongs, consistent_read=True)
    return zlib.decompress(b"".join(part.body for part in found))
