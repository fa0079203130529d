"""The calls that applications make all the time, in one pass: GetItem, PutItem, UpdateItem and TransactWriteItems.

MiniStack goes through each value up to eight times, because it words every refusal as DynamoDB does, in its order. Here a call is made
only if it surely succeeds: its parameters are the usual ones, its values are plain, its conditions hold, and its tables have no indexes.
For any other call, NotPlain is raised before anything was changed, and MiniStack processes it from its beginning.
tests/devtools/dynamodb/test_plain_calls.py compares both on random calls.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from devtools.dynamodb.change_recorder import ChangeRecorder
from devtools.dynamodb.changes import Item
from devtools.dynamodb.conditions import compile_condition, expression_attributes_error
from devtools.dynamodb.expression_tokens import Path
from devtools.dynamodb.ministack import MiniStack
from devtools.dynamodb.pure_functions import ddb
from devtools.dynamodb.updates import compile_update, update_request_charge
from devtools.dynamodb.values import canonical_number, item_size_bytes

Response = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]

_MAX_TEXT = 1000  # characters of an expression; a longer one may have too many operators
_MAX_LEVELS = 8  # of values, and of paths; far below DynamoDB's limit
_MAX_KEY_LENGTH = 256  # characters; in bytes at most DynamoDB's limit for sort keys
_MAX_ACTIONS: int = ddb._DDB_TXN_WRITE_MAX_ITEMS
_MAX_ITEM_BYTES: int = ddb._DDB_ITEM_MAX_BYTES
# MiniStack writes a transaction as JSON with spaces and escapes to measure it. That is at most six times as long as without them.
_MAX_TRANSACTION_BYTES: int = ddb._DDB_TXN_MAX_BYTES // 6

_EXPRESSION_FIELDS = {"TableName", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"}
_ON_FAILURE = "ReturnValuesOnConditionCheckFailure"
_WRITE_FIELDS = _EXPRESSION_FIELDS | {_ON_FAILURE}
_ACTION_FIELDS = {
    "Put": _WRITE_FIELDS | {"Item"},
    "Update": _WRITE_FIELDS | {"Key", "UpdateExpression"},
    "Delete": _WRITE_FIELDS | {"Key"},
    "ConditionCheck": _WRITE_FIELDS | {"Key"},
}
_UPDATE_FIELDS = _ACTION_FIELDS["Update"] | {"ReturnValues"}
_GET_FIELDS = {"TableName", "Key", "ConsistentRead"}


class NotPlain(Exception):
    """MiniStack must process the call."""


class _Write(NamedTuple):
    """What an action does to an item: `new` is None when it deletes it. `paths` are those that an update changed."""

    table_name: str
    table: dict[str, Any]
    key: tuple[str, str]
    old: Item | None
    new: Item | None
    paths: set[Path]


class PlainCalls:
    """`handlers`: operation -> function that returns MiniStack's response to a request, or raises NotPlain and has changed nothing."""

    def __init__(self, ministack: MiniStack, recorder: ChangeRecorder) -> None:
        self._ministack, self._recorder = ministack, recorder
        self.handlers: dict[str, Callable[[Request], Response]] = {
            "GetItem": self._get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "TransactWriteItems": self._transact_write_items,
        }

    def _get_item(self, request: Request) -> Response:
        if not request.keys() <= _GET_FIELDS or type(request.get("ConsistentRead", True)) is not bool:
            raise NotPlain
        _, table = self._table(request)
        partition_key, sort_key = self._key(table, request.get("Key"))
        item = table["items"].get(partition_key, {}).get(sort_key)
        return self._respond({"Item": item} if item else {})

    def _put_item(self, request: Request) -> Response:
        self._make((self._prepare("Put", request, _ACTION_FIELDS["Put"]),))
        return self._respond({})

    def _update_item(self, request: Request) -> Response:
        returned = request.get("ReturnValues", "NONE")
        if returned not in ("NONE", "ALL_NEW", "UPDATED_NEW"):
            raise NotPlain
        write = self._prepare("Update", request, _UPDATE_FIELDS)
        names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
        if update_request_charge(request["UpdateExpression"], values, names, write.old or {}) > _MAX_ITEM_BYTES:
            raise NotPlain
        self._make((write,))
        if returned == "ALL_NEW":
            return self._respond({"Attributes": write.new})
        if returned == "UPDATED_NEW":
            attributes = self._ministack.dynamodb._diff_attributes(write.old or {}, write.new, write.paths, return_old=False)
            return self._respond({"Attributes": attributes} if attributes else {})
        return self._respond({})

    def _transact_write_items(self, request: Request) -> Response:
        actions, token = request.get("TransactItems"), request.get("ClientRequestToken")
        if (
            not request.keys() <= {"TransactItems", "ClientRequestToken"}
            or type(actions) is not list
            or not 0 < len(actions) <= _MAX_ACTIONS
        ):
            raise NotPlain
        dynamodb = self._ministack.dynamodb
        if token is not None and (type(token) is not str or not 0 < len(token) <= 36 or dynamodb._txn_token_lookup(token) is not None):
            raise NotPlain
        if len(msgspec.json.encode(request)) > _MAX_TRANSACTION_BYTES:
            raise NotPlain
        writes, locations = [], set()
        for action in actions:
            if type(action) is not dict or len(action) != 1:
                raise NotPlain
            ((kind, parameters),) = action.items()
            if kind not in _ACTION_FIELDS:
                raise NotPlain
            writes.append(self._prepare(kind, parameters, _ACTION_FIELDS[kind]))
            locations.add((writes[-1].table_name, writes[-1].key))
        if len(locations) < len(writes):
            raise NotPlain
        self._make(writes)
        if token is not None:
            sizes: dict[str, list[int]] = {}
            for write, action in zip(writes, actions, strict=True):
                checked = action.get("ConditionCheck", {}).get("Key")
                measured = (item_size_bytes(item) for item in (write.old or checked, write.new))
                sizes.setdefault(write.table_name, []).append(max(measured))
            dynamodb._txn_token_store(token, {"response": {}, "sizes": sizes})
        return self._respond({})

    def _prepare(self, kind: str, action: Any, fields: set[str]) -> _Write:
        """What the action will do; changes nothing."""
        if type(action) is not dict or not action.keys() <= fields or action.get(_ON_FAILURE, "NONE") not in ("NONE", "ALL_OLD"):
            raise NotPlain
        name, table = self._table(action)
        attributes: Any = action.get("Item" if kind == "Put" else "Key")
        key = self._key(table, attributes, is_item=kind == "Put")
        old = table["items"].get(key[0], {}).get(key[1])
        values, names = action.get("ExpressionAttributeValues", {}), action.get("ExpressionAttributeNames", {})
        if type(values) is not dict or type(names) is not dict or not all(type(name) is str and name for name in names.values()):
            raise NotPlain
        if (not values and "ExpressionAttributeValues" in action) or (not names and "ExpressionAttributeNames" in action):
            raise NotPlain
        for value in values.values():
            _check_plain(value)
        texts = ("ConditionExpression", "UpdateExpression") if kind == "Update" else ("ConditionExpression",)
        if expression_attributes_error(action, texts) is not None:
            raise NotPlain
        if "ConditionExpression" in action:
            test = _compiled(compile_condition, action["ConditionExpression"])
            try:
                test({}, values, names)  # MiniStack does so to find faults of the operands
                holds = test(old or {}, values, names)
            except Exception:
                raise NotPlain from None
            if not holds:
                raise NotPlain
        new, paths = old, set[Path]()
        if kind == "Put":
            new = _checked_item(attributes)
        elif kind == "Delete":
            new = None
        elif kind == "Update":
            new, paths = _updated(old or attributes, table, action, values, names)
        if new is not None and new is not old and item_size_bytes(new) > _MAX_ITEM_BYTES:
            raise NotPlain
        return _Write(name, table, key, old, new, paths)

    def _make(self, writes: Iterable[_Write]) -> None:
        dynamodb, recorder = self._ministack.dynamodb, self._recorder
        for write in writes:
            if write.new is None:
                dynamodb._remove_item(write.table, *write.key)
                if write.old:
                    dynamodb._emit_stream_event(write.table_name, "REMOVE", write.old, None)
            elif write.new is not write.old:
                recorder.set_item(write.table, *write.key, write.new)
                dynamodb._emit_stream_event(write.table_name, "MODIFY" if write.old else "INSERT", write.old, write.new)

    def _table(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The name of a table and the table, which has no indexes."""
        name = request.get("TableName")
        table = self._ministack.dynamodb._tables.get(name) if type(name) is str else None
        if table is None or table.get("GlobalSecondaryIndexes") or table.get("LocalSecondaryIndexes") or table.get("VectorIndexes"):
            raise NotPlain
        return name, table  # type: ignore[return-value]

    def _key(self, table: dict[str, Any], attributes: Any, *, is_item: bool = False) -> tuple[str, str]:
        """Partition key and sort key of an item or of a key, as MiniStack's dictionaries have them."""
        partition_name, sort_name = table["pk_name"], table["sk_name"]
        if type(attributes) is not dict or not (is_item or len(attributes) == (2 if sort_name else 1)):
            raise NotPlain
        types = {definition["AttributeName"]: definition["AttributeType"] for definition in table["AttributeDefinitions"]}
        for name in (partition_name, sort_name) if sort_name else (partition_name,):
            value = attributes.get(name)
            content = value.get(types.get(name)) if type(value) is dict and len(value) == 1 else None
            if type(content) is not str or not 0 < len(content) <= _MAX_KEY_LENGTH:
                raise NotPlain
            if types[name] != "S" and (types[name] != "N" or canonical_number(content) != content):
                raise NotPlain
        return self._ministack.item_key(table, attributes)

    def _respond(self, result: dict[str, Any]) -> Response:
        response: Response = self._ministack.dynamodb.json_response(result)
        return response


def _updated(item: Item, table: dict[str, Any], action: Request, values: Any, names: Any) -> tuple[Item, set[Path]]:
    """The item after an update, and the paths that it changed. The item itself is not changed."""
    update = _compiled(compile_update, action.get("UpdateExpression"))
    if not update.actions or "M" in item or "L" in item:
        raise NotPlain
    new, paths = dict(item), set[Path]()
    try:
        for change in update.actions:
            change(new, item, values, names, paths)
    except Exception:
        raise NotPlain from None
    for path in paths:
        name = path[0]
        if len(path) > _MAX_LEVELS or name == table["pk_name"] or name == table["sk_name"]:
            raise NotPlain
        value = new.get(name)
        if value is None:
            continue
        if "N" in value and value.keys() == {"N"}:  # sums have any form
            canonical = canonical_number(value["N"])
            if canonical is None:
                raise NotPlain
            if canonical != value["N"]:
                new[name] = {"N": canonical}
        else:
            _check_plain(value, levels=2 * _MAX_LEVELS)
    return new, paths


def _compiled(compile_text: Callable[[str], Any], text: Any) -> Any:
    compiled = compile_text(text) if type(text) is str and len(text) <= _MAX_TEXT else None
    if compiled is None:
        raise NotPlain
    return compiled


def _checked_item(item: Item) -> Item:
    for name, value in item.items():
        if not name:
            raise NotPlain
        _check_plain(value)
    return item


def _check_plain(value: Any, levels: int = _MAX_LEVELS) -> None:
    """Raise NotPlain if DynamoDB could refuse or change the value."""
    if type(value) is not dict or len(value) != 1 or not levels:
        raise NotPlain
    ((kind, content),) = value.items()
    if kind == "S":
        if type(content) is str:
            return
    elif kind == "N":
        if type(content) is str and canonical_number(content) == content:
            return
    elif kind == "M":
        if type(content) is dict and "" not in content:
            for member in content.values():
                _check_plain(member, levels - 1)
            return
    elif kind == "L":
        if type(content) is list:
            for member in content:
                _check_plain(member, levels - 1)
            return
    elif kind == "SS":
        if (
            type(content) is list
            and content
            and all(type(member) is str and member for member in content)
            and len(set(content)) == len(content)
        ):
            return
    elif (kind == "BOOL" and type(content) is bool) or (kind == "NULL" and content is True):
        return
    raise NotPlain
