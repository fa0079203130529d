"""Make a document what readers see. The old version is served until the last step, so after a crash anywhere a second run finishes it.

1. plan against the served catalog and its stock, strongly read     4. create the stock of new tiers and events
2. write the new version beside the others                          5. grow stock
3. shrink stock, each by a condition; undo all if one is refused    6. make the new version the head, with the audit entry
                                                                    7. write promo codes, as long as that version is served

Stock is shrunk first, since only that can be refused. New stock is named after the version number of this attempt, which no other
attempt ever gets: an apply that stalls here and goes on an hour later overwrites nothing that was ever for sale. Steps 2 to 6 are a
publication (`catalog/publications.py`): if one of them fails, the version and its new stock are deleted.
"""

from collections.abc import Callable
from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Struct

from chalicelib import parallel
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import CatalogHead
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import CapacityInUse
from chalicelib.promotions.model import MaxUsesTooSmall, PromoCode, PromoCodeChanging, PromoCodeTaken
from chalicelib.rollouts import code_plan
from chalicelib.rollouts.code_plan import CodeChange
from chalicelib.rollouts.plan import Plan, Resize
from chalicelib.rollouts.planner import all_stock, build_plan, changed_stock
from chalicelib.rollouts.promo_codes import to_promo_codes
from chalicelib.rollouts.validation import ValidDocument, validate_tree

MAX_ATTEMPTS = 3
# Up to this many shards an apply reads all stock and corrects drift. In a larger catalog it reads only the stock that it changes,
# unless the document is the served one already: applying that again asks for a correction.
MAX_SHARDS_READ = 1000
MAX_AUDITED_CHARACTERS = 100_000  # an audit entry is one item of at most 400 KB; the version's document has everything


class ApplyResult(Struct, frozen=True):
    """What an apply did. `unchanged` and `healed` leave the head as it was; `healed` corrected the stock."""

    result: Literal["applied", "healed", "unchanged"]
    version: int
    plan: Plan


class ApplyRefused(Exception):
    """The document was not applied; `reasons` say why and what to do."""

    def __init__(self, reasons: list[str], plan: Plan) -> None:
        self.reasons, self.plan = reasons, plan
        super().__init__("; ".join(reasons))


def plan(valid: ValidDocument) -> Plan:
    """What `apply` would do now, including the drift of any stock; reads all stock."""
    return _load_plan(valid, all_shards=True)


