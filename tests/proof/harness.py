"""Breaks a flow with each kind of fault at each of its calls, lets it recover, and compares the end with a run without faults.

A flow is a step of a scene, after steps that prepare it. Each try begins with the same state:

1. The fault breaks the step. Its reply is not an internal error, and a reply that says that nothing was changed is true.
2. One try ends here for the client. Time passes, schedules run, and the invariants for recovered data hold.
3. In another try, the client repeats the step after half a minute. It gets an answer that clients also get without the fault, and in the
   end the scene's outcome is the outcome without the fault.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from copy import copy
from typing import Any, Protocol

from msgspec import Struct, field

from tests import seeds
from tests.client import ClientReply
from tests.proof.kinds import KINDS, Kind
from tests.simulation import faults
from tests.simulation.moments import Moment
from tests.simulation.provider_faults import record_provider_calls

# Statuses that a fault may lead to. Never 500, which stands for an error that nobody handles.
STATUSES = {200, 201, 202, 409, 503}
LOCK_SECONDS = 31  # the lock of a crashed execution ends


class Scene(Protocol):
    """A small shop and the people in it. A copy of a scene is independent of the scene, apart from the stored data."""

    time: Any

    def run(self, *steps: str) -> ClientReply | None:
        """Make steps of the scene. Returns the reply to the last one, if it has one."""

    def snapshot(self) -> Moment:
        """Return the moment to which the tries of a flow return."""

    def check(self) -> None:
        """Assert what holds at any time."""

    def settle(self) -> None:
        """Let holds expire and schedules run until nothing is due, then assert what holds after recovery."""

    def outcome(self) -> Any:
        """Return what has become of the flow. A repeated step must lead to the same outcome, whatever fault was before it."""


class Flow(Struct, frozen=True):
    """`open(time)` is a context manager that yields a Scene. The steps of `before` succeed; a fault breaks `step`."""

    open: Callable[[Any], AbstractContextManager[Any]]
    before: Sequence[str]
    step: str
    is_repeated: bool = True  # False: the step cannot be made again to the same end
    is_change: bool = True  # False: the step asks for no change, but may do work that is due


class Cell(Struct):
    """One flow with one kind of fault: how often it was tried, and what was wrong."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)


def try_flow(flow: Flow, time: Any, *, everything: bool) -> dict[str, Cell]:
    """Return the cells of a flow by the kind of fault. Tries each call, or without `everything` one call for each kind."""
    with flow.open(time) as prepared:
        for step in flow.before:
            reply = prepared.run(step)
            assert reply is None or reply.status < 300, (step, reply.status, reply.json)
        return dict(_Tries(flow, prepared).run(everything))


class _Tries:
    def __init__(self, flow: Flow, prepared: Scene) -> None:
        self._flow, self._prepared, self._moment = flow, prepared, prepared.snapshot()
        self._rehearse()
        with faults.record_calls() as store_calls, record_provider_calls() as provider_calls:
            scene = copy(prepared)
            first = scene.run(self._flow.step)
        assert first is None or first.status < 500, (first.status, first.json)
        self._counts = {"store": len(store_calls), "provider": len(provider_calls)}
        second = self._repeat(scene) if flow.is_repeated else None
        self._statuses = {reply.status for reply in (first, second) if reply is not None}
        scene.settle()
        self._expected = scene.outcome()

    def run(self, everything: bool) -> Iterator[tuple[str, Cell]]:
        chosen = random.Random(seeds.first)
        for name, kind in KINDS.items():
            numbers: Sequence[int] = range(1, self._counts[kind.target] + 1)
            cell = Cell()
            for number in numbers if everything or not numbers else [chosen.choice(numbers)]:
                cell.tried += 1
                try:
                    self._try(kind, number)
                except AssertionError as error:
                    cell.wrong.append(f"{name}, call {number}: {error}")
            yield name, cell

    def _rehearse(self) -> None:
        """Let the readers of streams read what the steps before have written: their positions do not return to the moment."""
        scene = copy(self._prepared)
        scene.run(self._flow.step)
        scene.settle()
        self._moment.return_to()

    def _try(self, kind: Kind, number: int) -> None:
        self._break(kind, number).settle()
        if self._flow.is_repeated:
            scene = self._break(kind, number)
            again = self._repeat(scene)
            assert again is None or again.status in self._statuses, f"repeated: {again.status} {again.json}"
            scene.check()
            scene.settle()
            outcome = scene.outcome()
            assert outcome == self._expected, _difference(outcome, self._expected)

    def _break(self, kind: Kind, number: int) -> Scene:
        self._moment.return_to()
        scene, reply = copy(self._prepared), None
        with kind.inject(number):
            reply = scene.run(self._flow.step)
        if reply is not None:
            assert reply.status in STATUSES | self._statuses, f"{reply.status} {reply.json}"
            if self._flow.is_change and reply.status >= 500 and reply.json["outcome"] == "unchanged":
                assert not self._moment.changes(), f"said to be unchanged: {self._moment.changes()}"
        scene.check()
        return scene

    def _repeat(self, scene: Scene) -> ClientReply | None:
        scene.time.advance(LOCK_SECONDS)
        return scene.run(self._flow.step)


def _difference(outcome: Any, expected: Any) -> str:
    """Return the parts of an outcome that differ, such as `stock: [(1, 9)] instead of [(2, 8)]`."""
    if not isinstance(expected, dict):
        return f"{outcome} instead of {expected}"
    return "; ".join(f"{name}: {_difference(outcome[name], expected[name])}" for name in expected if outcome[name] != expected[name])
