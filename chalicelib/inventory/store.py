"""The shards in DynamoDB: every change to a shard is one conditional write of its item, alone or in a transaction.

Every update preserves `available + sum(holds) + sold = capacity`. A refused update returns the item in the table, so the next attempt
needs no read.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pynamodb.attributes import Attribute, BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.constants import MAP
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action

from chalicelib.dynamodb import dynamo
from chalicelib.inventory.model import MAX_HOLDS, MAX_OFFERS, NEW_VERSION, Hold, Shard, keeps_tickets


class HoldsAttribute(Attribute[dict[str, tuple[int, int]]]):
    """The holds of a shard: hold id -> (quantity, expiry in epoch seconds), stored as a map of lists."""

    attr_type = MAP

    def serialize(self, value: dict[str, tuple[int, int]]) -> dict[str, Any]:
        return {hold_id: {"L": [{"N": str(quantity)}, {"N": str(expires_at)}]} for hold_id, (quantity, expires_at) in value.items()}

    def deserialize(self, value: dict[str, Any]) -> dict[str, tuple[int, int]]:
        return {hold_id: (int(entry["L"][0]["N"]), int(entry["L"][1]["N"])) for hold_id, entry in value.items()}


class ShardRow(dynamo.Table):
    """A shard. `pooled` and `kept` are true or absent.

    `r` is the shard's `returned` and `u` its `unpaid`; both are absent until such tickets come back. Their names are short, because a shard
    with all its holds has eight bytes left before each write costs another unit.
    """

    feature = "inventory"
    contents = "The shards of stocks, with the holds on their tickets."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    capacity = NumberAttribute()
    available = NumberAttribute()
    sold = NumberAttribute()
    holds = HoldsAttribute()
    open = BooleanAttribute()
    version = NumberAttribute()
    pooled = BooleanAttribute(null=True)
    kept = BooleanAttribute(null=True)
    kept_above = NumberAttribute(null=True)
    r = NumberAttribute(null=True)
    u = NumberAttribute(null=True)


_ABSENT, _EXISTS = ShardRow.id.does_not_exist(), ShardRow.id.exists()
_IS_OPEN = ShardRow.open == True  # noqa: E712
_HAS_ROOM = size(ShardRow.holds) < MAX_HOLDS
_IS_KEPT = ShardRow.kept.exists()
_IS_NOT_KEPT = ShardRow.kept.does_not_exist() | (ShardRow.available <= ShardRow.kept_above)
_IS_POOLED, _IS_NOT_POOLED = ShardRow.pooled.exists(), ShardRow.pooled.does_not_exist()
_NEXT_VERSION = ShardRow.version.set(ShardRow.version + 1)
_NOTHING_HELD = size(ShardRow.holds) == 0


class HoldRefused(Exception):
    """A shard did not accept a hold.

    The shard is closed, has too few tickets or too many holds, is kept for the waitlist, or does not match the caller's `is_pooled`.
    `shard` is the state of the shard; it is None if the shard does not exist.
    """

    def __init__(self, shard: Shard | None) -> None:
        self.shard = shard
        super().__init__("the shard is closed, has too few tickets or too many holds, or does not exist")


def new_shard(shard_id: str, *, capacity: int, sold: int, is_open: bool, is_pooled: bool = False, is_kept: bool = False) -> ShardRow:
    """Return a new shard, which is not written yet."""
    row = ShardRow(shard_id, capacity=capacity, available=capacity - sold, sold=sold, holds={}, open=is_open, version=NEW_VERSION)
    row.pooled, row.kept = is_pooled or None, is_kept or None
    return row


def create_shard_item(row: ShardRow) -> dynamo.TransactItem:
    """Return a transaction item that creates a shard. It fails if the shard exists, so a repeated call never resets stock on sale."""
    return dynamo.transact_put(row, _ABSENT)


def create_shard(row: ShardRow) -> Shard | None:
    """Create a shard and return it. Returns None if the shard already exists."""
    return _shard(row) if dynamo.put_if(row, _ABSENT) else None


def hold_in_shard(hold: Hold, expires_at: int, *, is_pooled: bool = False, takes_kept: bool = False) -> int:
    """Set aside the tickets of a new hold until `expires_at`. Returns how many the shard still has available. Raises HoldRefused.

    `is_pooled` means that the caller also takes the tickets from a pool. `takes_kept` means that the hold may take tickets that are kept
    for the waitlist.
    """
    entry = ShardRow.holds[hold.hold_id]
    actions = [entry.set([hold.quantity, expires_at]), ShardRow.available.set(ShardRow.available - hold.quantity), _NEXT_VERSION]
    condition = (
        # open: a sale that was paused before this write sells nothing more, even if a cache still shows it as open.
        _IS_OPEN
        # available: the condition that makes overselling impossible.
        & (ShardRow.available >= hold.quantity)
        # size: the item stays below 4 KB, because each write costs one unit per KB of the item.
        & (size(ShardRow.holds) < MAX_OFFERS if hold.is_offer else _HAS_ROOM)
        # entry absent: botocore repeats a call whose response was lost; the repetition must not take tickets twice.
        & entry.does_not_exist()
        & _pool_is(is_pooled)
    )
    if keeps_tickets() and not takes_kept:
        # kept: while people are on the waitlist, returned tickets go to these people, even if a cache shows the tickets as available.
        condition &= _IS_NOT_KEPT
    change = dynamo.transact_update(ShardRow(hold.shard_id), actions, condition)["Update"]
    is_held, stored = dynamo.write("update_item", **change, ReturnValues="UPDATED_NEW")  # leaves out up to 80 other holds
    row = ShardRow.from_raw_data(stored) if stored else None
    if row is None or not (is_held or hold.hold_id in row.holds):
        raise HoldRefused(_shard(row) if row is not None else None)
    return int(row.available)


def release_hold(hold: Hold, *, is_unpaid: bool = False) -> bool:
    """Remove a hold and make its tickets available again. Returns False if the hold no longer exists.

    `is_unpaid` means that a buyer reserved the tickets and did not pay for them.
    """
    actions, condition = _removal(hold, ShardRow.available)
    return dynamo.update_if(ShardRow(hold.shard_id), [*actions, ShardRow.u.add(hold.quantity)] if is_unpaid else actions, condition)


def convert_hold(hold: Hold) -> bool:
    """Remove a hold and count its tickets as sold. Returns False if the hold no longer exists."""
    return dynamo.update_if(ShardRow(hold.shard_id), *_removal(hold, ShardRow.sold))


def sell_item(shard_id: str, quantity: int, is_pooled: bool) -> dynamo.TransactItem:
    """Return a transaction item that counts available tickets as sold without a hold, even while the sale is closed.

    The item fails if too few tickets are left. `is_pooled` means that the caller also takes the tickets from a pool.
    """
    actions = [ShardRow.available.set(ShardRow.available - quantity), ShardRow.sold.set(ShardRow.sold + quantity), _NEXT_VERSION]
    return dynamo.transact_update(ShardRow(shard_id), actions, (ShardRow.available >= quantity) & _pool_is(is_pooled))


def set_aside_item(hold: Hold, expires_at: int) -> dynamo.TransactItem:
    """Return a transaction item that sets tickets aside like `hold_in_shard`, even while the sale is closed.

    The item fails if the hold exists, if too few tickets are left, or if they are also taken from a pool.
    """
    entry = ShardRow.holds[hold.hold_id]
    actions = [entry.set([hold.quantity, expires_at]), ShardRow.available.set(ShardRow.available - hold.quantity), _NEXT_VERSION]
    condition = (ShardRow.available >= hold.quantity) & _HAS_ROOM & entry.does_not_exist() & _IS_NOT_POOLED
    return dynamo.transact_update(ShardRow(hold.shard_id), actions, condition)


def release_hold_item(hold: Hold) -> dynamo.TransactItem:
    """Return a transaction item that removes a hold and makes its tickets available again. It fails if the hold has another quantity."""
    return dynamo.transact_update(ShardRow(hold.shard_id), *_removal(hold, ShardRow.available))


def sell_held_item(hold: Hold, quantity: int) -> dynamo.TransactItem:
    """Return a transaction item that counts tickets of a hold as sold. It fails if the hold has another quantity.

    The hold stays until it expires, even without tickets, so that a repeated request to set it aside finds it.
    """
    entry = ShardRow.holds[hold.hold_id]
    actions = [ShardRow.sold.set(ShardRow.sold + quantity), _NEXT_VERSION, entry[0].set(hold.quantity - quantity)]
    return dynamo.transact_update(ShardRow(hold.shard_id), actions, entry[0] == hold.quantity)


def return_sold_items(holds: Iterable[Hold]) -> list[dynamo.TransactItem]:
    """Return transaction items that make the sold tickets of converted holds available again, with one item for each shard."""
    by_shard: dict[str, list[Hold]] = {}
    for hold in holds:
        by_shard.setdefault(hold.shard_id, []).append(hold)
    items = []
    for shard_id, returned in by_shard.items():
        quantity = sum(hold.quantity for hold in returned)
        condition: Condition = ShardRow.sold >= quantity
        for hold_id in dict.fromkeys(hold.hold_id for hold in returned):
            # Hold absent: a hold that is not converted yet is not counted in `sold`; returning its tickets would create new tickets.
            condition = ShardRow.holds[hold_id].does_not_exist() & condition
        sold, available = ShardRow.sold.set(ShardRow.sold - quantity), ShardRow.available.set(ShardRow.available + quantity)
        actions = [sold, available, ShardRow.r.add(quantity), _NEXT_VERSION]
        items.append(dynamo.transact_update(ShardRow(shard_id), actions, condition))
    return items


def add_tickets_item(shard_id: str, quantity: int) -> dynamo.TransactItem:
    """Return a transaction item that adds available tickets to a shard. The item fails if the shard does not exist."""
    return dynamo.transact_update(ShardRow(shard_id), _add_tickets(quantity), _EXISTS)


def remove_tickets_item(shard_id: str, quantity: int) -> dynamo.TransactItem:
    """Return a transaction item that removes available tickets from a shard. The item fails if too few tickets are available."""
    return dynamo.transact_update(ShardRow(shard_id), _add_tickets(-quantity), ShardRow.available >= quantity)


def _add_tickets(change: int) -> list[Action]:
    return [ShardRow.capacity.set(ShardRow.capacity + change), ShardRow.available.set(ShardRow.available + change), _NEXT_VERSION]


def extend_hold(hold: Hold, expires_at: int) -> bool:
    """Change the expiry of a hold. Returns False if the hold no longer exists."""
    entry = ShardRow.holds[hold.hold_id]
    return dynamo.update_if(ShardRow(hold.shard_id), [entry[1].set(expires_at), _NEXT_VERSION], entry.exists())


def resize_shard(shard: Shard, capacity: int) -> Shard | None:
    """Set the capacity of a shard and change `available` by the same amount. Returns the changed shard.

    Returns None if the capacity has changed since the shard was read, or too few tickets are free.
    """
    return _update_returning(shard.id, *_resize(shard, capacity))


def resize_shard_item(shard: Shard, capacity: int) -> dynamo.TransactItem:
    """Return a transaction item that makes the same change as `resize_shard`. It fails where `resize_shard` returns None."""
    return dynamo.transact_update(ShardRow(shard.id), *_resize(shard, capacity))


def _resize(shard: Shard, capacity: int) -> tuple[list[Action], Condition]:
    change = capacity - shard.capacity
    actions: list[Action] = [ShardRow.capacity.set(capacity), ShardRow.available.set(ShardRow.available + change), _NEXT_VERSION]
    # capacity as read: of two concurrent or repeated resizes, only the first has an effect.
    # available: the capacity never falls below held + sold.
    condition: Condition = (ShardRow.capacity == shard.capacity) & (ShardRow.available >= max(0, -change))
    return actions, condition


def set_open(shard_id: str, is_open: bool, expected_version: int | None = None) -> Shard | None:
    """Open or close a shard for new holds. Returns the shard, or None if it does not exist or no longer has `expected_version`."""
    condition = _EXISTS if expected_version is None else ShardRow.version == expected_version
    return _update_returning(shard_id, [ShardRow.open.set(is_open), _NEXT_VERSION], condition)


def mark_pooled(shard_id: str) -> bool:
    """Restrict a shard to callers who also take the tickets from the event's pool.

    Returns False if the shard does not exist, or has sold or held tickets that the pool does not count.
    """
    condition = ShardRow.pooled.exists() | ((ShardRow.sold == 0) & _NOTHING_HELD)
    return dynamo.update_if(ShardRow(shard_id), [ShardRow.pooled.set(True), _NEXT_VERSION], condition)


def set_kept(shard_id: str, is_kept: bool) -> bool:
    """Start or stop keeping all available tickets of a shard for the waitlist.

    Returns False if the shard does not exist or needs no change.
    """
    if is_kept:
        actions, condition = [ShardRow.kept.set(True)], _EXISTS & (ShardRow.kept.does_not_exist() | ShardRow.kept_above.exists())
    else:
        actions, condition = [ShardRow.kept.remove()], _IS_KEPT
    return dynamo.update_if(ShardRow(shard_id), [*actions, ShardRow.kept_above.remove(), _NEXT_VERSION], condition)


def keep_above(shard_id: str, available: int) -> bool:
    """Let everybody buy a kept shard's tickets while at most `available` tickets are free. With more free tickets, it keeps all of them.

    Returns False if the shard does not exist or is not kept.
    """
    return dynamo.update_if(ShardRow(shard_id), [ShardRow.kept_above.set(available), _NEXT_VERSION], _IS_KEPT)


def delete_unused_shard(shard_id: str) -> bool:
    """Delete an unused shard. Returns False if the shard does not exist or was written to (for example by a hold) after its creation."""
    return dynamo.delete_if(ShardRow(shard_id), ShardRow.version == NEW_VERSION)


def delete_free_shard(shard_id: str) -> bool:
    """Delete a shard. Returns False if the shard does not exist or has sold or held tickets."""
    return dynamo.delete_if(ShardRow(shard_id), (ShardRow.sold == 0) & _NOTHING_HELD)


def delete_free_shard_item(shard_id: str) -> dynamo.TransactItem:
    """Return a transaction item that deletes a shard. It fails if the shard does not exist or has sold or held tickets."""
    return dynamo.transact_delete(ShardRow(shard_id), (ShardRow.sold == 0) & _NOTHING_HELD)


def read_shards(shard_ids: Iterable[str]) -> list[Shard]:
    """Read shards by id with strong consistency. Missing shards are left out."""
    return list(map(_shard, ShardRow.find_all(shard_ids)))


def scan_slice(after: str | None, limit: int) -> tuple[list[Shard], str | None]:
    """Read up to `limit` shards of the whole table, and return the `after` of the next slice (`dynamo.Table.scan_slice`).

    The table is scanned because an index by expiry would become a hot partition during a rush.
    """
    rows, following = ShardRow.scan_slice(after, limit)
    return list(map(_shard, rows)), following


def scan_shards(segments: int = 1) -> Iterator[Shard]:
    """Read all shards, `segments` pages at once. Use this only for checks, never in requests or scheduled jobs."""
    return map(_shard, ShardRow.scan(segments=segments))


def _pool_is(is_pooled: bool) -> Condition:
    """Return the condition on a shard's pool. A caller with an outdated catalog must not take tickets that the pool does not count."""
    return _IS_POOLED if is_pooled else _IS_NOT_POOLED


