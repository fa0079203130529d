"""Races: several people make steps of a scene at once, store call by store call. Each ends as if they had come one after the other.

A race takes one line. Each try begins with the same state and lets everybody act as an instance of their own, in one of these ways:

- one after the other, in each order. What everybody is answered and what is stored in the end are what the race may lead to.
- with at most one interruption of two people, at each store call, or as a seed decides (tests/simulation/interleavings.py). With odd
  seeds somebody also crashes at a store call. Then time passes, and only the invariants must hold.
- on real threads, in whatever order the machine chooses.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from copy import copy
from functools import partial
from itertools import permutations
from typing import Any

from msgspec import Struct

from chalicelib.foundation import memory, settings
from tests import seeds
from tests.proof.harness import Cell, Scene, Tries, difference, prepare
from tests.simulation.instance_memory import InstanceMemory, separate_memories
from tests.simulation.interleavings import LONGEST_RUN, Play, explore, ordered_play, seeded_play
from tests.simulation.scheduler import Run
from tests.simulation.threads import run_in_threads

BUSY = {"request_in_flight", "store_unavailable"}  # answers that say to try again
ROUNDS_ON_THREADS = 2


class Race(Struct, frozen=True):
    """`open(time)` is a context manager that yields a Scene. The steps of `before` succeed; then each of `at_once` makes its steps,
    which are separated by commas, while the others make theirs."""

    open: Callable[[Any], AbstractContextManager[Any]]
    before: Sequence[str]
    at_once: Sequence[str]
    also: Set[str] = frozenset()  # errors with which people may refuse each other, so that not all but at least one of them succeeds


def try_race(race: Race, time: Any, count: int, *, everything: bool) -> Cell:
    """Return the cell of a race: how many rounds were tried. Tries `count` seeds, and with `everything` also all other ways."""
    with settings.override(request_seconds=100_000), prepare(race.open, race.before, time) as (scene, start_numbers):
        return _Rounds(race, scene, start_numbers).run(count, everything)


class _Rounds(Tries):
    def __init__(self, race: Race, prepared: Scene, start_numbers: Callable[[str], None]) -> None:
        super().__init__(prepared, start_numbers)
        self._race, self._cell = race, Cell()
        self._names = [f"{number} {steps}" for number, steps in enumerate(race.at_once, start=1)]
        self._ends: list[tuple[Any, Any]] = []

    def run(self, count: int, everything: bool) -> Cell:
        for names in permutations(self._names):
            play = ordered_play([name for name in names for _ in range(LONGEST_RUN)])
            self._try(lambda play=play: self._ends.append(self._play(play)), play)  # type: ignore[misc]
        for seed in seeds.numbers(count):
            play = seeded_play(seed)
            self._try(partial(self._play_and_compare, play), play)
        if everything and len(self._names) == 2:
            self._try(self._explore)
        for number in range(ROUNDS_ON_THREADS if everything else 0):
            play = _ThreadedPlay(number)
            self._try(partial(self._play_and_compare, play), play)
        return self._cell

    def _try(self, play: Callable[[], Any], record: Play | None = None) -> None:
        self._cell.tried += record is not None
        try:
            play()
        except AssertionError as error:
            details = [str(record.run), f"order: {record.run.order}"] if record is not None else error.__notes__
            self._cell.wrong.append("\n".join([str(error), *details]))

    def _explore(self) -> None:
        def scenario(play: Play) -> None:
            self._cell.tried += 1
            self._play_and_compare(play)

        explore(scenario, preemptions=1)

    def _play_and_compare(self, play: Play) -> None:
        answers, outcome = self._play(play, crashes=play.seed % 2)
        errors = {error for _, error in filter(None, answers)}
        if play.run.crashed or errors & BUSY:
            return
        if errors & self._race.also:
            assert any(answer is None or answer[0] < 400 for answer in answers), f"nobody succeeds: {answers}"
        else:
            assert answers in [end[0] for end in self._ends], f"{answers} in no order, but {[end[0] for end in self._ends]}"
            expected = [end[1] for end in self._ends if end[0] == answers]
            assert outcome in expected, f"{answers}: {difference(outcome, expected[0])}"

    def _play(self, play: Play, *, crashes: int = 0) -> tuple[Any, Any]:
        """Return everybody's answer as (status, error), None for a step without a reply or a crash, and the outcome."""
        self._moment.return_to()
        self._start_numbers("race")
        known = {each: each.entries for each in memory.list_memories()}
        with separate_memories():
            people = {name: self._person(steps, known) for name, steps in zip(self._names, self._race.at_once, strict=True)}
            run = play(people, crashes=crashes)
        answers = [_answer(run.results.get(name)) for name in self._names]
        assert all(answer is None or answer[0] < 500 or answer[1] in BUSY for answer in answers), answers
        memory.forget_everything()
        scene = copy(self._prepared)
        scene.check()
        return answers, self._settle(scene)

    def _person(self, steps: str, known: Mapping[Any, Any]) -> Callable[[], Any]:
        """Return a function that makes steps on an instance that knows what the instance of the steps before knew."""
        scene, instance = copy(self._prepared), InstanceMemory()
        instance.entries = {each: {key: copy(entry) for key, entry in entries.items()} for each, entries in known.items()}

        def act() -> Any:
            with instance.active():
                return scene.run(*steps.split(","))

        return act


def _answer(reply: Any) -> Any:
    return None if reply is None else (reply.status, (reply.json or {}).get("error"))


class _ThreadedPlay(Play):
    """Plays people on real threads. Nobody crashes."""

    def __init__(self, number: int) -> None:
        super().__init__(2 * number, None, f"on threads, round {number}")  # type: ignore[arg-type]

    def __call__(self, actors: Mapping[str, Callable[[], Any]], **_: Any) -> Run:
        results = run_in_threads(len(actors), lambda work: work(), actors.values())
        self.run.results = dict(zip(actors, results, strict=True))
        return self.run
