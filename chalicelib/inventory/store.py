"""The shard ledger: every change of stock is ONE conditional UpdateItem of ONE item.

`available + sum(holds) + sold = capacity` holds after each of these expressions if it held before. boto3 rather than PynamoDB,
because a refused update must bring the item back (ReturnValuesOnConditionCheckFailure): the next try then knows.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from botocore.exceptions import ClientError

from chalicelib import dynamo
from chalicelib.inventory.model import Hold, Shard

FEATURE = "inventory"
KEY = "id"


def table_name() -> str:
    return dynamo.table_name(FEATURE)


def new_shard_item(shard_id: str, *, capacity: int, sold: int, is_open: bool) -> dict[str, Any]:
    """A new shard in wire format."""
    return {
        "id": {"S": shard_id},
        "capacity": {"N": str(capacity)},
        "available": {"N": str(capacity - sold)},
        "sold": {"N": str(sold)},
        "holds": {"M": {}},
        "open": {"BOOL": is_open},
        "version": {"N": "1"},
    }


def create_shard_item(new: dict[str, Any]) -> dynamo.TransactItem:
    """Transaction item: put the shard unless it exists, so that a repeated creation never resets a stock that sells."""
    return {"Put": {"TableName": table_name(), "Item": new, "ConditionExpression": "attribute_not_exists(id)"}}


def create_shard(new: dict[str, Any]) -> None:
    """Put one shard unless it exists."""
    try:
        dynamo.client().put_item(TableName=table_name(), Item=new, ConditionExpression="attribute_not_exists(id)")
    except ClientError as error:
        _shard_of_failed_condition(error)


def hold_in_shard(shard_id: str, hold_id: str, quantity: int, expires_at: int) -> tuple[bool, Shard | int | None]:
    """Set `quantity` aside until `until`. True with what is available now, or False with the shard as it is (None: no shard)."""
    try:
        answer = dynamo.client().update_item(
            TableName=table_name(),
            Key={KEY: {"S": shard_id}},
            UpdateExpression="SET holds.#hold = :entry, available = available - :quantity, version = version + :one",
            # open: a pause that was written before this hold stops it, whatever any cache says.
            # available: the one line that makes overselling impossible.
            # hold absent: botocore repeats a call whose answer was lost; the repetition must not take stock twice.
            ConditionExpression="#open = :true AND available >= :quantity AND attribute_not_exists(holds.#hold)",
            ExpressionAttributeNames={"#hold": hold_id, "#open": "open"},
            ExpressionAttributeValues={
                ":entry": {"L": [{"N": str(quantity)}, {"N": str(expires_at)}]},
                ":quantity": {"N": str(quantity)},
                ":one": {"N": "1"},
                ":true": {"BOOL": True},
            },
            ReturnValues="UPDATED_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        shard = _shard_of_failed_condition(error)
        if shard is not None and hold_id in shard.holds:
            return True, shard.available
        return False, shard
    return True, int(answer["Attributes"]["available"]["N"])


def release_hold(hold: Hold) -> bool:
    """Remove a hold and make its tickets available again. False if the hold no longer exists."""
    return _remove_hold(hold, "available")


def convert_hold(hold: Hold) -> bool:
    """Remove a hold and count its tickets as sold. False if the hold no longer exists."""
    return _remove_hold(hold, "sold")


def return_sold_item(held: Hold) -> dynamo.TransactItem:
    """Transaction item that takes a converted hold's quantity out of `sold` and makes it available again."""
    return {
        "Update": {
            "TableName": table_name(),
            "Key": {KEY: {"S": held.shard_id}},
            "UpdateExpression": "SET sold = sold - :quantity, available = available + :quantity, version = version + :one",
            # Hold gone: a purchase whose conversion is still missing is not in `sold`; returning it would make seats out of nothing.
            "ConditionExpression": "attribute_not_exists(holds.#hold) AND sold >= :quantity",
            "ExpressionAttributeNames": {"#hold": held.hold_id},
            "ExpressionAttributeValues": {":quantity": {"N": str(held.quantity)}, ":one": {"N": "1"}},
        }
    }


