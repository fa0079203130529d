"""The tables of an engine, as one test sees them: calls in Python's values, and their outcomes."""

from collections.abc import Iterator
from typing import Any

from tests.contract.outcomes import completion, outcome
from tests.contract.wire_values import Item, plain_item, plain_value, wire_item


class ContractDatabase:
    """The engine's tables for one test. `id` is a key that no other test has; the keys of all items of the test begin with it.

    `things` has the hash key `id`; `lines` has `id` and the sort key `at`. Both have a stream. `things` expire by `ttl`.
    """

    def __init__(self, engine: Any, key: str) -> None:
        self.engine, self.client = engine, engine.client
        self.things, self.lines = engine.things, engine.lines
        self.id = key

    def put(self, item: Item | None = None, condition: str = "", **more: Any) -> Any:
        """Put {"id": self.id, **item}; `names` and `values` belong to the condition."""
        return outcome(lambda: self._attributes(self.client.put_item(**self.put_arguments(item, condition, **more))))

    def put_arguments(self, item: Item | None = None, condition: str = "", *, key: str = "", **more: Any) -> dict[str, Any]:
        return {"TableName": self.things, "Item": wire_item({"id": key or self.id, **(item or {})}), **expressions(condition, **more)}

    def update(self, update: str, condition: str = "", **more: Any) -> Any:
        return outcome(lambda: self._attributes(self.client.update_item(**self.update_arguments(update, condition, **more))))

    def update_arguments(self, update: str, condition: str = "", *, key: str = "", **more: Any) -> dict[str, Any]:
        return {**self.key_arguments(key), "UpdateExpression": update, **expressions(condition, **more)}

    def delete(self, condition: str = "", **more: Any) -> Any:
        return outcome(lambda: self._attributes(self.client.delete_item(**self.key_arguments(), **expressions(condition, **more))))

    def key_arguments(self, key: str = "") -> dict[str, Any]:
        return {"TableName": self.things, "Key": {"id": {"S": key or self.id}}}

    def get(self, key: str = "") -> Item | None:
        """The item without its id, read consistently; None when it is missing."""
        item = self.client.get_item(**self.key_arguments(key), ConsistentRead=True).get("Item")
        return None if item is None else {name: plain_value(value) for name, value in item.items() if name != "id"}

    def transact(self, *items: dict[str, Any], **more: Any) -> Any:
        return completion(lambda: self.client.transact_write_items(TransactItems=list(items), **more))

    def put_line(self, at: str, **item: Any) -> None:
        self.client.put_item(TableName=self.lines, Item=wire_item({"id": self.id, "at": at, **item}))

    def query(self, condition: str = "id = :id", **more: Any) -> dict[str, Any]:
        """One page of `lines`."""
        values = {":id": self.id, **more.pop("values", {})}
        return self.client.query(TableName=self.lines, KeyConditionExpression=condition, **expressions(values=values, **more))

    def change_records(self, count: int, table: str = "") -> list[Any]:
        """The change records of this test's items, in the shape of GetRecords; waits until there are `count`."""
        return self.engine.change_records(table or self.things, self.id, count)

    def more_keys(self, count: int) -> Iterator[str]:
        """Further keys of this test."""
        return (f"{self.id}-{number:03}" for number in range(count))

    def _attributes(self, result: dict[str, Any]) -> Any:
        return plain_item(result["Attributes"]) if "Attributes" in result else "done"


def expressions(condition: str = "", *, names: dict[str, str] | None = None, values: Item | None = None, **more: Any) -> dict[str, Any]:
    """Arguments of a call; `returns` and `return_item` (when the condition fails) stand for DynamoDB's longer names."""
    if returns := more.pop("returns", None):
        more["ReturnValues"] = returns
    if more.pop("return_item", False):
        more["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if condition:
        more["ConditionExpression"] = condition
    if names:
        more["ExpressionAttributeNames"] = names
    if values:
        more["ExpressionAttributeValues"] = wire_item(values)
    return more
