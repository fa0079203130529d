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
from chalicelib.catalog.model import Catalog, CatalogHead, Event, Tier, VersionContent

PART_BYTES = 300_000  # an item has 400 KB at most


class CatalogRow(dynamo.Table):
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


def read_head() -> CatalogHead:
    """Strongly consistent; one read unit."""
    found = CatalogRow.find("head", "head")
    return CatalogHead() if found is None else _head(found)


def load(head: CatalogHead) -> Catalog:
    """The catalog as of `head`: its version and what the API made, in at least two queries."""
    content = _content(head.version) if head.version else VersionContent([], [], {})
    made_events: list[Event] = []
    made_tiers: list[Tier] = []
    paused = set()
    for item in CatalogRow.query("live", consistent_read=True):
        kind, _, name = item.sk.partition("#")
        if kind == "pause":
            paused.add(name)
        elif kind == "event":
            made_events.append(msgspec.json.decode(item.text, type=Event))
        else:
            made_tiers.append(msgspec.json.decode(item.text, type=Tier))
    events = [msgspec.structs.replace(event, paused=True) if event.id in paused else event for event in (*content.events, *made_events)]
    return Catalog.of(events, (*content.tiers, *made_tiers), content.states, version=head.version, revision=head.revision)


def load_document(version: int) -> bytes | None:
    """The bootstrap document (JSON) of a version that was the head once, else None."""
    if CatalogRow.find("versions", _number(version)) is None:
        return None
    return _load_parts(version, "document")


def list_versions(limit: int) -> list[CatalogHead]:
    """The latest heads, newest first."""
    found = CatalogRow.query("versions", scan_index_forward=False, limit=limit, consistent_read=True)
    return [_head(item) for item in found]


def allocate_version() -> int:
    """A version number that nobody ever had."""
    counter = CatalogRow("counter", "version")
    counter.update([CatalogRow.version.add(1)])
    return int(counter.version)


def write_version(version: int, content: VersionContent, document: bytes) -> None:
    """Put a version beside the others; nobody reads it before `flip`."""
    parts = [*_parts(version, "part", msgspec.json.encode(content)), *_parts(version, "document", document)]
    dynamo.batch_put(CatalogRow.name(), (part.serialize() for part in parts))


def move_head_items(read: CatalogHead, to: CatalogHead) -> list[dynamo.TransactItem]:
    """Transaction items that make `to` the head, unless anything changed since `read`: an apply, a pause, an API call.

    Without the condition an apply that stalled would bring back an old version, or forget to close the new shards of an
    event that was paused meanwhile.
    """
    actions = [
        CatalogRow.version.set(to.version),
        CatalogRow.revision.set(to.revision),
        CatalogRow.checksum.set(to.checksum),
        CatalogRow.at.set(to.at),
        CatalogRow.by.set(to.by),
    ]
    listed = CatalogRow("versions", _number(to.version), **msgspec.structs.asdict(to))
    return [dynamo.update(CatalogRow("head", "head"), actions, _head_unchanged(read.revision)), dynamo.put(listed)]


def bump_revision_item(read: int | None = None) -> dynamo.TransactItem:
    """Transaction item that tells all readers that something changed; with `read`, only if nothing changed since that revision."""
    return dynamo.update(CatalogRow("head", "head"), [CatalogRow.revision.add(1)], None if read is None else _head_unchanged(read))


def put_event_item(event: Event) -> dynamo.TransactItem:
    return _put_created_item(f"event#{event.id}", event)


def put_tier_item(tier: Tier) -> dynamo.TransactItem:
    return _put_created_item(f"tier#{tier.id}", tier)


def set_paused_item(event_id: str, paused: bool, by: str, now: int) -> dynamo.TransactItem:
    flag = CatalogRow("live", f"pause#{event_id}", by=by, at=now)
    return dynamo.put(flag) if paused else dynamo.delete(flag)


def is_paused(event_id: str) -> bool:
    return CatalogRow.find("live", f"pause#{event_id}") is not None


def _put_created_item(key: str, made: Event | Tier) -> dynamo.TransactItem:
    # Absent: a creation that is repeated after it was committed must not be a second one.
    absent: Condition = CatalogRow.pk.does_not_exist()
    return dynamo.put(CatalogRow("live", key, text=msgspec.json.encode(made).decode()), absent)


def _head_unchanged(revision: int) -> Condition:
    condition: Condition = CatalogRow.revision == revision if revision else CatalogRow.revision.does_not_exist()
    return condition


def _head(item: CatalogRow) -> CatalogHead:
    return CatalogHead(
        version=int(item.version or 0),
        revision=int(item.revision or 0),
        checksum=item.checksum or "",
        at=int(item.at or 0),
        by=item.by or "",
    )


def _number(version: int) -> str:
    return f"{version:010d}"


def _parts(version: int, kind: str, raw: bytes) -> Iterable[CatalogRow]:
    packed = zlib.compress(raw)
    for index, start in enumerate(range(0, len(packed), PART_BYTES)):
        yield CatalogRow(f"version#{_number(version)}", f"{kind}#{index:04d}", body=packed[start : start + PART_BYTES])


def _content(version: int) -> VersionContent:
    return msgspec.json.decode(_load_parts(version, "part"), type=VersionContent)


def _load_parts(version: int, kind: str) -> bytes:
    belongs: Any = CatalogRow.sk.startswith(f"{kind}#")
    found = CatalogRow.query(f"version#{_number(version)}", belongs, consistent_read=True)
    return zlib.decompress(b"".join(part.body for part in found))
