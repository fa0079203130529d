"""The shards in DynamoDB: every change to stock is ONE conditional UpdateItem of ONE item.

Every update expression preserves `available + sum(holds) + sold = capacity`. This module uses boto3 instead of PynamoDB, because a
refused update must return the item (ReturnValuesOnConditionCheckFailure), so that the next attempt needs no read.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from botocore.exceptions import ClientError

from chalicelib.dynamodb import dynamo
from chalicelib.inventory.model import MAX_HOLDS, NEW_VERSION, Hold, Shard, keeps_tickets

FEATURE = "inventory"
KEY = "id"
_NOT_KEPT = "(attribute_not_exists(kept) OR available <= kept_above)"


class HoldRefused(Exception):
    """A shard did not accept a hold.

    The shard is closed, has too few tickets or too many holds, is kept for the waitlist, or does not match the caller's `is_pooled`.
    `shard` is the state of the shard; it is None if the shard does not exist.
    """

    def __init__(self, shard: Shard | None) -> None:
        self.shard = shard
        super().__init__("the shard is closed, has too few tickets or too many holds, or does not exist")


def shard_table_name() -> str:
    return dynamo.table_name(FEATURE)


def new_shard_item(
    shard_id: str, *, capacity: int, sold: int, is_open: bool, is_pooled: bool = False, is_kept: bool = False
) -> dict[str, Any]:
    """Return a new shard in wire format."""
    item: dict[str, Any] = {
        "id": {"S": shard_id},
        "capacity": {"N": str(capacity)},
        "available": {"N": str(capacity - sold)},
        "sold": {"N": str(sold)},
        "holds": {"M": {}},
        "open": {"BOOL": is_open},
        "version": {"N": str(NEW_VERSION)},
    }
    marks = {"pooled": is_pooled, "kept": is_kept}
    return {**item, **{name: {"BOOL": True} for name, is_set in marks.items() if is_set}}


def create_shard_item(item: dict[str, Any]) -> dynamo.TransactItem:
    """Return a transaction item that creates a shard. It fails if the shard exists, so a repeated call never resets stock on sale."""
    return {"Put": {"TableName": shard_table_name(), "Item": item, "ConditionExpression": "attribute_not_exists(id)"}}


def create_shard(item: dict[str, Any]) -> Shard | None:
    """Create a shard and return it. Returns None if the shard already exists."""
    try:
        dynamo.put_item(TableName=shard_table_name(), Item=item, ConditionExpression="attribute_not_exists(id)")
    except ClientError as error:
        _refused_shard(error)
        return None
    return Shard.from_item(item)


def hold_in_shard(hold: Hold, expires_at: int, *, is_pooled: bool = False, takes_kept: bool = False) -> int:
    """Set aside the tickets of a new hold until `expires_at`. Returns how many the shard still has available. Raises HoldRefused.

    `is_pooled` means that the caller also takes the tickets from a pool. `takes_kept` means that the hold may take tickets that are kept
    for the waitlist.
    """
    try:
        response = dynamo.update_item(
            TableName=shard_table_name(),
            Key={KEY: {"S": hold.shard_id}},
            UpdateExpression="SET holds.#hold = :entry, available = available - :quantity, version = version + :one",
            # open: a sale that was paused before this write sells nothing more, even if a cache still shows it as open.
            # available: the condition that makes overselling impossible.
            # size: the item stays below 4 KB, because each write costs one unit per KB of the item.
            # hold absent: botocore repeats a call whose response was lost; the repetition must not take tickets twice.
            ConditionExpression="#open = :true AND available >= :quantity AND size(holds) < :max AND attribute_not_exists(holds.#hold)"
            # kept: while people are on the waitlist, returned tickets go to these people, even if a cache shows the tickets as available.
            f" AND {_pool_condition(is_pooled)}{'' if takes_kept or not keeps_tickets() else f' AND {_NOT_KEPT}'}",
            ExpressionAttributeNames={"#hold": hold.hold_id, "#open": "open"},
            ExpressionAttributeValues={
                ":entry": {"L": [{"N": str(hold.quantity)}, {"N": str(expires_at)}]},
                ":quantity": {"N": str(hold.quantity)},
                ":max": {"N": str(MAX_HOLDS)},
                ":one": {"N": "1"},
                ":true": {"BOOL": True},
            },
            ReturnValues="UPDATED_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        shard = _refused_shard(error)
        if shard is not None and hold.hold_id in shard.holds:
            return shard.available
        raise HoldRefused(shard) from None
    return int(response["Attributes"]["available"]["N"])


def release_hold(hold: Hold) -> bool:
    """Remove a hold and make its tickets available again. Returns False if the hold no longer exists."""
    return _remove_hold(hold, "available")


def convert_hold(hold: Hold) -> bool:
    """Remove a hold and count its tickets as sold. Returns False if the hold no longer exists."""
    return _remove_hold(hold, "sold")


def sell_item(shard_id: str, quantity: int, is_pooled: bool) -> dynamo.TransactItem:
    """Return a transaction item that counts available tickets as sold without a hold, even while the sale is closed.

    The item fails if too few tickets are left. `is_pooled` means that the caller also takes the tickets from a pool.
    """
    return {
        "Update": {
            "TableName": shard_table_name(),
            "Key": {KEY: {"S": shard_id}},
            "UpdateExpression": "SET available = available - :quantity, sold = sold + :quantity, version = version + :one",
            "ConditionExpression": f"available >= :quantity AND {_pool_condition(is_pooled)}",
            "ExpressionAttributeValues": {
                ":quantity": {"N": str(quantity)},
                ":one": {"N": "1"},
                **({":true": {"BOOL": True}} if is_pooled else {}),
            },
        }
    }


def return_sold_item(hold: Hold) -> dynamo.TransactItem:
    """Return a transaction item that makes the sold tickets of a converted hold available again."""
    return {
        "Update": {
            "TableName": shard_table_name(),
            "Key": {KEY: {"S": hold.shard_id}},
            "UpdateExpression": "SET sold = sold - :quantity, available = available + :quantity, version = version + :one",
            # Hold absent: a hold that is not converted yet is not counted in `sold`; returning its tickets would create new ones.
            "ConditionExpression": "attribute_not_exists(holds.#hold) AND sold >= :quantity",
            "ExpressionAttributeNames": {"#hold": hold.hold_id},
            "ExpressionAttributeValues": {":quantity": {"N": str(hold.quantity)}, ":one": {"N": "1"}},
        }
    }


def extend_hold(hold: Hold, expires_at: int) -> bool:
    """Change the expiry of a hold. Returns False if the hold no longer exists."""
    update = "SET holds.#hold[1] = :expires_at, version = version + :one"
    return _update_shard(hold.shard_id, update, "attribute_exists(holds.#hold)", {"#hold": hold.hold_id}, expires_at=expires_at)


def resize_shard(shard: Shard, capacity: int) -> Shard | None:
    """Set the capacity of a shard and change `available` by the same amount. Returns the changed shard.

    Returns None if the capacity has changed since the shard was read, or too few tickets are free.
    """
    try:
        response = dynamo.update_item(**resize_shard_item(shard, capacity)["Update"], ReturnValues="ALL_NEW")
    except ClientError as error:
        _refused_shard(error)
        return None
    return Shard.from_item(response["Attributes"])


def resize_shard_item(shard: Shard, capacity: int) -> dynamo.TransactItem:
    """Return a transaction item that makes the same change as `resize_shard`. It fails where `resize_shard` returns None."""
    change = capacity - shard.capacity
    return {
        "Update": {
            "TableName": shard_table_name(),
            "Key": {KEY: {"S": shard.id}},
            "UpdateExpression": "SET #capacity = :capacity, available = available + :change, version = version + :one",
            # capacity as read: of two concurrent or repeated resizes, only the first has an effect.
            # available: the capacity never falls below held + sold.
            "ConditionExpression": "#capacity = :before AND available >= :needed",
            "ExpressionAttributeNames": {"#capacity": "capacity"},
            "ExpressionAttributeValues": {
                ":capacity": {"N": str(capacity)},
                ":before": {"N": str(shard.capacity)},
                ":change": {"N": str(change)},
                ":needed": {"N": str(max(0, -change))},
                ":one": {"N": "1"},
            },
        }
    }


def set_open(shard_id: str, is_open: bool, expected_version: int | None = None) -> Shard | None:
    """Open or close a shard for new holds. Returns the shard, or None if it does not exist or no longer has `expected_version`."""
    values: dict[str, Any] = {":open": {"BOOL": is_open}, ":one": {"N": "1"}}
    condition = "attribute_exists(id)"
    if expected_version is not None:
        condition = "version = :expected"
        values[":expected"] = {"N": str(expected_version)}
    try:
        response = dynamo.update_item(
            TableName=shard_table_name(),
            Key={KEY: {"S": shard_id}},
            UpdateExpression="SET #open = :open, version = version + :one",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        _refused_shard(error)
        return None
    return Shard.from_item(response["Attributes"])


def mark_pooled(shard_id: str) -> bool:
    """Let only callers who also take tickets from the event's pool hold tickets of a shard.

    Returns False if the shard does not exist, or has sold or held tickets that the pool does not count.
    """
    condition = "attribute_exists(pooled) OR (sold = :zero AND size(holds) = :zero)"
    return _update_shard(shard_id, "SET pooled = :true, version = version + :one", condition, true=True, zero=0)


def set_kept(shard_id: str, is_kept: bool) -> bool:
    """Start or stop keeping all available tickets of a shard for the waitlist.

    Returns False if the shard does not exist or needs no change.
    """
    if is_kept:
        condition = "attribute_exists(id) AND (attribute_not_exists(kept) OR attribute_exists(kept_above))"
        return _update_shard(shard_id, "SET kept = :true, version = version + :one REMOVE kept_above", condition, true=True)
    return _update_shard(shard_id, "SET version = version + :one REMOVE kept, kept_above", "attribute_exists(kept)")


def keep_above(shard_id: str, available: int) -> bool:
    """Let everybody buy the tickets of a kept shard while it has at most `available`. If more come back, the shard keeps them all.

    Returns False if the shard does not exist or is not kept.
    """
    update = "SET kept_above = :available, version = version + :one"
    return _update_shard(shard_id, update, "attribute_exists(kept)", available=available)


def delete_unused_shard(shard_id: str) -> bool:
    """Delete an unused shard. Returns False if the shard does not exist or was written to (for example by a hold) after its creation."""
    return _delete_shard(_deletion(shard_id, "version = :number", NEW_VERSION))


def delete_free_shard(shard_id: str) -> bool:
    """Delete a shard. Returns False if the shard does not exist or has sold or held tickets."""
    return _delete_shard(delete_free_shard_item(shard_id)["Delete"])


def delete_free_shard_item(shard_id: str) -> dynamo.TransactItem:
    """Return a transaction item that deletes a shard. It fails if the shard does not exist or has sold or held tickets."""
    return {"Delete": _deletion(shard_id, "sold = :number AND size(holds) = :number", 0)}


def read_shards(shard_ids: Iterable[str]) -> list[Shard]:
    """Read shards by id with strong consistency. Missing shards are left out."""
    keys = [{KEY: {"S": shard_id}} for shard_id in shard_ids]
    return [Shard.from_item(item) for item in dynamo.batch_get(shard_table_name(), keys, consistent=True)]


def scan_slice(after: str | None, limit: int) -> tuple[list[Shard], str | None]:
    """Read up to `limit` shards of the whole table with strong consistency, from the shard that follows `after`.

    If `after` is None, the slice begins at the start of the table. Returns the shards and the `after` of the next slice, which is None at
    the end of the table. The table is scanned because an index by expiry would become a hot partition during a rush.
    """
    start: Any = {} if after is None else {"ExclusiveStartKey": {KEY: {"S": after}}}
    page = dynamo.client().scan(TableName=shard_table_name(), ConsistentRead=True, Limit=limit, **start)
    last_key = page.get("LastEvaluatedKey")
    return [Shard.from_item(item) for item in page["Items"]], last_key[KEY]["S"] if last_key else None


def scan_shards() -> Iterator[Shard]:
    """Read all shards, page by page. Use this only for checks, never in requests or scheduled jobs."""
    for page in dynamo.client().get_paginator("scan").paginate(TableName=shard_table_name(), ConsistentRead=True):
        for item in page["Items"]:
            yield Shard.from_item(item)


def _pool_condition(is_pooled: bool) -> str:
    """Return the condition on a shard's pool. A caller with an outdated catalog must not take tickets that the pool does not count."""
    return "pooled = :true" if is_pooled else "attribute_not_exists(pooled)"


