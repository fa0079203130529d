"""Keep a value in the memory of an instance for a limited time.

Concurrent readers share one fetch, and while the store is unavailable the old value is returned in place of an error.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, Generic, TypeVar

from chalicelib import dynamo, log

# After a failed fetch the old value is used for this long before the next attempt. Otherwise every request would wait for the
# timeouts of a store that is down.
RETRY_SECONDS = 1

T = TypeVar("T")


class _Entry(Generic[T]):
    """A value, what it was computed from, and the period in which it is fresh."""

    __slots__ = ("dependency", "expires_at", "fetched_at", "value")

    def __init__(self, value: T, dependency: Any, fetched_at: int, expires_at: int) -> None:
        self.value, self.dependency, self.fetched_at, self.expires_at = value, dependency, fetched_at, expires_at


class TtlCache(Generic[T]):
    """A cache of one value. It is fetched again when it is `ttl_seconds()` old, when its dependency has changed or after `invalidate`.

    Threads that ask during a fetch wait for it and share its value or its error. Times are epoch seconds. If caches are stacked,
    only the `counted` one counts hits and misses, so that each read counts once.
    """

    def __init__(self, ttl_seconds: Callable[[], int], *, counted: bool = False) -> None:
        self._ttl_seconds = ttl_seconds
        self._counted = counted
        self._lock = Lock()
        self._entry: _Entry[T] | None = None
        self._pending: Future[T] | None = None

    def get(self, now: int, dependency: Any, fetch: Callable[[], T]) -> T:
        """The value computed from `dependency` (compared with ==), fetched if it is not in the cache."""
        entry = self._fresh_entry(now, dependency)
        if entry is not None:
            return self._hit(entry)
        with self._lock:
            entry = self._fresh_entry(now, dependency)  # another thread may have fetched it since
            pending = self._pending
            must_fetch = entry is None and pending is None
            if must_fetch:
                pending = self._pending = Future()
        if entry is not None:
            return self._hit(entry)
        assert pending is not None
        if must_fetch:
            self._fetch(pending, now, dependency, fetch)
        return pending.result()

    def invalidate(self) -> None:
        """Drop the value. The result of a fetch that is running is not kept either, because it began before the change."""
        with self._lock:
            self._entry = None
            self._pending = None

    def expire(self) -> None:
        """Fetch again at the next `get`, but keep the old value in case that fails."""
        with self._lock:
            entry = self._entry
            self._entry = entry and _Entry(entry.value, entry.dependency, entry.fetched_at, entry.fetched_at)
            self._pending = None

    def _hit(self, entry: _Entry[T]) -> T:
        if self._counted:
            log.count("cache_hit")
        return entry.value

    def _fresh_entry(self, now: int, dependency: Any) -> _Entry[T] | None:
        entry = self._entry
        return entry if entry is not None and entry.fetched_at <= now < entry.expires_at and entry.dependency == dependency else None

    def _fetch(self, pending: "Future[T]", now: int, dependency: Any, fetch: Callable[[], T]) -> None:
        """Fetch the value and give it, or the error, to all threads that wait for `pending`."""
        try:
            value = fetch()
        except BaseException as error:
            old = self._entry
            if old is None or not isinstance(error, dynamo.STORE_ERRORS):
                self._finish(pending, None)
                pending.set_exception(error)
                return
            log.count("cache_stale")
            log.warning("cache.stale", error=type(error).__name__, age_seconds=now - old.fetched_at)
            self._finish(pending, _Entry(old.value, dependency, now, now + RETRY_SECONDS))
            pending.set_result(old.value)
        else:
            if self._counted:
                log.count("cache_miss")
            self._finish(pending, _Entry(value, dependency, now, now + self._ttl_seconds()))
            pending.set_result(value)

    def _finish(self, pending: "Future[T]", entry: _Entry[T] | None) -> None:
        """End a fetch and keep its entry, unless the cache was invalidated or expired meanwhile."""
        with self._lock:
            if self._pending is pending:
                self._pending = None
                self._entry = entry or self._entry
