"""What a drop would do on the real service: its limits and its latency, on a virtual clock, over whatever engine runs the calls.

Simulated: a partition key takes 1,000 write units and 3,000 read units a second (a bucket of one second), beyond that calls
are throttled; an item that a transaction is writing refuses every other write (TransactionConflict); answers take a
log-normal time, transactions twice as long; the SDK repeats what is throttled after its usual backoff. Not simulated: the split
of hot partitions, which divides a table and never an item, and the limits of an account.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import field

from tests.simulation import capacity, faults
from tests.simulation.schedule import Actor, Fate, Run, Scheduler, Step, current_actor, determined
from tests.simulation.wire import Call, Listener, listening

_Z99 = 2.326  # the 99th percentile of the normal distribution, in standard deviations


class Latency:
    """Seeded answer times in seconds, log-normal through the two given percentiles (milliseconds)."""

    def __init__(self, seed: int, p50: float = 4.0, p99: float = 20.0) -> None:
        self._random = random.Random(seed)
        self._mean, self._deviation = math.log(p50 / 1000), math.log(p99 / p50) / _Z99

    def draw(self) -> float:
        return self._random.lognormvariate(self._mean, self._deviation)


class Limits(msgspec.Struct, frozen=True):
    """`attempts`: how often the SDK tries, the first time included, as the product's client is set up."""

    write_units: float = 1000
    read_units: float = 3000
    p50_ms: float = 4
    p99_ms: float = 20
    attempts: int = 3


class Report(msgspec.Struct):
    """`elapsed`: virtual seconds until the last actor ended; `took`: those of each actor, from its start; `calls`: answered attempts.

    `throttles` and `conflicts` count attempts by feature of the table; `units` are (read, write) by table and partition key.
    """

    elapsed: float = 0.0
    calls: int = 0
    throttles: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    units: dict[tuple[str, str], tuple[float, float]] = {}
    took: dict[str, float] = {}
    run: Run | None = None

    def percentile(self, percent: float) -> float:
        """Virtual seconds that so many percent of the actors took at most."""
        times = sorted(self.took.values())
        return times[max(0, math.ceil(len(times) * percent / 100) - 1)]

    def hottest(self) -> tuple[tuple[str, str], tuple[float, float]]:
        """The partition key with the most write units."""
        return max(self.units.items(), key=lambda one: one[1][1])

    def __str__(self) -> str:
        (table, key), (read, write) = self.hottest()
        return (
            f"{len(self.took)} actors in {self.elapsed:.2f} s, p50 {self.percentile(50):.3f} s, p99 {self.percentile(99):.3f} s; "
            f"{self.calls} calls, throttled {dict(self.throttles)}, conflicts {dict(self.conflicts)}; "
            f"hottest {table} {key}: {read:g} RCU, {write:g} WCU"
        )


@contextmanager
def latency(seed: int, p50: float = 4.0, p99: float = 20.0) -> Iterator[Report]:
    """One actor without limits: `elapsed` is what the calls of the block would have taken."""
    report = Report()
    with listening(_Clocked(report, Latency(seed, p50, p99))):
        yield report


def simulate(actors: Mapping[str, tuple[float, Callable[[], Any]]], *, seed: int = 0, limits: Limits | None = None) -> Report:
    """Play actors, each from its virtual second on, against the service's limits. Raises what an actor raised."""
    service = _Service(limits or Limits(), seed)
    scheduler = Scheduler(_earliest, f"seed {seed}", yields=False, most_steps=1_000_000)
    starts = {name: at for name, (at, _) in actors.items()}

    def began(name: str, at: float, work: Callable[[], Any]) -> Callable[[], Any]:
        def begin() -> Any:
            actor = current_actor()
            assert actor is not None
            actor.pause("start", at)
            try:
                return work()
            finally:
                service.report.took[name] = actor.wake - at

        return begin

    with determined(seed), listening(service):
        service.report.run = scheduler.run({name: began(name, at, work) for name, (at, work) in actors.items()})
    service.report.elapsed = max(starts[name] + took for name, took in service.report.took.items())
    return service.report


