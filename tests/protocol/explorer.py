"""Explores every interleaving of a scenario's processes, breadth first, and checks the invariants in every state.

A crash is a process that never runs again, so every reachable state is also the state after some crash: from each of them a
fresh recovery runs alone to its end, and what must be true at the end is checked there. A process is remembered by the answers
it got: its next call is found by running it again over them.
"""

from collections import deque
from typing import Any, NamedTuple

from tests.protocol.rules import Processes
from tests.protocol.world import ALIVE, STATES, Cast, Purchase, Store, World


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
        self.store = Store(scenario.cast, without)
        self.processes = Processes(scenario.cast, without)
        self.states = 0
        self._next: dict[Any, Any] = {}
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
            for after, answer in getattr(self.store, call[0])(world, *call[1:]):
                longer = (*history, answer)
                kept = longer if self._call(index, longer) is not None else None
                if kept is None and after is world:
                    continue  # it went away without a trace: no different from one that never ran
                yield (after, (*histories[:index], kept, *histories[index + 1 :])), (index, call, answer)

    def _call(self, index, history):
        """The next call of a process that was answered `history` so far; None when it is done."""
        key = (index, history)
        if key not in self._next:
            run = self.scenario.runs[index]
            process = getattr(self.processes, run.method)(*run.arguments)
            try:
                call = next(process)
                for answer in history:
                    call = process.send(answer)
            except StopIteration:
                call = None
            self._next[key] = call
        return self._next[key]

    def _steps(self, came_from, state):
        steps = []
        while came_from[state] is not None:
            state, (index, call, answer) = came_from[state]
            steps.append(_told(self._named(index), call, answer))
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
        broken = self._always(world)
        if broken:
            return (*broken, ())
        steps: list[str] = ["everybody crashes; recovery runs alone"]
        end = self._recovered(world, steps)
        broken = self._always(end) or self._finally(end)
        return (*broken, steps) if broken else None

    def _recovered(self, world, steps):
        names = self.scenario.cast.names
        for turn in range(20):
            before = world
            for name in names:
                world = self._alone(world, Run("confirm", (name, f"recovery{turn}.")), steps)
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
                world, answer = getattr(self.store, call[0])(world, *call[1:])[0]
                steps.append(_told(str(run), call, answer))
        except StopIteration:
            return world

    def _always(self, w):
        """(invariant, facts) of what no state may break, however half-done everything is."""
        cast = self.scenario.cast
        for number, (shard, capacity) in enumerate(zip(w.shards, cast.capacities, strict=True)):
            if min(shard.available, shard.sold) < 0 or shard.available + len(shard.holds) + shard.sold != capacity:
                return "the ledger adds up", f"shard {number}: {shard}"
        paid_for = 0
        for name, purchase in zip(cast.names, w.purchases, strict=True):
            alive = [place for place in purchase.listed if place[1] in w.shards[place[0]].holds]
            if purchase.state in ALIVE and len(alive) != len(purchase.listed):
                return "a living purchase has its holds", f"{name} is {purchase.state} and lost one of {_shown(purchase.listed)}"
            if purchase.state == "paid":
                paid_for += len(purchase.listed) - len(alive)
        if sum(shard.sold for shard in w.shards) != paid_for:
            return "what is sold is paid, and once", f"sold {[shard.sold for shard in w.shards]}, paid and not on hold {paid_for}"
        for buyer in w.buyers:
            if buyer.bought > cast.limit:
                return "nobody is above the limit", f"{buyer}, limit {cast.limit}"
        return None

    def _finally(self, w):
        """(invariant, facts) of what recovery must have brought about."""
        cast = self.scenario.cast
        left = [hold_id for shard in w.shards for hold_id in shard.holds]
        if left:
            return "no hold is left", str(left)
        for name, purchase, payment, in_time in zip(cast.names, w.purchases, w.payments, w.in_time, strict=True):
            if purchase.state in ALIVE:
                return "every state has an exit", f"{name} is {purchase.state}"
            if payment == "captured" and purchase.state != "paid":
                return "money ends in tickets or a refund", f"{name} is {purchase.state}, its money was kept"
            if purchase.state == "paid" and name in cast.charged and payment != "captured":
                return "tickets are paid for", f"{name} is paid, its payment {payment}"
            if in_time and purchase.state != "paid" and not self._may_be_refunded(name):
                return "who pays in time has tickets", f"{name} is {purchase.state}"
        for who, buyer in enumerate(w.buyers):
            mine = [name for name in cast.names if self.store.buyer_of[name] == who and w.purchases[self.store.index[name]].state == "paid"]
            if buyer.active is not None or buyer.bought != sum(len(cast.plans[name]) for name in mine):
                return "the buyer's record is true", f"{buyer}, paid purchases {mine}"
        return None

    def _may_be_refunded(self, name):
        return any(run == Run("refund", (name,)) for run in self.scenario.runs)


def _told(who, call, answer):
    """One line of a timeline: `sweep 0: move(A, held|paying, expired, version 2) -> done`."""
    return f"{who}: {call[0]}({', '.join(_shown(part) for part in call[1:] if part is not None)}) -> {_shown(answer)}"


def _shown(part):
    match part:
        case Purchase():
            return f"{part.state} version {part.version}, lists {_shown(part.listed) or 'nothing'}"
        case (str(), str()) if part[0] not in STATES:
            return ".".join(part)
        case (str(), *_):
            return "|".join(part)
        case tuple():
            return " and ".join(f"{_shown(hold_id)} in {shard}" for shard, hold_id in part)
        case _:
            return str(part)
