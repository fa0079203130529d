"""Records every change that MiniStack makes to items and streams, so that it can be journaled, or undone when a call fails.

`_set_item`, `_remove_item` and `_build_change_record` are replaced: every change of an item and every change record passes through
them. Numbers that a transaction's update writes are brought into their shortest form there, as in DynamoDB, which MiniStack omits.
"""

from contextlib import suppress
from typing import Any

from devtools.dynamodb.changes import Change, Item, ItemDeletion, ItemPut, StreamRecord
from devtools.dynamodb.ministack import MiniStack
from devtools.dynamodb.responses import TTL_IDENTITY
from devtools.dynamodb.values import validate_attribute_value

RecordedChange = tuple[Change, Item | None]  # a change, and the item that a put or a deletion replaced


class PathRefused(Exception):
    """A transaction would write to a path inside of a value that has no inside, of the item with this key in MiniStack's dictionaries."""

    def __init__(self, table_name: str, partition_key: str, sort_key: str) -> None:
        self.location = table_name, partition_key, sort_key
        super().__init__()


class ChangeRecorder:
    """`in_transaction` and `deleting_expired` say what kind of call is under way."""

    def __init__(self, ministack: MiniStack) -> None:
        self.in_transaction = False
        self.deleting_expired = False
        self._ministack = ministack
        self._changes: list[RecordedChange] = []
        dynamodb = ministack.dynamodb
        self._set_item, self._remove_item, self._build_record = dynamodb._set_item, dynamodb._remove_item, dynamodb._build_change_record
        dynamodb._set_item, dynamodb._remove_item = self._recorded_set, self._recorded_remove
        dynamodb._build_change_record = self._recorded_stream_record

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: Change) -> None:
        """Record a change that is not made to an item."""
        self._changes.append((change, None))

    def take(self) -> list[RecordedChange]:
        """Return and forget the changes that were recorded since the last call."""
        taken, self._changes = self._changes, []
        return taken

    def undo_after(self, length: int) -> None:
        """Undo and forget all changes but the first `length` ones."""
        tables = self._ministack.dynamodb._tables
        for change, old_item in reversed(self._changes[length:]):
            if isinstance(change, ItemPut | ItemDeletion):
                table = tables[change.table]
                key = self._ministack.item_key(table, change.item if isinstance(change, ItemPut) else change.key)
                if old_item is not None:
                    self._set_item(table, *key, old_item)
                else:
                    self._remove_item(table, *key)
            elif isinstance(change, StreamRecord):
                with suppress(KeyError, ValueError):
                    self._ministack.dynamodb._stream_records[change.table].remove(change.record)
        del self._changes[length:]

    def _recorded_set(self, table: Any, partition_key: str, sort_key: str, item: Item) -> Item | None:
        if self.in_transaction:
            present = table["items"].get(partition_key, {}).get(sort_key) or {}
            for name, value in item.items():
                # MiniStack writes to a path inside of a text as if the text were a map; no later write would accept what it becomes.
                if present.get(name) is not value and validate_attribute_value(name, value):
                    raise PathRefused(table["TableName"], partition_key, sort_key)
        return self.set_item(table, partition_key, sort_key, item)

    def set_item(self, table: Any, partition_key: str, sort_key: str, item: Item) -> Item | None:
        """Store an item whose numbers are in their shortest form; returns the one that it replaces."""
        old_item: Item | None = self._set_item(table, partition_key, sort_key, item)
        self._changes.append((ItemPut(table["TableName"], item), old_item))
        return old_item

    def _recorded_remove(self, table: Any, partition_key: str, sort_key: str) -> Item | None:
        old_item: Item | None = self._remove_item(table, partition_key, sort_key)
        if old_item is not None:
            key = {name: old_item[name] for name in (table["pk_name"], table["sk_name"]) if name}
            self._changes.append((ItemDeletion(table["TableName"], key), old_item))
        return old_item

    def _recorded_stream_record(self, table: Any, event: str, old: Item | None, new: Item | None, view: str) -> dict[str, Any]:
        record: dict[str, Any] = self._build_record(table, event, old, new, view)
        change, size = record["dynamodb"], self._ministack.dynamodb._item_size_bytes
        change["SizeBytes"] = sum(size(change[part]) for part in ("Keys", "OldImage", "NewImage") if part in change)
        if self.deleting_expired:
            record["userIdentity"] = TTL_IDENTITY
        self.add(StreamRecord(table["TableName"], record))
        return record
