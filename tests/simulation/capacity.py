"""What a call costs in DynamoDB's units, by the rules of its documentation, from the sizes of the items.

A write takes a unit for each KB of the larger of old and new item, twice that in a transaction, and as much when it is
refused; a strongly consistent read takes one for each 4 KB, any other half of it.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from chalicelib import dynamo
from tests.simulation.wire import Call, Touch, quiet

Units = dict[tuple[str, str], tuple[float, float]]  # (table, partition key) -> (read units, write units)
Sizes = dict[int, int]  # number of the touch in its call -> bytes


def size(value: dict[str, Any]) -> int:
    """Bytes of one attribute value in wire format."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number(content)
        case "B":
            return len(content if isinstance(content, bytes) else base64.b64decode(content))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + size(one) for one in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + size(one) for name, one in content.items())
        case _:
            return sum(size({kind[0]: one}) for one in content)


def item_size(item: dict[str, Any]) -> int:
    return sum(len(name.encode()) + size(value) for name, value in item.items())


def _number(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return 1 + -(-len(digits) // 2) + text.startswith("-")


def reported(answer: dict[str, Any]) -> float:
    """What the engine says. Only to compare with: moto's figures are constants, and MiniStack's for reads forget the size."""
    found = answer.get("ConsumedCapacity", [])
    return float(sum(one["CapacityUnits"] for one in ([found] if isinstance(found, dict) else found)))


def is_write(operation: str) -> bool:
    return operation in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems")


def peek(touches: Iterable[Touch]) -> Sizes:
    """The sizes of the items that are written or checked, as they are now; 0 for an absent one."""
    sizes: Sizes = {}
    with quiet():
        for number, touch in enumerate(touches):
            if touch.kind != "read":
                found = dynamo.client().get_item(TableName=touch.table, Key=touch.key, ConsistentRead=True).get("Item")
                sizes[number] = item_size(found) if found else 0
    return sizes


def computed(call: Call, before: Sizes, after: Sizes) -> Units:
    """By item; a query or scan under the table's name."""
    if call.answer is None:
        return {}
    if is_write(call.operation):
        return _written(call, before, after)
    return _read(call)


def total(units: Units) -> tuple[float, float]:
    return sum(read for read, _ in units.values()), sum(write for _, write in units.values())


def _written(call: Call, before: Sizes, after: Sizes) -> Units:
    factor = 2 if call.operation == "TransactWriteItems" else 1
    units: Units = defaultdict(lambda: (0.0, 0.0))
    for number, touch in enumerate(call.touches):
        cost = factor * _blocks(max(before.get(number, 0), after.get(number, 0)), 1024)
        units[touch.id] = (0.0, units[touch.id][1] + cost)
    return dict(units)


def _read(call: Call) -> Units:
    answer, request = call.answer or {}, call.request
    if call.operation in ("Query", "Scan"):
        read = _blocks(sum(item_size(item) for item in answer.get("Items", ())), 4096)
        return {(request["TableName"], ""): (read * (1 if request.get("ConsistentRead") else 0.5), 0.0)}
    if call.operation == "GetItem":
        found, factor = [answer.get("Item")], 1 if request.get("ConsistentRead") else 0.5
    elif call.operation == "TransactGetItems":
        found, factor = [one.get("Item") for one in answer.get("Responses", ())], 2
    elif call.operation == "BatchGetItem":
        found = [item for items in answer.get("Responses", {}).values() for item in items]
        factor = 1 if all(what.get("ConsistentRead") for what in request["RequestItems"].values()) else 0.5
        found += [None] * (len(call.touches) - len(found))
    else:
        return {}
    units: Units = defaultdict(lambda: (0.0, 0.0))
    for touch, item in zip(call.touches, found, strict=False):
        units[touch.id] = (units[touch.id][0] + factor * _blocks(item_size(item) if item else 0, 4096), 0.0)
    return dict(units)


def _blocks(size_bytes: int, block: int) -> int:
    return max(1, -(-size_bytes // block))