def _removal(hold: Hold, gaining: NumberAttribute) -> tuple[list[Action], Condition]:
    """Return an update that moves a hold's quantity to the `gaining` attribute. Repeats and races are safe: it succeeds only once."""
    entry = ShardRow.holds[hold.hold_id]
    # The quantity is compared too, so that a wrong quantity cannot break the sum of the shard.
    return [gaining.set(gaining + hold.quantity), _NEXT_VERSION, entry.remove()], entry[0] == hold.quantity


def _update_returning(shard_id: str, actions: Sequence[Action], condition: Condition) -> Shard | None:
    """Update a shard and return it. Returns None if the shard does not meet the condition."""
    is_written, row = dynamo.update_if_returning(ShardRow(shard_id), actions, condition)
    return _shard(row) if is_written and row is not None else None


def _shard(row: ShardRow) -> Shard:
    is_kept = bool(row.kept) and keeps_tickets() and (row.kept_above is None or row.available > row.kept_above)
    return Shard(
        id=row.id,
        capacity=int(row.capacity),
        available=int(row.available),
        sold=int(row.sold),
        holds=row.holds,
        is_open=row.open,
        version=int(row.version),
        is_pooled=bool(row.pooled),
        is_kept=is_kept,
        kept_above=None if row.kept_above is None else int(row.kept_above),
        returned=int(row.r or 0),
        unpaid=int(row.u or 0),
    )