def plan_apply(valid: ValidDocument) -> Plan:
    """The plan that `apply` would carry out now: in a large catalog without the drift of stock that the document does not change."""
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
    """Apply a document; raises ApplyRefused. Starts again after a pause or an API change in between, gives up after another apply.

    `approve` gets each plan before it is carried out; what it raises stops the apply, which has then changed nothing.
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
    raise ApplyRefused(["! the catalog kept changing during the apply; run the command again"], planned)


def _load_plan(valid: ValidDocument, *, all_shards: bool) -> Plan:
    head, served = catalog.load_head_and_catalog()
    stock_ids = all_stock(served)
    if not all_shards and valid.checksum != head.checksum and sum(stock_ids.values()) > MAX_SHARDS_READ:
        stock_ids = changed_stock(valid, served)
    event_ids = [event.id for event in served.events.values() if event.managed_by == "bootstrap"]
    stocks, code_changes = parallel.both(lambda: inventory.read_stock(stock_ids), lambda: code_plan.load_changes(_codes(valid), event_ids))
    return build_plan(valid, head, served, stock_ids, stocks, code_changes)


def _codes(valid: ValidDocument) -> list[PromoCode]:
    return to_promo_codes(valid.document.events, valid.document.ticket_types)


def _publish(planned: Plan, valid: ValidDocument, actor: str, now: int, action: str, details: dict[str, Any]) -> ApplyResult:
    with catalog.open_publication(now) as publication:
        version = publication.number
        catalog.write_version(version, planned.content(version), msgspec.json.encode(valid.tree))
        _shrink(planned, actor, now)
        _create_stock(planned, publication)
        _grow(planned)
        new_head = CatalogHead(version, planned.head.revision + 1, planned.checksum, now, actor)
        audited = {**details, "replaced": planned.head.version, "diff": _shortened(planned.changes)}
        catalog.publish_version(planned.head, new_head, action, audited)
    inventory.invalidate()
    code_changes = code_plan.load_changes(_codes(valid), [event.id for event in planned.events])
    _write_codes(code_changes, planned, version, actor, now)
    return ApplyResult("applied", version, planned)


def _heal(planned: Plan, actor: str, now: int) -> ApplyResult:
    """The document is served already; correct the stock and the promo codes where they have drifted from it."""
    _shrink(planned, actor, now)
    _grow(planned)
    inventory.invalidate()
    _write_codes(planned.code_changes, planned, planned.head.version, actor, now)
    result: Literal["unchanged", "healed"] = "unchanged" if planned.is_empty else "healed"
    _audit(planned, f"catalog.{result}", actor, now, planned.changes)
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
                inventory.resize(earlier.stock_id, earlier.new_shards, earlier.old_capacity)
            in_use = f"sold {error.details['sold']}, on hold {error.details['held']}"
            reason = f"capacity {resize.new_capacity} is below what has been sold or held meanwhile ({in_use}); use a larger one"
            _refuse(planned, [f"! {resize.entry}: {reason}"], actor, now)
        shrunk.append(resize)


def _create_stock(planned: Plan, publication: catalog.Publication) -> None:
    items: list[dict[str, Any]] = []
    for new in planned.new_stocks:
        items += inventory.new_shard_items(
            publication.stock_id(new.owner),
            capacity=new.capacity,
            sold=new.sold,
            shard_count=new.shards,
            is_open=new.is_open,
            is_pooled=new.is_pooled,
        )
    publication.write_shards(items)


def _grow(planned: Plan) -> None:
    for resize in planned.resizes:
        if resize.new_capacity >= resize.old_capacity:
            _resize(resize)
    for change in planned.open_changes:
        inventory.set_open({change.stock_id: change.shards}, change.is_open)


def _write_codes(changes: list[CodeChange], planned: Plan, version: int, actor: str, now: int) -> None:
    """Write the promo codes of the version that is served, each as long as it is: a slow apply overwrites nothing of a later one."""
    for change in changes:
        reason = change.refusal
        try:
            if reason is None:
                code_plan.carry_out(change, version, actor, now)
        except (MaxUsesTooSmall, PromoCodeTaken) as error:
            reason = error.message
        except PromoCodeChanging:
            head, _ = catalog.load_head_and_catalog()
            if head.version != version:
                _give_up(head, planned, actor, now)
            reason = "it kept changing"
        if reason is not None:
            text = f"! promo code {change.name}: {reason}. Version {version} is served, without this change; correct it and apply again"
            _refuse(planned, [text], actor, now)


def _resize(resize: Resize) -> None:
    inventory.resize(resize.stock_id, resize.old_shards, resize.new_capacity, grow_to=resize.new_shards)
    if resize.new_shards != resize.old_shards:
        # A shard that an earlier, crashed attempt added has missed every pause since. If the event is paused or resumed after
        # this line, the head's revision moves, the publication is refused, and the next attempt reads the pause.
        inventory.set_open({resize.stock_id: resize.new_shards}, resize.is_open)


def _give_up(head: CatalogHead, planned: Plan, actor: str, now: int) -> NoReturn:
    """Another apply came first. Our resizes may have undone its own, so correct the stock to its document, then refuse."""
    document = catalog.load_document(head.version)
    if document is not None:
        _heal(plan(validate_tree(msgspec.json.decode(document))), actor, now)
    _refuse(planned, [f"! {head.applied_by} has applied version {head.version} meanwhile; look at the plan and apply again"], actor, now)


def _refuse(planned: Plan, reasons: list[str], actor: str, now: int) -> NoReturn:
    """Audit the refusal and raise ApplyRefused."""
    _audit(planned, "catalog.refused", actor, now, reasons)
    raise ApplyRefused(reasons, planned) from None


def _audit(planned: Plan, action: str, actor: str, now: int, lines: list[str]) -> None:
    details = {"version": planned.head.version, "checksum": planned.checksum, "diff": _shortened(lines)}
    catalog.record_attempt(action, actor, now, details)


def _shortened(lines: list[str]) -> list[str]:
    """The first lines, as many as an audit entry has room for, and how many more there are."""
    size = 0
    first: list[str] = []
    for line in lines:
        size += len(line)
        if size > MAX_AUDITED_CHARACTERS:
            return [*first, f"... and {len(lines) - len(first)} more"]
        first.append(line)
    return first