def _earliest(ready: Sequence[Actor], steps: Sequence[Step]) -> tuple[Actor, Fate]:
    return min(ready, key=lambda actor: actor.wake), "run"


class _Clocked(Listener):
    rank = 20

    def __init__(self, report: Report, times: Latency) -> None:
        self.report, self._times = report, times

    def before(self, call: Call) -> None:
        self.report.calls += 1
        self.report.elapsed += self._times.draw() * (2 if call.operation.startswith("Transact") else 1)


class _Bucket:
    """Units that a partition key has left; a call is let in while there is any, and pays afterwards."""

    def __init__(self, rate: float) -> None:
        self._rate, self._left, self._since = rate, rate, 0.0

    def open(self, now: float) -> bool:
        self._left = min(self._rate, self._left + (now - self._since) * self._rate)
        self._since = now
        return self._left > 0

    def pay(self, units: float) -> None:
        self._left -= units


class _Service(Listener):
    """Stands where the network would be; the actors' virtual times are in `Actor.wake`."""

    rank = 20

    def __init__(self, limits: Limits, seed: int) -> None:
        self.report = Report()
        self._limits, self._times, self._dice = limits, Latency(seed, limits.p50_ms, limits.p99_ms), random.Random(seed)
        self._buckets: dict[tuple[str, str], tuple[_Bucket, _Bucket]] = defaultdict(
            lambda: (_Bucket(limits.read_units), _Bucket(limits.write_units))
        )
        self._locked: dict[str, Call] = {}  # item -> the transaction that is writing it
        self._on_way: dict[int, tuple[Call, float, capacity.Sizes]] = {}  # call -> when its answer arrives, sizes before

    def before(self, call: Call) -> None:
        actor = current_actor()
        if actor is None:
            return
        if call.attempts > 1:  # "standard" mode: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
            actor.pause(f"backoff {call}", actor.wake + self._dice.random() * min(2.0 ** (call.attempts - 2), 20))
        transaction = call.operation == "TransactWriteItems"
        takes = self._times.draw() * (2 if transaction else 1)
        arrives, answered = actor.wake + takes / 4, actor.wake + takes
        actor.pause(f"sends {call}", arrives if transaction else actor.wake + takes / 2)
        self._on_way[id(call)] = (call, answered, {})
        self._admit(call, actor.wake)
        self._refuse_locked(call)
        if transaction:
            locked = [_item(touch) for touch in call.touches]
            self._locked.update(dict.fromkeys(locked, call))
            actor.pause(f"commits {call}", arrives + takes / 2)
            for item in locked:
                self._locked.pop(item, None)
        sizes = capacity.peek(call.touches) if capacity.is_write(call.operation) else {}
        self._on_way[id(call)] = (call, answered, sizes)

    def after(self, call: Call) -> None:
        actor = current_actor()
        known = self._on_way.pop(id(call), None)
        if actor is None or known is None:
            return
        self.report.calls += 1
        _, actor.wake, before = known
        if call.answer is None:
            return
        after = capacity.peek(call.touches) if capacity.is_write(call.operation) else {}
        for key, (read, write) in capacity.computed(call, before, after).items():
            self._buckets[key][0].pay(read)
            self._buckets[key][1].pay(write)
            had = self.report.units.get(key, (0.0, 0.0))
            self.report.units[key] = (had[0] + read, had[1] + write)

    def retry(self, call: Call) -> bool | None:
        if current_actor() is None or call.outcome != "ThrottlingException":
            return None
        return call.attempts < self._limits.attempts

    def _admit(self, call: Call, now: float) -> None:
        which = 1 if capacity.is_write(call.operation) else 0
        for touch in call.touches:
            if not self._buckets[touch.id][which].open(now):
                self.report.throttles[call.tables[0]] += 1
                raise faults.throttled(call)

    def _refuse_locked(self, call: Call) -> None:
        for number, touch in enumerate(call.touches):
            if touch.kind != "read" and _item(touch) in self._locked:
                self.report.conflicts[call.tables[0]] += 1
                raise faults.conflict(call, number)


def _item(touch: capacity.Touch) -> str:
    return f"{touch.table} {sorted(touch.key.items())}"
