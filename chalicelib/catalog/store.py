"""The catalog's table: the head, the versions, the entries created through the API, the pause flags, and the releases of holdbacks.

| pk | sk | content |
| --- | --- | --- |
| `head` | `head` | the served version and the current revision |
| `head` | `region#<name>` | what a region of a stage with a standby says about itself; only this region writes it |
| `counter` | `version` | the number of the latest publication |
| `versions` | `<number>` | one item for each version that was ever served |
| `version#<number>` | `part#<i>`, `document#<i>` | the content of the version, and its bootstrap file |
| `copy#<number>#<i>` | `part` | a part of a copy of a large version's content; the number is the version modulo SNAPSHOT_ROWS |
| `passing` | `<number>` | a publication; followers have received only its changes before `position` |
| `publications` | `<number>` | an unfinished publication: its start, and whether it was abandoned |
| `live` | `event#<id>`, `tier#<id>`, `pause#<event id>` | entries created through the API, and pause flags |
| `live` | `pause#promoter#<user id>` | stopped promoters: locked, or no longer promoters |
| `live` | `payments#<user id>` | promoters' accounts at the payment provider |
| `live` | `promoter-taxes#<user id>` | promoters' default taxes, automatic taxes and brands |
| `live` | `release#<tier id>` | a bootstrap tier's releases, and its holdbacks with a stock; a tier of the API has its own |
| `change#<number>` | `change` | what a revision changed; the number is the revision modulo CHANGE_ROWS |
| `snapshot#<number>#<i>` | `part` | a part of a snapshot of `live`; the number is the snapshot's modulo SNAPSHOT_ROWS |
| `counter` | `snapshot` | the number of the latest snapshot |
| `tax-locations` | `<account>#<hash>` | the id that the payment provider gave an address, with which it calculates taxes |

`live` is the source of truth. Reading all of it from its one key is slow in a large catalog, so instances read the snapshot and the changes
since, which are spread over many keys. So is the copy of a large version. Snapshots of earlier versions of Fairgate have only the events
and tiers; instances then read the other rows of `live`. All these rows are reused in rotation, so a reader compares the
number in each row with the number that it expects. It reads `live` or the version itself if a row has a different number, or if the
previous version of Fairgate changed the catalog without logging the change or copying the version.
"""

import gc
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import chain
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.catalog.model import (
    Catalog,
    CatalogEntry,
    CatalogHead,
    Event,
    HoldbackRelease,
    PromoterAccount,
    PromoterChoices,
    PromoterStop,
    RegionClaim,
    Tier,
    VersionContent,
)
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import memory, parallel, settings
from chalicelib.foundation.money import TaxAddress

C = TypeVar("C", bound=VersionContent)

PART_BYTES = 300_000  # an item may take 400 KB
_RELEASE = "release#"
_ACCOUNT, _CHOICES = "payments#", "promoter-taxes#"  # these sort between the pause flags and _RELEASE, so that one query reads all of them
_PROMOTER = "promoter#"  # in the sort key of a stopped promoter; event ids have no #

_HEAD, _REGION = "head", "region#"
TAX_LOCATIONS = "tax-locations"
CHANGE_ROWS = 4096  # several minutes of changes at 10 a second; the sweep writes a snapshot every minute if necessary
MAX_CHANGES = 500  # an instance that lags further behind reads the snapshot

SNAPSHOT_ROWS = 4  # so a reader has minutes to read a snapshot before its rows are reused
SNAPSHOT_PART_BYTES = 40_000  # 5 read units, so 300 instances can start in the same second before a key reaches half its limit
MIN_SNAPSHOT_ENTRIES = 100  # a catalog with fewer rows in `live` is read from there
MAX_CHANGES_SINCE_SNAPSHOT = 100  # all new instances read these changes; after more, the sweep writes a new snapshot


