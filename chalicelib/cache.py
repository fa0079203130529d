"""What an instance remembers for a while: one fetch at a time, old data rather than an error, nothing for ever."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, Generic, TypeVar

from chalicelib import dynamo, log

# After a failed fetch the old value is shown for this long before the store is asked again; a store that is down would
# otherwise cost every request its timeouts.
RETRY_SECONDS = 1

T = TypeVar("T")


class _Kept(Generic[T]):
    __slots__ = ("since", "stamp", "until", "value")

    def __init__(self, value: T, stamp: Any, since: int, until: int) -> None:
        self.value, self.stamp, self.since, self.until = value, stamp, since, until


class TtlCache(Generic[T]):
    """One value. It is fetched again when it is `seconds()` old, when its stamp changed or after `invalidate`.

    Threads that come while a fetch runs wait for that one and share its value or its error. Times are epoch seconds.
    Caches lie in layers; the `counted` one counts hits and misses, so that a read is counted once.
    """

    def __init__(self, seconds: Callable[[], int], *, counted: bool = False) -> None:
        self._seconds = seconds
        self._counted = counted
        self._lock = Lock()
        self._kept: _Kept[T] | None = None
        self._flight: Future[T] | None = None

    def get(self, now: int, stamp: Any, fetch: Callable[[], T]) -> T:
        """The value for `stamp` (anything comparable that the value was made from)."""
        kept = self._fresh(now, stamp)
        if kept is not None:
            return self._hit(kept)
        with self._lock:
            kept = self._fresh(now, stamp)  # somebody may have fetched it since
            flight = self._flight
            leads = kept is None and flight is None
            if leads:
                flight = self._flight = Future()
        if kept is not None:
            return self._hit(kept)
        assert flight is not None
        if leads:
            self._fly(flight, now, stamp, fetch)
        return flight.result()

    def invalidate(self) -> None:
        """Forget the value; a fetch that runs now began before the change and is not kept either."""
        with self._lock:
            self._kept = None
            self._flight = None

    def expire(self) -> None:
        """Fetch again at the next `get`; should that fail, the old value is still there to be shown."""
        with self._lock:
            kept = self._kept
            self._kept = kept and _Kept(kept.value, kept.stamp, kept.since, kept.since)
            self._flight = None

    def _hit(self, kept: _Kept[T]) -> T:
        if self._counted:
            log.count("cache_hit")
        return kept.value

    def _fresh(self, now: int, stamp: Any) -> _Kept[T] | None:
        kept = self._kept
        return kept if kept is not None and kept.since <= now < kept.until and kept.stamp == stamp else None

    def _fly(self, flight: "Future[T]", now: int, stamp: Any, fetch: Callable[[], T]) -> None:
        try:
            value = fetch()
        except BaseException as error:
            old = self._kept
            if old is None or not isinstance(error, (*dynamo.STORE_ERRORS, dynamo.StoreUnavailable)):
                self._land(flight, None)
                flight.set_exception(error)
                return
            log.count("cache_stale")
            log.warning("cache.stale", error=type(error).__name__, age_seconds=now - old.since)
            self._land(flight, _Kept(old.value, stamp, now, now + RETRY_SECONDS))
            flight.set_result(old.value)
        else:
            if self._counted:
                log.count("cache_miss")
            self._land(flight, _Kept(value, stamp, now, now + self._seconds()))
            flight.set_result(value)

    def _land(self, flight: "Future[T]", kept: _Kept[T] | None) -> None:
        with self._lock:
            if self._flight is flight:
                self._flight = None
                self._kept = kept or self._kept
