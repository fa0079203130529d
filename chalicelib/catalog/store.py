"""The catalog's table: the head, the versions, the entries created through the API, and the pause flags.

| pk | sk | content |
| --- | --- | --- |
| `head` | `head` | the served version and the current revision |
| `counter` | `version` | the number of the latest publication |
| `versions` | `<number>` | one item for each version that was ever served |
| `version#<number>` | `part#<i>`, `document#<i>` | the content of the version, and its bootstrap file |
| `publications` | `<number>` | an unfinished publication: its start, and whether it was abandoned |
| `live` | `event#<id>`, `tier#<id>`, `pause#<event id>` | entries created through the API, and pause flags |
| `live` | `pause#promoter#<user id>` | stopped promoters: locked, or no longer promoters |
"""

import zlib
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct
from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.catalog.model import Catalog, CatalogHead, Event, Tier, VersionContent
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel

PART_BYTES = 300_000  # an item may have 400 KB
_PROMOTER = "promoter#"  # in the sort key of a stopped promoter; event ids have no #


class CatalogRow(dynamo.Table):
    feature = "catalog"
    contents = "The head of the catalog, the parts of its versions, and the events and tiers made through the API."
    personal_data = dynamo.PersonalData("who changed what", export="no", erasure="stays, with the user id")
    has_stream = True

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
    abandoned = BooleanAttribute(null=True)


class PublicationRecord(Struct, frozen=True):
    """An unfinished publication. `begun_at` is in epoch seconds."""

    number: int
    begun_at: int
    is_abandoned: bool


def read_head() -> CatalogHead:
    """Read the head with strong consistency. Costs one read unit."""
    row = CatalogRow.find("head", "head")
    return CatalogHead() if row is None else _head(row)


def load(head: CatalogHead) -> Catalog:
    """Load the catalog of `head`: its version, and the entries created through the API. Takes at least two queries."""
    content = load_content(head.version)
    api_events: list[Event] = []
    api_tiers: list[Tier] = []
    paused, stopped = set[str](), set[str]()
    for row in CatalogRow.query("live", consistent_read=True):
        kind, _, event_id = row.sk.partition("#")
        if kind == "pause":
            (stopped if event_id.startswith(_PROMOTER) else paused).add(event_id.removeprefix(_PROMOTER))
        elif kind == "event":
            api_events.append(msgspec.json.decode(row.text, type=Event))
        else:
            api_tiers.append(msgspec.json.decode(row.text, type=Tier))
    events = [msgspec.structs.replace(event, paused=True) if event.id in paused else event for event in (*content.events, *api_events)]
    return Catalog.build(events, (*content.tiers, *api_tiers), content.states, head=head, stopped_promoters=frozenset(stopped))


def read_image(image: dict[str, Any]) -> Event | Tier | None:
    """Return the event or tier in an item in wire format, as in the stream of changes. Returns None for other kinds of items."""
    row = CatalogRow.from_raw_data(image)
    kind = row.sk.partition("#")[0] if row.pk == "live" else ""
    shape: type[Event] | type[Tier] | None = {"event": Event, "tier": Tier}.get(kind)  # type: ignore[assignment]
    return msgspec.json.decode(row.text, type=shape) if shape is not None else None


def load_content(version: int) -> VersionContent:
    """Load the content of a version. Version 0 is empty."""
    return msgspec.json.decode(_load_parts(version, "part"), type=VersionContent) if version else VersionContent([], [], {})


def load_document(version: int) -> bytes | None:
    """Load the bootstrap document (JSON) of a version. Returns None if the version was never served."""
    row, document = parallel.both(lambda: CatalogRow.find("versions", _sort_key(version)), lambda: _load_packed_parts(version, "document"))
    return None if row is None else zlib.decompress(document)


def list_versions(limit: int, before: int | None = None) -> list[CatalogHead]:
    """Return the heads of the latest versions, newest first. With `before`, return only versions with a lower number."""
    older: Any = None if before is None else CatalogRow.sk < _sort_key(before)
    rows = CatalogRow.query("versions", older, scan_index_forward=False, limit=limit, consistent_read=True)
    return [_head(row) for row in rows]


def begin_publication(now: int) -> int:
    """Begin a publication. Returns its number, which was never used before."""
    counter = CatalogRow("counter", "version")
    _, item = dynamo.update_if_returning(counter, {}, add={"version": 1})
    number = int(item["version"]["N"])
    CatalogRow("publications", _sort_key(number), at=now).save()
    return number


def end_publication_item(number: int) -> dynamo.TransactItem:
    """Return the transaction item that ends a publication. It fails if the publication was abandoned."""
    return dynamo.delete(CatalogRow("publications", _sort_key(number)), "attribute_exists(pk) AND attribute_not_exists(abandoned)")


def abandon_publication(number: int) -> bool:
    """Prevent a publication from ever completing. Returns False if it has already ended."""
    row = CatalogRow("publications", _sort_key(number))
    return dynamo.update_if(row, {"abandoned": True}, "attribute_exists(pk)")


def delete_publication(number: int) -> None:
    """Delete the row of a publication that was abandoned."""
    CatalogRow("publications", _sort_key(number)).delete()


def list_publications() -> list[PublicationRecord]:
    """Return the unfinished publications."""
    rows = CatalogRow.query("publications", consistent_read=True)
    return [PublicationRecord(int(row.sk), int(row.at or 0), bool(row.abandoned)) for row in rows]


