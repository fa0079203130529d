"""Rate limits: how often a user and a source address may send a request. The limits for an address are much higher.

A request that is bounded by the data that it changes costs no extra write: a checkout or a confirmation moves its purchase to another state
only once, and a reservation is counted in the buyer's record, which the reservation writes anyway. All other requests are counted for the
user in the table `rate-limits`. The reasons are in docs/decisions/0006-rate-limits.md and docs/decisions/0025-fewer-trips.md.
"""

import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, wraps
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Struct, structs

from chalicelib.dynamodb import dynamo
from chalicelib.edge import store
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import effects, ids, log, parallel, secret_settings, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.gcra import Charge, Quota
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory

# The counters: what this instance knows about them, and when it reports requests to the store. Times are milliseconds.

_MAX_ATTEMPTS = 4
_TTL_MARGIN_SECONDS = 60


class LocalCounter(Struct):
    """What this instance knows about a counter.

    `stored_tat` is the `tat` in the store's last response. `tat` also includes the requests in progress and the `unreported` requests,
    which the store does not know yet. `refusal_logged_at` is the `tat` at which a refusal was logged.
    """

    stored_tat: int = 0
    tat: int = 0
    unreported: int = 0
    refusal_logged_at: int = 0


_local_counters: Memory[str, LocalCounter] = Memory()


class Counter(Struct, frozen=True):
    """The counter of a user or an address, for one request. Call `begin`, then either `add` or `withdraw`.

    Above the counter's quota, the `spare` counters may grant a request together, see `Attempt.begin`.
    """

    key: str
    quota: Quota
    now: int
    spare: "tuple[Counter, ...]" = ()

    def wait(self) -> int:
        """Return the milliseconds until this instance would grant a request. 0 or less means that it would grant one now."""
        own = self.quota.wait(local_counter(self.key).tat, self.now)
        return min(own, max((counter.wait() for counter in self.spare), default=own))

    def begin(self) -> bool:
        """Return whether the request is allowed. If so, this instance counts the request from now on."""
        with _local_counters.lock:
            counter = local_counter(self.key)
            if self.quota.wait(counter.tat, self.now) > 0:
                return False
            if counter.tat + self.quota.burst_tolerance <= self.now:  # no request for a whole period
                counter.unreported = 0
            counter.tat = max(counter.tat, self.now) + self.quota.interval
            return True

    def withdraw(self) -> None:
        """Stop counting the request on this instance."""
        with _local_counters.lock:
            counter = local_counter(self.key)
            counter.tat = max(counter.stored_tat, counter.tat - self.quota.interval)

    def add(self, max_unreported: int) -> bool:
        """Count the request. Returns whether the store grants it; up to `max_unreported` requests are granted without a call to the store.

        Raises the store's errors.
        """
        with _local_counters.lock:
            counter = local_counter(self.key)
            counter.unreported += 1
            if counter.unreported <= max_unreported:
                return True
            amount, counter.unreported = counter.unreported, 0
        return self.report(amount)

    def take_back(self) -> None:
        """Take back a request that was counted in the store, because it had no effect. Raises the store's errors."""
        store.reduce_counter(self.key, self.quota.interval)
        with _local_counters.lock:
            counter = local_counter(self.key)
            counter.stored_tat, counter.tat = counter.stored_tat - self.quota.interval, counter.tat - self.quota.interval

    def remaining(self) -> int:
        """Return how many more requests would be granted, according to this instance."""
        return self.quota.remaining(local_counter(self.key).tat, self.now)

    def set_exceeded(self, tat: int) -> None:
        """Set the counter to a `tat` that the store or another record reports."""
        self._update(tat, exactly=True)

    def report(self, amount: int) -> bool:
        """Count `amount` requests in the store, beginning with the `tat` that this instance knows. `begin` need not be called first.

        Returns whether the first of them is granted. If not, none of them is counted. Raises the store's errors.
        """
        tat, charge = local_counter(self.key).stored_tat, self.quota.charge(self.now, amount)
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
        raise dynamo.Contention("a rate limit's counter kept changing")

    def _update(self, tat: int, *, exactly: bool) -> None:
        """Record the store's `tat`. Unless `exactly` is set, keep the requests that other threads have counted here in the meantime."""
        with _local_counters.lock:
            counter = local_counter(self.key)
            counter.stored_tat = max(counter.stored_tat, tat)
            counter.tat = tat if exactly else max(counter.tat, tat)


