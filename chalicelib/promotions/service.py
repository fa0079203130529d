"""Find promo codes, and write each code together with the stock of its uses, so that the stock's capacity always matches the code.

Each use is a unit of this stock. `purchases/checkout.py` holds a unit for each checkout, so buyers never exceed the limit. Managers and the
bootstrap file change codes through `management`.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import asdict, replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.json_attribute import JsonAttribute
from chalicelib.foundation import deadline
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import resize_stock_items
from chalicelib.inventory.model import NO_STOCK, CapacityInUse
from chalicelib.promotions.model import CodeWithUses, MaxUsesTooSmall, PromoCode, PromoCodeChanging, normalize, shard_count

MAX_ATTEMPTS = 5
PAUSE_SECONDS = (0.01, 0.05)  # after a conflict

T = TypeVar("T")


def find_promo_code(event_id: str, code: str) -> PromoCode | None:
    """Return the code, read with strong consistency. Returns None if the event has no such code."""
    row = PromoCodeRow.find(event_id, code)
    return None if row is None else row.content


def find_typed_code(event_id: str, text: str) -> PromoCode | None:
    """Return the code that a person typed, read with strong consistency. Ignores case and surrounding spaces."""
    code = normalize(text)
    return find_promo_code(event_id, code) if code else None


def list_codes(event_id: str, limit: int | None = None, after: str | None = None) -> list[PromoCode]:
    """Return at most `limit` codes of an event that follow the code `after` alphabetically, read with strong consistency."""
    condition = PromoCodeRow.code > after if after is not None else None
    return [row.content for row in PromoCodeRow.query(event_id, condition, limit=limit)]


def count_codes(event_id: str, limit: int) -> int:
    """Return the number of codes of an event, but at most `limit`."""
    return sum(1 for _ in PromoCodeRow.query(event_id, attributes_to_get=["code"], limit=limit, consistent_read=False))


def has_access_codes(event_id: str, now: int) -> bool:
    """Return whether an event has an access code that can be used now or later. May miss writes from the last second."""
    codes = (row.content for row in PromoCodeRow.query(event_id, consistent_read=False))
    return any(code.opens_package_ids and code.is_active and not code.is_expired(now) for code in codes)


def scan_codes() -> Iterator[PromoCode]:
    """Yield the codes of all events. Scans the whole table, so only commands and checks may call it."""
    return (row.content for row in PromoCodeRow.scan())


def with_uses(promo_code: PromoCode) -> CodeWithUses:
    """Return the code with the current stock of its uses."""
    stocks = read_stock({promo_code.stock_id: promo_code.shards})
    return CodeWithUses(promo_code, stocks.get(promo_code.stock_id, NO_STOCK))


def create_code(new: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> None:
    """Write a new code and its stock. Raises TransactionCanceled if the event already has the code or a condition fails."""
    shards = inventory.new_shards(new.stock_id, capacity=new.capacity, sold=0, shard_count=new.shards, is_open=True)
    entry = _audit_item(new, "promo_code.created", actor, now, None)
    dynamo.transact([*conditions, _create_item(new), *inventory.create_shard_items(shards), entry])


def change_code(before: PromoCode, after: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> PromoCode:
    """Write the next version of a code and resize the stock of its uses. Returns the stored code. If nothing changes, writes nothing.

    Raises MaxUsesTooSmall, and TransactionCanceled if the code or its stock has changed since it was read or a condition fails.
    """
    if after == before:
        return before
    resize_items = []
    if after.max_total_uses != before.max_total_uses:
        after = replace(after, shards=max(before.shards, shard_count(after.max_total_uses)))
        resize_items = _resize_items(before, after)
    after = replace(after, version=before.version + 1, updated_at=now)
    entry = _audit_item(after, "promo_code.changed", actor, now, before)
    dynamo.transact([*conditions, _replace_item(before, after), *resize_items, entry])
    return after


def withdraw_code(before: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> tuple[PromoCode, bool]:
    """Delete an unused code and its stock; deactivate a used code. Returns the code, and whether it was deleted.

    Raises TransactionCanceled if the code or its stock has changed since it was read or a condition fails.
    """
    uses = with_uses(before).uses
    if uses.sold or uses.held:
        return change_code(before, replace(before, is_active=False), actor, now, conditions), False
    shards = inventory.delete_shard_items(before.stock_id, before.shards)  # the transaction fails if somebody uses the code in the meantime
    entry = _audit_item(before, "promo_code.deleted", actor, now, None)
    dynamo.transact([*conditions, _delete_item(before), *shards, entry])
    return before, True


def retry_conflicts(attempt: Callable[[], T]) -> T:
    """Repeat `attempt` while it conflicts with other changes to the code or its stock. Raises PromoCodeChanging after MAX_ATTEMPTS."""
    for number in range(MAX_ATTEMPTS):
        if number:
            deadline.wait(random.uniform(*PAUSE_SECONDS) * number)
        try:
            return attempt()
        except dynamo.TransactionCanceled:
            continue
    raise PromoCodeChanging(retry_after_seconds=1)


def _resize_items(before: PromoCode, after: PromoCode) -> list[dynamo.TransactItem]:
    try:
        return resize_stock_items(before.stock_id, before.shards, after.capacity, grow_to=after.shards)
    except CapacityInUse as error:
        raise MaxUsesTooSmall(error.details["sold"], error.details["held"]) from None


def _audit_item(promo_code: PromoCode, action: str, actor: str, now: int, before: PromoCode | None) -> dynamo.TransactItem:
    """Return the transaction item for the audit entry of a change. With `before`, the entry lists the changed fields."""
    shown = {name: value for name, value in asdict(promo_code).items() if name not in ("stock_id", "shards", "version", "updated_at")}
    old = asdict(before) if before is not None else {}
    changes = {name: (old[name], value) for name, value in shown.items() if name in old and old[name] != value}
    details = {} if changes else {name: value for name, value in shown.items() if name not in ("event_id", "created_at")}
    subject = f"promo_code#{promo_code.event_id}/{promo_code.code}"
    return audit.entry_item(subject, action, actor, now, details, event_id=promo_code.event_id, changes=changes)


# The table `promotions`. An event's codes are in alphabetical order.


class PromoCodeRow(dynamo.Table):
    """A promo code. `content` is the whole code; `version` is a separate attribute so that conditions can use it."""

    feature = "promotions"
    contents = "Promo codes."
    personal_data = None

    event_id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    content = JsonAttribute(PromoCode)


def _create_item(promo_code: PromoCode) -> dynamo.TransactItem:
    """Return the transaction item that writes a new code; it fails if the event already has the code."""
    return dynamo.put(_row(promo_code), PromoCodeRow.event_id.does_not_exist())


def _replace_item(before: PromoCode, after: PromoCode) -> dynamo.TransactItem:
    """Return the transaction item that replaces a code; it fails if the code has changed since it was read."""
    return dynamo.put(_row(after), PromoCodeRow.version == before.version)


def _delete_item(promo_code: PromoCode) -> dynamo.TransactItem:
    """Return the transaction item that deletes a code; it fails if the code has changed since it was read."""
    return dynamo.delete(PromoCodeRow(promo_code.event_id, promo_code.code), PromoCodeRow.version == promo_code.version)


def _row(promo_code: PromoCode) -> PromoCodeRow:
    return PromoCodeRow(promo_code.event_id, promo_code.code, version=promo_code.version, content=promo_code)