class CatalogRow(dynamo.Table):
    feature = "catalog"
    contents = (
        "The head of the catalog, the parts of its versions, and the events and tiers made through the API, with their log and snapshots."
    )
    personal_data = dynamo.PersonalData("who changed what", export="no", erasure="stays, with the user id")
    has_stream = True

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = BinaryAttribute(legacy_encoding=False, null=True)
    text = StructAttribute(dict[str, Any], null=True)  # an event or a tier
    version = NumberAttribute(null=True)
    version_before = NumberAttribute(null=True)
    position = NumberAttribute(null=True)
    revision = NumberAttribute(null=True)
    checksum = UnicodeAttribute(null=True)
    at = NumberAttribute(null=True)
    by = UnicodeAttribute(null=True)
    abandoned = BooleanAttribute(null=True)
    public_revision = NumberAttribute(null=True)
    logged_since = NumberAttribute(null=True)
    logged_revision = NumberAttribute(null=True)  # differs from the revision if the last change has no row in the log
    snapshot = NumberAttribute(null=True)
    snapshot_revision = NumberAttribute(null=True)
    snapshot_parts = NumberAttribute(null=True)
    complete_snapshot = NumberAttribute(null=True)  # the latest snapshot with the flags
    invalidations = NumberAttribute(null=True)
    copied_version = NumberAttribute(null=True)  # the latest version with a copy, even if it has no parts
    copied_parts = NumberAttribute(null=True)
    term = NumberAttribute(null=True)  # of a region's claim
    until = NumberAttribute(null=True)
    alone = BooleanAttribute(null=True)
    sold_until = NumberAttribute(null=True)


_EXISTS, _ABSENT = CatalogRow.pk.exists(), CatalogRow.pk.does_not_exist()


class LoggedChange(Struct, frozen=True, omit_defaults=True):
    """The entries that a revision changed, in the log. `released_tiers` are bootstrap tiers whose holdbacks were released."""

    events: list[Event] = []
    tiers: list[Tier] = []
    stops: list[PromoterStop] = []
    accounts: list[PromoterAccount] = []
    taxes: list[PromoterChoices] = []
    released_tiers: list[Tier] = []


class PublicationRecord(Struct, frozen=True):
    """An unfinished publication. `begun_at` is in epoch seconds."""

    number: int
    begun_at: int
    is_abandoned: bool


class PauseFlag(Struct, frozen=True):
    """The flag of a paused event, or of a promoter who is stopped or cannot be paid. A promoter's `id` has the prefix _PROMOTER.

    `at` is in epoch seconds.
    """

    id: str
    at: int


class TierStocks(Struct, frozen=True, omit_defaults=True):
    """The releases of a bootstrap tier, its holdbacks with a stock of their own, and its resale prices."""

    releases: list[HoldbackRelease]
    issuing: list[str] = []
    resale_prices: list[int] = []


class Flags(Struct, frozen=True):
    """All rows of `live` besides the events and tiers created through the API.

    These are the ids of paused events, and of stopped promoters with the prefix _PROMOTER; the stocks of bootstrap tiers by tier id; and
    promoters' payment accounts and choices by promoter id.
    """

    paused: set[str] = msgspec.field(default_factory=set)
    stocks: dict[str, TierStocks] = msgspec.field(default_factory=dict)
    accounts: dict[str, PromoterAccount] = msgspec.field(default_factory=dict)
    choices: dict[str, PromoterChoices] = msgspec.field(default_factory=dict)

    def apply(self, entry: CatalogEntry) -> None:
        """Apply a change from the log. An event or a tier of the bootstrap file may have changed since, so only its flags count."""
        if isinstance(entry, Event):
            self._set_paused(entry.id, entry.paused)
        elif isinstance(entry, Tier):
            if entry.managed_by == "bootstrap":
                self.stocks[entry.id] = TierStocks(entry.releases, entry.issuing, entry.resale_prices)
        elif isinstance(entry, PromoterStop):
            self._set_paused(f"{_PROMOTER}{entry.promoter_id}", entry.is_stopped)
        elif isinstance(entry, PromoterAccount):
            self.accounts[entry.promoter_id] = entry
        else:
            self.choices[entry.promoter_id] = entry

    def _set_paused(self, flag_id: str, is_paused: bool) -> None:
        (self.paused.add if is_paused else self.paused.discard)(flag_id)


class SnapshotContent(VersionContent, frozen=True):
    """The content of a snapshot. Earlier versions of Fairgate read and write it without the flags."""

    flags: Flags = msgspec.field(default_factory=Flags)


class PublicationPosition(Struct, frozen=True):
    """A publication, and the `position` before which followers have received its changes. `at` is in epoch seconds."""

    version: int
    version_before: int
    at: int
    position: int


CatalogItem = CatalogHead | PublicationPosition | PauseFlag | Event | Tier


