"""The counters of rate limits: what this instance knows of them, what it reports to the store and when. Times are milliseconds."""

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.edge import store
from chalicelib.foundation.gcra import Quota
from chalicelib.foundation.memory import Memory

MAX_LOCAL_COUNTERS = 10_000
_MAX_ATTEMPTS = 4
_TTL_MARGIN_SECONDS = 60


class LocalCounter(Struct):
    """What this instance knows of a counter.

    `stored_tat` is what the store said last. `tat` also has in it the `unreported` requests, which the store does not know yet, and those
    that are under way. `refusal_logged_at` is the `tat` at which a refusal was logged.
    """

    stored_tat: int = 0
    tat: int = 0
    unreported: int = 0
    refusal_logged_at: int = 0


_local_counters: Memory[str, LocalCounter] = Memory()


class Counter(Struct, frozen=True):
    """The counter of a user or an address, for one request. The request `begin`s, and then it is either `add`ed or withdrawn."""

    key: str
    quota: Quota
    now: int

    def wait(self) -> int:
        """How long until the next request is granted, as far as this instance knows; 0 or less means at once."""
        return self.quota.wait(find_local(self.key).tat, self.now)

    def begin(self) -> bool:
        """Whether the request may go on. It counts on this instance from now on."""
        with _local_counters.lock:
            counter = find_local(self.key)
            if self.quota.wait(counter.tat, self.now) > 0:
                return False
            if counter.tat + self.quota.burst_tolerance <= self.now:  # there was none for a whole period
                counter.unreported = 0
            counter.tat = max(counter.tat, self.now) + self.quota.interval
            return True

    def withdraw(self) -> None:
        """The request does not count."""
        with _local_counters.lock:
            counter = find_local(self.key)
            counter.tat = max(counter.stored_tat, counter.tat - self.quota.interval)

    def add(self, max_unreported: int) -> bool:
        """Count the request. Returns whether the store grants it; so many requests may stay unreported, which are granted.

        Raises the errors of the store.
        """
        with _local_counters.lock:
            counter = find_local(self.key)
            counter.unreported += 1
            if counter.unreported <= max_unreported:
                return True
            amount, counter.unreported = counter.unreported, 0
        return self._report(amount)

    def remaining(self) -> int:
        """How many requests more would be granted, as far as this instance knows."""
        return self.quota.remaining(find_local(self.key).tat, self.now)

    def set_exceeded(self, tat: int) -> None:
        """Note that the counter is so far in the future, as the store or another record says."""
        self._update(tat, exactly=True)

    def _report(self, amount: int) -> bool:
        """Count so many requests in the store, starting from what this instance knows of the counter."""
        tat, charge = find_local(self.key).stored_tat, self.quota.charge(self.now, amount)
        ttl = self.now // 1000 + self.quota.seconds + _TTL_MARGIN_SECONDS
        for _ in range(_MAX_ATTEMPTS):
            if self.quota.wait(tat, self.now) > 0:
                self.set_exceeded(tat)
                return False
            result = store.advance_counter(self.key, tat, charge, ttl)
            tat = result.tat
            if result.granted:
                self._update(tat, exactly=False)
                return True
        raise dynamo.StoreUnavailable("a rate limit's counter kept changing")

    def _update(self, tat: int, *, exactly: bool) -> None:
        """Note the `tat` that the store has. Unless `exactly`, requests that other threads have counted here meanwhile remain."""
        with _local_counters.lock:
            counter = find_local(self.key)
            counter.stored_tat = max(counter.stored_tat, tat)
            counter.tat = tat if exactly else max(counter.tat, tat)


def find_local(key: str) -> LocalCounter:
    """What this instance knows of a counter, from now on if it knew nothing."""
    if len(_local_counters.entries) >= MAX_LOCAL_COUNTERS:
        _local_counters.forget()  # costs only a few more writes
    return _local_counters.entries.setdefault(key, LocalCounter())
