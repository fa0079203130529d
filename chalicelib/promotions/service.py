"""Find promo codes, and write each code together with the stock of its uses, so that the stock's capacity always matches the code.

Each use is a unit of this stock. `purchases/checkout.py` holds a unit for each checkout, so buyers never exceed the limit. Managers and the
bootstrap file change codes through `management`. There is no `store.py`: the tables are at the end of this module.
"""

import hmac
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec.structs import asdict, replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import size

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import deadline, secret_settings
from chalicelib.foundation.memory import Memory
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import resize_stock_items
from chalicelib.inventory.model import NO_STOCK, CapacityInUse, Stock
from chalicelib.promotions.model import CodeWithUses, MaxUsesTooSmall, PromoCode, PromoCodeChanging, normalize, shard_count

MAX_ATTEMPTS = 5
PAUSE_SECONDS = (0.01, 0.05)  # the range of the pause after a conflict

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
    # A `dynamo.Table` has no `count`.
    return sum(1 for _ in PromoCodeRow.query(event_id, attributes_to_get=["code"], limit=limit, consistent_read=False))


def has_access_codes(event_id: str, now: int) -> bool:
    """Return whether an event has an access code that can be used now or later. May miss writes from the last second."""
    codes = (row.content for row in PromoCodeRow.query(event_id, consistent_read=False))
    return any(code.opens_package_ids and code.is_active and not code.is_expired(now) for code in codes)


def scan_codes() -> Iterator[PromoCode]:
    """Yield the codes of all events. Scans the whole table, so only commands and checks may call it."""
    return (row.content for row in PromoCodeRow.scan() if row.content is not None)  # the table also has the items of CodeUsesRow


def with_uses(promo_code: PromoCode) -> CodeWithUses:
    """Return the code with the current stock of its uses."""
    return with_all_uses([promo_code])[0]


def with_all_uses(codes: Sequence[PromoCode]) -> list[CodeWithUses]:
    """Return codes of one event, given in alphabetical order, with the current stocks of their uses."""
    admitting = [promo_code.code for promo_code in codes if promo_code.admits_to_draw]
    admitted = _count_admitted(codes[0].event_id, admitting[0], admitting[-1]) if admitting else {}
    stocks = read_stock({promo_code.stock_id: promo_code.shards for promo_code in codes if not promo_code.admits_to_draw})
    stocks |= {
        promo_code.stock_id: Stock(
            capacity=promo_code.capacity,
            available=promo_code.capacity - admitted.get(promo_code.code, 0),
            held=0,
            sold=admitted.get(promo_code.code, 0),
            is_open=True,
        )
        for promo_code in codes
        if promo_code.admits_to_draw
    }
    return [CodeWithUses(promo_code, stocks.get(promo_code.stock_id, NO_STOCK)) for promo_code in codes]