def extend_hold(held: Hold, expires_at: int) -> bool:
    """Let a hold live until `until`; False if it is gone."""
    try:
        dynamo.client().update_item(
            TableName=table_name(),
            Key={KEY: {"S": held.shard_id}},
            UpdateExpression="SET holds.#hold[1] = :until, version = version + :one",
            ConditionExpression="attribute_exists(holds.#hold)",
            ExpressionAttributeNames={"#hold": held.hold_id},
            ExpressionAttributeValues={":until": {"N": str(expires_at)}, ":one": {"N": "1"}},
        )
    except ClientError as error:
        _shard_of_failed_condition(error)
        return False
    return True


def resize_shard(shard: Shard, capacity: int) -> bool:
    """Set the capacity, and `available` with it. False when the shard has changed under us, or has too little left."""
    change = capacity - shard.capacity
    try:
        dynamo.client().update_item(
            TableName=table_name(),
            Key={KEY: {"S": shard.id}},
            UpdateExpression="SET #capacity = :capacity, available = available + :change, version = version + :one",
            # capacity as read: of two resizes at once, and of a repeated one, only the first moves the stock.
            # available: never below held + sold.
            ConditionExpression="#capacity = :before AND available >= :needed",
            ExpressionAttributeNames={"#capacity": "capacity"},
            ExpressionAttributeValues={
                ":capacity": {"N": str(capacity)},
                ":before": {"N": str(shard.capacity)},
                ":change": {"N": str(change)},
                ":needed": {"N": str(max(0, -change))},
                ":one": {"N": "1"},
            },
        )
    except ClientError as error:
        _shard_of_failed_condition(error)
        return False
    return True


def set_open(shard_id: str, is_open: bool, seen_version: int | None = None) -> bool:
    """Open or close one shard for new holds; living holds are untouched. With `seen_version`, only if it has not changed since."""
    values: dict[str, Any] = {":open": {"BOOL": is_open}, ":one": {"N": "1"}}
    condition = "attribute_exists(id)"
    if seen_version is not None:
        condition = "version = :seen"
        values[":seen"] = {"N": str(seen_version)}
    try:
        dynamo.client().update_item(
            TableName=table_name(),
            Key={KEY: {"S": shard_id}},
            UpdateExpression="SET #open = :open, version = version + :one",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues=values,
        )
    except ClientError as error:
        _shard_of_failed_condition(error)
        return False
    return True


def read_shards(shard_ids: Iterable[str]) -> list[Shard]:
    """Shards by id, strongly consistent; absent ones are left out."""
    keys = [{KEY: {"S": shard_id}} for shard_id in shard_ids]
    return [Shard.of(found) for found in dynamo.batch_get(table_name(), keys, consistent=True)]


def scan_shards() -> Iterator[Shard]:
    """Every shard there is, page by page. For schedules: there is no expiry index, which a drop would run hot."""
    for page in dynamo.client().get_paginator("scan").paginate(TableName=table_name(), ConsistentRead=True):
        for found in page["Items"]:
            yield Shard.of(found)


def _remove_hold(hold: Hold, gaining: Literal["available", "sold"]) -> bool:
    """Move a hold's quantity to the `gaining` attribute. Safe to repeat and to race: the condition lets a hold be removed once only."""
    try:
        dynamo.client().update_item(
            TableName=table_name(),
            Key={KEY: {"S": hold.shard_id}},
            UpdateExpression=f"SET {gaining} = {gaining} + :quantity, version = version + :one REMOVE holds.#hold",
            # The quantity is compared too: a caller that is wrong about it must not unbalance the shard.
            ConditionExpression="holds.#hold[0] = :quantity",
            ExpressionAttributeNames={"#hold": hold.hold_id},
            ExpressionAttributeValues={":quantity": {"N": str(hold.quantity)}, ":one": {"N": "1"}},
        )
    except ClientError as error:
        _shard_of_failed_condition(error)
        return False
    return True


def _shard_of_failed_condition(error: ClientError) -> Shard | None:
    """The shard as it is (None: there is none) if a condition did not hold; any other error is raised again."""
    found = dynamo.item_of_failed_condition(error)
    return Shard.of(found) if found else None
