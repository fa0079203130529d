"""Rate limits: how often a user, and much more widely a source address, may send a request.

The algorithm is GCRA (the Generic Cell Rate Algorithm of ITU-T I.371): a counter is a single time, the theoretical arrival time
`tat`. Each request moves it on by one interval, and is refused while `tat` is so far in the future that another interval would
exceed a full budget. So a full budget may be used at once, it is restored steadily, and it is known exactly when the next
request will be granted. The reasons are in docs/decisions/0006-rate-limits.md.
"""

import hmac
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import ClassVar, Literal

import msgspec
from msgspec import Struct

from chalicelib import dynamo, log, secret_settings, settings
from chalicelib.edge import store
from chalicelib.edge.http import RequestContext
from chalicelib.edge.store import CountResult
from chalicelib.errors import ApiError
from chalicelib.memory import Memory

# An instance may grant a 25th of what an address has left, and 4 requests at most, before it reports them to the store. So the
# request of a lone buyer, the common case, costs one write (the user's) and not two.
UNREPORTED_SHARE = 25
MAX_UNREPORTED = 4
MAX_LOCAL_COUNTERS = 10_000
_MAX_ATTEMPTS = 4
_TTL_MARGIN_SECONDS = 60

Address = IPv4Address | IPv6Address
CountedBy = Literal["user", "address"]


class RateLimit(Struct, frozen=True):
    """A named limit: the setting `limit_<name>` for each user, and `address_factor` times as many requests for each address."""

    name: str


JOIN = RateLimit("join")  # counted for each event separately
RESERVE = RateLimit("reserve")
CHECKOUT = RateLimit("checkout")
CONFIRM = RateLimit("confirm")


class RateLimited(ApiError):
    """A user or an address has exceeded a limit. The details say which limit, by whom (`by`) and when to try again."""

    code: ClassVar[str] = "rate_limited"
    status: ClassVar[int] = 429