def write_version(version: int, content: VersionContent, document: bytes) -> None:
    """Write a version. It is not served until `replace_head_items` is committed."""
    parts = [*_parts(version, "part", msgspec.json.encode(content)), *_parts(version, "document", document)]
    dynamo.batch_put(CatalogRow.name(), (part.serialize() for part in parts))


def delete_version(version: int) -> None:
    """Delete a version that was never served and can no longer be published."""
    for part in CatalogRow.query(f"version#{_sort_key(version)}", consistent_read=True, attributes_to_get=["pk", "sk"]):
        part.delete()


def replace_head_items(expected: CatalogHead, new: CatalogHead) -> list[dynamo.TransactItem]:
    """Return the transaction items that replace the head. They fail if an apply, a pause or an API call has changed the `expected` head.

    Without this condition, a delayed apply could serve an old version again, or leave new shards open although their event was paused
    in the meantime.
    """
    values: dict[str, Any] = {
        "version": new.version,
        "revision": new.revision,
        "checksum": new.checksum,
        "at": new.applied_at,
        "by": new.applied_by,
    }
    condition, operands = _revision_is(expected.revision)
    list_entry = CatalogRow("versions", _sort_key(new.version), **values)
    return [dynamo.update(CatalogRow("head", "head"), values, condition, **operands), dynamo.put(list_entry)]


def served_version_item(version: int) -> dynamo.TransactItem:
    """Return a transaction item that fails unless this version is served."""
    return dynamo.check(CatalogRow("head", "head"), "version = :version", version=version)


def increment_revision_item(expected: int | None = None) -> dynamo.TransactItem:
    """Return a transaction item that makes all instances reload the catalog. With `expected`, it fails if the revision has changed."""
    condition, operands = ("", {}) if expected is None else _revision_is(expected)
    return dynamo.update(CatalogRow("head", "head"), {}, condition, add={"revision": 1}, **operands)


def create_event_item(event: Event) -> dynamo.TransactItem:
    """Return the transaction item that creates an event. It fails if the event exists."""
    return _create_item(f"event#{event.id}", event)


def create_tier_item(tier: Tier) -> dynamo.TransactItem:
    """Return the transaction item that creates a tier. It fails if the tier exists."""
    return _create_item(f"tier#{tier.id}", tier)


def put_event_item(event: Event) -> dynamo.TransactItem:
    """Return the transaction item that replaces an event. Its transaction must check the head's revision, so no other change is lost."""
    return _replace_item(f"event#{event.id}", msgspec.structs.replace(event, paused=False, suspended=False))


def put_tier_item(tier: Tier) -> dynamo.TransactItem:
    """Return the transaction item that replaces a tier. Its transaction must check the head's revision, so no other change is lost."""
    return _replace_item(f"tier#{tier.id}", tier)


def set_paused_item(event_id: str, paused: bool, by: str, now: int) -> dynamo.TransactItem:
    """Return the transaction item that sets or deletes the pause flag of an event."""
    flag = CatalogRow("live", f"pause#{event_id}", by=by, at=now)
    return dynamo.put(flag) if paused else dynamo.delete(flag)


def set_promoter_stopped_item(promoter_id: str, stopped: bool, by: str, now: int) -> dynamo.TransactItem:
    """Return the transaction item that stops the sales of all of a promoter's events, or allows them again."""
    return set_paused_item(f"{_PROMOTER}{promoter_id}", stopped, by, now)


def _create_item(sort_key: str, content: Event | Tier) -> dynamo.TransactItem:
    return dynamo.put(CatalogRow("live", sort_key, text=msgspec.json.encode(content).decode()), "attribute_not_exists(pk)")


def _replace_item(sort_key: str, content: Event | Tier) -> dynamo.TransactItem:
    return dynamo.put(CatalogRow("live", sort_key, text=msgspec.json.encode(content).decode()), "attribute_exists(pk)")


def _revision_is(revision: int) -> tuple[str, dict[str, Any]]:
    """Return the condition that the head has this revision (0 if the head has none), and the operands of the condition."""
    return ("revision = :expected", {"expected": revision}) if revision else ("attribute_not_exists(revision)", {})


def _head(row: CatalogRow) -> CatalogHead:
    return CatalogHead(
        version=int(row.version or 0),
        revision=int(row.revision or 0),
        checksum=row.checksum or "",
        applied_at=int(row.at or 0),
        applied_by=row.by or "",
    )


def _sort_key(version: int) -> str:
    return f"{version:010d}"


def _parts(version: int, kind: str, raw: bytes) -> Iterable[CatalogRow]:
    packed = zlib.compress(raw)
    for index, start in enumerate(range(0, len(packed), PART_BYTES)):
        yield CatalogRow(f"version#{_sort_key(version)}", f"{kind}#{index:04d}", body=packed[start : start + PART_BYTES])


def _load_parts(version: int, kind: str) -> bytes:
    return zlib.decompress(_load_packed_parts(version, kind))


def _load_packed_parts(version: int, kind: str) -> bytes:
    is_kind: Any = CatalogRow.sk.startswith(f"{kind}#")
    parts = CatalogRow.query(f"version#{_sort_key(version)}", is_kind, consistent_read=True)
    return b"".join(part.body for part in parts)
