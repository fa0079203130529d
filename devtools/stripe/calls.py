"""What was asked and answered: a log of the last calls, and counts of all."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REMEMBERED = 10_000
_SECRET = frozenset({"number", "cvc", "account_number", "client_secret", "key"})


@dataclass(frozen=True)
class Call:
    """`route` has `:id` in place of ids. `status` 0: no answer was sent. Card numbers are left out of `params`."""

    method: str
    path: str
    route: str
    params: dict[str, Any]
    idempotency_key: str | None
    status: int
    error: str | None
    replayed: bool
    at: float
    request_id: str


class Calls:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: deque[Call] = deque(maxlen=REMEMBERED)
        self._counts: Counter[str] = Counter()

    def add(self, call: Call) -> None:
        with self._lock:
            self._last.append(call)
            self._counts[f"{call.method} {call.route}"] += 1

    def __iter__(self) -> Iterator[Call]:
        with self._lock:
            return iter(list(self._last))

    def __len__(self) -> int:
        with self._lock:
            return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """By "METHOD /v1/route/:id", since the start or the last `clear`."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        with self._lock:
            self._last.clear()
            self._counts.clear()


def redacted(params: Any) -> Any:
    if isinstance(params, dict):
        return {name: "[redacted]" if name in _SECRET else redacted(value) for name, value in params.items()}
    return params
