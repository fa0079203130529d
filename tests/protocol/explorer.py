"""Explores every interleaving of a scenario's processes, breadth first, and checks the invariants in every state.

A crash is a process that never runs again, so every reachable state is also the state after some crash: from each of them a
fresh recovery runs alone to its end, and what must be true at the end is checked there. A process is remembered by the answers
it got: its next call is found by running it again over them. Histories that leave a process in the same place, knowing the same,
are one.
"""

from collections import deque
from typing import Any, NamedTuple

from tests.protocol.invariants import after_recovery, in_every_state
from tests.protocol.provider import Provider
from tests.protocol.rules import Processes
from tests.protocol.store import Store
from tests.protocol.told import told
from tests.protocol.world import Cast, World

KINDS = ("opened", "closed", "failed")  # of events


class Run(NamedTuple):
    """One process of a scenario: a method of `Processes` and its arguments."""

    method: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return " ".join([self.method, *map(str, self.arguments)])


class Scenario(NamedTuple):
    about: str
    cast: Cast
    runs: tuple[Run, ...]


class Found(NamedTuple):
    """A state that breaks `invariant`, and the shortest way to it."""

    invariant: str
    facts: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{number:3}. {step}" for number, step in enumerate(self.steps, start=1)]
        return "\n".join([f"{self.invariant}: {self.facts}", *lines])


class Explorer:
    def __init__(self, scenario: Scenario, without: frozenset[str] = frozenset()) -> None:
        self.scenario = scenario
        self.rooms = (Store(scenario.cast, without), Provider(scenario.cast, without))
        self.processes = Processes(scenario.cast, without)
        self.states = 0
        self._places: dict[Any, Any] = {}
        self._shortest: dict[Any, Any] = {}
        self._verdicts: dict[World, Any] = {}

    def explore(self) -> Found | None:
        """The nearest state that breaks an invariant, or None when none does; `states` counts what was seen."""
        start = (self.scenario.cast.start(), ((),) * len(self.scenario.runs))
        came_from: dict[Any, Any] = {start: None}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            self.states += 1
            verdict = self._verdict(state[0])
            if verdict:
                return Found(*verdict[:2], (*self._steps(came_from, state), *verdict[2]))
            for after, step in self._successors(state):
                if after not in came_from:
                    came_from[after] = (state, step)
                    waiting.append(after)
        return None

    def _successors(self, state):
        world, histories = state
        for index, history in enumerate(histories):
            if history is None:
                continue
            call = self._call(index, history)
            for after, answer in self._outcomes(world, call):
                kept = self._place(index, (*history, answer))[1]
                if kept is None and after is world:
                    continue  # it went away without a trace: no different from one that never ran
                yield (after, (*histories[:index], kept, *histories[index + 1 :])), (index, call, answer)

    def _outcomes(self, world, call):
        store, provider = self.rooms
        return getattr(store if hasattr(store, call[0]) else provider, call[0])(world, *call[1:])

    def _call(self, index, history):
        """The next call of a process that was answered `history` so far; None when it is done."""
        return self._place(index, history)[0]

    def _place(self, index, history):
        """(next call, the shortest history that leads to the same place) of a process."""
        if (index, history) not in self._places:
            run = self.scenario.runs[index]
            process = getattr(self.processes, run.method)(*run.arguments)
            try:
                call = next(process)
                for answer in history:
                    call = process.send(answer)
            except StopIteration:
                self._places[index, history] = (None, None)
            else:
                self._places[index, history] = (call, self._shortest.setdefault((index, call, _standing(process)), history))
        return self._places[index, history]

    def _steps(self, came_from, state):
        steps = []
        while came_from[state] is not None:
            state, (index, call, answer) = came_from[state]
            steps.append(told(self._named(index), call, answer))
        return reversed(steps)

    def _named(self, index):
        """A process, with its number among its like."""
        runs = self.scenario.runs
        same = [number for number, run in enumerate(runs) if run == runs[index]]
        return f"{runs[index]}" + (f" ({same.index(index) + 1})" if len(same) > 1 else "")

    # ------------------------------------------------------------------ what must be true
    def _verdict(self, world):
        """None, or (invariant, facts, steps of the recovery): asked once for each world, whoever is in the middle of what."""
        if world not in self._verdicts:
            self._verdicts[world] = self._judge(world)
        return self._verdicts[world]

    def _judge(self, world):
        broken = in_every_state(self.scenario.cast, world)
        if broken:
            return (*broken, ())
        steps: list[str] = ["everybody crashes; a day later recovery runs alone"]
        end = self._recovered(world, steps)
        broken = in_every_state(self.scenario.cast, end) or after_recovery(self.scenario.cast, end)
        return (*broken, steps) if broken else None

    def _recovered(self, world, steps):
        """The provider repeats what nobody acknowledged, the sweep looks after shards and matters, until there is nothing to do."""
        cast = self.scenario.cast
        [(world, _)] = self._outcomes(world, ("forget",))
        for turn in range(20):
            before = world
            for number, payment in enumerate(cast.payments):
                world = self._alone(world, Run("confirm", (payment, f"recovery{turn}.")), steps)
                for kind in KINDS:
                    if any(event[0] == kind for event in world.payments[number].unheard):
                        world = self._alone(world, Run("hear", (payment, kind)), steps)
            for name in cast.names:
                if any(owner == name for owner, _ in world.matters):
                    world = self._alone(world, Run("settle", (name,)), steps)
            for shard in range(len(world.shards)):
                for _hold in world.shards[shard].holds:
                    world = self._alone(world, Run("sweep", (shard,)), steps)
            if world == before:
                return world
        raise AssertionError("recovery does not end")

    def _alone(self, world, run, steps):
        process = getattr(self.processes, run.method)(*run.arguments)
        answer = None
        try:
            while True:
                call = process.send(answer)
                world, answer = self._outcomes(world, call)[0]
                steps.append(told(str(run), call, answer))
        except StopIteration:
            return world


def _standing(process):
    """Where a process stands and what it knows: all that its future depends on, as long as every loop runs over a variable."""
    standing = []
    while process is not None:
        frame = process.gi_frame
        known = [(name, tuple(value) if isinstance(value, list) else value) for name, value in frame.f_locals.items() if name != "self"]
        standing.append((frame.f_lasti, tuple(known)))
        process = process.gi_yieldfrom
    return tuple(standing)
