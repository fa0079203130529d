"""Ways to go through the interleavings of a scenario: by seeds, in a given order, or all of them up to a bound.

A scenario is a function of `play`. It builds its world, plays its actors once and looks at what came out:

    def scenario(play):
        run = play({"ada": lambda: reserve("ada"), "sweep": builders.sweep}, crashes=1)
        assert run.results["sweep"]["released"] == 1

    for_seeds(range(300), scenario)       a failure names its seed and prints the schedule
    BED_SEED=17 make test ARGS=...        only that seed
    explore(scenario, preemptions=2)      every schedule with at most two preemptions
"""

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.simulation.schedule import Actor, Choice, Fate, Run, Scheduler, Step, determined

Actors = Mapping[str, Callable[[], Any]]
Scenario = Callable[["Play"], object]

CRASH_PROBABILITY = 0.1


class Play:
    """Plays actors once, in the way of the exploration that made it; `run` is how it went."""

    def __init__(self, seed: int, choice: Callable[[int], Choice], origin: str) -> None:
        self.seed, self.run = seed, Run(origin)
        self._choice = choice

    def __call__(self, actors: Actors, *, crashes: int = 0, **how: Any) -> Run:
        """`crashes`: at most so many actors die at a seeded point. Raises what an actor raised."""
        scheduler = Scheduler(self._choice(crashes), self.run.origin, **how)
        self.run = scheduler.outcome
        with determined(self.seed):
            return scheduler.run(actors)


def by_seed(seed: int) -> Play:
    return Play(seed, lambda crashes: _Dice(seed, crashes), f"seed {seed}")


def in_order(names: Sequence[str], seed: int = 0) -> Play:
    """In the order of `names`, one for each step; those that have ended are passed over, and what is left runs in turn."""
    return Play(seed, lambda _: _Order(names), "in order")


def for_seeds(seeds: Iterable[int], scenario: Scenario) -> list[Run]:
    """Run the scenario once for each seed; one failure ends it, with the seed and its schedule in the message."""
    only = os.environ.get("BED_SEED")
    return [_played(by_seed(seed), scenario) for seed in ([int(only)] if only else seeds)]


def replay(scenario: Scenario, names: Sequence[str]) -> Run:
    """Run the scenario once in the order that a failure has printed."""
    return _played(in_order(names), scenario)


def explore(scenario: Scenario, *, preemptions: int = 2, depth: int = 1000, most: int = 5000) -> list[Run]:
    """Every schedule that takes the turn from an actor that could go on at most `preemptions` times, within `depth` steps.

    Few preemptions find most races (Musuvathi and Qadeer, 2007). The scenario must make the same world each time.
    """
    runs: list[Run] = []
    waiting: list[list[str]] = [[]]
    while waiting:
        prefix = waiting.pop()
        if len(runs) >= most:
            raise AssertionError(f"more than {most} schedules; lower the bounds")
        seen = _Prefix(prefix)
        runs.append(_played(Play(0, lambda _, seen=seen: seen, f"in order {prefix}"), scenario))  # type: ignore[misc]
        waiting += seen.alternatives(preemptions, depth)
    return runs


def _played(play: Play, scenario: Scenario) -> Run:
    try:
        scenario(play)
    except Exception as error:
        error.add_note(f"{play.run}\nagain: replay(scenario, {play.run.order})")
        raise
    return play.run


class _Dice:
    def __init__(self, seed: int, crashes: int) -> None:
        self._random, self._crashes = random.Random(seed), crashes

    def __call__(self, ready: Sequence[Actor], steps: Sequence[Step]) -> tuple[Actor, Fate]:
        actor = self._random.choice(ready)
        fate: Fate = "run"
        if self._crashes and self._random.random() < CRASH_PROBABILITY:
            self._crashes -= 1
            fate = self._random.choice(["crash before", "crash after"])  # type: ignore[arg-type]
        return actor, fate


class _Order:
    def __init__(self, names: Sequence[str]) -> None:
        self._left = list(names)

    def __call__(self, ready: Sequence[Actor], steps: Sequence[Step]) -> tuple[Actor, Fate]:
        by_name = {actor.name: actor for actor in ready}
        while self._left:
            actor = by_name.get(self._left.pop(0))
            if actor is not None:
                return actor, "run"
        return ready[0], "run"


class _Prefix:
    """Follows a prefix, then changes actors only when it must; remembers where it could have done otherwise."""

    def __init__(self, prefix: Sequence[str]) -> None:
        self._prefix = prefix
        self._ready: list[list[str]] = []
        self._chosen: list[str] = []

    def __call__(self, ready: Sequence[Actor], steps: Sequence[Step]) -> tuple[Actor, Fate]:
        number, by_name = len(self._chosen), {actor.name: actor for actor in ready}
        last = self._chosen[-1] if self._chosen else ""
        name = self._prefix[number] if number < len(self._prefix) else last
        actor = by_name.get(name, ready[0])
        self._ready.append(list(by_name))
        self._chosen.append(actor.name)
        return actor, "run"

    def alternatives(self, preemptions: int, depth: int) -> list[list[str]]:
        found, spent = [], 0
        for number, (ready, chosen) in enumerate(zip(self._ready, self._chosen, strict=True)):
            last = self._chosen[number - 1] if number else ""
            goes_on = last in ready
            if len(self._prefix) <= number < depth:
                cost = spent + goes_on
                found += [[*self._chosen[:number], name] for name in ready if name != chosen and cost <= preemptions]
            spent += goes_on and chosen != last
        return found
