"""Rate limits: how often a user, and far more widely a source address, may ask for something.

The algorithm is GCRA (the Generic Cell Rate Algorithm of ITU-T I.371): a counter is one time, the theoretical arrival time
`tat`, at which everything that was used is paid back. Each request moves it on by one interval, and is refused while `tat` is
so far ahead that one interval more would exceed a full budget. So a full budget may be used at once, it comes back steadily,
and when the next request fits is known exactly. What was decided, and why: docs/decisions/0006-rate-limits.md.
"""

import hmac
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Lock
from typing import ClassVar, Literal

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, log, settings
from chalicelib.edge.http import RequestContext
from chalicelib.errors import ApiError

# An instance may let a 25th of what an address has left, and 4 requests at most, pass before it tells the store. The request of
# a lone buyer, the common case, then costs one write, the user's, and not two.
UNREPORTED_SHARE = 25
MAX_UNREPORTED = 4
MAX_REMEMBERED = 10_000
_MAX_ATTEMPTS = 4
_TTL_MARGIN_SECONDS = 60

Address = IPv4Address | IPv6Address
By = Literal["user", "address"]


class RateLimit(Struct, frozen=True):
    """A named limit: so many requests per user as the setting `limit_<name>` says, `address_factor` times that per address."""

    name: str


JOIN = RateLimit("join")  # its scope is the event
RESERVE = RateLimit("reserve")
CHECKOUT = RateLimit("checkout")
CONFIRM = RateLimit("confirm")


class RateLimited(ApiError):
    """Its facts say who is above which limit (`by`: the user, or the address, which many may share) and when to come back."""

    code: ClassVar[str] = "rate_limited"
    status: ClassVar[int] = 429
    default_message: ClassVar[str] = "Too many requests. Try again when Retry-After is over."


class RateLimitRow(dynamo.Table):
    """What a user or an address has used of a limit: `tat`, in milliseconds since the epoch."""

    feature = "limits"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    tat = NumberAttribute()
    ttl = NumberAttribute()


