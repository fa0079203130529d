"""Explores the interleavings of a scenario: random ones by seeds, one in a given order, or all up to a bound.

A scenario is a function with the parameter `play`. It prepares its data, plays its actors once and checks the results:

    def scenario(play):
        run = play({"ada": lambda: reserve("ada"), "sweep": builders.run_sweep}, crashes=1)
        assert run.results["sweep"]["released"] == 1

    run_seeds(40, scenario)                         a failure names its seed and prints the schedule
    make test ARGS="--seed=17 --seeds=1 ..."        only seed 17
    make test ARGS="--seed=fresh --seeds=500 ..."   500 seeds from a random one on
    explore(scenario, preemptions=2)                every schedule with at most two preemptions
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests import seeds
from tests.simulation.scheduler import Choice, Fate, Run, Scheduler, Step, ThreadActor, without_randomness

Actors = Mapping[str, Callable[[], Any]]
Scenario = Callable[["Play"], object]

CRASH_PROBABILITY = 0.1
LONGEST_RUN = 10_000  # steps


class Play:
    """Plays actors once, in an order that `choice` decides. `run` is the record of the play."""

    def __init__(self, seed: int, choice: Callable[[int], Choice], origin: str) -> None:
        self.seed, self.run = seed, Run(origin)
        self._choice = choice

    def __call__(self, actors: Actors, *, crashes: int = 0, **options: Any) -> Run:
        """Run the actors. `choice` may crash up to `crashes` of them. Raises the exception of an actor that failed."""
        scheduler = Scheduler(self._choice(crashes), self.run.origin, **options)
        self.run = scheduler.record
        with without_randomness(self.seed):
            return scheduler.run(actors)


def seeded_play(seed: int) -> Play:
    return Play(seed, lambda crashes: _SeededChoice(seed, crashes), f"seed {seed}")


def ordered_play(names: Sequence[str], seed: int = 0) -> Play:
    """Play one step for each of `names`, in order, skipping actors that have ended. After the last name, the others run in turn."""
    return Play(seed, lambda _: _OrderedChoice(names), "in order")


def run_seeds(count: int, scenario: Scenario) -> list[Run]:
    """Run the scenario once for each of `count` seeds. Returns the runs.

    The first failure ends the exploration; its message has the seed and the schedule. The option `--seeds` replaces `count`.
    """
    return [_run_scenario(seeded_play(seed), scenario) for seed in seeds.numbers(count)]


def replay(scenario: Scenario, names: Sequence[str]) -> Run:
    """Run the scenario once, in the order that a failure printed."""
    return _run_scenario(ordered_play(names), scenario)


def explore(scenario: Scenario, *, preemptions: int = 2, depth: int = 1000, max_schedules: int = 5000) -> list[Run]:
    """Run every schedule with at most `preemptions` interruptions of a running actor, within the first `depth` steps. Returns the runs.

    Few preemptions find most races (Musuvathi and Qadeer, 2007). The scenario must prepare the same data each time. Raises AssertionError
    if there are more than `max_schedules` schedules.
    """
    runs: list[Run] = []
    waiting: list[list[str]] = [[]]
    while waiting:
        prefix = waiting.pop()
        if len(runs) >= max_schedules:
            raise AssertionError(f"more than {max_schedules} schedules: lower `preemptions` or `depth`, or raise `max_schedules`")
        choice = _PrefixChoice(prefix)
        runs.append(_run_scenario(Play(0, lambda _, choice=choice: choice, f"in order {prefix}"), scenario))  # type: ignore[misc]
        waiting += choice.alternatives(preemptions, depth)
    return runs


def _run_scenario(play: Play, scenario: Scenario) -> Run:
    try:
        scenario(play)
    except Exception as error:
        error.add_note(f"{play.run}\nto replay it: replay(scenario, {play.run.order})")
        raise
    return play.run


class _SeededChoice:
    def __init__(self, seed: int, crashes: int) -> None:
        self._random, self._crashes = random.Random(seed), crashes

    def __call__(self, ready: Sequence[ThreadActor], steps: Sequence[Step]) -> tuple[ThreadActor, Fate]:
        actor = self._random.choice(ready)
        fate: Fate = "run"
        if self._crashes and self._random.random() < CRASH_PROBABILITY:
            self._crashes -= 1
            fate = self._random.choice(["crash before", "crash after"])  # type: ignore[arg-type]
        return actor, fate


class _OrderedChoice:
    def __init__(self, names: Sequence[str]) -> None:
        self._left = list(names)

    def __call__(self, ready: Sequence[ThreadActor], steps: Sequence[Step]) -> tuple[ThreadActor, Fate]:
        by_name = {actor.name: actor for actor in ready}
        while self._left:
            actor = by_name.get(self._left.pop(0))
            if actor is not None:
                return actor, "run"
        return ready[0], "run"


class _PrefixChoice:
    """Follows a prefix, then changes the actor only if the last actor has ended. Records which actors could have run at each step."""

    def __init__(self, prefix: Sequence[str]) -> None:
        self._prefix = prefix
        self._ready: list[list[str]] = []
        self._chosen: list[str] = []

    def __call__(self, ready: Sequence[ThreadActor], steps: Sequence[Step]) -> tuple[ThreadActor, Fate]:
        number, by_name = len(self._chosen), {actor.name: actor for actor in ready}
        last = self._chosen[-1] if self._chosen else ""
        name = self._prefix[number] if number < len(self._prefix) else last
        actor = by_name.get(name, ready[0])
        self._ready.append(list(by_name))
        self._chosen.append(actor.name)
        return actor, "run"

    def alternatives(self, preemptions: int, depth: int) -> list[list[str]]:
        schedules, used = [], 0
        for number, (ready, chosen) in enumerate(zip(self._ready, self._chosen, strict=True)):
            last = self._chosen[number - 1] if number else ""
            can_continue = last in ready
            if len(self._prefix) <= number < depth:
                cost = used + can_continue
                schedules += [[*self._chosen[:number], name] for name in ready if name != chosen and cost <= preemptions]
            used += can_continue and chosen != last
        return schedules