def read_head() -> CatalogHead:
    """Read the head with strong consistency. Costs one read unit, even with the claims of regions."""
    if not settings.current().regions:
        row = CatalogRow.find("head", "head")
        return CatalogHead() if row is None else _head(row)
    rows = list(CatalogRow.query(_HEAD))
    head = next((_head(row) for row in rows if row.sk == _HEAD), CatalogHead())
    return msgspec.structs.replace(head, claims=tuple(_claim(row) for row in rows if row.sk != _HEAD))


def read_claims(region: str) -> list[RegionClaim]:
    """Read the claims that the catalog's table of a region has. Raises the store's errors."""
    return [_claim(row) for row in CatalogRow.query_in(region, _HEAD) if row.sk.startswith(_REGION)]


def save_claim(region: str, claim: RegionClaim) -> None:
    """Write a claim into the catalog's table of a region."""
    row = CatalogRow(_HEAD, f"{_REGION}{claim.region}", term=claim.term, until=claim.until, alone=claim.is_alone or None)
    row.sold_until = claim.sold_until or None
    dynamo.client_of(region).put_item(TableName=CatalogRow.name(), Item=row.serialize())


def extend_claim(claim: RegionClaim, until: int, sold_until: int = 0) -> bool:
    """Let this region sell until this time (epoch seconds), or no longer. Returns False if the claim has changed meanwhile."""
    row = CatalogRow(_HEAD, f"{_REGION}{claim.region}")
    actions = CatalogRow.set_or_remove({"until": until, "sold_until": sold_until or None})
    return dynamo.update_if(row, actions, (CatalogRow.term == claim.term) & (CatalogRow.until == claim.until))


def _claim(row: CatalogRow) -> RegionClaim:
    return RegionClaim(row.sk.removeprefix(_REGION), int(row.term or 0), int(row.until or 0), bool(row.alone), int(row.sold_until or 0))


def load(head: CatalogHead, known: Catalog | None = None) -> Catalog:
    """Load the catalog of `head`: its version, and the entries created through the API.

    If few changes were made since the `known` catalog, only these changes are read.
    """
    is_current = known is not None and (known.version, known.head.invalidations) == (head.version, head.invalidations)
    if known is not None and is_current and head.revision - known.revision <= MAX_CHANGES:
        if known.revision == head.revision:
            return known
        changes = _load_changes(known.revision, head)
        if changes is not None:
            return known.with_changes(changes, head)
    return _load_snapshot(head) or load_live(head)


def load_live(head: CatalogHead) -> Catalog:
    """Load the catalog of `head` from the entries themselves, without the snapshot and the log. Takes at least two queries."""
    with _without_garbage_collection():
        return _build(head, _load_served(head), *_query_live())


def _query_live(*, only_flags: bool = False) -> tuple[list[Event], list[Tier], Flags]:
    """Return the events, the tiers and the flags, or only the flags, with strong consistency."""
    events: list[Event] = []
    tiers: list[Tier] = []
    flags = Flags()
    for row in CatalogRow.query("live", CatalogRow.sk.between("pause#", "release$") if only_flags else None):
        sort_key = row.sk
        if sort_key.startswith(_RELEASE):
            flags.stocks[sort_key.removeprefix(_RELEASE)] = memory.convert(row.text, TierStocks)
            continue
        if sort_key.startswith(_ACCOUNT):
            flags.accounts[sort_key.removeprefix(_ACCOUNT)] = memory.convert(row.text, PromoterAccount)
            continue
        if sort_key.startswith(_CHOICES):
            flags.choices[sort_key.removeprefix(_CHOICES)] = memory.convert(row.text, PromoterChoices)
            continue
        item = _item(row)
        if isinstance(item, Event):
            events.append(item)
        elif isinstance(item, Tier):
            tiers.append(item)
        elif isinstance(item, PauseFlag):
            flags.paused.add(item.id)
    return events, tiers, flags


def _build(head: CatalogHead, content: VersionContent, events: Iterable[Event], tiers: Iterable[Tier], flags: Flags) -> Catalog:
    all_events = [
        event if event.paused == (event.id in flags.paused) else msgspec.structs.replace(event, paused=not event.paused)
        for event in (*content.events, *events)
    ]
    stopped = frozenset(flag.removeprefix(_PROMOTER) for flag in flags.paused if flag.startswith(_PROMOTER))
    served = [
        msgspec.structs.replace(tier, releases=stocks.releases, issuing=stocks.issuing, resale_prices=stocks.resale_prices)
        if (stocks := flags.stocks.get(tier.id)) is not None
        else tier
        for tier in content.tiers
    ]
    return Catalog.build(
        all_events,
        (*served, *tiers),
        content.states,
        head=head,
        stopped_promoters=stopped,
        accounts=flags.accounts,
        choices=flags.choices,
    )