def local_counter(key: str) -> LocalCounter:
    """Return what this instance knows about a counter. Adds the counter if it is unknown."""
    return _local_counters.entries.setdefault(key, LocalCounter())


# Before it reports to the store, an instance may grant 1/25 of the requests that an address has left, but at most 4. A request from a
# single buyer, which is the common case, therefore costs no write.
UNREPORTED_SHARE = 25
MAX_UNREPORTED = 4
# An instance may leave one request from a user unreported if a record has counted this request.
MAX_UNREPORTED_BY_USER = 1
# A /48 network may send this many times as many requests as one address. The second factor is for the requests of a busy sale.
WIDE_FACTOR = 10
WIDE_FACTOR_IN_SALES = 100

UNREPORTED_EFFECTS_SHARE = 1000
# The shares of networks in a limit of the whole stage are for this `address_factor`, and grow with it.
USUAL_ADDRESS_FACTOR = 10
# Above a limit that networks share, a network may still use a tenth of its share, in a period that is this many times as long.
SPARE_SHARE, SPARE_PERIODS = 10, 24
# This part of the stage's requested emails is a reserve for networks that have used little of it.
RESERVED_MAIL_SHARE = 5

T = TypeVar("T")
Address = IPv4Address | IPv6Address
CountedBy = Literal["user", "address", "event"]


