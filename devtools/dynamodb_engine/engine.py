"""The engine: the state of all tables, the dispatch of operations, and the records that rebuild the state.

**For callers.** `Engine.call(operation, request)` takes a request as it travels in JSON (binaries are base64 text) and returns the response in
the same form, or raises `ApiError`. Operations of DynamoDB and of DynamoDB Streams have different names, so one method serves both. All
methods may be called from any thread.

**For the journal.** A change of the state is a list of records, which belong together: all of them are kept, or none. The engine passes
each list to `commit`, under its lock, so in the order in which the changes happened. `commit` returns a waiter at once; the engine calls
the waiter outside the lock and replies when the waiter returns. A waiter may be called by several threads, more than once, also by readers of
what was written; it raises when the records could not be made durable. `Engine.apply` makes the changes of records again, and `Engine.dump` returns
records that rebuild the whole state. A record is a tuple of text, bytes, numbers, None, lists and dictionaries (MessagePack has them
all), which begins with its kind:

    ("t", table, definition)                        the table has this definition (a dictionary); None: it is deleted with its items
    ("p", table, item, sequence, at)                put: `item` is the whole item, encoded (bytes)
    ("d", table, key, sequence, at, expired)        delete: `key` is the item's key, encoded; `expired`: by time to live
    ("c", stream, sequence, at, expired, old, new)  a change record with its images, encoded or None (only in dumps)
    ("s", stream, definition)                       a stream that was closed (only in dumps)
    ("n", sequence)                                 the last sequence number that was used (only in dumps)
    ("k", token, digest, at)                        a transaction was made with this ClientRequestToken
    ("h", consumer, stream, sequence)               a consumer has processed the stream up to this sequence number

`sequence` is the number of the change record that the write makes, 0 if it makes none; `apply` makes the change record again.
`at` is the time in seconds. An encoded item is MessagePack of the attributes in their JSON form.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Record = tuple[Any, ...]
Waiter = Callable[[], None]
Commit = Callable[[list[Record]], Waiter]
T = TypeVar("T")


class ApiError(Exception):
    """An error as DynamoDB reports it: its code, its message, the HTTP status and further members of the body."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members

    def body(self) -> dict[str, Any]:
        return {"__type": f"com.amazonaws.dynamodb.v20120810#{self.code}", "message": self.message, **self.members}


class Engine:
    """One DynamoDB in memory. `commit` makes changes durable; without it they are in memory only. It may be set after `apply`."""

    def __init__(self, clock: Callable[[], float] = time.time, region: str = "us-east-1", commit: Commit | None = None) -> None:
        self.clock, self.region, self.commit = clock, region, commit

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Execute an operation; raises ApiError."""
        raise ApiError("UnknownOperationException", "")

    def apply(self, records: Iterable[Record]) -> None:
        """Make the changes of one or more lists of records again, without `commit`. Not for use while other threads call the engine."""

    def dump(self, mark: Callable[[], T]) -> tuple[T, list[Record]]:
        """Records that rebuild the state, and what `mark` returned at the same moment (under the lock: the end of the journal, for instance)."""
        return mark(), []

    def delete_expired(self, limit: int = 1000) -> int:
        """Delete up to `limit` items whose time to live is over; returns their number."""
        return 0
