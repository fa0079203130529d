"""The limits and the latency of the real DynamoDB, simulated on a virtual clock over any engine.

Simulated: a partition key of a table or index takes 1,000 write units and 3,000 read units per second (a bucket of one second), and
further calls, including queries, are throttled. An item that a transaction is writing refuses every other write (TransactionConflict).
Answer times are log-normal, and twice as long for transactions. The SDK retries throttled calls after its usual backoff. Not simulated: the
split of hot partitions, which divides a table and never an item, writes to indexes, scans, and the limits of an account.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import field

from tests.simulation import capacity, faults
from tests.simulation.interception import ItemAccess, Listener, StoreCall, intercept
from tests.simulation.scheduler import Fate, Run, Scheduler, Step, ThreadActor, current_actor, without_randomness

_Z99 = 2.326  # the 99th percentile of the normal distribution, in standard deviations


class Latency:
    """Seeded random answer times in seconds, log-normal with the given percentiles in milliseconds."""

    def __init__(self, seed: int, p50: float = 4.0, p99: float = 20.0) -> None:
        self._random = random.Random(seed)
        self._mean, self._deviation = math.log(p50 / 1000), math.log(p99 / p50) / _Z99

    def draw(self) -> float:
        return self._random.lognormvariate(self._mean, self._deviation)


class Limits(msgspec.Struct, frozen=True):
    """The limits of a partition key in units per second, the answer times, and the SDK's `attempts`, including the first.

    `attempts` equals the product's configuration of its client. Without `counts_units`, no units are counted, so
    nothing is throttled; conflicts and answer times stay.
    """

    write_units: float = 1000
    read_units: float = 3000
    p50_ms: float = 4
    p99_ms: float = 20
    attempts: int = 3
    counts_units: bool = True


class SimulationReport(msgspec.Struct):
    """The results of a simulation. `elapsed`: virtual seconds until the last actor ended. `durations`: virtual seconds of each actor.

    `calls` counts attempts that ended; `throttles` and `conflicts` count attempts by feature of the table. `units` are (read, write) by
    table and partition key. `largest_items` are the bytes of the largest item written, by feature. `busiest_seconds` are the most write
    units that a partition key took in one second, and `busiest_reads` the most read units.
    """

    elapsed: float = 0.0
    calls: int = 0
    throttles: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    units: dict[tuple[str, str], tuple[float, float]] = {}
    largest_items: Counter[str] = field(default_factory=Counter)
    busiest_seconds: Counter[tuple[str, str]] = field(default_factory=Counter)
    busiest_reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    durations: dict[str, float] = {}
    run: Run | None = None

    def percentile(self, percent: float) -> float:
        """Return the duration in virtual seconds that `percent` of the actors do not exceed."""
        return percentile(self.durations.values(), percent)

    def total_units(self) -> str:
        """Return a text with all read and write units."""
        reads, writes = (sum(units[kind] for units in self.units.values()) for kind in (0, 1))
        return f"{reads:,.0f} read and {writes:,.0f} write units"

    def hottest(self) -> tuple[tuple[str, str], tuple[float, float]]:
        """Return the (table, partition key) with the most write units, and its (read, write) units."""
        return max(self.units.items(), key=lambda item: item[1][1])

    def __str__(self) -> str:
        (table, key), (read, write) = self.hottest()
        return (
            f"{len(self.durations)} actors in {self.elapsed:.2f} s, p50 {self.percentile(50):.3f} s, p99 {self.percentile(99):.3f} s; "
            f"{self.calls} calls, throttled {dict(self.throttles)}, conflicts {dict(self.conflicts)}; "
            f"hottest {table} {key}: {read:g} RCU, {write:g} WCU"
        )


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


@contextmanager
def measure_latency(seed: int, p50: float = 4.0, p99: float = 20.0) -> Iterator[SimulationReport]:
    """Measure a block as one actor without limits. `elapsed` is the time in seconds that the calls of the block would have taken."""
    report = SimulationReport()
    with intercept(_LatencyMeter(report, Latency(seed, p50, p99))):
        yield report


def simulate(actors: Mapping[str, tuple[float, Callable[[], Any]]], *, seed: int = 0, limits: Limits | None = None) -> SimulationReport:
    """Run actors, given as name -> (virtual start second, work), against the limits. Raises the exception of an actor that failed."""
    service = SimulatedService(limits or Limits(), seed)
    scheduler = Scheduler(_earliest, f"seed {seed}", yields=False, max_steps=1_000_000)
    starts = {name: at for name, (at, _) in actors.items()}

    def delayed(name: str, at: float, work: Callable[[], Any]) -> Callable[[], Any]:
        def start() -> Any:
            actor = current_actor()
            assert actor is not None
            actor.pause("start", at)
            try:
                return work()
            finally:
                service.report.durations[name] = actor.wake - at

        return start

    with without_randomness(seed), intercept(service):
        service.report.run = scheduler.run({name: delayed(name, at, work) for name, (at, work) in actors.items()})
    service.report.elapsed = max(starts[name] + seconds for name, seconds in service.report.durations.items())
    return service.report


def _earliest(ready: Sequence[ThreadActor], steps: Sequence[Step]) -> tuple[ThreadActor, Fate]:
    return min(ready, key=lambda actor: actor.wake), "run"


class _LatencyMeter(Listener):
    rank = 20

    def __init__(self, report: SimulationReport, times: Latency) -> None:
        self.report, self._times = report, times

    def before(self, call: StoreCall) -> None:
        self.report.calls += 1
        self.report.elapsed += self._times.draw() * (2 if call.operation.startswith("Transact") else 1)


class _Bucket:
    """The units that a partition key has left. A call is admitted while units are left, and its units are subtracted afterwards."""

    def __init__(self, rate: float) -> None:
        self._rate, self._units, self._updated_at = rate, rate, 0.0

    def has_units(self, now: float) -> bool:
        self._units = min(self._rate, self._units + (now - self._updated_at) * self._rate)
        self._updated_at = now
        return self._units > 0

    def subtract(self, units: float) -> None:
        self._units -= units


class SimulatedService(Listener):
    """Simulates the network and DynamoDB's limits. The virtual time of an actor is its `wake`."""

    rank = 20

    def __init__(self, limits: Limits, seed: int) -> None:
        self.report = SimulationReport()
        self._limits, self._times, self._random = limits, Latency(seed, limits.p50_ms, limits.p99_ms), random.Random(seed)
        self._buckets: dict[tuple[str, str], tuple[_Bucket, _Bucket]] = defaultdict(
            lambda: (_Bucket(limits.read_units), _Bucket(limits.write_units))
        )
        self._locked: dict[str, StoreCall] = {}  # item -> the transaction that is writing it
        # (table and partition key, second) -> units
        self._reads: Counter[tuple[tuple[str, str], int]] = Counter()
        self._writes: Counter[tuple[tuple[str, str], int]] = Counter()
        self._in_flight: dict[int, tuple[StoreCall, float, capacity.Items]] = {}  # call id -> call, time of its answer, items before

    def before(self, call: StoreCall) -> None:
        actor = current_actor()
        if actor is None:
            return
        if call.attempts > 1:  # "standard" mode: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
            actor.pause(call, actor.wake + self._random.random() * min(2.0 ** (call.attempts - 2), 20))
        transaction = call.operation == "TransactWriteItems"
        duration = self._times.draw() * (2 if transaction else 1)
        arrives_at, answered_at = actor.wake + duration / 4, actor.wake + duration
        actor.pause(call, arrives_at if transaction else actor.wake + duration / 2)
        self._in_flight[id(call)] = (call, answered_at, {})
        self._admit(call, actor.wake)
        self._refuse_locked(call)
        if transaction:
            locked = [_item_id(access) for access in call.accesses]
            self._locked.update(dict.fromkeys(locked, call))
            actor.pause(call, arrives_at + duration / 2)
            for item in locked:
                self._locked.pop(item, None)
        items = capacity.read_items(call.accesses) if self._limits.counts_units and capacity.is_write(call.operation) else {}
        self._in_flight[id(call)] = (call, answered_at, items)

    def after(self, call: StoreCall) -> None:
        actor = current_actor()
        in_flight = self._in_flight.pop(id(call), None)
        if actor is None or in_flight is None:
            return
        self.report.calls += 1
        _, actor.wake, before = in_flight
        if call.answer is None or not self._limits.counts_units:
            return
        after = capacity.read_items(call.accesses) if capacity.is_write(call.operation) else {}
        for key, (read, write) in capacity.consumed_units(call, before, after).items():
            self._buckets[key][0].subtract(read)
            self._buckets[key][1].subtract(write)
            total_read, total_write = self.report.units.get(key, (0.0, 0.0))
            self.report.units[key] = (total_read + read, total_write + write)
            second = key, int(actor.wake)
            self._reads[second] += read
            self._writes[second] += write
            self.report.busiest_seconds[key] = max(self.report.busiest_seconds[key], self._writes[second])
            self.report.busiest_reads[key] = max(self.report.busiest_reads[key], self._reads[second])
        for table in call.tables:
            sizes = map(capacity.item_size, (*before.values(), *after.values()))
            self.report.largest_items[table] = max([self.report.largest_items[table], *sizes])

    def retry(self, call: StoreCall) -> bool | None:
        if current_actor() is None or call.outcome != "ThrottlingException":
            return None
        return call.attempts < self._limits.attempts

    def _admit(self, call: StoreCall, now: float) -> None:
        if not self._limits.counts_units:
            return
        bucket = 1 if capacity.is_write(call.operation) else 0
        keys = [access.id for access in call.accesses] if call.queried_key is None else [call.queried_key]
        for key in keys:
            if not self._buckets[key][bucket].has_units(now):
                self.report.throttles[call.tables[0]] += 1
                raise faults.throttled(call)

    def _refuse_locked(self, call: StoreCall) -> None:
        for number, access in enumerate(call.accesses if self._locked else ()):
            if access.kind != "read" and _item_id(access) in self._locked:
                self.report.conflicts[call.tables[0]] += 1
                raise faults.conflict(call, number)


def _item_id(access: ItemAccess) -> str:
    return f"{access.table} {sorted(access.key.items())}"
