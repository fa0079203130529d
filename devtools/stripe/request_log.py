"""The log of requests: the last ones with their details, and counts of all."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_ENTRIES = 10_000
_SECRET_PARAMETERS = frozenset({"number", "cvc", "account_number", "client_secret", "key"})


@dataclass(frozen=True)
class LoggedRequest:
    """`route` has `:id` in place of ids. `status` 0: no response was sent. `params` contain no card numbers and no secrets."""

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


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LoggedRequest] = deque(maxlen=MAX_ENTRIES)
        self._counts: Counter[str] = Counter()

    def add(self, request: LoggedRequest) -> None:
        with self._lock:
            self._entries.append(request)
            self._counts[f"{request.method} {request.route}"] += 1

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        with self._lock:
            return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Requests by "METHOD /v1/route/:id", since the start or the last `clear`."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._counts.clear()


def redacted(params: Any) -> Any:
    """The parameters with secrets replaced, at any depth."""
    if isinstance(params, dict):
        return {name: "[redacted]" if name in _SECRET_PARAMETERS else redacted(value) for name, value in params.items()}
    return params
