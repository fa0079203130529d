"""Breaks a flow with each kind of fault at each of its calls, lets it recover, and compares the end with a run without faults.

A flow is a step of a scene, after steps that prepare it. Each try begins with the same state:

1. The fault breaks the step. Its reply is not an internal error, and a reply that says that nothing was changed is true.
2. One try ends here for the client. Time passes, schedules run, and the invariants for recovered data hold.
3. In another try, the client repeats the step after half a minute. It gets an answer that clients also get without the fault, and in the
   end the scene's outcome is the outcome without the fault.
"""

import logging
import random
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from traceback import extract_tb
from typing import Any, Protocol

from msgspec import Struct, field

from chalicelib.foundation import memory
from tests import seeds
from tests.client import ClientReply
from tests.proof.deliveries import record_deliveries
from tests.proof.kinds import KINDS, Kind
from tests.simulation import faults
from tests.simulation.capacity import is_write
from tests.simulation.moments import Moment
from tests.simulation.provider_faults import record_provider_calls
from tests.simulation.randomness import repeatable_randomness

# Statuses that a fault may lead to. Never 500, which stands for an error that nobody handles.
STATUSES = {200, 201, 202, 409, 503}
LOCK_SECONDS = 31  # the lock of a crashed execution ends
_FOR_REQUESTS = ("-idempotency", "-rate-limits", "-login-attempts", "-job-runs")  # tables that no recovery reads


class Scene(Protocol):
    """A small shop and the people in it. A copy of a scene is independent of the scene, apart from the stored data."""

    time: Any

    def run(self, *steps: str) -> ClientReply | None:
        """Make steps of the scene. Returns the reply to the last one, if it has one."""

    def snapshot(self) -> Moment:
        """Return the moment to which the tries of a flow return."""

    def state(self) -> Any:
        """Return what affects the steps, apart from the stored data."""

    def check(self) -> None:
        """Assert what holds at any time."""

    ROUNDS: Sequence[int]

    def recover(self, seconds: int) -> None:
        """Let time pass and do what is due, once for each of the ROUNDS."""

    def check_recovered(self) -> None:
        """Assert what holds after recovery, when nothing is due."""

    def outcome(self) -> Any:
        """Return what has become of the flow. A repeated step must lead to the same outcome, whatever fault was before it."""


class Flow(Struct, frozen=True):
    """`open(time)` is a context manager that yields a Scene. The steps of `before` succeed; a fault breaks `step`."""

    open: Callable[[Any], AbstractContextManager[Any]]
    before: Sequence[str]
    step: str
    is_repeated: bool = True  # False: the step cannot be made again to the same end
    also: Set[int] = frozenset()  # further statuses of a repeated step, and a 5xx that the step has without a fault
    is_finished_by_client: bool = False  # True: only a repeated step finishes what a fault interrupted
    is_alone: bool = False  # True: an operator makes the step, one at a time, so none overtakes another
    is_change: bool = True  # False: the step asks for no change, but may do work that is due


class Cell(Struct):
    """One flow with one kind of fault: how often it was tried, and what was wrong."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)


def try_flow(flow: Flow, time: Any, *, everything: bool) -> dict[str, Cell]:
    """Return the cells of a flow by the kind of fault. Tries each call, or without `everything` one call for each kind."""
    with prepare(flow.open, flow.before, time) as (scene, start_numbers):
        return dict(_FlowTries(flow, scene, start_numbers).run(everything))


@contextmanager
def prepare(
    open_scene: Callable[[Any], AbstractContextManager[Any]], before: Sequence[str], time: Any
) -> Iterator[tuple[Any, Callable[[str], None]]]:
    """Open a scene and make the steps before its tries. Yields the scene, and a function that restarts all random numbers.

    Writes no log of thousands of tries: a wrong try is repeated by its call and kind of fault, or by its schedule.
    """
    with repeatable_randomness(seeds.first) as start_numbers, open_scene(time) as prepared:
        logging.disable()
        try:
            for step in before:
                reply = prepared.run(step)
                assert reply is None or reply.status < 300, (step, reply.status, reply.json)
            yield prepared, start_numbers
        finally:
            logging.disable(logging.NOTSET)


class Tries:
    """Tries of a scene. Numbers are repeatable, so a state has one future, and each state's future is tried once."""

    def __init__(self, prepared: Scene, start_numbers: Callable[[str], None]) -> None:
        self._prepared, self._moment, self._start_numbers = prepared, prepared.snapshot(), start_numbers
        self._outcomes: dict[Any, Any] = {}

    def _settle(self, scene: Scene) -> Any:
        """Let time pass until nothing is due, on another instance. Returns the outcome, which each state that was passed leads to."""
        memory.forget_everything()
        passed = []
        for number, seconds in enumerate(scene.ROUNDS):
            state = number, scene.snapshot().state(without=_FOR_REQUESTS), scene.state()
            if state in self._outcomes:
                outcome = self._outcomes[state]
                break
            passed.append(state)
            self._start_numbers(f"settle {number}")
            scene.recover(seconds)
        else:
            scene.check_recovered()
            outcome = scene.outcome()
        self._outcomes |= dict.fromkeys(passed, outcome)
        return outcome


