"""Many instances of the app on a virtual clock. Each instance has its own memory and clock, and serves one request at a time.

Requests overlap: a request runs as a greenlet from one store call to the next, and then the request with the earliest virtual time
continues. The store has the limits and the answer times of `limits.py`. A lock that a request holds during a store call makes the
simulation hang, because all requests run on one thread.
"""

import heapq
import itertools
import random
import secrets
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import msgspec
from greenlet import greenlet

from chalicelib.foundation import clock
from tests.simulation.faults import Crash
from tests.simulation.instance_memory import InstanceMemory, separate_memories
from tests.simulation.interception import intercept
from tests.simulation.limits import Limits, SimulatedService
from tests.simulation.scheduler import Actor, current_actor, without_randomness

CPU_SECONDS = 0.002  # of each request, in addition to its store calls
MAX_CLOCK_ERROR = 1.0  # the most seconds by which an instance's clock is early or late


class Instance(msgspec.Struct, eq=False):
    """A Lambda instance: the error of its clock in seconds, and its memory."""

    clock_error: float
    memory: InstanceMemory = msgspec.field(default_factory=InstanceMemory)


class Result(msgspec.Struct, frozen=True):
    """The return value of a request, and the virtual seconds that an instance worked on it, without the wait for an idle instance."""

    value: Any
    seconds: float


Send = Callable[[Any, Callable[[Any], None]], None]  # of a request, and of what receives the reply


class Timeline:
    """Actions at virtual seconds. `run` runs the earliest action next; of several actions at one time, the action that was added first."""

    def __init__(self) -> None:
        self.now = 0.0
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, second: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._actions, (max(self.now, second), next(self._numbers), action))

    def run(self) -> None:
        while self._actions:
            self._run_next()

    def _run_next(self) -> None:
        self.now, _, action = heapq.heappop(self._actions)
        action()

    def follow(self, person: Generator[Any, Any, None], send: Send, until: float, reply: Any = None) -> None:
        """Let a person make steps until a second: to wait for some seconds, or a request, which `send` sends and answers later."""
        try:
            step = person.send(reply)
        except StopIteration:
            return
        if self.now > until:
            return
        if isinstance(step, tuple):
            send(step, lambda reply: self.follow(person, send, until, reply))
        else:
            self.at(self.now + step, lambda: self.follow(person, send, until))

    def skip_to(self, second: float) -> bool:
        """Move to a second if no action comes before an action that is added now for this second. Returns whether the timeline moved."""
        second = max(self.now, second)
        if self._actions and self._actions[0][0] <= second:
            return False
        self.now = second
        return True


class _Server(Actor, greenlet):
    """A request on the instance that was chosen for it."""

    def __init__(self, fleet: "Fleet", instance: Instance, work: Callable[[], Any]) -> None:
        super().__init__()
        self.instance, self._timeline, self._work = instance, fleet.timeline, work
        self.began_at = self.wake = fleet.timeline.now

    def run(self) -> Any:
        with self.instance.memory.active():
            return self._work()

    def pause(self, pending: object, wake: float | None = None) -> None:
        """Pause until `wake`, but continue at once if nothing else happens until then."""
        if self.is_crashed:
            raise Crash
        self.wake = self.wake if wake is None else wake
        if not self._timeline.skip_to(self.wake):
            self.parent.switch()


class Fleet:
    """`count` instances and their requests. A request goes to a random idle instance, or waits until an instance is idle."""

    def __init__(self, timeline: Timeline, count: int, seed: int, start: float, clock_error: float) -> None:
        self.timeline, self._start, self._random = timeline, start, random.Random(seed)
        self._idle = [Instance(self._random.uniform(-clock_error, clock_error)) for _ in range(count)]
        self._waiting: deque[tuple[Callable[[], Any], Callable[[Result], None]]] = deque()

    def submit(self, work: Callable[[], Any], receive: Callable[[Result], None] = lambda _: None) -> None:
        """Run `work` on an instance, then call `receive` with its result. An exception of `work` ends the simulation."""
        self._waiting.append((work, receive))
        self._begin_next()

    def read_clock(self) -> float:
        """Return epoch seconds from the clock of the running instance, or the true time outside an instance."""
        actor = current_actor()
        if isinstance(actor, _Server):
            return self._start + actor.wake + actor.instance.clock_error
        return self._start + self.timeline.now

    def _begin_next(self) -> None:
        if not self._waiting or not self._idle:
            return
        position = self._random.randrange(len(self._idle))
        self._idle[position], self._idle[-1] = self._idle[-1], self._idle[position]
        work, receive = self._waiting.popleft()
        server = _Server(self, self._idle.pop(), work)
        self.timeline.at(server.wake, lambda: self._continue(server, receive))  # after the present action, which may add others for now

    def _continue(self, server: _Server, receive: Callable[[Result], None]) -> None:
        """Let a request run until its next store call."""
        value = server.switch()
        if server.dead:
            self.timeline.at(server.wake + CPU_SECONDS, lambda: self._end(server, receive, value))
        else:
            self.timeline.at(server.wake, lambda: self._continue(server, receive))

    def _end(self, server: _Server, receive: Callable[[Result], None], value: Any) -> None:
        self._idle.append(server.instance)
        receive(Result(value, self.timeline.now - server.began_at))
        self._begin_next()


@contextmanager
def simulated_fleet(
    count: int, *, start: float, seed: int = 0, limits: Limits | None = None, clock_error: float = MAX_CLOCK_ERROR
) -> Iterator[tuple[Timeline, Fleet, SimulatedService]]:
    """Run a fleet of new instances. Virtual second 0 is the epoch second `start`. Clocks are up to `clock_error` seconds early or late."""
    timeline, service = Timeline(), SimulatedService(limits or Limits(), seed)
    fleet = Fleet(timeline, count, seed, start, clock_error)
    random.seed(seed)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(secrets, "token_bytes", random.Random(seed).randbytes))  # the keys of draws
        stack.enter_context(separate_memories())
        stack.enter_context(clock.override(fleet.read_clock))
        stack.enter_context(without_randomness(seed))
        stack.enter_context(intercept(service))
        yield timeline, fleet, service
