"""Finds an order that explains what concurrent processes saw, or shows that there is none.

A history is linearizable (Herlihy and Wing, 1990) if its operations can be put into an order in which a sequential model gives the same
answers, and in which an operation that ended before another one began comes first. The search is the algorithm of Wing and Gong ("Testing
and Verifying Concurrent Objects", 1993): try as the next operation each one that no remaining operation precedes. It never continues twice
from the same set of operations and the same state (Lowe, "Testing for Linearizability", 2017), as in Porcupine and Knossos.

A history of several objects is linearizable if the history of each object is, so each object is searched by itself, which is much faster.

    linearize_each([Operation("ticket", "north", start=1, end=3, input=("scan",), output="admitted"), ...], model, {"ticket": 0})
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import inf
from typing import Any

from msgspec import Struct

MAX_STATES = 2_000_000  # a search that visits more decides nothing

# Returns the states to which an operation with this input and this answer can lead, none if the model does not give that answer. Without an
# answer (None), the operation takes effect in any way that it could.
Model = Callable[[Any, Any, Any], Iterable[Hashable]]


class Operation(Struct, frozen=True):
    """A call of a process to an object. Times are readings of one clock that all processes share.

    A call without an answer has neither `end` nor `output`. It may take effect at any time after its start, or never.
    """

    key: str
    process: str
    start: int
    end: int | None
    input: Any
    output: Any

    def __str__(self) -> str:
        return f"{self.process}: {self.input} -> {self.output}"


class NotLinearizable(AssertionError):
    """No order of the operations explains their answers."""


class _Path(Struct, frozen=True):
    """The operations that were put in order: the last one, the state that follows it, and the path before it."""

    length: int
    state: Any
    last: Operation | None = None
    before: Any = None


def linearize_each(history: Iterable[Operation], model: Model, initial_states: Mapping[str, Hashable]) -> None:
    """Linearize the history of each object by itself. Raises NotLinearizable."""
    histories = defaultdict[str, list[Operation]](list)
    for operation in history:
        histories[operation.key].append(operation)
    for key, operations in histories.items():
        linearize(operations, model, initial_states[key])


def linearize(history: Sequence[Operation], model: Model, initial: Hashable) -> list[Operation]:
    """Return the operations of one object in an order that explains all answers. Raises NotLinearizable."""
    answered = sorted((operation for operation in history if operation.end is not None), key=lambda operation: operation.start)
    lost = [operation for operation in history if operation.end is None]
    operations, all_answered = [*answered, *lost], (1 << len(answered)) - 1
    longest = 0, _Path(0, initial)
    stack, seen = [longest], set[tuple[int, Any]]()
    while stack:
        placed, path = stack.pop()
        if placed & all_answered == all_answered:
            return _ordered(path)
        longest = max(longest, (placed, path), key=lambda reached: reached[1].length)
        for number in _possible_next(operations, len(answered), placed):
            operation, after = operations[number], placed | 1 << number
            for state in model(path.state, operation.input, operation.output):
                if (after, state) not in seen:
                    seen.add((after, state))
                    stack.append((after, _Path(path.length + 1, state, operation, path)))
        assert len(seen) < MAX_STATES, f"undecided after {MAX_STATES} states: make the history of {history[0].key} shorter"
    candidates = [operations[number] for number in _possible_next(operations, len(answered), longest[0])]
    raise NotLinearizable(_explanation(_ordered(longest[1]), longest[1].state, candidates, history))


def _possible_next(operations: Sequence[Operation], answered_count: int, placed: int) -> list[int]:
    """Return the operations that can come next: no operation that is not yet placed ended before they began.

    The operation that ended first comes last, because the search tries the last one first. Operations without an answer are tried last.
    """
    earliest_end, possible = inf, []
    remaining = ~placed & ((1 << answered_count) - 1)
    number = (remaining & -remaining).bit_length() - 1  # the first that is not placed
    while number < answered_count and operations[number].start <= earliest_end:
        if not placed >> number & 1:
            possible.append(number)
            earliest_end = min(earliest_end, operations[number].end)
        number += 1
    lost = [n for n in range(answered_count, len(operations)) if not placed >> n & 1 and operations[n].start <= earliest_end]
    return lost + sorted(possible, key=lambda n: -operations[n].end)


def _ordered(path: _Path) -> list[Operation]:
    operations = []
    while path.last is not None:
        operations.append(path.last)
        path = path.before
    return operations[::-1]


def _explanation(longest: Sequence[Operation], state: Any, candidates: Sequence[Operation], history: Sequence[Operation]) -> str:
    what = f"{history[0].key}: no order explains the answers. At most {len(longest)} of {len(history)} operations fit, the last of them:"
    then = f"The state is then {state}, and no operation that can come next has its answer in this state:"
    return "\n    ".join(map(str, [what, *longest[-12:], then, *candidates]))
