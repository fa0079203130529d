"""The growing delay between sign-in attempts, for each account and for each source address.

Anybody can use up the attempts of an account. So attempts on a device on which the account's owner has signed in before have a counter of
their own, and so have attempts of a signed-in user who enters the password again
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).

A conditional write counts each attempt before the password is compared, so parallel guesses cannot evade the delay. The first FREE_ATTEMPTS
attempts have no delay. After them, each attempt must wait for a delay that doubles each time. Unlike the rate limits, this limit fails
closed: if the store does not respond, nobody can sign in. This limit also applies to addresses without an account, and when rate limits are
off.
"""

import hmac
import secrets
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.accounts.model import email_key
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import effects, log, parallel, secret_settings, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger

FREE_ATTEMPTS = 10  # per account; a source address has `address_factor` times as many
WINDOW_SECONDS = 3600  # a counter restarts this many seconds after its first attempt or its last delay
MAX_DELAY_SECONDS = 300


class TooManyAttempts(ApiError):
    code: ClassVar[str] = "too_many_attempts"
    status: ClassVar[int] = 429
    default_message: ClassVar[str] = "Too many attempts. Wait, then try again."

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts to sign in. Try again in {seconds} s.", retry_after_seconds=seconds)


class Mark(Struct, frozen=True):
    """A genuine mark of a known device. `generation` is the account's generation when the device got the mark."""

    text: str
    generation: int


def sign_in_counter(email: str, device: Mark | None = None) -> str:
    """Return the id of the counter of sign-in attempts: the counter of the known `device` if given, otherwise that of the address."""
    return _counter_id("device", device.text) if device is not None else _counter_id("account", email_key(email))


def password_counter(user_id: str) -> str:
    """Return the id of the counter for a signed-in user who enters the current password again."""
    return _counter_id("user", user_id)


def count_code(user_id: str, now: int) -> None:
    """Count a code of the account's second factor, before it is compared. Raises TooManyAttempts or the store's errors.

    Only people who know the password can use up these attempts, so known devices have no counter of their own.
    """
    _count_at(_counter_id("code", user_id), FREE_ATTEMPTS, now)


def forgive_codes(user_id: str) -> None:
    """Delete the counter of an account's codes, because the last code was correct."""
    _delete(_counter_id("code", user_id))


def find_mark(marks: Sequence[str], email: str) -> Mark | None:
    """Return the first genuine mark of this address, or None. The mark's generation may no longer be current."""
    for text in marks:
        nonce, _, rest = text.partition(".")
        generation = rest.partition(".")[0]
        if generation.isascii() and generation.isdecimal() and hmac.compare_digest(text.encode(), _mark(nonce, email, generation).encode()):
            return Mark(text, int(generation))
    return None


def mark_device(marks: Sequence[str], email: str, generation: int) -> str:
    """Return the mark for a device of the address's owner: its current mark if that has this generation, otherwise a new mark."""
    mark = find_mark(marks, email)
    return mark.text if mark is not None and mark.generation == generation else _mark(secrets.token_hex(8), email, str(generation))


def _mark(nonce: str, email: str, generation: str) -> str:
    message = msgspec.json.encode((settings.current().stage, nonce, email_key(email), generation))
    return f"{nonce}.{generation}.{hmac.digest(secret_settings.derived_key('known devices'), message, 'sha256').hex()[:32]}"


def count_attempt(request: RequestContext, counter_id: str, *, is_known: bool = False) -> None:
    """Count an attempt for the caller's source address and for this counter. Raises TooManyAttempts or the store's errors.

    The /48 network of an IPv6 address may have thousands of subscribers, so its delay does not grow, and does not apply to known devices.
    """
    for network, factor in _networks(request, is_known):
        free_attempts = FREE_ATTEMPTS * settings.current().address_factor * factor
        _count_at(_counter_id("address", network), free_attempts, request.now, MAX_DELAY_SECONDS if factor == 1 else 1)
    _count_at(counter_id, FREE_ATTEMPTS, request.now)


def forgive_attempt(request: RequestContext, counter_id: str, *, is_known: bool = False) -> None:
    """Delete this counter, and subtract one from the source address's counters, because the last attempt's password was correct."""
    networks = [network for network, _ in _networks(request, is_known)]
    withdrawals = [lambda network=network: _withdraw(_counter_id("address", network)) for network in networks]
    parallel.call_each(lambda call: call(), [lambda: _delete(counter_id), *withdrawals])


def _networks(request: RequestContext, is_known: bool) -> list[tuple[str, int]]:
    return [(network, factor) for network, factor in rate_limits.source_networks(request) if factor == 1 or not is_known]


def reset(email: str) -> None:
    """Delete an account's counter, because its owner has proved their identity."""
    _delete(sign_in_counter(email))


@effects.uncounted()
def _delete(counter_id: str) -> None:
    AttemptsRow(counter_id).delete()