def _load_changes(since: int, head: CatalogHead) -> list[CatalogEntry] | None:
    """Load the entries that changed after the revision `since`, in the order of the changes. Returns None if the log lacks a change."""
    if not head.logged_since <= since <= head.revision < since + CHANGE_ROWS:
        return None
    revisions = range(since + 1, head.revision + 1)
    bodies = _read_numbered("change", {_change_key(revision): revision for revision in revisions})
    if bodies is None:
        return None
    changes = [memory.decoder(LoggedChange).decode(zlib.decompress(body)) for body in bodies]
    entries: list[CatalogEntry] = []
    for change in changes:
        entries += [*change.events, *change.tiers, *change.released_tiers, *change.stops, *change.accounts, *change.taxes]
    return entries


def has_only_api_changes(since: CatalogHead, head: CatalogHead) -> bool:
    """Return whether there were changes between two heads, and all of them were to events and tiers created through the API."""
    if head.revision <= since.revision or (head.version, head.invalidations) != (since.version, since.invalidations):
        return False
    changes = _load_changes(since.revision, head)
    return changes is not None and all(isinstance(entry, Event | Tier) and entry.managed_by == "api" for entry in changes)


def _load_snapshot(head: CatalogHead) -> Catalog | None:
    """Load the catalog of `head` from its snapshot and the log. Returns None if there is no snapshot, or the log lacks a later change."""
    if not head.snapshot:
        return None
    parts = {_snapshot_key(head.snapshot, index): head.snapshot for index in range(head.snapshot_parts)}
    (bodies, changes), (content, live_flags) = parallel.both(
        lambda: parallel.both(lambda: _read_numbered("part", parts), lambda: _load_changes(head.snapshot_revision, head)),
        lambda: parallel.both(lambda: _load_served(head), lambda: None if head.is_snapshot_complete else _query_live(only_flags=True)[2]),
    )
    if bodies is None or changes is None:
        return None
    with _without_garbage_collection():
        entries = _unpack(bodies, SnapshotContent)
        flags = entries.flags if live_flags is None else live_flags
        for change in changes:
            flags.apply(change)
        events = {event.id: event for event in (*entries.events, *changes) if isinstance(event, Event) and event.managed_by == "api"}
        tiers = {tier.id: tier for tier in (*entries.tiers, *changes) if isinstance(tier, Tier) and tier.managed_by == "api"}
        return _build(head, content, events.values(), tiers.values(), flags)


def _load_served(head: CatalogHead) -> VersionContent:
    """Load the content of the served version from its copy. Without a copy, load the version itself, whose parts have one key."""
    parts = {_copy_key(head.version, index): head.version for index in range(head.copied_parts)}
    bodies = _read_numbered("part", parts)
    return _unpack(bodies, VersionContent) if bodies else load_content(head.version)


def _read_numbered(sort_key: str, numbers: dict[str, int]) -> list[bytes] | None:
    """Return the bodies of rows, given as partition key -> expected number (`revision`). Returns None if a row has another number.

    Reads that may be stale cost half as much; only the rows that they lack are read again with strong consistency.
    """
    found: dict[str, bytes] = {}
    for consistent_read in (False, True):
        keys = [(pk, sort_key) for pk in numbers if pk not in found]
        pages = [keys[start : start + dynamo.MAX_BATCH_GET] for start in range(0, len(keys), dynamo.MAX_BATCH_GET)]
        rows = chain.from_iterable(parallel.call_each(partial(CatalogRow.find_all, consistent_read=consistent_read), pages))
        found |= {row.pk: row.body for row in rows if row.revision == numbers[row.pk]}
        if len(found) == len(numbers):
            return [found[pk] for pk in numbers]
    return None


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector, which would search the 40,000 new objects of a large catalog again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def is_snapshot_due(head: CatalogHead, catalog: Catalog) -> bool:
    """Return whether the catalog is large, and new instances would have to read many changes or flags, or could not use the snapshot."""
    is_old = head.snapshot_revision < head.logged_since or head.revision - head.snapshot_revision > MAX_CHANGES_SINCE_SNAPSHOT
    return (is_old or not head.is_snapshot_complete) and has_snapshots(catalog)


