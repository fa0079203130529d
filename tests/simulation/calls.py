"""What reaches the store while a block runs: operations, tables, keys, how each ended, round trips and consumed capacity."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import msgspec

from tests.simulation import capacity
from tests.simulation.wire import Call, Listener, current_process, listening


class Entry(msgspec.Struct):
    """One call. `outcome`: done, refused (a condition), conflict, or the error; `round_trips`: attempts that reached the store.

    `read_units` and `write_units` are computed, `reported` is the engine's own sum.
    """

    operation: str
    tables: list[str]
    keys: list[dict[str, Any]]
    outcome: str = "sent"
    round_trips: int = 0
    read_units: float = 0
    write_units: float = 0
    reported: float = 0
    text: str = ""


class Log(list[str]):
    """The names of the operations in order; everything else about them in `entries`. `label` is for the reader."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.entries: list[Entry] = []

    @property
    def names(self) -> list[str]:
        return list(self)

    @property
    def round_trips(self) -> int:
        return sum(entry.round_trips for entry in self.entries)

    @property
    def capacity(self) -> tuple[float, float]:
        """Read units and write units."""
        return sum(entry.read_units for entry in self.entries), sum(entry.write_units for entry in self.entries)

    def of(self, operation: str = "", table: str = "") -> list[Entry]:
        return [one for one in self.entries if (not operation or one.operation == operation) and (not table or table in one.tables)]

    def __str__(self) -> str:
        read, write = self.capacity
        lines = [f"{one.text} {one.outcome:10} {one.read_units:g} RCU {one.write_units:g} WCU" for one in self.entries]
        return "\n".join([f"{self.label or 'calls'}: {self.round_trips} round trips, {read:g} RCU, {write:g} WCU", *lines])


@contextmanager
def calls(label: str = "", *, measured: bool = False) -> Iterator[Log]:
    """The calls that reach the store while the block runs, of all threads, or of this process inside `process(...)`.

    `measured` adds capacity, computed from the items, which are looked at before and after each write (one thread only, then).
    """
    log = Log(label)
    with listening(_Recorder(log, measured)):
        yield log


class _Recorder(Listener):
    rank = 90  # next to the store: what a fault stops does not reach it

    def __init__(self, log: Log, measured: bool) -> None:
        self.log, self.measures = log, measured
        self.process = current_process()
        self._lock = Lock()
        self._open: dict[int, tuple[Call, Entry, capacity.Sizes]] = {}

    def before(self, call: Call) -> None:
        if self.process not in ("", call.process):
            return
        with self._lock:
            known = self._open.get(id(call))
            entry = known[1] if known is not None and known[0] is call else None
            if entry is None:
                entry = Entry(call.operation, call.tables, [touch.key for touch in call.touches], text=str(call))
                self.log.append(call.operation)
                self.log.entries.append(entry)
            sizes = self._peek(call)
            self._open[id(call)] = (call, entry, sizes)  # the call is kept, so its id is not used again
        entry.round_trips += 1

    def after(self, call: Call) -> None:
        known = self._open.get(id(call))
        if known is None:
            return
        _, entry, before = known
        entry.outcome = call.outcome
        if self.measures and call.answer is not None:
            read, write = capacity.total(capacity.computed(call, before, self._peek(call)))
            entry.read_units += read
            entry.write_units += write
            entry.reported += capacity.reported(call.answer)

    def _peek(self, call: Call) -> capacity.Sizes:
        return capacity.peek(call.touches) if self.measures and capacity.is_write(call.operation) else {}
