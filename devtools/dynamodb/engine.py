"""MiniStack's DynamoDB as a plain object, which reports every change that its calls make.

Not safe for threads: the owner of an engine holds one lock around each of its methods.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import localcontext
from typing import Any

from devtools.dynamodb.change_recorder import ChangeRecorder, PathRefused, RecordedChange
from devtools.dynamodb.change_streams import ChangeStreams
from devtools.dynamodb.changes import Change, ConsumerPosition, Item
from devtools.dynamodb.engine_state import EngineState
from devtools.dynamodb.expiry import delete_expired_items
from devtools.dynamodb.ministack import MiniStack
from devtools.dynamodb.ministack_interface import OPERATIONS, STREAM_OPERATIONS
from devtools.dynamodb.plain_calls import NotPlain, PlainCalls, Response
from devtools.dynamodb.responses import error_response, transaction_error
from devtools.dynamodb.transaction_tokens import TransactionTokens

_TABLE_OPERATIONS = frozenset(
    {"CreateTable", "DeleteTable", "TagResource", "UntagResource", "UpdateContinuousBackups", "UpdateTable", "UpdateTimeToLive"}
)
# They make a new item of an old one with `updates.py`, which changes neither. The older AttributeUpdates are changed in place.
_SHARING_OPERATIONS = frozenset({"TransactWriteItems", "UpdateItem"})
_UNSUPPORTED_PARAMETERS = {"UpdateTable": "ReplicaUpdates", "CreateTable": "VectorIndexes"}

_log = logging.getLogger(__name__)


class Engine:
    """One DynamoDB, in memory. `take_changes` returns what its calls changed."""

    def __init__(self, clock: Callable[[], float] = time.time, region: str = "us-east-1") -> None:
        self._ministack = MiniStack(clock, region)
        self._recorder = ChangeRecorder(self._ministack)
        self._tokens = TransactionTokens(self._ministack, self._recorder)
        self._streams = ChangeStreams(self._ministack, self._recorder)
        self._state = EngineState(self._ministack, self._streams, self._tokens)
        self._handlers = {name: getattr(self._ministack.dynamodb, function) for name, function in OPERATIONS.items()}
        self._plain_handlers = PlainCalls(self._ministack, self._recorder).handlers
        self._stream_handlers = {name: getattr(self._ministack.streams, function) for name, function in STREAM_OPERATIONS.items()}

    def now(self) -> float:
        return self._ministack.clock()

    def call_dynamodb(self, operation: str, request: dict[str, Any]) -> tuple[int, bytes]:
        """Process a DynamoDB call; returns HTTP status and JSON body. The engine may keep and change `request`."""
        handler = self._handlers.get(operation)
        if handler is None:
            return _unsupported(operation)
        if (parameter := _UNSUPPORTED_PARAMETERS.get(operation)) in request:
            return _unsupported(f"{operation} with {parameter}")
        if operation == "TransactWriteItems" and "ClientRequestToken" in request:
            self._tokens.begin(request)
        return self._call(handler, operation, request)

    def call_streams(self, operation: str, request: dict[str, Any]) -> tuple[int, bytes]:
        """The same for DynamoDB Streams."""
        handler = self._stream_handlers.get(operation)
        return _unsupported(operation) if handler is None else self._call(handler, operation, request)

    def take_changes(self) -> list[RecordedChange]:
        """Return what was changed since the last call of this method."""
        return self._recorder.take()

    def delete_expired_items(self, limit: int) -> int:
        """Delete up to `limit` items whose time to live is over, with change records; returns their number."""
        self._ministack.select_account()
        return delete_expired_items(self._ministack, self._recorder, limit)

    def item_location(self, table: str, attributes: Item) -> tuple[str, str, str]:
        """Table, partition key and sort key of the item with these attributes; raises KeyError and the like when they are no key."""
        return table, *self._ministack.item_key(self._ministack.dynamodb._tables[table], attributes)

    def stream_arns(self) -> dict[str, str]:
        """Table -> ARN of its stream, for the tables whose stream is on."""
        self._ministack.select_account()
        return self._streams.arns()

    def stream_records(self, stream: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """Records of a stream after a sequence number, in Lambda's shape; None when the stream is closed and read to its end."""
        self._ministack.select_account()
        return self._streams.records(stream, after, limit)

    def stream_position(self, consumer: str) -> ConsumerPosition | None:
        return self._streams.positions.get(consumer)

    def save_stream_position(self, position: ConsumerPosition) -> None:
        self._streams.save_position(position)

    def __len__(self) -> int:
        """The number of items."""
        self._ministack.select_account()
        return sum(len(rows) for table in self._ministack.dynamodb._tables.values() for rows in table["items"].values())

    def dump_state(self) -> Iterator[Change]:
        """The whole state, as changes that produce it when applied to an empty engine."""
        self._ministack.select_account()
        return self._state.dump()

    def apply_changes(self, changes: Iterable[Change], at: float | None = None) -> None:
        """Make changes of the time `at` again. Call `finish_loading` after the last ones."""
        self._ministack.select_account()
        self._state.apply(changes, at)

    def finish_loading(self) -> None:
        self._ministack.select_account()
        self._state.finish_loading()

    def _call(self, handler: Callable[[dict[str, Any]], Response], operation: str, request: dict[str, Any]) -> tuple[int, bytes]:
        self._ministack.select_account()
        self._recorder.in_transaction = operation == "TransactWriteItems"
        self._ministack.shares_items = operation in _SHARING_OPERATIONS and "AttributeUpdates" not in request
        before = len(self._recorder)
        try:
            with localcontext(prec=38):  # DynamoDB's precision; Python's default is 28
                try:
                    status, _, body = self._plain_handlers.get(operation, handler)(request)
                except NotPlain:
                    status, _, body = handler(request)
        except PathRefused as refused:
            self._recorder.undo_after(before)
            status, body = transaction_error([self._refusal(action, refused) for action in request["TransactItems"]])
        except BaseException as fault:
            # Undone also when the thread is interrupted: half a transaction must never be seen.
            self._recorder.undo_after(before)
            if not isinstance(fault, Exception):
                raise
            _log.exception("the engine failed in %s", operation)
            status, body = error_response(500, "InternalServerError", f"{type(fault).__name__}: {fault}")
        if operation in _TABLE_OPERATIONS:
            # After refused calls too: some of them have made a part of their changes by then.
            name = request.get("TableName") or self._ministack.dynamodb._table_name_from_arn(request.get("ResourceArn", ""))
            if isinstance(name, str):
                self._recorder.add(self._ministack.table_definition(name))
        return status, body

    def _refusal(self, action: dict[str, Any], refused: PathRefused) -> str:
        """The message of the reason why a transaction is canceled, empty for an action that is not the cause."""
        ((_, parameters),) = action.items()
        attributes = parameters["Item"] if "Item" in parameters else parameters["Key"]
        is_cause = self.item_location(parameters["TableName"], attributes) == refused.location
        return "The document path provided in the update expression is invalid for update" if is_cause else ""


def _unsupported(operation: str) -> tuple[int, bytes]:
    return error_response(400, "UnknownOperationException", f"The local store does not support {operation}.")
