"""A log of the store calls that a block makes: operations, tables, keys, outcomes, round trips and consumed capacity."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, current_thread
from typing import Any, TypeVar
from unittest import mock

import msgspec

from chalicelib.foundation import parallel
from tests.simulation import capacity
from tests.simulation.interception import Listener, StoreCall, current_process, intercept

T = TypeVar("T")
R = TypeVar("R")
_CALL_EACH = parallel.call_each


class LogEntry(msgspec.Struct):
    """One call. `outcome`: done, refused (by a condition), conflict, or the error. `round_trips`: attempts that reached the store.

    `read_units`, `write_units` and `index_units` are computed; `reported_units` is the sum that the engine reports.
    """

    operation: str
    tables: list[str]
    keys: list[dict[str, Any]]
    outcome: str = "sent"
    round_trips: int = 0
    read_units: float = 0
    write_units: float = 0
    index_units: float = 0
    reported_units: float = 0
    text: str = ""


class CallLog(list[str]):
    """The names of the operations in order, with the details in `entries`. `label` only appears in the printed log."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.thread = current_thread()  # the thread that runs the block
        self._waited_for = 0
        self.entries: list[LogEntry] = []

    @property
    def names(self) -> list[str]:
        return list(self)

    @property
    def round_trips(self) -> int:
        return sum(entry.round_trips for entry in self.entries)

    @property
    def sequential_round_trips(self) -> int:
        """The round trips that this thread waited for. Of calls made in parallel, only the calls of the busiest thread count."""
        return self._waited_for

    def _add_round_trip(self) -> None:
        if current_thread() is self.thread:
            self._waited_for += 1

    def _call_each(self, act: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Replace `parallel.call_each` without threads, but count waits as with threads: all shares of the calls begin at the same time."""
        if current_thread() is not self.thread:
            return _CALL_EACH(act, items)
        begun, ended, results = self._waited_for, [self._waited_for], dict[int, R]()
        shares = min(parallel.MAX_THREADS, len(items))
        for first in range(shares):
            self._waited_for = begun
            results |= {number: act(items[number]) for number in range(first, len(items), shares)}
            ended.append(self._waited_for)
        self._waited_for = max(ended)
        return [results[number] for number in range(len(items))]

    @property
    def capacity(self) -> tuple[float, float]:
        """Return the read units and the write units, including indexes."""
        return sum(entry.read_units for entry in self.entries), sum(entry.write_units + entry.index_units for entry in self.entries)

    def of(self, operation: str = "", table: str = "") -> list[LogEntry]:
        """Return the entries of one operation, one table, or one operation on one table."""
        return [entry for entry in self.entries if operation in ("", entry.operation) and (not table or table in entry.tables)]

    def __str__(self) -> str:
        read, write = self.capacity
        lines = [
            f"{entry.text} {entry.outcome:10} {entry.read_units:g} RCU {entry.write_units + entry.index_units:g} WCU"
            for entry in self.entries
        ]
        return "\n".join([f"{self.label or 'calls'}: {self.round_trips} round trips, {read:g} RCU, {write:g} WCU", *lines])


@contextmanager
def record_calls(label: str = "", *, measured: bool = False) -> Iterator[CallLog]:
    """Log the calls that reach the store while the block runs: the calls of all threads, or inside `process(...)` of that process only.

    Parallel calls of the block are made one after the other, but counted as parallel calls. `measured` adds the capacity units, which are
    computed from the items before and after each write, so a measured block must not start threads.
    """
    log = CallLog(label)
    with intercept(_Recorder(log, measured)), mock.patch.object(parallel, "call_each", log._call_each):
        yield log


class _Recorder(Listener):
    rank = 90  # next to the store, so that calls stopped by a fault are not logged

    def __init__(self, log: CallLog, measured: bool) -> None:
        self.log, self.measures = log, measured
        self.process = current_process()
        self._lock = Lock()
        self._open: dict[int, tuple[StoreCall, LogEntry, capacity.Items]] = {}

    def before(self, call: StoreCall) -> None:
        if self.process not in ("", call.process):
            return
        with self._lock:
            known = self._open.get(id(call))
            entry = known[1] if known is not None and known[0] is call else None
            if entry is None:
                entry = LogEntry(call.operation, call.tables, [access.key for access in call.accesses], text=str(call))
                self.log.append(call.operation)
                self.log.entries.append(entry)
            self._open[id(call)] = (call, entry, self._read_items(call))  # keeps the call, so that its id is not reused
        entry.round_trips += 1
        self.log._add_round_trip()

    def after(self, call: StoreCall) -> None:
        known = self._open.get(id(call))
        if known is None:
            return
        _, entry, before = known
        entry.outcome = call.outcome
        if self.measures and call.answer is not None:
            after = self._read_items(call)
            read, write = capacity.total_units(capacity.consumed_units(call, before, after))
            entry.read_units += read
            entry.write_units += write
            entry.index_units += capacity.index_units(call, before, after)
            entry.reported_units += capacity.reported_units(call.answer)

    def _read_items(self, call: StoreCall) -> capacity.Items:
        return capacity.read_items(call.accesses) if self.measures and capacity.is_write(call.operation) else {}