def _remove_hold(hold: Hold, gaining: Literal["available", "sold"]) -> bool:
    """Move a hold's quantity to the `gaining` attribute. Repeats and races are safe, because a hold can be removed only once."""
    update = f"SET {gaining} = {gaining} + :quantity, version = version + :one REMOVE holds.#hold"
    # The quantity is compared too, so that a wrong quantity cannot break the sum of the shard.
    return _update_shard(hold.shard_id, update, "holds.#hold[0] = :quantity", {"#hold": hold.hold_id}, quantity=hold.quantity)


def _update_shard(shard_id: str, update: str, condition: str, names: dict[str, str] | None = None, **values: int) -> bool:
    """Update a shard. `update` and `condition` refer to each of `values` as `:<name>`, and to 1 as `:one`.

    Returns False if the shard does not meet the condition.
    """
    wire_values = {f":{name}": {"BOOL": value} if isinstance(value, bool) else {"N": str(value)} for name, value in values.items()}
    try:
        dynamo.update_item(
            TableName=shard_table_name(),
            Key={KEY: {"S": shard_id}},
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues={":one": {"N": "1"}, **wire_values},
            **({"ExpressionAttributeNames": names} if names else {}),
        )
    except ClientError as error:
        _refused_shard(error)
        return False
    return True


def _deletion(shard_id: str, condition: str, number: int) -> dict[str, Any]:
    return {
        "TableName": shard_table_name(),
        "Key": {KEY: {"S": shard_id}},
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {":number": {"N": str(number)}},
    }


def _delete_shard(deletion: dict[str, Any]) -> bool:
    try:
        dynamo.client().delete_item(**deletion)
    except ClientError as error:
        dynamo.refused_item(error)
        return False
    return True


def _refused_shard(error: ClientError) -> Shard | None:
    """Return the shard whose condition failed. Returns None if the shard does not exist. Re-raises any other error."""
    item = dynamo.refused_item(error)
    return Shard.from_item(item) if item else None