def write_new_code(new: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> None:
    """Write a new code and its stock. Raises ConditionFailed if the event already has the code or a condition fails."""
    shards = inventory.new_shards(new.stock_id, capacity=new.capacity, sold=0, shard_count=new.shards, is_open=True)
    entry = _audit_item(new, "promo_code.created", actor, now, None)
    dynamo.transact([*conditions, _create_item(new), *inventory.create_shard_items(shards), entry])


def write_change(before: PromoCode, after: PromoCode, actor: str, now: int, conditions: Iterable[dynamo.TransactItem] = ()) -> PromoCode:
    """Write the next version of a code and resize the stock of its uses. Returns the stored code. If nothing changes, writes nothing.

    Raises MaxUsesTooSmall, and ConditionFailed if the code or its stock has changed since it was read or a condition fails.
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

    Raises ConditionFailed if the code or its stock has changed since it was read or a condition fails.
    """
    uses = with_uses(before).uses
    if uses.sold or uses.held:
        return write_change(before, replace(before, is_active=False), actor, now, conditions), False
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
        except dynamo.ConditionFailed:
            continue
    raise PromoCodeChanging(retry_after_seconds=1)


def _resize_items(before: PromoCode, after: PromoCode) -> list[dynamo.TransactItem]:
    if before.admits_to_draw and after.capacity < before.capacity and with_uses(before).uses.sold:
        raise MaxUsesTooSmall(before.capacity, 0)
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
    contents = "Promo codes, and who got a place in a draw with them."
    personal_data = dynamo.PersonalData("keyed digests of users who used a code", export="no", erasure="stays, as a digest")

    event_id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    content = StructAttribute(PromoCode)


class CodeUsesRow(dynamo.Table):
    """A part of the users who got a place in a draw with a code, as digests. Its key is `<event>#uses` and `<code>#<part>`."""

    feature = "promotions"

    event_id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute(range_key=True)
    users = UnicodeSetAttribute(null=True)


def _create_item(promo_code: PromoCode) -> dynamo.TransactItem:
    """Return the transaction item that writes a new code; it fails if the event already has the code."""
    return dynamo.transact_put(_row(promo_code), PromoCodeRow.event_id.does_not_exist())


def _replace_item(before: PromoCode, after: PromoCode) -> dynamo.TransactItem:
    """Return the transaction item that replaces a code; it fails if the code has changed since it was read."""
    return dynamo.transact_put(_row(after), PromoCodeRow.version == before.version)


def _delete_item(promo_code: PromoCode) -> dynamo.TransactItem:
    """Return the transaction item that deletes a code; it fails if the code has changed since it was read."""
    return dynamo.transact_delete(PromoCodeRow(promo_code.event_id, promo_code.code), PromoCodeRow.version == promo_code.version)


def _row(promo_code: PromoCode) -> PromoCodeRow:
    return PromoCodeRow(promo_code.event_id, promo_code.code, version=promo_code.version, content=promo_code)


# The uses of codes that admit to the draw. A use belongs to a user, so repeating an interrupted join takes no second use. The users of a
# code are split into parts, whose limits add up to the code's uses. If a code gets more uses, each part keeps its limit or gets a higher
# limit, so there are never more users than uses. A code has at most 10,000 uses (`views.TotalUses`), so a part has at most 63 users and is
# smaller than a kilobyte. A use therefore costs one write unit.

_USES_PURPOSE = "promo code uses v1"
_PARTS = 160

# (event id, code, number of uses) -> the names of all users of a code that is used up. They stay the same until the code gets more uses.
# Without this memory, everybody who tries a used-up code would read all its parts, which are in one partition.
_used_up: Memory[tuple[str, str, int], frozenset[str]] = Memory(max_entries=20)


def take_use(promo_code: PromoCode, user: str) -> bool:
    """Give the user a use of a code that admits to the draw, unless the user already has one. Returns False if the code is used up.

    `user` is any stable name of the user. Takes one read and one write, and another read if the code has many uses and the user's own part
    is full. Makes no call to the store if this instance knows that the code is used up.
    """
    assert promo_code.max_total_uses is not None  # because it admits to the draw
    key = (promo_code.event_id, promo_code.code, promo_code.max_total_uses)
    mac = hmac.digest(secret_settings.derived_key(_USES_PURPOSE), f"{promo_code.event_id}#{promo_code.code}#{user}".encode(), "sha256")
    name, own = mac.hex()[:12], int.from_bytes(mac[-4:], "big") % _PARTS
    if (admitted := _used_up.entries.get(key)) is not None:
        return name in admitted
    limits = [promo_code.max_total_uses // _PARTS + (part < promo_code.max_total_uses % _PARTS) for part in range(_PARTS)]
    if limits[0] > 1:  # with fewer uses, a part has one use or none, so the user's own part is rarely free
        users = _users_of_part(promo_code, own)
        if name in users or (len(users) < limits[own] and _take_use_of_part(promo_code, own, limits[own], name)):
            return True
    known = {part: set[str]() for part in range(_PARTS)}
    known |= {part: users for _, part, users in _list_uses(promo_code.event_id, promo_code.code)}
    if any(name in users for users in known.values()):
        return True
    free = [part for part, users in known.items() if len(users) < limits[part]]
    if not free:
        _used_up.entries[key] = frozenset[str]().union(*known.values())
    return any(_take_use_of_part(promo_code, part, limits[part], name) for part in random.sample(free, len(free)))


def _take_use_of_part(promo_code: PromoCode, part: int, limit: int, name: str) -> bool:
    users = CodeUsesRow.users
    is_allowed = users.does_not_exist() | users.contains(name) | (size(users) < limit)
    return dynamo.update_if(_uses_row(promo_code, part), [users.add({name})], is_allowed)


def _users_of_part(promo_code: PromoCode, part: int) -> set[str]:
    row = CodeUsesRow.find(f"{promo_code.event_id}#uses", f"{promo_code.code}#{part}", consistent_read=False)
    return set() if row is None else set(row.users or ())


def _count_admitted(event_id: str, first: str, last: str) -> dict[str, int]:
    """Return the number of uses of each code that admits to the draw, from the code `first` to the code `last`."""
    counts: dict[str, int] = {}
    for code, _, users in _list_uses(event_id, first, last):
        counts[code] = counts.get(code, 0) + len(users)
    return counts


def _list_uses(event_id: str, first: str, last: str | None = None) -> Iterator[tuple[str, int, set[str]]]:
    """Yield the code, the number and the users of each part of the codes from `first` to `last`, read with strong consistency."""
    keys = CodeUsesRow.code.between(f"{first}#", f"{last or first}#~")
    for row in CodeUsesRow.query(f"{event_id}#uses", keys):
        code, _, part = row.code.partition("#")
        yield code, int(part), set(row.users or ())


def _uses_row(promo_code: PromoCode, part: int) -> CodeUsesRow:
    return CodeUsesRow(f"{promo_code.event_id}#uses", f"{promo_code.code}#{part}")