def has_snapshots(catalog: Catalog) -> bool:
    """Return whether the catalog is large enough for snapshots."""
    events = sum(event.managed_by == "api" or event.paused for event in catalog.events.values())
    tiers = sum(bool(tier.managed_by == "api" or tier.releases or tier.resale_prices) for tier in catalog.tiers.values())
    promoters = len(catalog.accounts) + len(catalog.choices) + len(catalog.stopped_promoters)
    return events + tiers + promoters >= MIN_SNAPSHOT_ENTRIES


def write_snapshot(catalog: Catalog) -> bool:
    """Write a snapshot of the catalog's entries and enter it in the head.

    Returns False if the head has a newer snapshot, or if the catalog was invalidated after its entries were read.
    """
    values = write_snapshot_parts(catalog)
    is_newest = CatalogRow.snapshot_revision.does_not_exist() | (CatalogRow.snapshot_revision <= catalog.revision)
    is_valid = CatalogRow.invalidations.does_not_exist() | (CatalogRow.invalidations == catalog.head.invalidations)
    return dynamo.update_if(CatalogRow("head", "head"), CatalogRow.set_or_remove(values), is_newest & is_valid)


def write_snapshot_parts(catalog: Catalog) -> dict[str, int]:
    """Write the parts of a snapshot. Returns the attributes with which the head refers to the snapshot.

    The flags are read now, because the catalog lacks those of events and tiers that the served version does not have. They may be newer
    than the catalog. This does no harm: a reader applies all changes since the catalog, in order, and its head is at least as new.
    """
    events = [event for event in catalog.events.values() if event.managed_by == "api"]
    tiers = [tier for tier in catalog.tiers.values() if tier.managed_by == "api"]
    number = _next_number("snapshot")
    _, _, flags = _query_live(only_flags=True)
    bodies = _divide(_pack(SnapshotContent(_stored(events), tiers, {}, flags)), SNAPSHOT_PART_BYTES)
    _write_numbered({_snapshot_key(number, index): body for index, body in enumerate(bodies)}, number)
    return {"snapshot": number, "snapshot_revision": catalog.revision, "snapshot_parts": len(bodies), "complete_snapshot": number}


def _write_numbered(bodies: dict[str, bytes], number: int) -> None:
    """Write the parts that `_read_numbered` reads, given as partition key -> body."""
    dynamo.batch_put(CatalogRow(pk, "part", revision=number, body=body) for pk, body in bodies.items())


def read_image(image: dict[str, Any] | None) -> CatalogItem | None:
    """Return what an item in wire format describes, as in the stream of changes. Returns None for no item, and for other kinds of items."""
    return _item(CatalogRow.from_raw_data(image)) if image is not None else None


def _item(row: CatalogRow) -> CatalogItem | None:
    kind, _, row_id = row.sk.partition("#")
    match row.pk, kind:
        case "live", "event":
            return memory.convert(row.text, Event)
        case "live", "tier":
            return memory.convert(row.text, Tier)
        case "live", "pause":
            return PauseFlag(row_id, int(row.at or 0))
        case "live", "payments" if (row.text or {}).get("state") == "restricted":
            return PauseFlag(f"{_PROMOTER}{row_id}", int(row.at or 0))  # it pauses the same events as the flag of a stopped promoter
        case "head", "head":
            return _head(row)
        case "passing", version:
            return PublicationPosition(int(version), int(row.version_before), int(row.at), int(row.position))
    return None


def load_content(version: int) -> VersionContent:
    """Load the content of a version. Version 0 is empty."""
    return memory.decoder(VersionContent).decode(_load_parts(version, "part")) if version else VersionContent([], [], {})


def load_document(version: int) -> bytes | None:
    """Load the bootstrap document (JSON) of a version. Returns None if the version was never served."""
    row, document = parallel.both(lambda: CatalogRow.find("versions", _sort_key(version)), lambda: _load_packed_parts(version, "document"))
    return None if row is None else zlib.decompress(document)


def list_versions(limit: int, before: int | None = None) -> list[CatalogHead]:
    """Return the heads of the latest versions, newest first. With `before`, return only versions with a lower number."""
    older = None if before is None else CatalogRow.sk < _sort_key(before)
    rows = CatalogRow.query("versions", older, scan_index_forward=False, limit=limit)
    return [_head(row) for row in rows]