class Quota(Struct, frozen=True):
    """`count` requests in `seconds`. Times are milliseconds."""

    count: int
    seconds: int

    @property
    def interval(self) -> int:
        """By how much one request moves a counter; rounded up, so that a quota that does not divide evenly is never exceeded."""
        return -(-self.seconds * 1000 // self.count)

    @property
    def burst_tolerance(self) -> int:
        """How far in the future `tat` may be when a request is granted."""
        return (self.count - 1) * self.interval

    def wait(self, tat: int, now: int) -> int:
        """How long until the next request is granted; 0 or less means at once."""
        return tat - self.burst_tolerance - now

    def remaining(self, tat: int, now: int) -> int:
        """How many requests would be granted at once."""
        return max(0, self.count - -(-max(0, tat - now) // self.interval))


class _LocalCounter(Struct):
    """What this instance knows of a counter.

    `stored_tat` is what the store said last. `tat` also has the `unreported` requests in it, which the store does not know yet.
    `refusal_logged_at` is the `tat` at which a refusal was logged.
    """

    stored_tat: int = 0
    tat: int = 0
    unreported: int = 0
    refusal_logged_at: int = 0


_local_counters: Memory[str, _LocalCounter] = Memory()


def check(request: RequestContext, limit: RateLimit, user_id: str, scope: str = "") -> None:
    """Count a request; raises RateLimited if the user (within `scope`, such as an event) or their address has exceeded `limit`.

    One conditional write, or none if the counter is known to be exceeded. A refused request is not counted. If the store is
    unavailable the request passes, because what it does next needs the same store.
    """
    current = settings.current()
    if current.rate_limits == "off":
        return
    now, user_quota = request.now * 1000, _quota(getattr(current, f"limit_{limit.name}"))
    address_quota = Quota(user_quota.count * current.address_factor, user_quota.seconds)
    address = source_address(request)
    try:
        user_key = _key(limit, "user", scope, user_id)
        address_key = _key(limit, "address", _counted_network(address)) if address is not None else None
        if address_key is not None and (wait := address_quota.wait(_local_counter(address_key).tat, now)) > 0:
            raise _refusal(limit, address_quota, "address", address_key, wait, address)
        by_user = _count_in_store(user_key, user_quota, 1, now)
        if not by_user.granted:
            raise _refusal(limit, user_quota, "user", user_key, user_quota.wait(by_user.tat, now), address)
        if address_key is None:
            return
        by_address = _count_address(address_key, address_quota, now)
        if not by_address.granted:
            # The request already counts for the user: the wait must be long enough for both.
            wait = max(address_quota.wait(by_address.tat, now), user_quota.wait(by_user.tat, now))
            raise _refusal(limit, address_quota, "address", address_key, wait, address)
    except Exception as error:
        if not dynamo.is_unavailable(error):
            raise
        log.count("rate_limits_skipped")
        log.warning("limits.skipped", limiter=limit.name, error=type(error).__name__, store_code=dynamo.error_code(error))


def source_address(request: RequestContext) -> Address | None:
    """The address that called API Gateway. Never from a header, because a client can write any (X-Forwarded-For too)."""
    try:
        address = ip_address(request.chalice_request.context.get("identity", {}).get("sourceIp"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _counted_network(address: Address) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: a subscriber has at least a /64 and may use any address in it."""
    return str(address if address.version == 4 else ip_network((address, 64), strict=False))


def _logged_network(address: Address) -> str:
    """A network of many users, which may be logged. A hash would not hide an IPv4 address: there are only 4 billion to try."""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _key(limit: RateLimit, by: CountedBy, *names: str) -> str:
    """The counter's id: an HMAC, so that the table names nobody and the id has a fixed length, whatever ids a caller invents."""
    message = msgspec.json.encode((settings.current().stage, limit.name, by, *names))
    return hmac.digest(secret_settings.derived_key("rate limits"), message, "sha256").hex()[:32]


@lru_cache(maxsize=32)
def _quota(rate: str) -> Quota:
    """The quota of a setting such as `5/60`: five requests in 60 seconds."""
    count, _, seconds = rate.partition("/")
    return Quota(int(count), int(seconds))


def _count_address(key: str, quota: Quota, now: int) -> CountResult:
    """Count a request of an address in this instance, and report to the store once too many requests are unreported."""
    with _local_counters.lock:
        counter = _local_counter(key)
        if counter.tat <= now:  # the full budget is available again
            counter.tat, counter.unreported = now, 0
        counter.tat += quota.interval
        counter.unreported += 1
        if counter.unreported <= min(MAX_UNREPORTED, quota.remaining(counter.tat, now) // UNREPORTED_SHARE):
            return CountResult(True, counter.tat)
        amount, counter.unreported = counter.unreported, 0
    return _count_in_store(key, quota, amount, now)


def _count_in_store(key: str, quota: Quota, amount: int, now: int) -> CountResult:
    """Count `amount` requests in the store, starting from what this instance knows of the counter."""
    tat = _local_counter(key).stored_tat
    for _ in range(_MAX_ATTEMPTS):
        if quota.wait(tat, now) > 0:
            _update_local_counter(key, tat, exactly=True)
            return CountResult(False, tat)
        result = store.advance_counter(
            key,
            tat,
            step=amount * quota.interval,
            now=now,
            max_tat=now + quota.burst_tolerance,
            ttl=now // 1000 + quota.seconds + _TTL_MARGIN_SECONDS,
        )
        if result.granted:
            _update_local_counter(key, result.tat, exactly=False)
            return result
        tat = result.tat
    raise dynamo.StoreUnavailable("a rate limit's counter kept changing")


def _local_counter(key: str) -> _LocalCounter:
    if len(_local_counters.entries) >= MAX_LOCAL_COUNTERS:
        _local_counters.forget()  # costs only a few more writes
    return _local_counters.entries.setdefault(key, _LocalCounter())


def _update_local_counter(key: str, tat: int, *, exactly: bool) -> None:
    """Note the `tat` that the store has. Unless `exactly`, requests that other threads have counted here meanwhile remain."""
    with _local_counters.lock:
        counter = _local_counter(key)
        counter.stored_tat = max(counter.stored_tat, tat)
        counter.tat = tat if exactly else max(counter.tat, tat)


def _refusal(limit: RateLimit, quota: Quota, by: CountedBy, key: str, wait: int, address: Address | None) -> RateLimited:
    log.count("rate_limited")
    counter = _local_counter(key)
    if counter.refusal_logged_at != counter.tat:  # log the first refusal, not every further one of a client that does not wait
        counter.refusal_logged_at = counter.tat
        log.info("rate.limited", limiter=limit.name, by=by, network=_logged_network(address) if address is not None else None)
    seconds = -(-wait // 1000)
    return RateLimited(
        f"Too many requests. Try again in {seconds} s.",
        retryAfterSeconds=seconds,
        limiter=limit.name,
        by=by,
        limit=quota.count,
        period_seconds=quota.seconds,
    )
