"""A cache of values in the memory of an instance, for a limited time.

Concurrent readers share one fetch, and do not wait for the fetch if the old value has only just expired. While the store is unavailable,
readers get the old value instead of an error.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory

# After a failed fetch, the old value is used for this many seconds before the next attempt. Otherwise, every request would wait for
# timeouts while the store is down.
RETRY_SECONDS = 1

# For this many seconds after a value has expired, threads still get it while another thread fetches the next value. Otherwise, all threads
# would wait each time a value expires. (HTTP calls this stale-while-revalidate, RFC 5861.)
OVERLAP_SECONDS = 1

T = TypeVar("T")


class _Entry(Generic[T]):
    """A value, the dependency from which it was computed, and the period in which it is fresh."""

    __slots__ = ("dependency", "expires_at", "fetched_at", "value")

    def __init__(self, value: T, dependency: Any, fetched_at: int, expires_at: int) -> None:
        self.value, self.dependency, self.fetched_at, self.expires_at = value, dependency, fetched_at, expires_at

    def is_fresh(self, now: int, dependency: Any) -> bool:
        return self.fetched_at <= now < self.expires_at and bool(self.dependency == dependency)


class _Slot(Generic[T]):
    """The entry for one key, and the fetch that is running for it. A fetch stores its result in the slot in which it began."""

    __slots__ = ("entry", "pending")

    def __init__(self, entry: _Entry[T] | None = None) -> None:
        self.entry = entry
        self.pending: Future[T] | None = None


class TtlCache(Memory[Hashable, _Slot[T]]):
    """Values by key. A value is fetched again when it is `ttl_seconds()` old, when its dependency has changed, or after `forget`.

    Threads that read during a fetch share its value or its error, unless they still get a value that has just expired. Times are epoch
    seconds. `ttl_seconds` is a function, because some caches take the time from a setting. If caches are stacked, only the `counted` cache
    counts hits and misses, so that each read counts once. A cache with more than `max_keys` keys is emptied.
    """

    def __init__(self, ttl_seconds: Callable[[], int], *, counted: bool = False, max_keys: int = 1) -> None:
        super().__init__()
        self._ttl_seconds = ttl_seconds
        self._counted = counted
        self._max_keys = max_keys

    def get(self, now: int, dependency: Any, fetch: Callable[[], T], key: Hashable = None) -> T:
        """Return the value of `key`. Calls `fetch` if the cache has no fresh value with this `dependency`, which is compared with ==."""
        current = self.entries.get(key)
        entry = current.entry if current is not None else None
        if entry is not None and entry.is_fresh(now, dependency):
            return self._hit(entry)
        with self.lock:
            slot = self._get_slot(key)
            entry, pending = slot.entry, slot.pending  # another thread may have fetched the value in the meantime
            valid_times = (now,) if pending is None else (now, now - OVERLAP_SECONDS)
            if entry is not None and not any(entry.is_fresh(at, dependency) for at in valid_times):
                entry = None
            must_fetch = entry is None and pending is None
            if must_fetch:
                pending = slot.pending = Future()
        if entry is not None:
            return self._hit(entry)
        assert pending is not None
        if must_fetch:
            self._fetch(slot, pending, now, dependency, fetch)
        return pending.result()

    def refetch(self, now: int, dependency: Any, fetch: Callable[[], T], key: Hashable = None) -> T:
        """Fetch the value even if the cache has one, and keep it. If `fetch` raises, the error is raised and the old value stays.

        The value is not kept if the cache has received or forgotten another value in the meantime, because the other value may be newer.
        """
        with self.lock:
            slot = self._get_slot(key)
            before = slot.entry
        value = fetch()
        with self.lock:
            if self.entries.get(key) is slot and slot.entry is before:
                self._put(key, value, dependency, now)
        return value

    def put(self, now: int, dependency: Any, value: T, key: Hashable = None) -> None:
        """Keep a value that was computed elsewhere, as if it had been fetched. The result of a running fetch is not kept."""
        with self.lock:
            self._put(key, value, dependency, now)

    def peek(self, key: Hashable = None) -> T | None:
        """Return the cached value, even if it has expired. Returns None if there is no value. Never fetches or waits."""
        slot = self.entries.get(key)
        return slot.entry.value if slot is not None and slot.entry is not None else None

    def expire(self, key: Hashable = None) -> None:
        """Make the next `get` fetch the value again, but keep the old value in case the fetch fails.

        The result of a running fetch is not kept.
        """
        with self.lock:
            entry = self._get_slot(key).entry
            self.entries[key] = _Slot(entry and _Entry(entry.value, entry.dependency, entry.fetched_at, entry.fetched_at))

    def forget_key(self, key: Hashable) -> None:
        """Drop the value of `key`. The result of a running fetch is not kept either, because it may be older than the change."""
        self.entries.pop(key, None)

    def _put(self, key: Hashable, value: T, dependency: Any, now: int) -> None:
        self.entries[key] = _Slot(_Entry(value, dependency, now, now + self._ttl_seconds()))

    def _get_slot(self, key: Hashable) -> _Slot[T]:
        slot = self.entries.get(key)
        if slot is None:
            if len(self.entries) >= self._max_keys:
                self.entries = {}
            slot = self.entries[key] = _Slot()
        return slot

    def _hit(self, entry: _Entry[T]) -> T:
        if self._counted:
            log.count("cache_hit")
        return entry.value

    def _fetch(self, slot: _Slot[T], pending: "Future[T]", now: int, dependency: Any, fetch: Callable[[], T]) -> None:
        """Fetch the value and pass it, or the error, to all threads that wait for `pending`."""
        try:
            value = fetch()
        except BaseException as error:
            old = slot.entry
            if old is None or not (isinstance(error, dynamo.STORE_ERRORS) and dynamo.is_unavailable(error)):
                slot.pending = None
                pending.set_exception(error)
                return
            log.count("cache_stale")
            logger.warning("cache.stale", error=type(error).__name__, age_seconds=now - old.fetched_at)
            value, expires_at = old.value, now + RETRY_SECONDS
        else:
            if self._counted:
                log.count("cache_miss")
            expires_at = now + self._ttl_seconds()
        slot.entry, slot.pending = _Entry(value, dependency, now, expires_at), None
        pending.set_result(value)