def begin_publication(now: int) -> int:
    """Begin a publication. Returns its number, which was never used before."""
    number = _next_number("version")
    CatalogRow("publications", _sort_key(number), at=now).save()
    return number


def end_publication_item(number: int) -> dynamo.TransactItem:
    """Return the transaction item that ends a publication. It fails if the publication was abandoned."""
    return dynamo.transact_delete(CatalogRow("publications", _sort_key(number)), _EXISTS & CatalogRow.abandoned.does_not_exist())


def abandon_publication(number: int) -> bool:
    """Prevent a publication from ever completing. Returns False if it has already ended."""
    return dynamo.update_if(CatalogRow("publications", _sort_key(number)), [CatalogRow.abandoned.set(True)], _EXISTS)


def delete_publication(number: int) -> None:
    """Delete the row of a publication that was abandoned."""
    CatalogRow("publications", _sort_key(number)).delete()


def list_publications() -> list[PublicationRecord]:
    """Return the unfinished publications."""
    rows = CatalogRow.query("publications")
    return [PublicationRecord(int(row.sk), int(row.at or 0), bool(row.abandoned)) for row in rows]


def save_passing(version: int, version_before: int, at: int, position: int) -> None:
    """Record that followers now receive the changes before `position`. Does nothing if they have already received more."""
    actions = [CatalogRow.version_before.set(version_before), CatalogRow.at.set(at), CatalogRow.position.set(position)]
    dynamo.update_if(CatalogRow("passing", _sort_key(version)), actions, _ABSENT | (CatalogRow.position < position))


def delete_passing(version: int) -> None:
    """Record that followers now receive the last changes of a publication."""
    CatalogRow("passing", _sort_key(version)).delete()


def write_version(version: int, content: VersionContent, document: bytes) -> int:
    """Write a version, and a copy of its content if it is large. It is not served until `replace_head_items` is committed.

    Returns the number of parts of the copy, which is 0 without a copy.
    """
    packed = _pack(content)
    dynamo.batch_put([*_parts(version, "part", packed), *_parts(version, "document", zlib.compress(document))])
    if len(packed) <= SNAPSHOT_PART_BYTES / 2:  # reading the version itself, with strong consistency, takes twice the units
        return 0
    bodies = _divide(packed, SNAPSHOT_PART_BYTES)
    _write_numbered({_copy_key(version, index): body for index, body in enumerate(bodies)}, version)
    return len(bodies)


def delete_version(version: int) -> None:
    """Delete a version that was never served and can no longer be published."""
    for part in CatalogRow.query(f"version#{_sort_key(version)}", attributes_to_get=["pk", "sk"]):
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
    list_entry = CatalogRow("versions", _sort_key(new.version), **values)
    values = {**values, "copied_version": new.version, "copied_parts": new.copied_parts}
    return [*_log_items(expected, msgspec.structs.replace(new, public_revision=new.revision), values, ()), dynamo.transact_put(list_entry)]


def served_version_item(version: int) -> dynamo.TransactItem:
    """Return a transaction item that fails unless this version is served."""
    return dynamo.transact_check(CatalogRow("head", "head"), CatalogRow.version == version)


def increment_revision_item(expected: int | None = None) -> dynamo.TransactItem:
    """Return a transaction item that makes all instances reload the catalog from `live`, because this revision has no row in the log.

    With `expected`, the item fails if the revision has changed.
    """
    condition = None if expected is None else _revision_is(expected)
    return dynamo.transact_update(CatalogRow("head", "head"), [CatalogRow.revision.add(1)], condition)


def invalidation_items(expected: CatalogHead, snapshot: dict[str, int]) -> list[dynamo.TransactItem]:
    """Return the transaction items that make all instances load the catalog from this new snapshot. They fail if the revision has changed.

    `snapshot` is the result of `write_snapshot_parts`. The log continues, so instances also read what has changed since the snapshot.
    """
    new = expected.next()
    values = {"revision": new.revision, "invalidations": expected.invalidations + 1, **snapshot}
    return _log_items(expected, new, values, ())


def next_revision_items(expected: CatalogHead, new: CatalogHead, entries: Sequence[CatalogEntry]) -> list[dynamo.TransactItem]:
    """Return the transaction items that log the changed entries of the next revision. They fail if the revision has changed."""
    return _log_items(expected, new, {"revision": new.revision}, entries)


