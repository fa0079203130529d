"""Calls in Python's values, and what came of them in a form that can be compared and written down."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]

_log = logging.getLogger(__name__)


class N(str):
    """A number that is not written as Python writes an integer: `N("1.0")`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"N({super().__repr__()})"


class Raw(dict):
    """An attribute value as it goes over the wire: `Raw(SS=[])`."""


def wire(value: Any) -> Any:
    """An attribute value: int and N are numbers, sets are sets of strings, numbers or binaries, None is NULL."""
    match value:
        case Raw():
            return dict(value)
        case bool():
            return {"BOOL": value}
        case None:
            return {"NULL": True}
        case int() | N():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
        case dict():
            return {"M": attributes(value)}
        case list():
            return {"L": [wire(one) for one in value]}
    kind = {int: "NS", N: "NS", str: "SS", bytes: "BS"}[type(next(iter(value)))]
    return {kind: [str(one) if kind == "NS" else one for one in value]}


def attributes(item: Item) -> dict[str, Any]:
    return {name: wire(value) for name, value in item.items()}


def plain(value: dict[str, Any]) -> Any:
    """The other way round. A number becomes an int where that is the way it was written."""
    (kind, content), *_ = value.items()
    match kind:
        case "N":
            return _number(content)
        case "M":
            return item_of(content)
        case "L":
            return [plain(one) for one in content]
        case "NS":
            return {_number(one) for one in content}
        case "SS" | "BS":
            return set(content)
        case "NULL":
            return None
    return content


def item_of(found: dict[str, Any]) -> Item:
    return {name: plain(value) for name, value in found.items()}


def _number(text: str) -> Any:
    digits = text.removeprefix("-")
    whole = digits.isdecimal() and str(int(digits)) == digits
    return int(text) if whole and text != "-0" else N(text)


def outcome(call: Callable[[], Any]) -> Any:
    """What `call` answers, or the refusal as text, with the item or the reasons that came along."""
    try:
        return call()
    except ClientError as error:
        return _refusal(error)
    except Exception as error:  # moto's own mistakes come through, since it answers in this process
        cause = getattr(error, "cause", None)
        return _refusal(cause) if isinstance(cause, ClientError) else f"no answer: {type(error).__name__}"


def done(call: Callable[[], Any]) -> Any:
    """Just "done", or the refusal."""
    return outcome(lambda: call() and "done")


def _refusal(error: ClientError) -> Any:
    response: Any = error.response
    _log.warning("%s", error)  # pytest shows it with a test that fails
    text = f"{response['Error']['Code']} {response['ResponseMetadata']['HTTPStatusCode']}"
    if "CancellationReasons" in response:
        return text, [_reason(reason) for reason in response["CancellationReasons"]]
    return (text, item_of(response["Item"])) if "Item" in response else text


def _reason(reason: dict[str, Any]) -> Any:
    code = reason.get("Code")
    return (code, item_of(reason["Item"])) if "Item" in reason else code


REFUSED = "ConditionalCheckFailedException 400"
INVALID = "ValidationException 400"
CANCELLED = "TransactionCanceledException 400"
FAILED = "ConditionalCheckFailed"


class Db:
    """The engine's tables for one test. `id` is a key that no other test has: every item of the test is under it.

    `things` has the hash key `id`; `lines` has `id` and the sort key `at`. Both have a stream; things expire by `ttl`.
    """

    def __init__(self, engine: Any, key: str) -> None:
        self.engine, self.client = engine, engine.client
        self.things, self.lines = engine.things, engine.lines
        self.id = key

    def put(self, item: Item | None = None, condition: str = "", **more: Any) -> Any:
        """Put {"id": self.id, **item}; `names` and `values` are those of the condition."""
        return outcome(lambda: self._attributes(self.client.put_item(**self.put_arguments(item, condition, **more))))

    def put_arguments(self, item: Item | None = None, condition: str = "", *, key: str = "", **more: Any) -> dict[str, Any]:
        return {"TableName": self.things, "Item": attributes({"id": key or self.id, **(item or {})}), **expressions(condition, **more)}

    def update(self, update: str, condition: str = "", **more: Any) -> Any:
        return outcome(lambda: self._attributes(self.client.update_item(**self.update_arguments(update, condition, **more))))

    def update_arguments(self, update: str, condition: str = "", *, key: str = "", **more: Any) -> dict[str, Any]:
        return {**self.key_arguments(key), "UpdateExpression": update, **expressions(condition, **more)}

    def delete(self, condition: str = "", **more: Any) -> Any:
        return outcome(lambda: self._attributes(self.client.delete_item(**self.key_arguments(), **expressions(condition, **more))))

    def key_arguments(self, key: str = "") -> dict[str, Any]:
        return {"TableName": self.things, "Key": {"id": {"S": key or self.id}}}

    def get(self, key: str = "") -> Item | None:
        """Strongly consistent, without the id."""
        found = self.client.get_item(**self.key_arguments(key), ConsistentRead=True).get("Item")
        return None if found is None else {name: plain(value) for name, value in found.items() if name != "id"}

    def transact(self, *items: dict[str, Any], **more: Any) -> Any:
        return done(lambda: self.client.transact_write_items(TransactItems=list(items), **more))

    def put_line(self, at: str, **item: Any) -> None:
        self.client.put_item(TableName=self.lines, Item=attributes({"id": self.id, "at": at, **item}))

    def query(self, condition: str = "id = :id", **more: Any) -> dict[str, Any]:
        """One page of `lines`."""
        values = {":id": self.id, **more.pop("values", {})}
        return self.client.query(TableName=self.lines, KeyConditionExpression=condition, **expressions(values=values, **more))

    def changes(self, count: int, table: str = "") -> list[Any]:
        """The change records of this test's items, in the shape of GetRecords; waits until there are `count`."""
        return self.engine.changes(table or self.things, self.id, count)

    def others(self, count: int) -> Iterator[str]:
        """Further keys of this test."""
        return (f"{self.id}-{number:03}" for number in range(count))

    def _attributes(self, answer: dict[str, Any]) -> Any:
        return item_of(answer["Attributes"]) if "Attributes" in answer else "done"


def expressions(condition: str = "", *, names: dict[str, str] | None = None, values: Item | None = None, **more: Any) -> dict[str, Any]:
    """Arguments of a call; `returns` and `told` (the item comes back with a refusal) are short for long names."""
    if returns := more.pop("returns", None):
        more["ReturnValues"] = returns
    if more.pop("told", False):
        more["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if condition:
        more["ConditionExpression"] = condition
    if names:
        more["ExpressionAttributeNames"] = names
    if values:
        more["ExpressionAttributeValues"] = attributes(values)
    return more
