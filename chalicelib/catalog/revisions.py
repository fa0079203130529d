"""Commit changes to the catalog, and put an applied version on sale.

Each change is one transaction with its audit entry, and creates a new revision of the catalog. All instances see a change within a few
seconds (`snapshots`). If two changes are concurrent, the second is rebuilt on the result of the first. A caller may name the version of an
entry that they have seen; the change is then refused if the entry has changed since.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from msgspec import Struct, UnsetType
from msgspec.structs import asdict, replace

from chalicelib.audit import service as audit
from chalicelib.catalog import quotas, snapshots, stock_ledger, store
from chalicelib.catalog.model import Catalog, CatalogHead, Event, Tier
from chalicelib.dynamodb import dynamo
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.edge.routes import Reply, RequestContext
from chalicelib.foundation import deadline
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.inventory.display import invalidate_figures

MAX_ATTEMPTS = 5
# Urgent changes, such as a pause, wait the same time after each conflict; other changes wait longer each time, so they give way.
MAX_URGENT_ATTEMPTS = 50
PAUSE_SECONDS = (0.01, 0.05)  # after the first conflict, so that many editors do not collide repeatedly

T = TypeVar("T", Event, Tier)


class CatalogChanging(ApiError):
    code: ClassVar[str] = "catalog_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing the catalog right now. Try again."


class ManagedByBootstrap(ApiError):
    code: ClassVar[str] = "managed_by_bootstrap"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event is managed by the bootstrap file. Change it there and apply the file."


class VersionConflict(ApiError):
    """The body names an outdated version; `version` is the current one."""

    code: ClassVar[str] = "version_conflict"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Someone has changed this in the meantime. Load it again, then send your change with the current `version`."
    )


class PreconditionFailed(ApiError):
    """The `If-Match` header names an outdated version; `version` is the current one."""

    code: ClassVar[str] = "precondition_failed"
    status: ClassVar[int] = 412
    default_message: ClassVar[str] = "Someone has changed this in the meantime. Load it again, then send your change with the current ETag."


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


class Expected(Struct, frozen=True):
    """The version that a caller expects, from the body or the `If-Match` header. Without either, every version matches."""

    version: int | None = None
    if_match: str | None = None

    def check(self, entry: Versioned) -> None:
        """Raise PreconditionFailed or VersionConflict, with the current version, if the entry has a different version."""
        if self.if_match is not None and not _matches(self.if_match, entry.version):
            raise PreconditionFailed(version=entry.version)
        if self.version is not None and self.version != entry.version:
            raise VersionConflict(version=entry.version)


ANY_VERSION = Expected()


class CatalogChange(Struct, Generic[T], frozen=True):
    """A change to the catalog: its result, and the transaction items that write it (no items if nothing changes).

    `others` are other tiers that the change affects.
    """

    result: T
    items: list[dynamo.TransactItem]
    others: Sequence[Tier] = ()


def commit(build: Callable[[Catalog], CatalogChange[T]], *, is_urgent: bool = False) -> tuple[Catalog, T]:
    """Build a change on the current catalog and commit it. After a conflict, rebuild it on the newer catalog and try again.

    Returns the catalog with the change, and the result of the change. Raises CatalogChanging if all attempts conflict.
    """
    for _ in attempts(is_urgent=is_urgent):
        try:
            return _try_commit(build)
        except dynamo.ConditionFailed:
            continue
    raise AssertionError("attempts ends with an exception")


def invalidate_everywhere(actor: str, now: int) -> None:
    """Make all instances reload the catalog from its entries: this instance immediately, the others when they next read the head.

    If the catalog is large, this call reads the entries and writes a snapshot for all instances. Otherwise, hundreds of instances would
    read all entries from one key, and delay each other and the next snapshot for many minutes. Raises CatalogChanging if all attempts
    conflict.
    """
    head = store.read_head()
    catalog = store.load_live(head)
    snapshot = store.write_snapshot_parts(catalog) if store.has_snapshots(catalog) else None
    entry = audit.entry_item("catalog", "catalog.invalidated", actor, now, {})
    for _ in attempts(is_urgent=True):
        try:
            dynamo.transact([*([store.increment_revision_item()] if snapshot is None else store.invalidation_items(head, snapshot)), entry])
            break
        except dynamo.ConditionFailed:
            head = store.read_head()
    snapshots.invalidate()
    invalidate_figures()


def get_changeable_event(catalog: Catalog, event_id: str) -> Event:
    """Return an event that was created through the API. Raises NotFound or ManagedByBootstrap."""
    event = catalog.find_event(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    if event.managed_by == "bootstrap":
        raise ManagedByBootstrap(event_id=event_id)
    return event


def change_event(before: Event, after: Event, action: str, actor: str, now: int) -> CatalogChange[Event]:
    """Return the change from `before` to `after`, audited as `action`. The change is empty if nothing differs."""
    if after == before:
        return CatalogChange(before, [])
    after = replace(after, version=before.version + 1, updated_at=now)
    entry = audit.entry_item(f"event#{after.id}", action, actor, now, {}, changes=differences(before, after))
    return CatalogChange(after, [store.put_event_item(after), entry])


def differences(before: Event | Tier, after: Event | Tier) -> dict[str, tuple[object, object]]:
    """Map each changed field to its old and new values, without the fields that only follow from the change."""
    old, new = asdict(before), asdict(after)
    return {name: (old[name], value) for name, value in new.items() if value != old[name] and name not in _DERIVED}


_DERIVED = ("version", "updated_at", "public_changes", "withdrawn_opening")


def attempts(*, is_urgent: bool) -> Iterator[None]:
    """Yield once for each attempt at a change, and wait in between. Raises CatalogChanging after the last attempt."""
    for attempt in range(MAX_URGENT_ATTEMPTS if is_urgent else MAX_ATTEMPTS):
        if attempt:
            deadline.wait(random.uniform(*PAUSE_SECONDS) * (1 if is_urgent else attempt))
        yield
    raise CatalogChanging(retry_after_seconds=1)


def _try_commit(build: Callable[[Catalog], CatalogChange[T]]) -> tuple[Catalog, T]:
    """Build a change and try once to commit it. Raises ConditionFailed if the catalog has changed since it was read."""
    catalog: Catalog = snapshots.load_current()
    change: CatalogChange[T] = build(catalog)
    if change.items:
        entries: list[Event | Tier] = [change.result, *change.others]
        changed: Catalog = catalog.with_changes(entries)  # complete, because the transaction checks that the revision has not changed
        event_ids: set[str] = {entry.id if isinstance(entry, Event) else entry.event_id for entry in entries}
        for event_id in event_ids:
            quotas.check_text_size(catalog, changed, event_id)
        written: list[dynamo.TransactItem] = [*change.items, *stock_ledger.change_items(catalog, changed, event_ids)]
        items = [*store.next_revision_items(catalog.head, changed.head, entries), *written]
        is_logged = len(items) <= dynamo.MAX_TRANSACT_ITEMS
        try:
            dynamo.transact(items if is_logged else [store.increment_revision_item(catalog.revision), *written])
        finally:
            snapshots.expire()  # even after an error, because the change may have been committed although the response was lost
        if not is_logged:
            return snapshots.load_current(), change.result
        snapshots.keep(changed)
        return changed, change.result
    return catalog, change.result


def _matches(if_match: str, version: int) -> bool:
    """Return whether a list of entity tags (RFC 9110, 13.1.1) has a tag that begins with this version, or is `*`."""
    tags = re.findall(r'[^\s,"]+', if_match)
    return "*" in tags or str(version) in (tag.partition("-")[0] for tag in tags)


CHANGE_ERRORS: tuple[type[ApiError], ...] = (ManagedByBootstrap, RateLimited, VersionConflict, PreconditionFailed, CatalogChanging)


# Versions over HTTP: the version that a caller expects, and replies with an ETag.

V = TypeVar("V", bound=Versioned)


class Changes(Protocol):
    @property
    def version(self) -> int | UnsetType: ...


def expected_version(request: RequestContext, changes: Changes | None = None) -> Expected:
    """Return the version that a change expects, from the body or the `If-Match` header."""
    version = changes.version if changes is not None and isinstance(changes.version, int) else None
    return Expected(version, request.header("if-match"))


def versioned_reply(view: V, status: int = 200) -> Reply[V]:
    """Return a reply whose ETag can be sent back in the `If-Match` header."""
    return Reply(view, status, {"ETag": f'"{view.version}"'})


# Publishing a version: one transaction makes the version visible and writes the audit entry.

SUBJECT = "catalog"


class HeadChanged(Exception):
    """Nothing was published: the catalog has changed since it was read, or the publication took too long. `head` is the current head."""

    def __init__(self, head: CatalogHead) -> None:
        self.head = head
        super().__init__(f"the catalog is now at version {head.version}, revision {head.revision}")


def load_head() -> CatalogHead:
    """Load the head from the store with strong consistency."""
    return store.read_head()


def load_head_and_catalog() -> tuple[CatalogHead, Catalog]:
    """Load the head and its catalog from the store with strong consistency."""
    head = store.read_head()
    return head, store.load(head)


def publish_version(expected_head: CatalogHead, new_head: CatalogHead, action: str, details: dict[str, Any]) -> None:
    """Serve a version whose content is already written, and end its publication.

    Changes made through the API to events and tiers since `expected_head` do not affect the version. Otherwise, promoters who keep editing
    their drafts could prevent every publication. Raises HeadChanged if anything else has changed, or if the publication was abandoned.
    """
    audited = {"version": new_head.version, "checksum": new_head.checksum, **details}
    entry = audit.entry_item(SUBJECT, action, new_head.applied_by, new_head.applied_at, audited)
    head = expected_head
    for attempt in range(MAX_URGENT_ATTEMPTS):
        if attempt:
            deadline.wait(random.uniform(*PAUSE_SECONDS))
        new_head, expected_head = replace(new_head, revision=head.revision + 1), head
        try:
            dynamo.transact([*store.replace_head_items(expected_head, new_head), store.end_publication_item(new_head.version), entry])
        except dynamo.ConditionFailed:
            head = store.read_head()
            if not store.has_only_api_changes(expected_head, head):
                break
        else:
            return
        finally:
            snapshots.expire()
    raise HeadChanged(head)


def record_attempt(action: str, actor: str, now: int, details: dict[str, Any]) -> None:
    """Audit an apply that was refused, changed nothing, or only corrected stock or codes."""
    dynamo.transact([audit.entry_item(SUBJECT, action, actor, now, details)])
