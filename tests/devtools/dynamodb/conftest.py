"""An engine in memory with two tables, and calls in a few words."""

import itertools
from typing import Any

import pytest

from devtools.dynamodb.engine import ApiError, Engine
from tests.contract.wire_values import plain_item, wire_item

KINDS = ("HASH", "RANGE")


class Clock:
    """A clock that only tests move."""

    def __init__(self, now: float = 1_780_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Caller:
    """Calls of an engine in Python's values. `things` has the hash key `id`; `lines` has `id` and the sort key `at`, a number."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def create_table(self, name: str, keys: str = "id:S", **more: Any) -> None:
        attributes = [key.split(":") for key in keys.split()]
        schema = [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(attributes, KINDS, strict=False)]
        definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in attributes]
        definitions += [{"AttributeName": name, "AttributeType": "S"} for name in more.pop("others", ())]
        request = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": schema, "AttributeDefinitions": definitions}
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        self.engine.call("CreateTable", {**request, "StreamSpecification": stream, **more})

    def put(self, item: dict[str, Any], table: str = "things", **more: Any) -> dict[str, Any]:
        return self.engine.call("PutItem", {"TableName": table, "Item": wire_item(item), **more})

    def get(self, key: Any, table: str = "things") -> dict[str, Any] | None:
        key = key if isinstance(key, dict) else {"id": key}
        item = self.engine.call("GetItem", {"TableName": table, "Key": wire_item(key)}).get("Item")
        return None if item is None else plain_item(item)

    def update(self, key: str, text: str, condition: str = "", **values: Any) -> dict[str, Any]:
        return self.engine.call("UpdateItem", update_request(key, text, condition, **values))

    def delete(self, key: str) -> None:
        self.engine.call("DeleteItem", {"TableName": "things", "Key": wire_item({"id": key})})

    def pages(self, operation: str, request: dict[str, Any]) -> list[list[dict[str, Any]]]:
        """All pages of a query or a scan."""
        pages, more = [], {}
        while True:
            page = self.engine.call(operation, {**request, **more})
            pages.append([plain_item(item) for item in page["Items"]])
            if "LastEvaluatedKey" not in page:
                return pages
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def records(self, table: str = "things") -> list[dict[str, Any]]:
        """The change records of a table's stream, of all shards, in the order of their sequence numbers."""
        arn = self.engine.call("DescribeTable", {"TableName": table})["Table"]["LatestStreamArn"]
        shards = self.engine.call("DescribeStream", {"StreamArn": arn})["StreamDescription"]["Shards"]
        found = itertools.chain.from_iterable(self.shard_records(arn, shard["ShardId"]) for shard in shards)
        return sorted(found, key=lambda record: record["dynamodb"]["SequenceNumber"])

    def shard_records(self, arn: str, shard: str, kind: str = "TRIM_HORIZON", **more: Any) -> list[dict[str, Any]]:
        request = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind, **more}
        iterator, records = self.engine.call("GetShardIterator", request)["ShardIterator"], []
        while iterator:
            page = self.engine.call("GetRecords", {"ShardIterator": iterator, "Limit": 7})
            iterator = page.get("NextShardIterator") if page["Records"] else None
            records += page["Records"]
        return records

    def error(self, operation: str, **request: Any) -> str:
        """The code of the error that a request causes."""
        with pytest.raises(ApiError) as caught:
            self.engine.call(operation, request)
        return caught.value.code


def update_request(key: str, text: str, condition: str = "", **values: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"TableName": "things", "Key": wire_item({"id": key}), "UpdateExpression": text}
    if condition:
        request["ConditionExpression"] = condition
    if values:
        request["ExpressionAttributeValues"] = wire_item({f":{name}": value for name, value in values.items()})
    return request


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> Engine:
    return Engine(clock)


@pytest.fixture
def db(engine: Engine) -> Caller:
    caller = Caller(engine)
    caller.create_table("things")
    caller.create_table("lines", "id:S at:N")
    return caller
