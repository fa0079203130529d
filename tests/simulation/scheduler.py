"""Runs actors on real threads, one at a time. Before each attempt of a store call, another actor may continue.

An actor runs from one of its store calls to the next without interruption. Actors of a correct store cannot observe finer interleavings,
so any engine will do. A `Choice` decides which actor continues: seeded, in a given order, or exhaustive (see interleavings.py).
"""

import random
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, Literal, Protocol
from unittest import mock

import greenlet
import msgspec

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, parallel
from chalicelib.inventory import allocation, display
from tests.simulation.faults import Crash
from tests.simulation.interception import Listener, StoreCall, intercept, process

Fate = Literal["run", "crash before", "crash after"]

STALL_SECONDS = 60.0
MAX_STEPS = 2000


class Stalled(AssertionError):
    """The running actor waits for something that a paused actor must do, such as releasing a lock."""


class Step(msgspec.Struct):
    actor: str
    call: str
    outcome: str = ""

    def __str__(self) -> str:
        return f"{self.actor:12} {self.call} {self.outcome}".rstrip()


class Choice(Protocol):
    def __call__(self, ready: Sequence["ThreadActor"], steps: Sequence[Step]) -> tuple["ThreadActor", Fate]:
        """Return which actor of `ready` continues, and whether it crashes. `ready` is never empty and keeps the order of the actors."""


class Run(msgspec.Struct):
    """The record of a run. `results` has the return value of each actor; actors in `crashed` have no result."""

    origin: str
    steps: list[Step] = []
    results: dict[str, Any] = {}
    crashed: list[str] = []

    @property
    def order(self) -> list[str]:
        """The order in which the actors ran, for `ordered_play` to repeat."""
        return [step.actor for step in self.steps]

    def __str__(self) -> str:
        return "\n".join([f"{self.origin}:", *(f"{number:4} {step}" for number, step in enumerate(self.steps, start=1))])


class Actor:
    """Work that runs only during its turns."""

    wake = 0.0  # virtual seconds; only the simulated service uses it
    is_crashed = False

    def pause(self, pending: object, wake: float | None = None) -> None:
        """Let other actors continue until this actor's next turn. The text of `pending` describes the next step. Raises Crash."""
        raise NotImplementedError


class ThreadActor(Actor, threading.Thread):
    """A function on its own thread, so that a lock that another actor holds makes it wait."""

    def __init__(self, name: str, work: Callable[[], Any], scheduler: "Scheduler") -> None:
        super().__init__(name=name, daemon=True)
        self.work, self.scheduler = work, scheduler
        self.turn = threading.Semaphore(0)
        self.pending: object = "start"
        self.fate: Fate = "run"
        self.is_done = False
        self.step: Step | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        self.turn.acquire()
        try:
            with process(self.name):
                self.result = self.work()
        except BaseException as error:
            self.error = error
        self.is_done = True
        self.scheduler.back.release()

    def pause(self, pending: object, wake: float | None = None) -> None:
        if self.is_crashed:
            raise Crash
        self.pending = pending
        self.wake = self.wake if wake is None else wake
        self.scheduler.back.release()
        self.turn.acquire()
        if self.fate == "crash before" or self.is_crashed:
            self.is_crashed = True
            raise Crash


class Scheduler(Listener):
    """Runs actors until all have ended. `yields`: whether actors pause before store calls."""

    rank = 10

    def __init__(
        self, choose: Choice, origin: str, *, yields: bool = True, stall_seconds: float = STALL_SECONDS, max_steps: int = MAX_STEPS
    ) -> None:
        self.back = threading.Semaphore(0)
        self.choose, self.record, self.stall_seconds, self.max_steps = choose, Run(origin), stall_seconds, max_steps
        self._yields = yields

    def before(self, call: StoreCall) -> None:
        actor = current_actor()
        if actor is not None and self._yields:
            actor.pause(str(call) + ("" if call.attempts == 1 else f" (attempt {call.attempts})"))

    def after(self, call: StoreCall) -> None:
        actor = current_actor()
        if not isinstance(actor, ThreadActor) or actor.step is None or actor.is_crashed:
            return
        actor.step.outcome = call.outcome
        if actor.fate == "crash after" and not actor.is_crashed:
            actor.is_crashed = True
            raise Crash

    def run(self, actors: Mapping[str, Callable[[], Any]]) -> Run:
        threads = [ThreadActor(name, work, self) for name, work in actors.items()]
        with intercept(self):
            try:
                for actor in threads:  # each actor runs up to its first call; after that, `choose` decides
                    actor.start()
                    self._give_turn(actor)
                while ready := [actor for actor in threads if not actor.is_done]:
                    self._next_step(ready)
            finally:
                self._stop(threads)
        return self._collect_results(threads)

    def _next_step(self, ready: list[ThreadActor]) -> None:
        if len(self.record.steps) >= self.max_steps:
            raise Stalled(f"the actors have not ended after {self.max_steps} steps\n{self.record}")
        actor, actor.fate = self.choose(ready, self.record.steps)
        actor.step = Step(actor.name, str(actor.pending), "crashes before it" if actor.fate == "crash before" else "")
        self.record.steps.append(actor.step)
        self._give_turn(actor)
        if actor.fate == "crash after" and actor.is_crashed:
            actor.step.outcome += ", and crashes"

    def _give_turn(self, actor: ThreadActor) -> None:
        actor.turn.release()
        if not self.back.acquire(timeout=self.stall_seconds):
            frame = sys._current_frames().get(actor.ident or 0)
            stack = "".join(traceback.format_stack(frame)[-6:])
            raise Stalled(f"{actor.name} waits, without a store call, for an actor whose turn it is not:\n{stack}\n{self.record}")

    def _stop(self, actors: list[ThreadActor]) -> None:
        for actor in actors:
            if not actor.is_done:
                actor.is_crashed = True
                if actor.is_alive():
                    actor.turn.release()
        for actor in actors:
            if actor.ident is not None:
                actor.join(timeout=1)

    def _collect_results(self, actors: list[ThreadActor]) -> Run:
        for actor in actors:
            if isinstance(actor.error, Crash):
                self.record.crashed.append(actor.name)
            elif actor.error is not None:
                actor.error.add_note(f"in the actor {actor.name}")
                raise actor.error
            else:
                self.record.results[actor.name] = actor.result
        return self.record


def current_actor() -> Actor | None:
    running = greenlet.getcurrent()
    if isinstance(running, Actor):
        return running
    thread = threading.current_thread()
    return thread if isinstance(thread, Actor) else None


def pause(step: str) -> None:
    """Let another actor continue before a step that is not a store call, such as moving the clock or a provider's answer."""
    actor = current_actor()
    if actor is not None:
        actor.pause(step)


@contextmanager
def without_randomness(seed: int) -> Iterator[None]:
    """Make the product deterministic: its random numbers are seeded, and a sleep becomes a pause of the actor.

    Parallel calls of a request are made one after the other, because the request's own threads have no turns and no virtual time.
    """
    numbers = random.Random(seed)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(parallel, "FEW", sys.maxsize))
        stack.enter_context(mock.patch.object(dynamo, "random", numbers))
        stack.enter_context(mock.patch.object(deadline, "time", SimpleNamespace(sleep=_pause_for)))
        for module in (allocation, display):
            stack.enter_context(mock.patch.object(module, "random", numbers))
        stack.enter_context(mock.patch.object(allocation._available_hints, "entries", {}))
        yield


def _pause_for(seconds: float) -> None:
    actor = current_actor()
    if actor is not None:
        actor.pause(f"waits {1000 * seconds:.0f} ms", actor.wake + seconds)
