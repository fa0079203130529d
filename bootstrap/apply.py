"""Make a document what readers see. The old head serves until the last step, so whatever crashes, running it again finishes it.

1. plan against what is served and in stock now, strongly read      4. give new tiers their stock
2. write the version beside the others                              5. grow
3. shrink, each by condition; if one is refused, undo and refuse    6. flip the head, with the audit entry

Shrinks come first, since they alone can be refused. New stock is named after this attempt's version number, which nobody else
ever gets: an apply that stalls here and wakes up an hour later overwrites nothing that was ever for sale.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from bootstrap import plan as planning
from bootstrap.plan import Plan, Resize
from bootstrap.validate import Checked, checked_tree
from chalicelib import dynamo
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Head
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import CapacityInUse

ATTEMPTS = 3
# Up to this many shards an apply looks at all stock and mends what has drifted; in a larger catalog only at what it changes,
# unless the document is the head's, which is how one asks for mending.
LOOK_AT_ALL_SHARDS = 1000
AUDITED_LINES_BYTES = 100_000  # an audit entry is one item of 400 KB at most; the version's document has the rest


class Outcome(Struct, frozen=True):
    """What an apply did: `unchanged` and `healed` leave the head as it was, `healed` mended the stock."""

    result: Literal["applied", "healed", "unchanged"]
    version: int
    plan: Plan


class Refused(Exception):
    """Nothing was changed; `reasons` say why."""

    def __init__(self, reasons: list[str], plan: Plan) -> None:
        self.reasons, self.plan = reasons, plan
        super().__init__("; ".join(reasons))


def plan(checked: Checked) -> Plan:
    """What `apply` would do now, and what has drifted: looks at all stock."""
    return _plan(checked, everything=True)


def apply(checked: Checked, actor: str, now: int, *, action: str = "catalog.applied", facts: dict[str, Any] | None = None) -> Outcome:
    """Apply a document; raises Refused. A pause or an API change in between starts it again, another apply makes it give up."""
    for _ in range(ATTEMPTS):
        planned = _plan(checked, everything=False)
        if planned.refusals:
            _audit(planned, "catalog.refused", actor, now, planned.refusals)
            raise Refused(planned.refusals, planned)
        if planned.same:
            return _heal(planned, actor, now)
        try:
            return _publish(planned, checked, actor, now, action, facts or {})
        except catalog.HeadMoved as moved:
            if moved.head.version != planned.head.version:
                _give_up(moved.head, planned, actor, now)
    raise Refused(["! the catalog kept changing while this was applied; run it again"], planned)


def _plan(checked: Checked, *, everything: bool) -> Plan:
    head, served = catalog.standing()
    asked = planning.all_stock(served)
    if not everything and checked.checksum != head.checksum and sum(asked.values()) > LOOK_AT_ALL_SHARDS:
        asked = planning.touched_stock(checked, served)
    return planning.make(checked, head, served, asked, inventory.read(asked))


def _publish(planned: Plan, checked: Checked, actor: str, now: int, action: str, facts: dict[str, Any]) -> Outcome:
    version = catalog.new_version()
    catalog.write_version(version, planned.content(version), msgspec.json.encode(checked.tree))
    _shrink(planned, actor, now)
    _create(planned, version)
    _grow(planned)
    to = Head(version, planned.head.revision + 1, planned.checksum, now, actor)
    catalog.publish(planned.head, to, action, {**facts, "replaced": planned.head.version, "diff": _short(planned.lines)})
    inventory.invalidate()
    return Outcome("applied", version, planned)


def _heal(planned: Plan, actor: str, now: int) -> Outcome:
    """The head is this document; only the stock may have drifted from it."""
    _shrink(planned, actor, now)
    _grow(planned)
    inventory.invalidate()
    result: Literal["unchanged", "healed"] = "unchanged" if planned.clean else "healed"
    _audit(planned, f"catalog.{result}", actor, now, planned.lines)
    return Outcome(result, planned.head.version, planned)


def _shrink(planned: Plan, actor: str, now: int) -> None:
    done: list[Resize] = []
    for resize in planned.resizes:
        if resize.capacity >= resize.was:
            continue
        try:
            _resize(resize)
        except CapacityInUse as error:
            for undo in done:
                inventory.resize(undo.stock_id, undo.to_shards, undo.was)
            in_use = f"sold {error.facts['sold']}, on hold {error.facts['held']}"
            reasons = [f"! tier {resize.tier_id}: capacity {resize.capacity} is below what was sold meanwhile ({in_use})"]
            _audit(planned, "catalog.refused", actor, now, reasons)
            raise Refused(reasons, planned) from None
        done.append(resize)


def _create(planned: Plan, version: int) -> None:
    items: list[dict[str, Any]] = []
    for new in planned.new:
        stock_id = planning.stock_id(new.tier_id, version)
        items += inventory.new_shards(stock_id, capacity=new.capacity, sold=new.sold, shards=new.shards, is_open=new.is_open)
    dynamo.batch_put(inventory.table(), items)


def _grow(planned: Plan) -> None:
    for resize in planned.resizes:
        if resize.capacity >= resize.was:
            _resize(resize)
    for stock_id, shards, is_open in planned.reopen:
        inventory.set_open(stock_id, shards, is_open)


def _resize(resize: Resize) -> None:
    inventory.resize(resize.stock_id, resize.shards, resize.capacity, grow_to=resize.to_shards)
    if resize.to_shards != resize.shards:
        # A shard that an earlier, crashed attempt has added knows nothing of a pause since. If the event is paused or resumed
        # after this, the head's revision moves, the flip is refused, and the next attempt looks again.
        inventory.set_open(resize.stock_id, resize.to_shards, resize.is_open)


def _give_up(head: Head, planned: Plan, actor: str, now: int) -> None:
    """Another apply came first. Our resizes may have undone its own, so bring the stock to its document before we refuse."""
    document = catalog.document(head.version)
    if document is not None:
        _heal(plan(checked_tree(msgspec.json.decode(document))), actor, now)
    reasons = [f"! {head.by} has applied version {head.version} meanwhile; look at the plan again"]
    _audit(planned, "catalog.refused", actor, now, reasons)
    raise Refused(reasons, planned)


def _audit(planned: Plan, action: str, actor: str, now: int, lines: list[str]) -> None:
    facts = {"version": planned.head.version, "checksum": planned.checksum, "diff": _short(lines)}
    catalog.record(action, actor, now, facts)


def _short(lines: list[str]) -> list[str]:
    size = 0
    kept: list[str] = []
    for line in lines:
        size += len(line)
        if size > AUDITED_LINES_BYTES:
            return [*kept, f"... and {len(lines) - len(kept)} more"]
        kept.append(line)
    return kept
