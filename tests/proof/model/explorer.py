"""Explores every interleaving of a scenario's processes, breadth first, and checks the invariants in every state.

A crash is a process that never runs again, so every reachable state is also the state after some crash: from each of them a
new recovery runs alone to its end, and the invariants of a recovered world are checked there. A process is remembered by the answers
that it got: its next call is found by running it again with these answers. Histories that leave a process at the same line with the
same variables count as one.
"""

from collections import deque
from typing import Any, NamedTuple

from tests.proof.model.invariants import check_recovered, check_state
from tests.proof.model.provider import Provider
from tests.proof.model.purchase_processes import Processes
from tests.proof.model.store import Store
from tests.proof.model.timeline import format_step
from tests.proof.model.world import Setup, World

ON_THE_WAY = ("processing", "recalled")
EVENTS = ("dispute_opened", "dispute_closed", "refund_failed")


class Run(NamedTuple):
    """One process of a scenario: a method of `Processes` and its arguments."""

    method: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return " ".join([self.method, *map(str, self.arguments)])


class Scenario(NamedTuple):
    description: str
    setup: Setup
    runs: tuple[Run, ...]


class Violation(NamedTuple):
    """A state that violates `invariant`, and the shortest way to it."""

    invariant: str
    details: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{number:3}. {step}" for number, step in enumerate(self.steps, start=1)]
        return "\n".join([f"{self.invariant}: {self.details}", *lines])


class Explorer:
    def __init__(self, scenario: Scenario, without: frozenset[str] = frozenset()) -> None:
        self.scenario = scenario
        self.store, self.provider = Store(scenario.setup, without), Provider(scenario.setup, without)
        self.processes = Processes(scenario.setup, without)
        self.states = 0
        self._positions: dict[Any, Any] = {}
        self._shortest: dict[Any, Any] = {}
        self._checked: dict[World, Any] = {}

    def explore(self) -> Violation | None:
        """Return the nearest state that violates an invariant, or None; `states` counts the states that were reached."""
        start = (self.scenario.setup.initial_world(), ((),) * len(self.scenario.runs))
        predecessors: dict[Any, Any] = {start: None}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            self.states += 1
            violated = self._check(state[0])
            if violated:
                invariant, details, recovery = violated
                return Violation(invariant, details, (*self._steps(predecessors, state), *recovery))
            for after, step in self._successors(state):
                if after not in predecessors:
                    predecessors[after] = (state, step)
                    waiting.append(after)
        return None

    def _successors(self, state):
        world, histories = state
        for index, history in enumerate(histories):
            if history is None:
                continue
            call = self._call(index, history)
            for after, answer in self._outcomes(world, call):
                next_history = self._position(index, (*history, answer))[1]
                if next_history is None and after is world:
                    continue  # the process ended and changed nothing: the same as one that never ran
                yield (after, (*histories[:index], next_history, *histories[index + 1 :])), (index, call, answer)

    def _outcomes(self, world, call):
        name, *arguments = call
        return getattr(self.store if hasattr(self.store, name) else self.provider, name)(world, *arguments)

    def _call(self, index, history):
        """The next call of a process that has got the answers `history` so far; None if it has ended."""
        return self._position(index, history)[0]

    def _position(self, index, history):
        """(next call, the shortest history that leads to the same position) of a process."""
        if (index, history) not in self._positions:
            run = self.scenario.runs[index]
            process = getattr(self.processes, run.method)(*run.arguments)
            try:
                call = next(process)
                for answer in history:
                    call = process.send(answer)
            except StopIteration:
                self._positions[index, history] = (None, None)
            else:
                self._positions[index, history] = (call, self._shortest.setdefault((index, call, _snapshot(process)), history))
        return self._positions[index, history]

    def _steps(self, predecessors, state):
        steps = []
        while predecessors[state] is not None:
            state, (index, call, answer) = predecessors[state]
            steps.append(format_step(self._process_name(index), call, answer))
        return reversed(steps)

    def _process_name(self, index):
        """A process as its timeline shows it: numbered if the scenario has several of the same."""
        runs = self.scenario.runs
        same = [number for number, run in enumerate(runs) if run == runs[index]]
        return f"{runs[index]}" + (f" ({same.index(index) + 1})" if len(same) > 1 else "")

    # ------------------------------------------------------------------ the checks
    def _check(self, world):
        """None, or (invariant, details, steps of the recovery). Done once for each world, whatever the processes are about to do."""
        if world not in self._checked:
            self._checked[world] = self._check_with_recovery(world)
        return self._checked[world]

    def _check_with_recovery(self, world):
        violated = check_state(self.scenario.setup, world)
        if violated:
            return (*violated, ())
        is_undecided = any(payment.status in ON_THE_WAY for payment in world.payments)
        for decision in (0, 1) if is_undecided else (0,):
            steps: list[str] = ["every process crashes; days later recovery runs alone"]
            end = self._recover(self._decide_transfers(world, decision, steps), steps)
            violated = check_state(self.scenario.setup, end) or check_recovered(self.scenario.setup, end)
            if violated:
                return (*violated, steps)
        return None

    def _decide_transfers(self, world, decision, steps):
        """The banks answer before the last sweep; `decision` is which of the possible answers they all give."""
        for name, payment in zip(self.scenario.setup.payments, world.payments, strict=True):
            if payment.status in ON_THE_WAY:
                world, answer = self._outcomes(world, ("decide_transfer", name))[decision]
                steps.append(format_step("bank", ("decide_transfer", name), answer))
        return world

    def _recover(self, world, steps):
        """The provider repeats unacknowledged events and the sweep goes through shards and open cases, until nothing changes."""
        setup = self.scenario.setup
        [(world, _)] = self._outcomes(world, ("forget_keys",))
        for turn in range(20):
            before = world
            for number, payment in enumerate(setup.payments):
                world = self._run_alone(world, Run("confirm", (payment, f"recovery{turn}.")), steps)
                for kind in EVENTS:
                    if any(event[0] == kind for event in world.payments[number].unacknowledged):
                        world = self._run_alone(world, Run("handle_event", (payment, kind)), steps)
            for name in setup.names:
                if any(owner == name for owner, _ in world.cases):
                    world = self._run_alone(world, Run("process_refunds", (name,)), steps)
            for shard in range(len(world.shards)):
                for _hold in world.shards[shard].holds:
                    world = self._run_alone(world, Run("sweep", (shard,)), steps)
            if setup.resale is not None:
                world = self._run_alone(world, Run("close_listings", ()), steps)
            if world.holdback == "released":
                world = self._run_alone(world, Run("release_holdback", (setup.holdback,)), steps)
            if world == before:
                return world
        raise AssertionError("recovery does not end")

    def _run_alone(self, world, run, steps):
        process = getattr(self.processes, run.method)(*run.arguments)
        answer = None
        try:
            while True:
                call = process.send(answer)
                world, answer = self._outcomes(world, call)[0]
                steps.append(format_step(str(run), call, answer))
        except StopIteration:
            return world


def _snapshot(process):
    """Where a process is and what its variables are: all that its future depends on, as long as every loop runs over a variable."""
    frames = []
    while process is not None:
        frame = process.gi_frame
        variables = [(name, tuple(value) if isinstance(value, list) else value) for name, value in frame.f_locals.items() if name != "self"]
        frames.append((frame.f_lasti, tuple(variables)))
        process = process.gi_yieldfrom
    return tuple(frames)
