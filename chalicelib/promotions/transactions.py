"""The transactions that write a promo code together with the stock of its uses, so the stock always has as many uses as the code says."""

import random
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec.structs import asdict, replace

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import NO_STOCK, CapacityInUse
from chalicelib.promotions import store
from chalicelib.promotions.model import CodeWithUses, MaxUsesTooSmall, PromoCode, PromoCodeChanging, shard_count

MAX_ATTEMPTS = 5
PAUSE_SECONDS = (0.01, 0.05)  # after a conflict

T = TypeVar("T")


def with_uses(promo_code: PromoCode) -> CodeWithUses:
    """The code with its uses as they are now."""
    stocks = inventory.read_stock({promo_code.stock_id: promo_code.shards})
    return CodeWithUses(promo_code, stocks.get(promo_code.stock_id, NO_STOCK))


def create(new: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> None:
    """Write a new code and its stock. Raises TransactionCanceled if the event has it, or if one of the conditions fails."""
    shards = inventory.new_shard_items(new.stock_id, capacity=new.capacity, sold=0, shard_count=new.shards, is_open=True)
    entry = _audit_item(new, "promo_code.created", actor, now, None)
    dynamo.transact([*conditions, store.create_item(new), *inventory.create_shard_items(shards), entry])


def change(before: PromoCode, after: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> PromoCode:
    """Write the next version of a code, with the uses that it then has; nothing if nothing differs. Returns it as it is then.

    Raises MaxUsesTooSmall, and TransactionCanceled if the code or its stock is not as it was read, or if one of the conditions fails.
    """
    if after == before:
        return before
    resized = []
    if after.max_total_uses != before.max_total_uses:
        after = replace(after, shards=max(before.shards, shard_count(after.max_total_uses)))
        resized = _resize_items(before, after)
    after = replace(after, version=before.version + 1, updated_at=now)
    entry = _audit_item(after, "promo_code.changed", actor, now, before)
    dynamo.transact([*conditions, store.replace_item(before, after), *resized, entry])
    return after


def withdraw(before: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> tuple[PromoCode, bool]:
    """Delete a code that nobody has used, with its stock; deactivate any other. Returns the code, and whether it was deleted.

    Raises TransactionCanceled as `change`.
    """
    uses = with_uses(before).uses
    if uses.sold or uses.held:
        return change(before, replace(before, is_active=False), actor, now, conditions), False
    shards = inventory.delete_shard_items(before.stock_id, before.shards)  # refused if it is used meanwhile
    entry = _audit_item(before, "promo_code.deleted", actor, now, None)
    dynamo.transact([*conditions, store.delete_item(before), *shards, entry])
    return before, True


def retry(attempt: Callable[[], T]) -> T:
    """Return the result of `attempt`, repeated if the code or its stock has changed since it was read. Raises PromoCodeChanging."""
    for number in range(MAX_ATTEMPTS):
        if number:
            deadline.wait(random.uniform(*PAUSE_SECONDS) * number)
        try:
            return attempt()
        except dynamo.TransactionCanceled:
            continue
    raise PromoCodeChanging(retryAfterSeconds=1)


def _resize_items(before: PromoCode, after: PromoCode) -> list[dynamo.TransactItem]:
    try:
        return inventory.resize_items(before.stock_id, before.shards, after.capacity, grow_to=after.shards)
    except CapacityInUse as error:
        raise MaxUsesTooSmall(error.details["sold"], error.details["held"]) from None


def _audit_item(promo_code: PromoCode, action: str, actor: str, now: int, before: PromoCode | None) -> dynamo.TransactItem:
    """The audit entry of a change; with `before`, field by field."""
    shown = {name: value for name, value in asdict(promo_code).items() if name not in ("stock_id", "shards", "version", "updated_at")}
    old = asdict(before) if before is not None else {}
    changes = {name: (old[name], value) for name, value in shown.items() if name in old and old[name] != value}
    details = {} if changes else {name: value for name, value in shown.items() if name not in ("event_id", "created_at")}
    subject = f"promo_code#{promo_code.event_id}/{promo_code.code}"
    return audit.entry_item(subject, action, actor, now, details, event_id=promo_code.event_id, changes=changes)
