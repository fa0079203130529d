"""Real threads, one at a time: each attempt of a store call is a point where another actor may go on.

An actor runs from one of its calls to the next without being disturbed, which is what a store that is correct allows to be
observed, so any engine serves. Who goes on is decided by a `Choice`: seeded, explicit or exhaustive (see interleavings.py).
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

import msgspec

from chalicelib import dynamo
from chalicelib.inventory import allocation
from tests.simulation.faults import Crash
from tests.simulation.wire import Call, Listener, listening, process

Fate = Literal["run", "crash before", "crash after"]

STALL_SECONDS = 10.0
MAX_STEPS = 2000


class Stalled(AssertionError):
    """The actor whose turn it is waits for something that no store call of it will bring: a lock of one that is not on turn."""


class Step(msgspec.Struct):
    actor: str
    call: str
    outcome: str = ""

    def __str__(self) -> str:
        return f"{self.actor:12} {self.call} {self.outcome}".rstrip()


class Choice(Protocol):
    def __call__(self, ready: Sequence["Actor"], steps: Sequence[Step]) -> tuple["Actor", Fate]:
        """Who of `ready` goes on (it is never empty and in the order the actors were given), and whether it dies doing so."""


class Run(msgspec.Struct):
    """How it went. `results` are what actors returned; those that were `crashed` have none."""

    origin: str
    steps: list[Step] = []
    results: dict[str, Any] = {}
    crashed: list[str] = []

    @property
    def order(self) -> list[str]:
        """Give this to `in_order` to have the same again."""
        return [step.actor for step in self.steps]

    def __str__(self) -> str:
        return "\n".join([f"{self.origin}:", *(f"{number:4} {step}" for number, step in enumerate(self.steps, start=1))])


class Actor(threading.Thread):
    """A function on a thread of its own that only moves when it is its turn."""

    def __init__(self, name: str, work: Callable[[], Any], scheduler: "Scheduler") -> None:
        super().__init__(name=name, daemon=True)
        self.work, self.scheduler = work, scheduler
        self.turn = threading.Semaphore(0)
        self.pending = "start"
        self.fate: Fate = "run"
        self.wake = 0.0  # virtual seconds; only the simulated service looks at it
        self.done = self.dead = False
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
        self.done = True
        self.scheduler.back.release()

    def pause(self, pending: str, wake: float | None = None) -> None:
        """Let the others go on until it is this actor's turn again."""
        if self.dead:
            raise Crash
        self.pending = pending
        self.wake = self.wake if wake is None else wake
        self.scheduler.back.release()
        self.turn.acquire()
        if self.fate == "crash before" or self.dead:
            self.dead = True
            raise Crash


class Scheduler(Listener):
    """Runs actors until all have ended; use `run`."""

    rank = 10

    def __init__(
        self, choose: Choice, origin: str, *, yields: bool = True, stall_seconds: float = STALL_SECONDS, most_steps: int = MAX_STEPS
    ) -> None:
        self.back = threading.Semaphore(0)
        self.choose, self.outcome, self.stall_seconds, self.most_steps = choose, Run(origin), stall_seconds, most_steps
        self._yields = yields

    def before(self, call: Call) -> None:
        actor = current_actor()
        if actor is not None and self._yields:
            actor.pause(str(call) + ("" if call.attempts == 1 else f" (attempt {call.attempts})"))

    def after(self, call: Call) -> None:
        actor = current_actor()
        if actor is None or actor.step is None or actor.dead:
            return
        actor.step.outcome = call.outcome
        if actor.fate == "crash after" and not actor.dead:
            actor.dead = True
            raise Crash

    def run(self, actors: Mapping[str, Callable[[], Any]]) -> Run:
        everyone = [Actor(name, work, self) for name, work in actors.items()]
        with listening(self):
            try:
                for actor in everyone:  # up to its first call, which is where the choice begins
                    actor.start()
                    self._turn(actor)
                while ready := [actor for actor in everyone if not actor.done]:
                    self._next(ready)
            finally:
                self._kill(everyone)
        return self._told(everyone)

    def _next(self, ready: list[Actor]) -> None:
        if len(self.outcome.steps) >= self.most_steps:
            raise Stalled(f"no end after {self.most_steps} steps\n{self.outcome}")
        actor, actor.fate = self.choose(ready, self.outcome.steps)
        actor.step = Step(actor.name, actor.pending, "dies before it" if actor.fate == "crash before" else "")
        self.outcome.steps.append(actor.step)
        self._turn(actor)
        if actor.fate == "crash after" and actor.dead:
            actor.step.outcome += ", and dies"

    def _turn(self, actor: Actor) -> None:
        actor.turn.release()
        if not self.back.acquire(timeout=self.stall_seconds):
            frame = sys._current_frames().get(actor.ident or 0)
            where = "".join(traceback.format_stack(frame)[-6:])
            raise Stalled(f"{actor.name} waits without a store call for somebody who is not on turn:\n{where}\n{self.outcome}")

    def _kill(self, everyone: list[Actor]) -> None:
        for actor in everyone:
            if not actor.done:
                actor.dead = True
                if actor.is_alive():
                    actor.turn.release()
        for actor in everyone:
            if actor.ident is not None:
                actor.join(timeout=1)

    def _told(self, everyone: list[Actor]) -> Run:
        for actor in everyone:
            if isinstance(actor.error, Crash):
                self.outcome.crashed.append(actor.name)
            elif actor.error is not None:
                actor.error.add_note(f"in the actor {actor.name}")
                raise actor.error
            else:
                self.outcome.results[actor.name] = actor.result
        return self.outcome


def current_actor() -> Actor | None:
    thread = threading.current_thread()
    return thread if isinstance(thread, Actor) else None


def pause(what: str) -> None:
    """A point where another actor may go on, for what is not a store call: moving the clock, a provider's answer."""
    actor = current_actor()
    if actor is not None:
        actor.pause(what)


@contextmanager
def determined(seed: int) -> Iterator[None]:
    """Take chance and waiting out of the product: its dice are seeded, and a sleep is a pause of the actor."""
    dice = random.Random(seed)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(dynamo, "random", dice))
        stack.enter_context(mock.patch.object(dynamo, "time", SimpleNamespace(sleep=_pause_for)))
        stack.enter_context(mock.patch.object(allocation, "random", dice))
        stack.enter_context(mock.patch.dict(allocation._available_hints, clear=True))
        yield


def _pause_for(seconds: float) -> None:
    actor = current_actor()
    if actor is not None:
        actor.pause(f"waits {1000 * seconds:.0f} ms", actor.wake + seconds)
