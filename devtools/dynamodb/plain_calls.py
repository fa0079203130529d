"""The calls that applications make all the time, in one pass: GetItem, PutItem, UpdateItem and TransactWriteItems.

MiniStack goes through each value up to eight times, because it words every refusal as DynamoDB does, in its order. Here a call is made
only if it surely succeeds: its parameters are the usual ones, its values are plain, its conditions hold, and it changes no key of an
index. For any other call, NotPlain is raised before anything was changed, and MiniStack processes it from its beginning.
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
from devtools.dynamodb.updates import Update, compile_update, max_request_charge
from devtools.dynamodb.values import attribute_value_size, canonical_number, item_size_bytes, number_size

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
_PUT_FIELDS = _ACTION_FIELDS["Put"] | {"ReturnConsumedCapacity"}
_UPDATE_FIELDS = _ACTION_FIELDS["Update"] | {"ReturnConsumedCapacity", "ReturnValues"}
_GET_FIELDS = {"TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"}
_CAPACITIES = ("NONE", "TOTAL", "INDEXES")
_MAX_KNOWN_SIZES = 4096


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
    size: int  # of the larger one of both, in bytes


class PlainCalls:
    """`handlers`: operation -> function that returns MiniStack's response to a request, or raises NotPlain and has changed nothing."""

    def __init__(self, ministack: MiniStack, recorder: ChangeRecorder) -> None:
        self._ministack, self._recorder = ministack, recorder
        # Table and key -> the item that was written last and its size, because the next write needs it again.
        self._known_sizes: dict[tuple[str, str, str], tuple[Item, int]] = {}
        self.handlers: dict[str, Callable[[Request], Response]] = {
            "GetItem": self._get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "TransactWriteItems": self._transact_write_items,
        }

    def _get_item(self, request: Request) -> Response:
        if not request.keys() <= _GET_FIELDS or request.get("ReturnConsumedCapacity", "NONE") not in _CAPACITIES:
            raise NotPlain
        name, table = self._table(request)
        partition_key, sort_key = self._key(table, request.get("Key"))
        item = table["items"].get(partition_key, {}).get(sort_key)
        return self._respond({"Item": item} if item else {}, request, name)

    def _put_item(self, request: Request) -> Response:
        write = self._prepare("Put", request, _PUT_FIELDS)
        self._make((write,))
        return self._respond({}, request, write.table_name, write=True, old_item=write.old, new_item=write.new)

    def _update_item(self, request: Request) -> Response:
        returned = request.get("ReturnValues", "NONE")
        if returned not in ("NONE", "ALL_NEW", "UPDATED_NEW"):
            raise NotPlain
        write = self._prepare("Update", request, _UPDATE_FIELDS)
        self._make((write,))
        result: dict[str, Any] = {}
        if returned == "ALL_NEW":
            result["Attributes"] = write.new
        elif returned == "UPDATED_NEW":
            attributes = self._ministack.dynamodb._diff_attributes(write.old or {}, write.new, write.paths, return_old=False)
            result |= {"Attributes": attributes} if attributes else {}
        return self._respond(result, request, write.table_name, write=True, old_item=write.old, new_item=write.new)

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
            for write in writes:
                sizes.setdefault(write.table_name, []).append(write.size)
            dynamodb._txn_token_store(token, {"response": {}, "sizes": sizes})
        response: Response = dynamodb.json_response({})
        return response

    def _prepare(self, kind: str, action: Any, fields: set[str]) -> _Write:
        """What the action will do; changes nothing."""
        if type(action) is not dict or not action.keys() <= fields or action.get(_ON_FAILURE, "NONE") not in ("NONE", "ALL_OLD"):
            raise NotPlain
        if action.get("ReturnConsumedCapacity", "NONE") not in _CAPACITIES:
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
        size_of_values = sum(map(plain_size, values.values()))
        texts = ("ConditionExpression", "UpdateExpression") if kind == "Update" else ("ConditionExpression",)
        if expression_attributes_error(action, texts) is not None:
            raise NotPlain
        if "ConditionExpression" in action and not _holds(action["ConditionExpression"], old or {}, values, names):
            raise NotPlain
        if old is not None:
            old_size = self._size((name, *key), old)
        else:
            old_size = 0 if kind == "Put" or kind == "Delete" else item_size_bytes(attributes)
        new, new_size, paths = old, old_size, set[Path]()
        if kind == "Put":
            new, new_size = attributes, _item_size(attributes)
        elif kind == "Delete":
            new, new_size = None, 0
        elif kind == "Update":
            update, text = _compiled(compile_update, action.get("UpdateExpression")), action["UpdateExpression"]
            if max_request_charge(text, update, max(map(len, names.values()), default=0), size_of_values) > _MAX_ITEM_BYTES:
                raise NotPlain
            new, paths = _updated(old or attributes, table, update, values, names)
            if table.get("GlobalSecondaryIndexes") and not _index_names(table).isdisjoint(path[0] for path in paths):
                raise NotPlain
            new_size = old_size + _growth(old or attributes, new, paths)
        if new_size > _MAX_ITEM_BYTES:
            raise NotPlain
        if new is not None:
            if len(self._known_sizes) > _MAX_KNOWN_SIZES:
                self._known_sizes.clear()
            self._known_sizes[name, *key] = new, new_size
        return _Write(name, table, key, old, new, paths, max(old_size, new_size))

    def _size(self, location: tuple[str, str, str], item: Item) -> int:
        known, size = self._known_sizes.get(location, (None, 0))
        return size if known is item else item_size_bytes(item)

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
        """The name of a table and the table. It has no local indexes, and global ones only if their units are not asked for."""
        name = request.get("TableName")
        table = self._ministack.dynamodb._tables.get(name) if type(name) is str else None
        if table is None or table.get("LocalSecondaryIndexes") or table.get("VectorIndexes"):
            raise NotPlain
        if table.get("GlobalSecondaryIndexes") and request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            raise NotPlain
        return name, table  # type: ignore[return-value]

    def _key(self, table: dict[str, Any], attributes: Any, *, is_item: bool = False) -> tuple[str, str]:
        """Partition key and sort key of an item or of a key, as MiniStack's dictionaries have them."""
        if type(attributes) is not dict or not (is_item or len(attributes) == (2 if table["sk_name"] else 1)):
            raise NotPlain
        own_names = (table["pk_name"], table["sk_name"])
        for definition in table["AttributeDefinitions"]:  # those of keys, also of indexes
            name, kind = definition["AttributeName"], definition["AttributeType"]
            if name not in own_names and name not in attributes:
                continue  # an item without it is not in the index
            value = attributes.get(name)
            content = value.get(kind) if type(value) is dict and len(value) == 1 else None
            if type(content) is not str or not 0 < len(content) <= _MAX_KEY_LENGTH or kind not in ("S", "N"):
                raise NotPlain
            if kind == "N" and canonical_number(content) != content:
                raise NotPlain
        return self._ministack.item_key(table, attributes)

    def _respond(self, result: dict[str, Any], request: Request, table_name: str, **written: Any) -> Response:
        if "ReturnConsumedCapacity" in request:
            self._ministack.dynamodb._add_consumed_capacity(result, request, table_name, **written)
        response: Response = self._ministack.dynamodb.json_response(result)
        return response