class _FlowTries(Tries):
    def __init__(self, flow: Flow, prepared: Scene, start_numbers: Callable[[str], None]) -> None:
        super().__init__(prepared, start_numbers)
        self._flow = flow
        self._futures: dict[Any, AssertionError | None] = {}
        start_numbers("break")
        with faults.record_calls() as store_calls, record_provider_calls() as service_calls, record_deliveries() as deliveries:
            scene = copy(prepared)
            first = scene.run(self._flow.step)
        assert first is None or first.status < 500 or first.status in flow.also, (first.status, first.json)
        self._calls: dict[str, Sequence[int]] = {
            target: range(1, len(calls) + 1)
            for target, calls in (("store", store_calls), ("service", service_calls), ("delivery", deliveries))
        }
        self._calls["write"] = [number for number, operation in enumerate(store_calls, 1) if is_write(operation)]
        start_numbers("recover")
        second = self._repeat(scene) if flow.is_repeated else None
        self._statuses = {reply.status for reply in (first, second) if reply is not None}
        self._expected = self._settle(scene)

    def run(self, everything: bool) -> Iterator[tuple[str, Cell]]:
        chosen = random.Random(seeds.first)
        for name, kind in KINDS.items():
            numbers = self._numbers(kind)
            cell = Cell()
            for number in numbers if everything or not numbers else [chosen.choice(numbers)]:
                cell.tried += 1
                try:
                    self._try(kind, number)
                except AssertionError as error:
                    place = extract_tb(error.__traceback__)[-1]
                    cell.wrong.append(f"{name}, call {number}: {str(error) or place.line}")
            yield name, cell

    def _numbers(self, kind: Kind) -> Sequence[int]:
        """Return which calls, or which ways, of a kind of fault are tried."""
        if kind.repeats and (self._flow.is_alone or not self._flow.is_repeated):
            return range(0)
        if kind.target in self._calls:
            return self._calls[kind.target]
        return range(1, kind.ways + 1) if kind.target == "step" or self._calls["service"] else range(0)

    def _try(self, kind: Kind, number: int) -> None:
        scene = self._break(kind, number)
        moment = scene.snapshot()
        state = moment.state(), scene.state(), kind.keeps_outcome
        if state not in self._futures:
            self._futures[state] = None
            try:
                self._recover(scene, moment, kind)
            except AssertionError as error:
                self._futures[state] = error
        if (wrong := self._futures[state]) is not None:
            raise wrong

    def _break(self, kind: Kind, number: int) -> Scene:
        self._moment.return_to()
        self._start_numbers("break")
        scene, reply = copy(self._prepared), None
        also = self._flow.also if kind.repeats else set()

        def repeat() -> None:
            reply = copy(self._prepared).run(self._flow.step)
            assert reply is None or self._may_answer(reply, kind, STATUSES | also), f"the other: {reply.status} {reply.json}"

        with kind.inject(number, scene.time, repeat):
            reply = scene.run(self._flow.step)
        if reply is not None:
            assert self._may_answer(reply, kind, STATUSES | also), f"{reply.status} {reply.json}"
            if self._flow.is_change and reply.status >= 500 and reply.json["outcome"] == "unchanged":
                assert not self._moment.changes(), f"said to be unchanged: {self._moment.changes()}"
        return scene

    def _may_answer(self, reply: ClientReply, kind: Kind, statuses: Set[int]) -> bool:
        return reply.status in statuses | self._statuses or (not kind.keeps_outcome and reply.status < 500)

    def _recover(self, scene: Scene, moment: Moment, kind: Kind) -> None:
        """Let the client go away, and, after a fault of one call, in another try repeat the step."""
        self._start_numbers("recover")
        if not self._flow.is_finished_by_client:
            scene.check()
            gone = copy(scene)
            gone.time.advance(LOCK_SECONDS)
            self._settle(gone)
        flow = self._flow
        if flow.is_repeated and kind.target in self._calls:
            moment.return_to()
            self._start_numbers("recover")
            again = self._repeat(scene)
            assert again is None or self._may_answer(again, kind, flow.also), f"repeated: {again.status} {again.json}"
            scene.check()
            outcome = self._settle(scene)
            assert outcome == self._expected or not kind.keeps_outcome, difference(outcome, self._expected)

    def _repeat(self, scene: Scene) -> ClientReply | None:
        scene.time.advance(LOCK_SECONDS)
        return scene.run(self._flow.step)


def difference(outcome: Any, expected: Any) -> str:
    """Return the parts of an outcome that differ, such as `stock: [(1, 9)] instead of [(2, 8)]`."""
    if not isinstance(expected, dict):
        return f"{outcome} instead of {expected}"
    return "; ".join(f"{name}: {difference(outcome[name], expected[name])}" for name in expected if outcome[name] != expected[name])
