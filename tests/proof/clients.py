"""Clients that use the shop at the same time, and the history of their calls: when each call began and ended, and what was answered."""

import itertools
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from tests.client import Client, ClientReply
from tests.proof.linearizability import Operation, linearize_each
from tests.simulation import faults
from tests.simulation.threads import run_in_threads

SWITCH_SECONDS = 1e-5  # so that threads of one process take turns within a request
TIME_PASSES, TIME_HAS_PASSED = "time passes", "time has passed"
FIRST_PROCESS = "p0"
MAX_CRASH_CALL = 6  # a client that crashes does so after at most this many calls to the store

Note = Callable[[list[Any]], None]


class Clock(Protocol):
    """The clock of the shop, in epoch seconds."""

    now: int

    def advance(self, seconds: int) -> Any: ...


class Plan(Struct, frozen=True):
    """The size of a run. `crash_share` is the share of calls during which the process of the client crashes."""

    seed: int
    clients: int = 8
    steps: int = 25
    crash_share: float = 0.0


class Caller:
    """A client on one thread. It makes random calls, and notes the beginning and the answer of each."""

    def __init__(self, api: Client, clock: Clock, shop: dict[str, Any], name: str, plan: Plan, note: Note) -> None:
        self.api, self.clock, self.shop, self.name = api, clock, shop, name
        self.random = random.Random(f"{plan.seed} {name}")
        self.mine: dict[str, Any] = {}  # what the client has learned from the answers
        self.is_first = False  # one client of a run does what only one may do, such as advance the clock
        self._crash_share, self._numbers, self._note = plan.crash_share, itertools.count(1), note

    def new_name(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    def call(
        self, keys: str | Sequence[str], *inputs: Any, send: Callable[[], Any], read: Callable[[Any], Any] = lambda _: "ok", can_crash=True
    ) -> Any:
        """Make a call to one or more objects and return its answer: what `read` finds in the reply, or the code of its error.

        The answer is None if the client cannot know whether its call took effect.
        """
        number, answer = next(self._numbers), None
        self._note([self.name, number, time.monotonic_ns(), [keys] if isinstance(keys, str) else list(keys), list(inputs)])
        if can_crash and self.random.random() < self._crash_share:
            with faults.process(self.new_name()), faults.crash_after(self.random.randint(1, MAX_CRASH_CALL)):
                answer = _answer(send(), read)
        else:
            answer = _answer(send(), read)
        if answer is not None:
            self._note([self.name, number, time.monotonic_ns(), answer])
        return answer

    def pass_time(self, keys: Sequence[str], pass_time: Callable[[], int]) -> None:
        """Note that time passes for these objects. `pass_time` returns the new time."""
        number, start = next(self._numbers), time.monotonic_ns()
        now = pass_time()
        self._note([self.name, number, start, list(keys), [TIME_PASSES, now]])
        self._note([self.name, number, time.monotonic_ns(), "ok"])


def _answer(reply: Any, read: Callable[[Any], Any]) -> Any:
    if not isinstance(reply, ClientReply) or reply.status < 400:
        return read(reply)
    assert reply.status < 500 or reply.status == 503, reply.json
    return None if reply.status == 503 else reply.json["error"]


class Shared(Protocol):
    """Something that many clients use at once, as one object or several, and a sequential model of each object."""

    def open(self, api: Client, clock: Clock) -> dict[str, Any]:
        """Set it up. Returns what its clients have to know."""

    def initial(self, shop: Mapping[str, Any]) -> dict[str, Any]:
        """Return the first state of each object by its key."""

    def act(self, client: Caller) -> None:
        """Make one or more random calls as this client."""

    def step(self, state: Any, call: Any, answer: Any) -> Iterable[Any]:
        """The model (`linearizability.Model`)."""

    def read(self, shop: Mapping[str, Any], notes: Iterable[list[Any]]) -> list[Operation]:
        """Return the operations that the clients noted."""
        return operations_of(notes)

    def check(self, shop: Mapping[str, Any], notes: Iterable[list[Any]]) -> int:
        """Linearize the history of the clients. Returns the number of its operations. Raises NotLinearizable."""
        history = self.read(shop, notes)
        linearize_each(history, self.step, self.initial(shop))
        return len(history)


def run_clients(shared: Shared, api: Client, clock: Clock, shop: dict[str, Any], plan: Plan, note: Note, prefix: str = "") -> None:
    """Let the clients of this process act at once, each on a thread of its own."""
    callers = [Caller(api, clock, shop, f"{prefix}c{number}", plan, note) for number in range(plan.clients)]
    callers[0].is_first = prefix in ("", FIRST_PROCESS)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        run_in_threads(len(callers), lambda caller: [shared.act(caller) for _ in range(plan.steps)], callers)
    finally:
        sys.setswitchinterval(usual)


def operations_of(notes: Iterable[list[Any]]) -> list[Operation]:
    """Return the operations that clients noted, one for each object of a call.

    Time that passes is two operations. After the first, requests may go by the new time; after the second, all do, because those that
    began before have ended.
    """
    begun, ended = {}, {}
    for name, number, *rest in notes:
        (begun if len(rest) == 3 else ended)[name, number] = rest
    operations = []
    for call, (start, keys, inputs) in begun.items():
        end, answer = ended.get(call, (None, None))
        operations += [Operation(key, call[0], start, end, _hashable(inputs), _hashable(answer)) for key in keys]
        if inputs[0] == TIME_PASSES:
            settled = max(ended[other][0] for other in ended if begun[other][0] <= end)
            operations += [Operation(key, call[0], start, settled, (TIME_HAS_PASSED, inputs[1]), "ok") for key in keys]
    return operations


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