def _index_names(table: dict[str, Any]) -> set[str]:
    """The attributes that are keys of indexes, with those of the table's own key."""
    return {definition["AttributeName"] for definition in table["AttributeDefinitions"]}


def _holds(text: Any, item: Item, values: Any, names: Any) -> bool:
    test = _compiled(compile_condition, text)
    try:
        test({}, values, names)  # MiniStack does so to find faults of the operands
        return bool(test(item, values, names))
    except Exception:
        raise NotPlain from None


def _updated(item: Item, table: dict[str, Any], update: Update, values: Any, names: Any) -> tuple[Item, set[Path]]:
    """The item after an update, and the paths that it changed. The item itself is not changed."""
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
        if value is not None and "N" in value and value.keys() == {"N"}:  # sums have any form
            canonical = canonical_number(value["N"])
            if canonical is None:
                raise NotPlain
            if canonical != value["N"]:
                new[name] = {"N": canonical}
    return new, paths


def _growth(old: Item, new: Item, paths: set[Path]) -> int:
    """By how many bytes an update makes an item larger."""
    growth = 0
    for name in {path[0] for path in paths}:
        if name in new:
            growth += len(name.encode()) + plain_size(new[name], 2 * _MAX_LEVELS)
        if name in old:
            growth -= len(name.encode()) + attribute_value_size(old[name])
    return growth


def _compiled(compile_text: Callable[[str], Any], text: Any) -> Any:
    compiled = compile_text(text) if type(text) is str and len(text) <= _MAX_TEXT else None
    if compiled is None:
        raise NotPlain
    return compiled


def _item_size(item: Item) -> int:
    """The size of an item in bytes. Raises NotPlain."""
    if "" in item:
        raise NotPlain
    return len("".join(item).encode()) + sum(map(plain_size, item.values()))


def plain_size(value: Any, levels: int = _MAX_LEVELS) -> int:
    """The size of a value in bytes. Raises NotPlain if DynamoDB could refuse or change the value, or if it has more levels."""
    if type(value) is not dict or len(value) != 1 or not levels:
        raise NotPlain
    ((kind, content),) = value.items()
    if kind == "S":
        if type(content) is str:
            return len(content) if content.isascii() else len(content.encode())
    elif kind == "N":
        if type(content) is str and canonical_number(content) == content:
            size: int = number_size(content)
            return size
    elif kind == "M":
        if type(content) is dict and "" not in content:
            return 3 + len(content) + len("".join(content).encode()) + sum(plain_size(member, levels - 1) for member in content.values())
    elif kind == "L":
        if type(content) is list:
            return 3 + len(content) + sum(plain_size(member, levels - 1) for member in content)
    elif kind == "SS":
        if (
            type(content) is list
            and content
            and all(type(member) is str and member for member in content)
            and len(set(content)) == len(content)
        ):
            return attribute_value_size(value)
    elif (kind == "BOOL" and type(content) is bool) or (kind == "NULL" and content is True):
        return 1
    raise NotPlain