def _log_items(
    expected: CatalogHead, new: CatalogHead, values: dict[str, Any], entries: Sequence[CatalogEntry]
) -> list[dynamo.TransactItem]:
    logged = {"public_revision": new.public_revision, "logged_since": expected.logged_since, "logged_revision": new.revision}
    events = [entry for entry in entries if isinstance(entry, Event)]
    tiers = [entry for entry in entries if isinstance(entry, Tier)]
    stops = [entry for entry in entries if isinstance(entry, PromoterStop)]
    accounts = [entry for entry in entries if isinstance(entry, PromoterAccount)]
    choices = [entry for entry in entries if isinstance(entry, PromoterChoices)]
    # Bootstrap tiers are kept apart, because earlier versions of Fairgate would let them replace the tiers of a later catalog version.
    released = [tier for tier in tiers if tier.managed_by == "bootstrap"]
    body = _pack(LoggedChange(_stored(events), [tier for tier in tiers if tier.managed_by == "api"], stops, accounts, choices, released))
    change = CatalogRow(_change_key(new.revision), "change", revision=new.revision, body=body)
    return [
        dynamo.transact_update(CatalogRow("head", "head"), CatalogRow.set_or_remove(values | logged), _revision_is(expected.revision)),
        dynamo.transact_put(change),
    ]


def create_event_item(event: Event) -> dynamo.TransactItem:
    """Return the transaction item that creates an event. It fails if the event exists."""
    return _create_item(f"event#{event.id}", event)


def create_tier_item(tier: Tier) -> dynamo.TransactItem:
    """Return the transaction item that creates a tier. It fails if the tier exists."""
    return _create_item(f"tier#{tier.id}", tier)


def put_event_item(event: Event) -> dynamo.TransactItem:
    """Return the transaction item that replaces an event. Its transaction must check the head's revision, so no other change is lost."""
    return _replace_item(f"event#{event.id}", msgspec.structs.replace(event, paused=False, suspended=False, payments_off=False))


def put_tier_item(tier: Tier) -> dynamo.TransactItem:
    """Return the transaction item that replaces a tier. Its transaction must check the head's revision, so no other change is lost."""
    return _replace_item(f"tier#{tier.id}", tier)


def put_releases_item(tier: Tier) -> dynamo.TransactItem:
    """Return the transaction item that stores the releases of a tier's holdbacks, and lists the tier's stocks for holdbacks and resale.

    Its transaction must check the head's revision.
    """
    if tier.managed_by == "api":
        return put_tier_item(tier)
    return dynamo.transact_put(CatalogRow("live", f"{_RELEASE}{tier.id}", text=TierStocks(tier.releases, tier.issuing, tier.resale_prices)))


def set_paused_item(event_id: str, paused: bool, by: str, now: int) -> dynamo.TransactItem:
    """Return the transaction item that sets or deletes the pause flag of an event."""
    flag = CatalogRow("live", f"pause#{event_id}", by=by, at=now)
    return dynamo.transact_put(flag) if paused else dynamo.transact_delete(flag)


def set_promoter_stopped_item(stop: PromoterStop, by: str, now: int) -> dynamo.TransactItem:
    """Return the transaction item that stops the sales of all of a promoter's events, or allows them again."""
    return set_paused_item(f"{_PROMOTER}{stop.promoter_id}", stop.is_stopped, by, now)


def put_account_item(account: PromoterAccount, by: str, now: int) -> dynamo.TransactItem:
    """Return the transaction item that stores a promoter's payment account. Its transaction must check the head's revision."""
    return dynamo.transact_put(CatalogRow("live", f"{_ACCOUNT}{account.promoter_id}", text=account, by=by, at=now))


def find_tax_location(account: str | None, address: TaxAddress) -> str | None:
    """Return the id that the provider gave an address on an account, or None if nobody has asked for one yet."""
    row = CatalogRow.find(TAX_LOCATIONS, _tax_location_key(account, address))
    return str(row.text["id"]) if row is not None else None


def save_tax_location(account: str | None, address: TaxAddress, location_id: str, now: int) -> None:
    """Remember the id that the provider gave an address. Two ids for one address do no harm."""
    CatalogRow(
        TAX_LOCATIONS, _tax_location_key(account, address), text={"id": location_id, "address": msgspec.to_builtins(address)}, at=now
    ).save()