def reset_item(email: str) -> dynamo.TransactItem:
    """Return a transaction item that deletes an account's counter."""
    return dynamo.transact_delete(AttemptsRow(sign_in_counter(email)))


def _count_at(counter_id: str, free_attempts: int, now: int, max_delay: int = MAX_DELAY_SECONDS) -> None:
    before = _count_free(counter_id, free_attempts, now, now + WINDOW_SECONDS)
    if before is not None and before.expires_at <= now:
        before = _restart(counter_id, now, now + WINDOW_SECONDS)
    if before is None:
        return
    if before.attempts < free_attempts:  # another request has restarted the counter in the meantime
        raise _refusal(counter_id, 1)
    if before.allowed_at > now:
        raise _refusal(counter_id, before.allowed_at - now)
    allowed_at = now + min(max_delay, _delay(before.attempts - free_attempts))
    if not _count_delayed(counter_id, before.attempts, allowed_at, allowed_at + WINDOW_SECONDS):
        raise _refusal(counter_id, 1)


def _delay(excess: int) -> int:
    """Return the seconds from this attempt until the next attempt is allowed: 1, 2, 4, ... up to MAX_DELAY_SECONDS."""
    return min(MAX_DELAY_SECONDS, 1 << min(excess, 16))


def _refusal(counter_id: str, seconds: int) -> TooManyAttempts:
    log.count("logins_delayed")
    logger.info("login.delayed", counter=counter_id)
    return TooManyAttempts(seconds)


def _counter_id(by: str, value: str) -> str:
    message = msgspec.json.encode((settings.current().stage, by, value))
    return hmac.digest(secret_settings.derived_key("login attempts"), message, "sha256").hex()[:32]


# The table `login-attempts`: counters of sign-in attempts by account and by source address. The ids are HMACs, so they identify nobody.


class AttemptsRow(dynamo.Table):
    """A counter of sign-in attempts. The next attempt is allowed at `allowed_at`. Times are epoch seconds."""

    feature = "login-attempts"
    contents = "Attempts to sign in, by account and by address."
    personal_data = dynamo.PersonalData("hashed addresses", export="no", erasure="expires")

    id = UnicodeAttribute(hash_key=True)
    attempts = NumberAttribute()
    allowed_at = NumberAttribute()
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class Attempts(Struct, frozen=True):
    attempts: int
    allowed_at: int
    expires_at: int


@effects.uncounted()
def _count_free(counter_id: str, max_attempts: int, now: int, expires_at: int) -> Attempts | None:
    """Count one of the first `max_attempts` attempts. The very first attempt creates the counter, which lasts until `expires_at`.

    Returns None if the attempt was counted. Otherwise, returns the existing counter, which has expired or has no free attempts left.
    """
    initial = ((AttemptsRow.allowed_at, 0), (AttemptsRow.expires_at, expires_at), (AttemptsRow.ttl, expires_at))
    actions = [AttemptsRow.attempts.add(1), *(attribute.set(attribute | value) for attribute, value in initial)]
    is_free = (AttemptsRow.expires_at > now) & (AttemptsRow.attempts < max_attempts)
    granted, row = dynamo.update_if_returning(AttemptsRow(counter_id), actions, AttemptsRow.id.does_not_exist() | is_free)
    if granted:
        return None
    assert row is not None  # the condition accepts a missing counter
    return _attempts(row)


@effects.uncounted()
def _restart(counter_id: str, now: int, expires_at: int) -> Attempts | None:
    """Replace an expired counter, which DynamoDB's TTL may leave for days, and count one attempt.

    Returns None if the attempt was counted. Otherwise, returns the existing counter, which has not expired.
    """
    row = AttemptsRow(counter_id, attempts=1, allowed_at=0, expires_at=expires_at, ttl=expires_at)
    is_restarted, stored = dynamo.put_if_returning(row, AttemptsRow.id.does_not_exist() | (AttemptsRow.expires_at <= now))
    return None if is_restarted or stored is None else _attempts(stored)


@effects.uncounted()
def _count_delayed(counter_id: str, before: int, allowed_at: int, expires_at: int) -> bool:
    """Count an attempt and allow the next attempt at `allowed_at`. Returns False without counting if another attempt was counted first."""
    changes = {"allowed_at": allowed_at, "expires_at": expires_at, "ttl": expires_at}
    actions = [*AttemptsRow.set_or_remove(changes), AttemptsRow.attempts.add(1)]
    return dynamo.update_if(AttemptsRow(counter_id), actions, AttemptsRow.attempts == before)


@effects.uncounted()
def _withdraw(counter_id: str) -> None:
    """Subtract one attempt. The delay remains, so that nobody can speed up guessing by signing in to their own account in between."""
    dynamo.update_if(AttemptsRow(counter_id), [AttemptsRow.attempts.add(-1)], AttemptsRow.attempts > 0)


def _attempts(row: AttemptsRow) -> Attempts:
    return Attempts(int(row.attempts), int(row.allowed_at), int(row.expires_at))
