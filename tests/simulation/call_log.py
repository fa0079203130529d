"""A log of the store calls that a block makes: operations, tables, keys, outcomes, round trips and consumed capacity."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident
from typing import Any

import msgspec

from tests.simulation import capacity
from tests.simulation.interception import Listener, StoreCall, current_process, intercept


class LogEntry(msgspec.Struct):
    """One call. `outcome`: done, refused (by a condition), conflict, or the error; `round_trips`: attempts that reached the store.

    `read_units` and `write_units` are computed, `reported_units` is the engine's own sum.
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
    thread: int = 0


class CallLog(list[str]):
    """The names of the operations in order; all other details are in `entries`. `label` is only for the text."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.thread = get_ident()  # the one whose block it is
        self.entries: list[LogEntry] = []

    @property
    def names(self) -> list[str]:
        return list(self)

    @property
    def round_trips(self) -> int:
        return sum(entry.round_trips for entry in self.entries)

    @property
    def sequential_round_trips(self) -> int:
        """The round trips that a request waits for: of those that several threads make at once, only as many as the busiest of them."""
        total, at_once = 0, Counter[int]()
        for entry in self.entries:
            if entry.thread != self.thread:
                at_once[entry.thread] += entry.round_trips
                continue
            total += max(at_once.values(), default=0) + entry.round_trips
            at_once.clear()
        return total + max(at_once.values(), default=0)

    @property
    def capacity(self) -> tuple[float, float]:
        """Read units, and write units with those of indexes."""
        return sum(entry.read_units for entry in self.entries), sum(entry.write_units + entry.index_units for entry in self.entries)

    def of(self, operation: str = "", table: str = "") -> list[LogEntry]:
        """The entries of one operation, one table, or both."""
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
    """Log the calls that reach the store while the block runs: those of all threads, or inside `process(...)` of that process.

    `measured` adds the capacity units. They are computed from the items, which are read before and after each write, so the block
    must not use threads then.
    """
    log = CallLog(label)
    with intercept(_Recorder(log, measured)):
        yield log


class _Recorder(Listener):
    rank = 90  # next to the store: a call that a fault stops does not reach it

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
                entry = LogEntry(call.operation, call.tables, [access.key for access in call.accesses], text=str(call), thread=get_ident())
                self.log.append(call.operation)
                self.log.entries.append(entry)
            self._open[id(call)] = (call, entry, self._read_items(call))  # the call is kept, so that its id is not used again
        entry.round_trips += 1

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