def _tax_location_key(account: str | None, address: TaxAddress) -> str:
    digest = sha256(msgspec.json.encode(address, order="deterministic")).hexdigest()
    return f"{account or 'operator'}#{digest}"


def put_choices_item(choices: PromoterChoices, by: str, now: int) -> dynamo.TransactItem:
    """Return the transaction item that stores a promoter's choices. Its transaction must check the head's revision."""
    return dynamo.transact_put(CatalogRow("live", f"{_CHOICES}{choices.promoter_id}", text=choices, by=by, at=now))


def find_flagged_events(catalog: Catalog, flag_id: str) -> list[str]:
    """Return the ids of the events that the pause flag with this id pauses: one event, or all events of a stopped promoter."""
    promoter_id = flag_id.removeprefix(_PROMOTER)
    return [flag_id] if promoter_id == flag_id else [event.id for event in catalog.events.values() if event.promoter_id == promoter_id]


def _create_item(sort_key: str, content: Event | Tier) -> dynamo.TransactItem:
    return dynamo.transact_put(CatalogRow("live", sort_key, text=content), _ABSENT)


def _replace_item(sort_key: str, content: Event | Tier) -> dynamo.TransactItem:
    return dynamo.transact_put(CatalogRow("live", sort_key, text=content), _EXISTS)


def _revision_is(revision: int) -> Condition:
    """Return the condition that the head has this revision (0 if the head has none)."""
    return CatalogRow.revision == revision if revision else CatalogRow.revision.does_not_exist()


def _head(row: CatalogRow) -> CatalogHead:
    revision = int(row.revision or 0)
    is_logged = row.logged_revision is not None and row.logged_revision == revision
    return CatalogHead(
        version=int(row.version or 0),
        revision=revision,
        checksum=row.checksum or "",
        applied_at=int(row.at or 0),
        applied_by=row.by or "",
        public_revision=int(row.public_revision or 0) if is_logged else revision,
        logged_since=int(row.logged_since or 0) if is_logged else revision,
        snapshot=int(row.snapshot or 0),
        snapshot_revision=int(row.snapshot_revision or 0),
        snapshot_parts=int(row.snapshot_parts or 0),
        is_snapshot_complete=row.complete_snapshot is not None and row.complete_snapshot == row.snapshot,
        copied_parts=int(row.copied_parts or 0) if row.copied_version == row.version else 0,
        invalidations=int(row.invalidations or 0),
    )


def _next_number(counter: str) -> int:
    return int(dynamo.update_now_returning(CatalogRow("counter", counter), [CatalogRow.version.add(1)]).version)


def _change_key(revision: int) -> str:
    return f"change#{revision % CHANGE_ROWS}"


def _snapshot_key(number: int, index: int) -> str:
    return f"snapshot#{number % SNAPSHOT_ROWS}#{index}"


def _stored(events: list[Event]) -> list[Event]:
    derived = {"suspended": False, "payments_off": False}
    return [msgspec.structs.replace(event, **derived) if event.suspended or event.payments_off else event for event in events]


def _copy_key(version: int, index: int) -> str:
    return f"copy#{version % SNAPSHOT_ROWS}#{index}"


def _pack(content: VersionContent | LoggedChange) -> bytes:
    return zlib.compress(msgspec.json.encode(content))


def _unpack(bodies: Iterable[bytes], kind: type[C]) -> C:
    return memory.decoder(kind).decode(zlib.decompress(b"".join(bodies)))


def _sort_key(version: int) -> str:
    return f"{version:010d}"


def _parts(version: int, kind: str, packed: bytes) -> Iterable[CatalogRow]:
    for index, body in enumerate(_divide(packed, PART_BYTES)):
        yield CatalogRow(f"version#{_sort_key(version)}", f"{kind}#{index:04d}", body=body)


def _divide(packed: bytes, size: int) -> list[bytes]:
    return [packed[start : start + size] for start in range(0, len(packed), size)]


def _load_parts(version: int, kind: str) -> bytes:
    return zlib.decompress(_load_packed_parts(version, kind))


def _load_packed_parts(version: int, kind: str) -> bytes:
    parts = CatalogRow.query(f"version#{_sort_key(version)}", CatalogRow.sk.startswith(f"{kind}#"))
    return b"".join(part.body for part in parts)
