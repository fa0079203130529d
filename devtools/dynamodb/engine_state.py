"""The whole state of an engine as changes: dumped for a snapshot, applied again at the start."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from devtools.dynamodb.change_streams import ChangeStreams
from devtools.dynamodb.changes import (
    Change,
    ClosedStream,
    ConsumerPosition,
    ItemDeletion,
    ItemPut,
    SequenceCounter,
    StreamRecord,
    TableDefinition,
    TransactionToken,
    TrimmedRecords,
)
from devtools.dynamodb.ministack import MiniStack
from devtools.dynamodb.transaction_tokens import TransactionTokens


class EngineState:
    def __init__(self, ministack: MiniStack, streams: ChangeStreams, tokens: TransactionTokens) -> None:
        self._ministack, self._streams, self._tokens = ministack, streams, tokens

    def dump(self) -> Iterator[Change]:
        """Changes that produce the state when applied to an empty engine.

        Items and records are shared with the engine, which never changes them in place.
        """
        dynamodb = self._ministack.dynamodb
        yield SequenceCounter(self._streams.counter)
        yield from self._streams.positions.values()
        yield from self._tokens.valid()
        for name, table in dynamodb._tables.items():
            yield self._ministack.table_definition(name)
            for rows in table["items"].values():
                for item in rows.values():
                    yield ItemPut(name, item)
            records = dynamodb.stream_live_records(name)  # trims them first
            if count := dynamodb._stream_trimmed.get(name, 0):
                yield TrimmedRecords(name, count)
            for record in records:
                yield StreamRecord(name, record)
        for stream in dynamodb._closed_streams.keys():  # noqa: SIM118  (MiniStack's own kind of dictionary)
            if contents := dynamodb.closed_stream(stream):
                yield ClosedStream(stream, {**contents, "records": list(contents["records"])})

    def apply(self, changes: Iterable[Change], at: float | None) -> None:
        """Make changes again, as if it were the time `at` (None: now)."""
        clock = self._ministack.clock
        if at is not None:
            self._ministack.clock = lambda: at
        try:
            for change in changes:
                self._apply(change)
        finally:
            self._ministack.clock = clock

    def finish_loading(self) -> None:
        """Count the items, and discard the indexes, which are built when they are needed."""
        for table in self._ministack.dynamodb._tables.values():
            self._ministack.dynamodb._items_replaced(table)

    def _apply(self, change: Change) -> None:
        dynamodb = self._ministack.dynamodb
        match change:
            case ItemPut(name, item):
                partition_key, sort_key = self._ministack.item_key(dynamodb._tables[name], item)
                dynamodb._tables[name]["items"].setdefault(partition_key, {})[sort_key] = item
            case ItemDeletion(name, key):
                partition_key, sort_key = self._ministack.item_key(dynamodb._tables[name], key)
                rows = dynamodb._tables[name]["items"]
                del rows[partition_key][sort_key]
                if not rows[partition_key]:
                    del rows[partition_key]
            case StreamRecord(name, record):
                dynamodb._stream_records.setdefault(name, []).append(record)
                self._streams.restore_counter(record)
            case TableDefinition():
                self._apply_definition(change)
            case TransactionToken():
                self._tokens.restore(change)
            case ConsumerPosition():
                self._streams.positions[change.consumer] = change
            case TrimmedRecords(name, count):
                dynamodb._stream_trimmed[name] = count
            case ClosedStream(stream, contents):
                dynamodb._closed_streams[stream] = contents
            case SequenceCounter(sequence):
                self._streams.counter = sequence

    def _apply_definition(self, change: TableDefinition) -> None:
        dynamodb, name = self._ministack.dynamodb, change.table
        old = dynamodb._tables.pop(name, None)
        if old is not None and (change.definition is None or _active_stream(change.definition) != _active_stream(old)):
            dynamodb.drop_stream_records(name, old)
        for settings, value in ((dynamodb._ttl_settings, change.ttl), (dynamodb._pitr_settings, change.pitr)):
            settings.pop(name, None)
            if value is not None:
                settings[name] = value
        arn = (change.definition or old or {}).get("TableArn")
        dynamodb._tags.pop(arn, None)
        if change.definition is not None:
            dynamodb._tables[name] = {**change.definition, "items": old["items"] if old else defaultdict(dict)}
            if change.tags is not None:
                dynamodb._tags[arn] = change.tags


def _active_stream(definition: dict[str, Any]) -> str | None:
    return definition.get("LatestStreamArn") if (definition.get("StreamSpecification") or {}).get("StreamEnabled") else None
