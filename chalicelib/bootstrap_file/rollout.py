"""Apply a document to the catalog. The old version is served until step 6, and a second run completes the apply after any crash.

1. Plan against the served catalog and its stock, read with strong consistency.
2. Write the new version next to the others.
3. Shrink stock with conditional writes; if one is refused, undo the earlier ones.
4. Create the stock of new tiers and events.
5. Grow the stock of tiers and events.
6. Make the new version the head, with the audit entry.
7. Grow the stocks of holdbacks, from which complimentary tickets are issued: nobody may issue more than the served version holds back.
8. Write promo codes, each on condition that the new version is still served.

Stock is shrunk first, because only shrinking can be refused. The ids of new stock contain the version number of this attempt. No other
attempt ever gets this number, so an apply that stalls and resumes an hour later cannot overwrite stock that was ever on sale. Steps 2 to 6
are a publication (`catalog/publications.py`): if one of them fails, the version and its new stock are deleted.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.bootstrap_file.document import to_promo_codes
from chalicelib.bootstrap_file.findings import InvalidDocument, PlanOutdated, Refusal, VersionRefused, VersionUnusable, refusal_lines
from chalicelib.bootstrap_file.plan import (
    CodeChange,
    Plan,
    Resize,
    all_stock,
    apply_code_change,
    build_plan,
    changed_stock,
    load_code_changes,
)
from chalicelib.bootstrap_file.validation import Tree, ValidDocument, validate_tree
from chalicelib.bootstrap_file.views import AppliedView, CatalogPlanView, VersionsView, VersionView, change_view, refusal_view, warning_view
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, CatalogHead, Event
from chalicelib.edge import cursors
from chalicelib.foundation import clock, parallel
from chalicelib.foundation.errors import NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.display import invalidate_figures
from chalicelib.inventory.model import CapacityInUse
from chalicelib.promotions.model import MaxUsesTooSmall, PromoCode, PromoCodeChanging, PromoCodeTaken
from chalicelib.waiting_room import service as waiting_room

MAX_SHOWN = 500  # changes that one reply lists

MAX_ATTEMPTS = 3  # an apply starts over after a conflict
# Up to this many shards, an apply reads all stock and corrects drift. In a larger catalog, an apply reads only the stock that it changes,
# unless the document is already served: people apply a served document again to correct drift.
MAX_SHARDS_READ = 1000
# An audit entry is one item of at most 400 KB; the document of the version has the full content.
MAX_AUDITED_CHARACTERS = 100_000
MAX_AUDITED_CHANGES = 100


class ApplyResult(Struct, frozen=True):
    """The result of an apply. `unchanged` and `healed` leave the head as it was; `healed` means that stock or codes were corrected."""

    result: Literal["applied", "healed", "unchanged"]
    version: int
    plan: Plan


class ApplyRefused(Exception):
    """The document was not applied, or only without some of its promo codes. `refusals` give the reasons and say what to do."""

    def __init__(self, refusals: list[Refusal], plan: Plan) -> None:
        self.refusals, self.plan = refusals, plan
        super().__init__("; ".join(self.reasons))

    @property
    def reasons(self) -> list[str]:
        """The refusals as the lines that commands print."""
        return refusal_lines(self.refusals)


def plan(valid: ValidDocument) -> Plan:
    """Return the complete plan, including drifted stock that `apply` skips in a large catalog. Reads all stock."""
    return _load_plan(valid, all_shards=True)


def plan_apply(valid: ValidDocument) -> Plan:
    """Return the plan that `apply` would carry out now. In a large catalog, it omits drift in stock that the document does not change."""
    return _load_plan(valid, all_shards=False)


def apply(
    valid: ValidDocument,
    actor: str,
    now: int,
    *,
    action: str = "catalog.applied",
    details: dict[str, Any] | None = None,
    approve: Callable[[Plan], None] | None = None,
) -> ApplyResult:
    """Apply a document. Raises ApplyRefused. Starts again after a concurrent pause; gives up after a concurrent apply.

    `approve` is called with each plan before any change is made. If it raises an exception, the apply stops without changing anything.
    """
    for _ in range(MAX_ATTEMPTS):
        planned = plan_apply(valid)
        if planned.refusals:
            _refuse(planned, planned.refusals, actor, now)
        if approve is not None:
            approve(planned)
        if planned.is_served:
            return _heal(planned, actor, now)
        try:
            return _publish(planned, valid, actor, now, action, details or {})
        except catalog.HeadChanged as conflict:
            if conflict.head.version != planned.head.version:
                _give_up(conflict.head, planned, actor, now)
    raise ApplyRefused([Refusal("kept_changing", {})], planned)


# The keys of the file that are deferred with a frozen field. A key with a dot is deferred with the whole object that contains it.
_DEFERRED_KEYS = {
    "price_cents": ("price_cents", "stripe_price_id", "included_fee"),
    "currency": ("currency", "price_cents", "stripe_price_id", "included_fee"),
    "per_user_limit": ("per_user_limit", "availability"),
}


def without_frozen(valid: ValidDocument) -> tuple[ValidDocument, list[Refusal]]:
    """Return a document without its frozen changes, and the refusals of these changes. Writes nothing.

    Each frozen field gets the value of the served document. A new ticket type that is too expensive is left out. A change that cannot be
    left out stays in the document, so an apply refuses it. Raises InvalidDocument if the rest of the document needs what was left out.
    """
    deferred: list[Refusal] = []
    while True:
        planned = plan_apply(valid)
        frozen = [refusal for refusal in planned.refusals if refusal.code == "frozen" and refusal not in deferred]
        if not frozen:
            return valid, deferred
        stored = catalog.load_document(planned.head.version)
        served: Tree = {} if stored is None else msgspec.json.decode(stored)
        tree = valid.tree
        for refusal in frozen:
            tree = _with_served_values(tree, served, refusal)
        valid, deferred = validate_tree(tree), [*deferred, *frozen]


def _with_served_values(tree: Tree, served: Tree, refusal: Refusal) -> Tree:
    section, name, field = "events" if refusal.kind == "event" else "ticket_types", str(refusal.name), str(refusal.figures["field"])
    entries, old = dict(tree[section]), served.get(section, {}).get(name)
    if old is None:
        entries.pop(name, None)
        return {**tree, section: entries}
    keys = _DEFERRED_KEYS.get(field, (field.partition(".")[0],))
    kept = {key: value for key, value in entries[name].items() if key not in keys}
    entries[name] = {**kept, **{key: old[key] for key in keys if key in old}}
    return {**tree, section: entries}


def _load_plan(valid: ValidDocument, *, all_shards: bool) -> Plan:
    head, served = catalog.load_head_and_catalog()
    stock_ids = all_stock(served)
    if not all_shards and valid.checksum != head.checksum and sum(stock_ids.values()) > MAX_SHARDS_READ:
        stock_ids = changed_stock(valid, served)
    event_ids = [event.id for event in served.events.values() if event.managed_by == "bootstrap"]
    stocks, code_changes = parallel.both(lambda: read_stock(stock_ids), lambda: load_code_changes(_codes(valid), event_ids))
    planned = build_plan(valid, head, served, stock_ids, stocks, code_changes, now=clock.now())
    return replace(planned, refusals=[*planned.refusals, *_refused_openings(served, planned.events)])


def _refused_openings(served: Catalog, planned: list[Event]) -> list[Refusal]:
    """Return a refusal for each event that cannot be postponed, because the random number of its draw is public."""
    changes = [(served.events[event.id], event) for event in planned if event.id in served.events]
    refused = [after for before, after in changes if waiting_room.is_round_public(before, after, clock.now())]
    return [Refusal("round_public", {}, "event", event.id) for event in refused]


def _codes(valid: ValidDocument) -> list[PromoCode]:
    return to_promo_codes(valid.document.events, valid.document.ticket_types)


def _publish(planned: Plan, valid: ValidDocument, actor: str, now: int, action: str, details: dict[str, Any]) -> ApplyResult:
    with catalog.open_publication(now) as publication:
        version = publication.number
        content = planned.content(version, now)
        copied_parts = catalog.write_version(version, content, msgspec.json.encode(valid.tree))
        _shrink(planned, actor, now)
        _create_stock(planned, publication)
        _grow(planned, holdbacks=False)
        new_head = CatalogHead(version, planned.head.revision + 1, planned.checksum, now, actor, copied_parts=copied_parts)
        audited = {**details, "replaced": planned.head.version, **_diff(planned)}
        _, served = catalog.load_head_and_catalog()
        changed = catalog.changed_by_file(served, Catalog.build(content.events, content.tiers))
        catalog.record_file(served, changed)  # entries that a crashed apply has left out
        catalog.publish_version(planned.head, new_head, action, audited)
    catalog.record_file(catalog.load_head_and_catalog()[1], changed)
    _grow(planned, holdbacks=True)
    invalidate_figures()
    code_changes = load_code_changes(_codes(valid), [event.id for event in planned.events])
    _write_codes(code_changes, planned, version, actor, now)
    return ApplyResult("applied", version, planned)


def _heal(planned: Plan, actor: str, now: int) -> ApplyResult:
    """Correct stock and promo codes that have drifted from the document, which is already served."""
    _shrink(planned, actor, now)
    _grow(planned, holdbacks=False)
    _grow(planned, holdbacks=True)
    invalidate_figures()
    _write_codes(planned.code_changes, planned, planned.head.version, actor, now)
    result: Literal["unchanged", "healed"] = "unchanged" if planned.is_empty else "healed"
    _audit(planned, f"catalog.{result}", actor, now, _diff(planned))
    return ApplyResult(result, planned.head.version, planned)


def _shrink(planned: Plan, actor: str, now: int) -> None:
    shrunk: list[Resize] = []
    for resize in planned.resizes:
        if resize.new_capacity >= resize.old_capacity:
            continue
        try:
            _resize(resize)
        except CapacityInUse as error:
            for earlier in shrunk:
                resize_stock(earlier.stock_id, earlier.new_shards, earlier.old_capacity)
            figures: dict[str, int | str] = {"capacity": resize.new_capacity, **error.details}
            _refuse(planned, [Refusal("capacity_in_use_meanwhile", figures, resize.kind, resize.name)], actor, now)
        shrunk.append(resize)


def _create_stock(planned: Plan, publication: catalog.Publication) -> None:
    shards: inventory.NewShards = []
    for new in planned.new_stocks:
        shards += inventory.new_shards(
            publication.stock_id(new.owner),
            capacity=new.capacity,
            sold=new.sold,
            shard_count=new.shards,
            is_open=new.is_open,
            is_pooled=new.is_pooled,
        )
    publication.write_shards(shards)


def _grow(planned: Plan, *, holdbacks: bool) -> None:
    """Grow the stocks of holdbacks, or all other stocks. The other stocks are also opened or closed."""
    for resize in planned.resizes:
        if resize.new_capacity >= resize.old_capacity and resize.is_of_holdback == holdbacks:
            _resize(resize)
    for change in planned.open_changes if not holdbacks else ():
        inventory.set_open({change.stock_id: change.shards}, change.is_open)


def _write_codes(changes: list[CodeChange], planned: Plan, version: int, actor: str, now: int) -> None:
    """Write the promo codes, each on condition that the version is still served, so that a slow apply never overwrites a later one."""
    for change in changes:
        reason, why = (change.refusal.reason, change.refusal.code) if change.refusal else (None, "")
        try:
            if reason is None:
                apply_code_change(change, version, actor, now)
        except (MaxUsesTooSmall, PromoCodeTaken) as error:
            reason, why = error.message, error.code
        except PromoCodeChanging:
            head, _ = catalog.load_head_and_catalog()
            if head.version != version:
                _give_up(head, planned, actor, now)
            reason, why = "it kept changing", PromoCodeChanging.code
        if reason is not None:
            figures: dict[str, int | str] = {"reason": reason, "why": why, "version": version}
            _refuse(planned, [Refusal("code_not_written", figures, "promo code", change.name)], actor, now)


def _resize(resize: Resize) -> None:
    resize_stock(resize.stock_id, resize.old_shards, resize.new_capacity, grow_to=resize.new_shards)
    if resize.new_shards != resize.old_shards:
        # A shard that an earlier, crashed attempt added has missed every pause since then. If the event has been paused or resumed since
        # the plan was made, the head's revision has changed, so the publication is refused, and the next attempt reads the new state.
        inventory.set_open({resize.stock_id: resize.new_shards}, resize.is_open)


def _give_up(head: CatalogHead, planned: Plan, actor: str, now: int) -> NoReturn:
    """Raise ApplyRefused because a concurrent apply has published its version.

    Our resizes may have undone its resizes, so the stock is first corrected to match the document of that version.
    """
    document = catalog.load_document(head.version)
    if document is not None:
        _heal(plan(validate_tree(msgspec.json.decode(document))), actor, now)
    _refuse(planned, [Refusal("applied_meanwhile", {"by": head.applied_by, "version": head.version})], actor, now)


def _refuse(planned: Plan, refused: list[Refusal], actor: str, now: int) -> NoReturn:
    """Audit the refusal and raise ApplyRefused."""
    shown = msgspec.to_builtins([refusal_view(refusal) for refusal in refused[:MAX_AUDITED_CHANGES]])
    _audit(planned, "catalog.refused", actor, now, {"diff": _shortened(refusal_lines(refused)), "refusals": shown})
    raise ApplyRefused(refused, planned) from None


def _audit(planned: Plan, action: str, actor: str, now: int, what: dict[str, Any]) -> None:
    catalog.record_attempt(action, actor, now, {"version": planned.head.version, "checksum": planned.checksum, **what})


def _diff(planned: Plan) -> dict[str, Any]:
    """Return the changes for the audit log as lines. The first changes are also included as structured data that pages can translate."""
    shown = [change_view(entry) for entry in planned.entries[:MAX_AUDITED_CHANGES]]
    return {"diff": _shortened(planned.changes), "changes": msgspec.to_builtins(shown), "more": len(planned.entries) - len(shown)}


def _shortened(lines: list[str]) -> list[str]:
    """Return the lines that fit into an audit entry. If some do not fit, the last line gives the number of omitted lines."""
    size = 0
    first: list[str] = []
    for line in lines:
        size += len(line)
        if size > MAX_AUDITED_CHARACTERS:
            return [*first, f"... and {len(lines) - len(first)} more"]
        first.append(line)
    return first


# The served versions for admins: list them, plan a rollback to one, and apply it once an admin has seen the plan.
#
# A plan's name is a digest of its changes. The admin sends the name of the plan that they have seen, and the apply is refused if the plan
# has changed. Sales in the meantime do not change the name.


def list_versions(limit: int, cursor: str | None) -> VersionsView:
    """Return a page of the versions that were ever served, newest first. Raises InvalidInput for an invalid cursor."""
    before = None if cursor is None else int(cursors.decode(cursor, r"\d{1,10}"))
    found = catalog.list_versions(limit + 1, before)
    served = found[0].version if before is None and found else catalog.load_head().version
    shown = found[:limit]
    next_cursor = cursors.encode(str(shown[-1].version)) if len(found) > limit else None
    return VersionsView(versions=[_version_view(head, served) for head in shown], next_cursor=next_cursor)


def plan_version(version: int) -> CatalogPlanView:
    """Return what applying a version again would change now. For the served version, this is the drift.

    Raises NotFound and VersionUnusable.
    """
    valid = _load_version(version)
    planned = plan_apply(valid)
    return CatalogPlanView(
        version=version,
        served=planned.head.version,
        plan=_plan_name(planned),
        is_empty=planned.is_empty,
        changes=[change_view(change) for change in planned.entries[:MAX_SHOWN]],
        more=max(0, len(planned.entries) - MAX_SHOWN),
        refusals=[refusal_view(refusal) for refusal in planned.refusals],
        warnings=[warning_view(warning) for warning in valid.warnings],
    )


def apply_version(version: int, seen: str, actor: str, now: int) -> AppliedView:
    """Apply a version again if its plan still has the name `seen`.

    Raises NotFound, VersionUnusable, PlanOutdated, or VersionRefused with the reasons. If only a promo code could not be written,
    VersionRefused is raised although the version is already served.
    """

    def approve(planned: Plan) -> None:
        if _plan_name(planned) != seen:
            raise PlanOutdated(version=version)

    valid = _load_version(version)
    details = {"rolled_back_to": version}
    try:
        applied = apply(valid, actor, now, action="catalog.rolled_back", details=details, approve=approve)
    except ApplyRefused as refused:
        raise VersionRefused(version=version, reasons=refused.reasons) from None
    return AppliedView(result=applied.result, version=applied.version)


def _load_version(version: int) -> ValidDocument:
    document = catalog.load_document(version)
    if document is None:
        raise NotFound("The catalog has no version with this number.", version=version)
    try:
        return validate_tree(msgspec.json.decode(document))
    except InvalidDocument as error:
        raise VersionUnusable(version=version, reasons=[str(fault) for fault in error.faults[:MAX_SHOWN]]) from None


def _plan_name(planned: Plan) -> str:
    """Return the plan's name. Plans with equal changes to the same version share a name, regardless of sold and held tickets."""
    changes = [[change.sign, change.kind, change.name, [str(field) for field in change.fields]] for change in planned.entries]
    content = json.dumps([planned.head.version, planned.checksum, changes, bool(planned.refusals)])
    return sha256(content.encode()).hexdigest()


def _version_view(head: CatalogHead, served: int) -> VersionView:
    return VersionView(
        version=head.version,
        applied_at=clock.iso(head.applied_at),
        applied_by=head.applied_by,
        checksum=head.checksum,
        is_served=head.version == served,
    )