class RateLimit(Struct, frozen=True):
    """A named limit: the setting `limit_<name>` for each user, and `address_factor` times as many requests for each address.

    `counts_bounded`: requests that are bounded by a record also count for the user, because one user can have many such records.
    `counts_first`: requests count for the user before they are executed, because their effects, such as emails, cannot be taken back.
    `wide_factor`: the limit of a /48 network, as a multiple of the limit of one address. `stage_limit`: networks may use up a share of this
    limit of the whole stage, and have no other limits. `setting`: the setting of another limit, for the same quota in counters of its own.
    `share`: only this part of the quota in the setting, such as 4 for a quarter. `network_shares`: of a limit that all networks share, how
    many percent an address (or a /64 network), a /48 network and a /32 network may use up.
    """

    name: str
    counts_bounded: bool = False
    counts_first: bool = False
    wide_factor: int = WIDE_FACTOR
    stage_limit: "RateLimit | None" = None
    setting: str | None = None
    share: int = 1
    network_shares: tuple[int, ...] = (5, 10)

    @property
    def quota(self) -> Quota:
        """The quota of each user, from the setting."""
        whole = _quota(getattr(settings.current(), f"limit_{self.setting or self.name}"))
        return Quota(max(1, whole.count // self.share), whole.seconds)


JOIN = RateLimit("join", wide_factor=WIDE_FACTOR_IN_SALES)  # counted for each event separately
RESERVE = RateLimit("reserve", counts_bounded=True, wide_factor=WIDE_FACTOR_IN_SALES)
CHECKOUT = RateLimit("checkout")
CONFIRM = RateLimit("confirm")
WAITLIST = RateLimit("waitlist")  # counted for each event separately
SIGN_UP = RateLimit("sign_up")  # counted by address only: people who sign up have no user id yet
INVITE = RateLimit("invite", counts_first=True)
WEBHOOK = RateLimit("webhook", counts_first=True)
CATALOG = RateLimit("catalog", counts_first=True)  # not counted for admins
WRITES_PER_REQUEST = 50  # a request that writes more items counts as several requests of `limit_writes`
# Emails of the outbox, counted by `count_effect` for each address or for each promoter.
RECIPIENT, SHORT_MAIL = RateLimit("recipient"), RateLimit("short_mail")
ALL_REQUESTED = RateLimit("all_requested", setting="recipient", network_shares=(20, 40, 50))  # counted for each mailbox
PROMOTER_MAIL, UNVERIFIED_MAIL = RateLimit("promoter_mail"), RateLimit("unverified_mail")
# `count_effect_or_refuse` counts these for each event, for the whole stage, and for each promoter, who could otherwise use up the stage's
# limit.
ANNOUNCEMENT, ALL_ANNOUNCEMENTS = RateLimit("announcement"), RateLimit("all_announcements")
PROMOTER_ANNOUNCEMENTS = RateLimit("promoter_announcements", setting="all_announcements", share=4)
LEGAL_TEXT = RateLimit("legal_text")  # counted in the same way for each owner
PROMO_CODE = RateLimit("promo_code")  # counted by address only: anonymous callers may check a code
INVALID_CODE = RateLimit("invalid_code")  # counted by event, see `count_guess`
APPEAL = RateLimit("appeal")  # counted by event in the same way
DECLINED_CARD = RateLimit("declined_card")  # counted by event in the same way
CARD_CHECK = RateLimit("card_check")  # thieves test stolen cards wherever somebody checks cards for free
TAX_CALCULATION = RateLimit("tax_calculation")  # the provider bills each one to the seller, even for checkouts that nobody pays
LEAVE_GROUP = RateLimit("leave_group")  # counted for the place of an email address
# Counted by address only: anonymous callers may look at an offered ticket. Also limits returns, and documents, which take a long time to
# draw.
TRANSFER = RateLimit("transfer")
# Counted for the whole stage, see `may_mail_strangers`. Neither kind can use up the limit of the other.
REQUESTED_MAIL = RateLimit("requested_mail", network_shares=(5, 10, 50))
REQUESTED_CODES = RateLimit("requested_codes", setting="requested_mail", network_shares=(5, 10, 50))
# Counted for the mailbox and the caller's network, not for the caller. Each kind of email that lets people into their account has its own
# `scope` and therefore its own limit, which a stranger cannot use up by requesting other emails for the address.
MAIL = RateLimit("mail", counts_first=True, stage_limit=REQUESTED_MAIL)
ENTRY_CODE = RateLimit("entry_code", counts_first=True, stage_limit=REQUESTED_CODES, setting="mail")  # codes for waiting rooms


class RateLimited(ApiError):
    """A user or an address (`by`) has exceeded a limit. The details name the limit and say when to try again."""

    code: ClassVar[str] = "rate_limited"
    status: ClassVar[int] = 429
    default_message: ClassVar[str] = "Too many requests. Wait, then try again."


class Attempt:
    """A limited request during its execution.

    The request sets `is_bounded_by_record` once it has changed a record that bounds how often such a change is possible; the request then
    needs no count for its user. A record that counts requests itself applies `charge` to its own counter. `charge` is None if rate limits
    are off.
    """

    def __init__(self, limit: RateLimit, user: Counter | None, address: Address | None) -> None:
        self.limit, self.is_bounded_by_record = limit, False
        self.charge: Charge | None = user.quota.charge(user.now) if user is not None else None
        self._user, self._address = user, address

    def refusal(self, tat: int) -> RateLimited:
        """Return the error for a request that a record refused. `tat` is the value of the user's counter in that record.

        This instance remembers the `tat`.
        """
        assert self._user is not None  # there is a charge
        self._user.set_exceeded(tat)
        return _refusal(self.limit, self._user, "user", self._address)

    def begin(self, by_address: Sequence[Counter]) -> None:
        """Count the request for its networks. Raises RateLimited if this instance or the store knows that a limit is exceeded."""
        assert self._user is not None
        exceeded = next((counter for counter in by_address if counter.wait() > 0), None)
        if exceeded is not None:
            raise _refusal(self.limit, exceeded, "address", self._address)
        if not self._user.begin():
            raise _refusal(self.limit, self._user, "user", self._address)
        for counter in by_address:
            if not self._add_to_address(counter):
                self._user.withdraw()
                raise _refusal(self.limit, counter, "address", self._address)
            if self._user is None:  # the store is unavailable
                return
        user = self._user  # None if the store did not count the address
        if self.limit.counts_first and user is not None and not self._add_to_user(0):
            raise _refusal(self.limit, user, "user", self._address)

    def end(self, error: Exception | None) -> None:
        """Count the request for its user, if necessary. Raises RateLimited, but never if this error would hide a failure or a change."""
        if self._user is None or isinstance(error, RateLimited):
            return
        if self.limit.counts_first:
            is_mail = self.limit.stage_limit is not None
            if is_mail and isinstance(error, ApiError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
                self._user.take_back()  # nothing was sent; the network's share of the stage's limit bounds such requests
            return
        is_mistake = isinstance(error, ApiError) and error.is_mistake
        is_bounded = self.is_bounded_by_record and not self.limit.counts_bounded
        if is_mistake or is_bounded or (error is not None and dynamo.is_unavailable(error)):
            self._user.withdraw()
            return
        user, is_granted = self._user, self._add_to_user(MAX_UNREPORTED_BY_USER if self.is_bounded_by_record else 0)
        is_failure = error is not None and not (isinstance(error, ApiError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR)
        if not (is_granted or is_failure or effects.may_have_happened()):
            raise _refusal(self.limit, user, "user", self._address) from error

    def _add_to_user(self, max_unreported: int) -> bool:
        assert self._user is not None
        try:
            return self._user.add(max_unreported)
        except dynamo.STORE_ERRORS as failure:
            self._skip(failure)
            return True

    def _add_to_address(self, by_address: Counter) -> bool:
        try:
            if by_address.begin() and by_address.add(min(MAX_UNREPORTED, by_address.remaining() // UNREPORTED_SHARE)):
                return True
            return bool(by_address.spare) and _add_effects(by_address.spare)
        except dynamo.STORE_ERRORS as failure:
            self._skip(failure)
            return True

    def _skip(self, failure: Exception) -> None:
        """Let the request pass uncounted because the store is unavailable. Raises any other store error."""
        if not dynamo.is_unavailable(failure):
            raise failure
        if self._user is not None:
            self._user.withdraw()
        self._user = None
        log.count("rate_limits_skipped")
        logger.warning("limits.skipped", limiter=self.limit.name, error=type(failure).__name__, store_code=dynamo.error_code(failure))


@contextmanager
def limited(request: RequestContext, limit: RateLimit, user_id: str, *, scope: str = "") -> Iterator[Attempt]:
    """Limit the block. Raises RateLimited if the user (within `scope`, such as an event) or their address has exceeded `limit`.

    If this instance knows that a limit is exceeded, it refuses the request before the block. The request counts for its address at once.
    When the block has ended, one conditional write counts the request for its user, unless the request `is_bounded_by_record`, or the block
    refused a mistake in its fields, which people should be able to correct. If that write is refused, RateLimited replaces the block's own
    refusal, or its reply to a repeated request. It never replaces a failure, or the reply to a request that may have changed something. If
    the limit `counts_first`, this write is made before the block. If the store is unavailable, the request is allowed but not counted: it
    needs the same store anyway.
    """
    current = settings.current()
    if current.rate_limits == "off":
        yield Attempt(limit, None, None)
        return
    now, quota = request.now * 1000, limit.quota
    address = source_address(request)
    by_address = _address_counters(limit, address, now)
    names = [scope, user_id] if limit.stage_limit is None else [scope, user_id, *(network for network, _ in _networks(address, 1))]
    attempt = Attempt(limit, Counter(_key(limit, "user", *names), quota, now), address)
    attempt.begin(by_address)
    try:
        yield attempt
    except Exception as error:
        attempt.end(error)
        raise
    attempt.end(None)


def _address_counters(limit: RateLimit, address: Address | None, now: int) -> list[Counter]:
    """Return the counters of the networks of an address. `now` is in milliseconds.

    If a /32 network has used up its share of the stage's limit, its networks with few requests may continue. Otherwise, one subscriber of a
    carrier could stop all the others.
    """
    if limit.stage_limit is not None:
        shares, spare = (_network_counters(limit.stage_limit, "", now // 1000, is_spare=is_spare) for is_spare in (False, True))
        return [*shares[:2], *(structs.replace(widest, spare=tuple(spare[:2])) for widest in shares[2:])]
    quota, factor, networks = limit.quota, settings.current().address_factor, _networks(address, 1, limit.wide_factor)
    return [Counter(_key(limit, "address", network), Quota(quota.count * factor * wide, quota.seconds), now) for network, wide in networks]


def require_billed_call(limit: RateLimit, user_id: str, now: int) -> None:
    """Count a billed call for the user who causes it and for the caller's networks. Call this before the billed call.

    An instance may leave a few calls unreported, so a single buyer costs no write. Raises RateLimited, and the store's errors.
    """
    if settings.current().rate_limits == "off":
        return
    by_address = _address_counters(limit, _address(log.caller_address()), now * 1000)
    counters: list[tuple[Counter, CountedBy]] = [(Counter(_key(limit, "user", user_id), limit.quota, now * 1000), "user")]
    counters += [(counter, "address") for counter in by_address]
    for counter, by in counters:
        if not (counter.begin() and counter.add(min(MAX_UNREPORTED, counter.remaining() // UNREPORTED_SHARE))):
            raise _refusal(limit, counter, by, None)


def count_effect(limit: RateLimit, key: str, now: int) -> int:
    """Count an effect outside the store, such as an email, for a `key`, such as its address. Call this before the effect happens.

    Returns 0 if the limit grants the effect, and otherwise the seconds to wait. If much of the limit is left, an instance may leave a small
    share of the effects unreported. Raises the store's errors.
    """
    if settings.current().rate_limits == "off":
        return 0
    counter = Counter(_key(limit, "user", key), limit.quota, now * 1000)
    return 0 if _add_effect(counter) else max(1, -(-counter.wait() // 1000))


def count_effect_or_refuse(limit: RateLimit, key: str, now: int) -> None:
    """Count an effect like `count_effect`. Raises RateLimited if the effect would have to wait, or the store's errors."""
    if count_effect(limit, key, now):
        raise _refusal(limit, Counter(_key(limit, "user", key), limit.quota, now * 1000), "user", None)


def _add_effect(counter: Counter) -> bool:
    """Count an effect or a guess. A small share of those left may stay unreported. Returns False if the limit is exceeded."""
    return counter.begin() and counter.add(counter.remaining() // UNREPORTED_EFFECTS_SHARE)


def _add_effects(counters: Sequence[Counter]) -> bool:
    """Count an effect in several counters. Counts nothing if this instance knows that one of them is exceeded.

    The last counter is counted only if the others grant the effect, so a network above its share does not use up the limit of all. The
    counters begin with the narrowest network, which is counted first: above its share, it does not use up the shares of wider networks.
    """
    *shares, total = counters
    if any(counter.wait() > 0 for counter in counters) or not all(map(_add_effect, shares[:1])):
        return False
    return all(parallel.call_each(_add_effect, shares[1:])) and _add_effect(total)


def may_notify(kind: str, mailbox: str, now: int) -> bool:
    """Count an email that tells somebody about a change that has been made. Returns False above the limit for emails to one mailbox.

    Such an email must not make the request fail, so it is allowed if the store is unavailable.
    """
    return _may_mail(lambda: count_effect(MAIL, f"{kind} {mailbox}", now) == 0)


def may_mail_mailbox(mailbox: str, now: int) -> bool:
    """Count an email that anybody can request. Returns False above the limit for all such emails to one mailbox, of whatever kind.

    The caller's network may use up only a share of this limit. Otherwise, one stranger could keep the owner from all emails.
    """
    counters = _mailbox_counters(mailbox, now)
    return not counters or _may_mail(lambda: _add_effects(counters))


def take_back_mailbox(mailbox: str, now: int) -> None:
    """Take back an email that `may_mail_mailbox` has granted, because the mail provider was too busy to accept it."""
    parallel.call_each(Counter.take_back, _mailbox_counters(mailbox, now))


def _mailbox_counters(mailbox: str, now: int) -> list[Counter]:
    if settings.current().rate_limits == "off":
        return []
    total = Counter(_key(ALL_REQUESTED, "user", mailbox), ALL_REQUESTED.quota, now * 1000)
    return [*_network_counters(ALL_REQUESTED, mailbox, now), total]


def may_mail_strangers(now: int, limit: RateLimit = REQUESTED_MAIL) -> bool:
    """Count an email to an address that nobody has confirmed. Returns False above the limit for the whole stage.

    The last part of the limit is a reserve for networks that have used little of it, each of which gets a few emails a day. Otherwise,
    strangers in sixteen networks could keep everybody from their emails. The email is allowed if the store is unavailable.
    """
    return _may_mail(lambda: _count_for_stage(limit, now))


def _count_for_stage(limit: RateLimit, now: int) -> bool:
    if settings.current().rate_limits == "off":
        return True
    quota, reserved = limit.quota, limit.quota.count // RESERVED_MAIL_SHARE
    if _add_effect(Counter(_key(limit, "user", ""), Quota(quota.count - reserved, quota.seconds), now * 1000)):
        return True
    spare = _network_counters(limit, "", now, is_spare=True)
    if not (reserved and spare):
        return False
    return _add_effects([*spare, Counter(_key(limit, "user", "reserve"), Quota(reserved, quota.seconds), now * 1000)])


def _may_mail(count: Callable[[], bool]) -> bool:
    """Return whether `count` grants an email. Returns True if the store is unavailable."""
    try:
        return count()
    except dynamo.STORE_ERRORS as failure:
        if not dynamo.is_unavailable(failure):
            raise
        return True


def check_guesses(limit: RateLimit, event_id: str, now: int) -> None:
    """Raise RateLimited if this instance knows that an event or the caller's network has used up its wrong guesses.

    If the event has used them up, networks with few wrong guesses may continue. Otherwise, strangers in twenty networks could keep all
    guests from using their codes, without which some tickets cannot be bought.
    """
    for counter, by in _guess_counters(limit, event_id, now):
        if counter.wait() > 0 and not (by == "event" and _has_spare_guesses(limit, event_id, now)):
            raise _refusal(limit, counter, by, None)


def _has_spare_guesses(limit: RateLimit, event_id: str, now: int) -> bool:
    spare = _network_counters(limit, event_id, now, is_spare=True)
    return bool(spare) and all(counter.wait() <= 0 for counter in spare)


def count_guess(limit: RateLimit, event_id: str, now: int) -> None:
    """Count a wrong guess, a declined card, or an appeal, for its event and for the caller's network.

    A network may make only a share of an event's guesses. Otherwise, one stranger could use up the limit for everybody. Raises RateLimited
    if a limit is exceeded, and the store's errors.
    """
    check_guesses(limit, event_id, now)
    for counter, by in _guess_counters(limit, event_id, now):
        if not _add_effect(counter):
            if by == "event":
                for spare in _network_counters(limit, event_id, now, is_spare=True):
                    _add_effect(spare)
            raise _refusal(limit, counter, by, None)


def _guess_counters(limit: RateLimit, event_id: str, now: int) -> list[tuple[Counter, CountedBy]]:
    """Return the counters of the caller's networks, then the counter of the event. Returns none if rate limits are off."""
    if settings.current().rate_limits == "off":
        return []
    counters: list[tuple[Counter, CountedBy]] = [(counter, "address") for counter in _network_counters(limit, event_id, now)]
    return [*counters, (Counter(_key(limit, "event", event_id), limit.quota, now * 1000), "event")]


def _network_counters(limit: RateLimit, subject: str, now: int, *, is_spare: bool = False) -> list[Counter]:
    """Return the counters of the shares of the caller's networks in the limit of an event or a mailbox, or of the stage if `subject` is "".

    If `is_spare` is set, return the counters of what the networks may still use above that limit.
    """
    counters, scale = list[Counter](), 1 if subject else settings.current().address_factor / USUAL_ADDRESS_FACTOR
    for network, percent in _networks(_address(log.caller_address()), *limit.network_shares):
        count, seconds, names = int(limit.quota.count * percent * scale / 100), limit.quota.seconds, [subject, network]
        if is_spare:
            count, seconds, names = count // SPARE_SHARE, seconds * SPARE_PERIODS, [*names, "spare"]
        counters.append(Counter(_key(limit, "address", *names), Quota(max(1, count), seconds), now * 1000))
    return counters


def limited_for_caller(limit: RateLimit) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Limit how often a caller may call the decorated handler, from any address. Admins may call it as often as they like.

    The limit must be one that `counts_first`, so that it holds across all instances.
    """
    assert limit.counts_first

    def decorate(handler: Callable[..., T]) -> Callable[..., T]:
        @wraps(handler)
        def handle(request: RequestContext, *values: Any, **named: Any) -> T:
            caller = request.require_user()
            if "admin" in caller.roles or settings.current().rate_limits == "off":
                return handler(request, *values, **named)
            counter = Counter(_key(limit, "user", caller.limits_id), limit.quota, request.now * 1000)
            Attempt(limit, counter, source_address(request)).begin(())
            return handler(request, *values, **named)

        return handle

    return decorate


def limit_writes(request: RequestContext, limit: RateLimit, writes: int) -> None:
    """Limit a caller's request that may write this many items to tables that all sales share. Raises RateLimited.

    Such requests count once for each WRITES_PER_REQUEST writes, in a counter of their own. Small requests and admins are not limited. If
    the store is unavailable, the request is allowed.
    """
    caller = request.require_user()
    if writes < WRITES_PER_REQUEST or "admin" in caller.roles or settings.current().rate_limits == "off":
        return
    counter = Counter(_key(limit, "user", "writes", caller.limits_id), limit.quota, request.now * 1000)
    try:
        is_granted = counter.report(writes // WRITES_PER_REQUEST)
    except dynamo.STORE_ERRORS as failure:
        if not dynamo.is_unavailable(failure):
            raise
        return
    if not is_granted:
        raise _refusal(limit, counter, "user", None)


@contextmanager
def limited_by_address(request: RequestContext, limit: RateLimit) -> Iterator[None]:
    """Limit the block like `limited`, for an anonymous caller: the request counts for its source address only."""
    placeholder_user_id = ids.new_id()
    with limited(request, limit, placeholder_user_id) as attempt:
        attempt.is_bounded_by_record = True  # so no counter is written for the placeholder
        yield


def source_networks(request: RequestContext, wide_factor: int = WIDE_FACTOR) -> list[tuple[str, int]]:
    """Return the networks in which a request is counted, each with its limit as a multiple of an address's limit.

    The first network counts as one address: an IPv4 address, or the /64 network of an IPv6 address, because a subscriber may use any
    address in a /64. The second is the /48 network of an IPv6 address, because some subscribers have a whole /48. Returns no networks if
    the address is unknown.
    """
    return _networks(source_address(request), 1, wide_factor)


def _networks(address: Address | None, *factors: int) -> list[tuple[str, int]]:
    if address is None:
        return []
    if address.version == 4:
        return [(str(address), factors[0])]
    return [(str(ip_network((address, bits), strict=False)), factor) for bits, factor in zip((64, 48, 32), factors, strict=False)]


def source_address(request: RequestContext) -> Address | None:
    """Return the address of the caller, or of the viewer if the request came through the CDN. Returns None if it is unknown."""
    return _address(request.source_address())


def _address(text: str | None) -> Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _logged_network(address: Address) -> str:
    """Return a network of many users, which is safe to log. A hash would not hide an IPv4 address, because only 4 billion exist."""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _key(limit: RateLimit, by: CountedBy, *names: str) -> str:
    """Return the counter's id. It is an HMAC, so that the table identifies nobody and all counter ids have the same length."""
    message = msgspec.json.encode((settings.current().stage, limit.name, by, *names))
    return hmac.digest(secret_settings.derived_key("rate limits"), message, "sha256").hex()[:32]


@lru_cache(maxsize=32)
def _quota(rate: str) -> Quota:
    """Return the quota of a setting such as `5/60`, which means five requests in 60 seconds."""
    count, _, seconds = rate.partition("/")
    return Quota(int(count), int(seconds))


def _refusal(limit: RateLimit, exceeded: Counter, by: CountedBy, address: Address | None) -> RateLimited:
    log.count("rate_limited")
    counter = local_counter(exceeded.key)
    if counter.refusal_logged_at != counter.tat:  # log only the first refusal, in case the client does not wait
        counter.refusal_logged_at = counter.tat
        logger.info("rate.limited", limiter=limit.name, by=by, network=_logged_network(address) if address is not None else None)
    seconds = -(-exceeded.wait() // 1000)
    return RateLimited(
        f"Too many requests. Try again in {seconds} s.",
        retry_after_seconds=seconds,
        limiter=limit.name,
        by=by,
        limit=exceeded.quota.count,
        period_seconds=exceeded.quota.seconds,
    )