class Quota(Struct, frozen=True):
    """`count` requests in `seconds`. Times are milliseconds."""

    count: int
    seconds: int

    @property
    def interval(self) -> int:
        """What one request costs; rounded up, so that a quota that does not divide evenly is never exceeded."""
        return -(-self.seconds * 1000 // self.count)

    @property
    def burst_tolerance(self) -> int:
        """How far ahead `tat` may be of a request that is granted."""
        return (self.count - 1) * self.interval

    def wait(self, tat: int, now: int) -> int:
        """How long until a request is granted; 0 or less: at once."""
        return tat - self.burst_tolerance - now

    def remaining(self, tat: int, now: int) -> int:
        """How many requests would be granted at once."""
        return max(0, self.count - -(-max(0, tat - now) // self.interval))


class _LocalCounter(Struct):
    """What this instance knows of a counter: `tat` has `late` requests in it that the store, at `stored`, has not heard of.

    `told` is the `tat` at which a refusal was logged.
    """

    stored: int = 0
    tat: int = 0
    unreported: int = 0
    refusal_logged_at: int = 0


_local_counters: dict[str, _LocalCounter] = {}
_lock = Lock()  # the local runtime has threads; nobody holds it while the store is asked


def check(request: RequestContext, limit: RateLimit, user_id: str, scope: str = "") -> None:
    """Count a request; raises RateLimited when the user (in `scope`, such as an event) or their address is above `limit`.

    One conditional write, and none for who is known to be above. A refused request does not count. When the store does not
    answer the request passes: whatever it wants to do needs the same store.
    """
    chosen = settings.current()
    if chosen.rate_limits == "off":
        return
    now, quota = request.now * 1000, _quota(getattr(chosen, f"limit_{limit.name}"))
    wide = Quota(quota.count * chosen.address_factor, quota.seconds)
    address = source_address(request)
    try:
        user_key = _key(limit, "user", scope, user_id)
        block_key = _key(limit, "address", _counted_block(address)) if address is not None else None
        if block_key is not None and (wait := wide.wait(_local_counter(block_key).tat, now)) > 0:
            raise _refusal(limit, wide, "address", block_key, wait, address)
        granted, own = _count_in_store(user_key, quota, 1, now)
        if not granted:
            raise _refusal(limit, quota, "user", user_key, quota.wait(own, now), address)
        if block_key is None:
            return
        granted, shared = _count_address(block_key, wide, now)
        if not granted:
            # The user's own request counts already: after the wait both must be open.
            wait = max(wide.wait(shared, now), quota.wait(own, now))
            raise _refusal(limit, wide, "address", block_key, wait, address)
    except Exception as error:
        if not dynamo.is_unavailable(error):
            raise
        log.count("rate_limits_skipped")
        log.warning("limits.skipped", limiter=limit.name, error=type(error).__name__, store_code=dynamo.error_code(error))


def source_address(request: RequestContext) -> Address | None:
    """Who API Gateway was called by; never what a header says, since a client can write any (X-Forwarded-For too)."""
    try:
        address = ip_address(request.chalice_request.context.get("identity", {}).get("sourceIp"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _counted_block(address: Address) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: a subscriber gets a /64 at least and may take any address in it."""
    return str(address if address.version == 4 else ip_network((address, 64), strict=False))


def _logged_block(address: Address) -> str:
    """What a log may say: a network of many. A hash would not hide an IPv4 address, there are only 4 billion to try."""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _key(limit: RateLimit, by: By, *who: str) -> str:
    """The counter's id: keyed, so that the table names nobody, and of one length, whatever ids a caller makes up."""
    named = msgspec.json.encode((settings.current().stage, limit.name, by, *who))
    return hmac.digest(settings.derived_key("rate limits"), named, "sha256").hex()[:32]


@lru_cache(maxsize=32)
def _quota(rate: str) -> Quota:
    count, _, seconds = rate.partition("/")
    return Quota(int(count), int(seconds))


def _count_address(key: str, quota: Quota, now: int) -> tuple[bool, int]:
    """Count a request of an address: here at once, in the store when what it has not heard of is no longer little."""
    with _lock:
        known = _local_counter(key)
        if known.tat <= now:  # all of it is paid back
            known.tat, known.unreported = now, 0
        known.tat += quota.interval
        known.unreported += 1
        if known.unreported <= min(MAX_UNREPORTED, quota.remaining(known.tat, now) // UNREPORTED_SHARE):
            return True, known.tat
        amount, known.unreported = known.unreported, 0
    return _count_in_store(key, quota, amount, now)


def _count_in_store(key: str, quota: Quota, amount: int, now: int) -> tuple[bool, int]:
    """Count in the store, from what is known of the counter; whether it was granted, and where the counter is.

    An update cannot say max(tat, now), so there is one for a counter that is paid back and one for a counter that is ahead; the
    wrong one is refused and brings the counter with it.
    """
    tat = _local_counter(key).stored
    for _ in range(_MAX_ATTEMPTS):
        if quota.wait(tat, now) > 0:
            _remember(key, tat, exactly=True)
            return False, tat
        granted, tat = _advance(key, tat, quota, amount, now)
        if granted:
            _remember(key, tat, exactly=False)
            return True, tat
    raise dynamo.StoreUnavailable("a counter kept changing")


def _advance(key: str, tat: int, quota: Quota, amount: int, now: int) -> tuple[bool, int]:
    """One conditional write for a counter that is thought to be at `tat`; whether it was made, and where the counter is."""
    step = amount * quota.interval
    if tat <= now:
        # paid back: two first requests at once must not both start from now, the second would be forgotten.
        condition = RateLimitRow.tat.does_not_exist() | (RateLimitRow.tat <= now)
        action = RateLimitRow.tat.set(now + step)
    else:
        # ahead: from a time that is over, the pause would be credit to use beyond a full budget.
        # room: the limit. `amount` is not in it: what passed late must be counted, even above the limit.
        condition = (RateLimitRow.tat > now) & (RateLimitRow.tat <= now + quota.burst_tolerance)
        action = RateLimitRow.tat.set(RateLimitRow.tat + step)
    ttl = RateLimitRow.ttl.set(now // 1000 + quota.seconds + _TTL_MARGIN_SECONDS)
    moved, item = dynamo.update_if_returning(RateLimitRow(key), [action, ttl], condition)
    return moved, int(item["tat"]["N"]) if item else 0


def _local_counter(key: str) -> _LocalCounter:
    if len(_local_counters) >= MAX_REMEMBERED:
        _local_counters.clear()  # costs a few writes more, and nothing else
    return _local_counters.setdefault(key, _LocalCounter())


def _remember(key: str, tat: int, *, exactly: bool) -> None:
    """Keep where the store's counter is. What others on this instance have counted here meanwhile stays, unless `exactly`."""
    with _lock:
        known = _local_counter(key)
        known.stored = max(known.stored, tat)
        known.tat = tat if exactly else max(known.tat, tat)


def _refusal(limit: RateLimit, quota: Quota, by: By, key: str, wait: int, address: Address | None) -> RateLimited:
    log.count("rate_limited")
    known = _local_counter(key)
    if known.refusal_logged_at != known.tat:  # a line for the first refusal, not for each further one of who goes on hammering
        known.refusal_logged_at = known.tat
        log.info("rate.limited", limiter=limit.name, by=by, network=_logged_block(address) if address is not None else None)
    seconds = -(-wait // 1000)
    return RateLimited(retryAfterSeconds=seconds, limiter=limit.name, by=by, limit=quota.count, period_seconds=quota.seconds)
