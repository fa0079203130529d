"""The capacity units that a call consumes, computed from the sizes of its items by the rules of DynamoDB's documentation.

A write takes one unit per KB of the old or the new item, whichever is larger. A transaction takes twice as much. A refused write takes as
much as a successful write. A strongly consistent read takes one unit per 4 KB, an eventually consistent read half of that, and a read in a
transaction twice as much.

Each global secondary index takes its own units: for each of its items that is written, deleted, or changed in a projected attribute.
A change of an index key takes units twice, for the deletion of the old index item and for the new one. An index is updated after the
write, so a transaction does not double the units of indexes.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

from chalicelib.dynamodb import dynamo
from infra import tables
from tests import store_calls
from tests.simulation.interception import ItemAccess, StoreCall, feature_of, unobserved

Units = dict[tuple[str, str], tuple[float, float]]  # (table, partition key) -> (read units, write units)
Items = dict[int, dict[str, Any]]  # number of the access in its call -> the item in wire format, empty if it is absent


def value_size(value: dict[str, Any]) -> int:
    """Return the size in bytes of one attribute value in wire format."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_size(content)
        case "B":
            return len(content if isinstance(content, bytes) else base64.b64decode(content))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + value_size(element) for element in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(element) for name, element in content.items())
        case _:
            return sum(value_size({kind[0]: element}) for element in content)


def item_size(item: dict[str, Any]) -> int:
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def _number_size(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return 1 + -(-len(digits) // 2) + text.startswith("-")


def reported_units(answer: dict[str, Any]) -> float:
    """Return the units that the engine reports, for comparison only: moto reports constants."""
    reports = answer.get("ConsumedCapacity", [])
    return float(sum(report["CapacityUnits"] for report in ([reports] if isinstance(reports, dict) else reports)))


def is_write(operation: str) -> bool:
    return operation in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")


def read_items(accesses: Iterable[ItemAccess]) -> Items:
    """Return the items that a call writes or checks, as they are now."""
    items: Items = {}
    with unobserved(), store_calls.made_by(None):
        for number, access in enumerate(accesses):
            if access.kind != "read":
                items[number] = dynamo.client().get_item(TableName=access.table, Key=access.key, ConsistentRead=True).get("Item", {})
    return items


def index_units(call: StoreCall, before: Items, after: Items) -> float:
    """Return the write units that the indexes take for a call."""
    return float(index_units_by_key(call, before, after).total())


def index_units_by_key(call: StoreCall, before: Items, after: Items) -> Counter[tuple[str, str]]:
    """Return the write units that the indexes take for a call, by table and `<index>/<partition key>`."""
    units = Counter[tuple[str, str]]()
    if call.answer is None or not is_write(call.operation):
        return units
    for number, access in enumerate(call.accesses):
        for index in _indexes(feature_of(access.table)):
            old, new = (_projected(index, items.get(number, {})) for items in (before, after))
            if old == new:
                continue
            if old and new and all(old[key] == new[key] for key in index["keys"]):
                written = [(new, max(item_size(old), item_size(new)))]
            else:
                written = [(item, item_size(item)) for item in (old, new) if item]
            for item, size in written:
                (partition,) = item[index["keys"][0]].values()
                units[access.table, f"{index['name']}/{partition}"] += _blocks(size, 1024)
    return units


def consumed_units(call: StoreCall, before: Items, after: Items) -> Units:
    """Return the units of each item without indexes. A query has one entry, its partition key, and a scan has one with an empty key."""
    if call.answer is None:
        return {}
    if is_write(call.operation):
        return _write_units(call, before, after)
    return _read_units(call)


def total_units(units: Units) -> tuple[float, float]:
    return sum(read for read, _ in units.values()), sum(write for _, write in units.values())


def _write_units(call: StoreCall, before: Items, after: Items) -> Units:
    factor = 2 if call.operation == "TransactWriteItems" else 1
    units: Units = defaultdict(lambda: (0.0, 0.0))
    for number, access in enumerate(call.accesses):
        cost = factor * _blocks(max(item_size(before.get(number, {})), item_size(after.get(number, {}))), 1024)
        units[access.id] = (0.0, units[access.id][1] + cost)
    return dict(units)


@cache
def _indexes(feature: str) -> list[dict[str, Any]]:
    """Return the indexes of a feature's table, each with its own keys and the table's keys."""
    definition = tables.definitions()[feature]
    own = [key["AttributeName"] for key in definition["KeySchema"]]
    return [
        {
            "name": index["IndexName"],
            "keys": [key["AttributeName"] for key in index["KeySchema"]],
            "table_keys": own,
            "projection": index["Projection"]["ProjectionType"],
        }
        for index in definition.get("GlobalSecondaryIndexes", ())
    ]


def _projected(index: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an item that an index stores; empty if the item lacks a key of the index."""
    if not all(key in item for key in index["keys"]):
        return {}
    if index["projection"] == "ALL":
        return item
    return {name: item[name] for name in (*index["table_keys"], *index["keys"])}


def _read_units(call: StoreCall) -> Units:
    answer, request = call.answer or {}, call.request
    if call.operation in ("Query", "Scan"):
        blocks = _blocks(sum(item_size(item) for item in answer.get("Items", ())), 4096)
        return {call.queried_key or (request["TableName"], ""): (blocks * (1 if request.get("ConsistentRead") else 0.5), 0.0)}
    if call.operation == "GetItem":
        items, factor = [answer.get("Item")], 1 if request.get("ConsistentRead") else 0.5
    elif call.operation == "TransactGetItems":
        items, factor = [response.get("Item") for response in answer.get("Responses", ())], 2
    elif call.operation == "BatchGetItem":
        items = [item for of_table in answer.get("Responses", {}).values() for item in of_table]
        factor = 1 if all(of_table.get("ConsistentRead") for of_table in request["RequestItems"].values()) else 0.5
        items += [None] * (len(call.accesses) - len(items))
    else:
        return {}
    units: Units = defaultdict(lambda: (0.0, 0.0))
    for access, item in zip(call.accesses, items, strict=False):
        units[access.id] = (units[access.id][0] + factor * _blocks(item_size(item) if item else 0, 4096), 0.0)
    return dict(units)


def _blocks(size_bytes: int, block_bytes: int) -> int:
    return max(1, -(-size_bytes // block_bytes))
