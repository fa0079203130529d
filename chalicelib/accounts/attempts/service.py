"""The growing delay between attempts to log in, for each account and for each source address.

Each attempt is counted before the password is compared, by a conditional write, so parallel guesses do not get around it: the first
FREE_ATTEMPTS are free, and after them one attempt is allowed per delay, which doubles each time. Unlike the other limits this one fails
closed: if the store does not answer, nobody logs in. It also applies to addresses that have no account, and with rate limits off.
"""

import hmac
from typing import ClassVar

import msgspec

from chalicelib.accounts.attempts import store
from chalicelib.accounts.model import email_key
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.http import RequestContext
from chalicelib.foundation import log, parallel, secret_settings, settings
from chalicelib.foundation.errors import ApiError

FREE_ATTEMPTS = 10  # of an account; of a source address `address_factor` times as many
WINDOW_SECONDS = 3600  # after its first attempt, or its last delay, a counter begins anew
MAX_DELAY_SECONDS = 300


class TooManyAttempts(ApiError):
    code: ClassVar[str] = "too_many_attempts"
    status: ClassVar[int] = 429
    default_message: ClassVar[str] = "Too many attempts. Wait, then try again."

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts to log in. Try again in {seconds} s.", retryAfterSeconds=seconds)


def count(request: RequestContext, email: str) -> None:
    """Count an attempt to log in with this e-mail address. Raises TooManyAttempts, or the errors of the store."""
    if (address := rate_limits.source_network(request)) is not None:
        _count(_counter_id("address", address), FREE_ATTEMPTS * settings.current().address_factor, request.now)
    _count(_counter_id("account", email_key(email)), FREE_ATTEMPTS, request.now)


def forgive(request: RequestContext, email: str) -> None:
    """The attempt that was counted last was right: the account's counter begins anew, and the address has one attempt less."""
    address = rate_limits.source_network(request)
    if address is None:
        forget(email)
    else:
        parallel.both(lambda: forget(email), lambda: store.withdraw(_counter_id("address", address)))


def forget(email: str) -> None:
    """Begin an account's counter anew, because its owner has proved who they are."""
    store.delete(_counter_id("account", email_key(email)))


def forget_item(email: str) -> dynamo.TransactItem:
    """Transaction item that does what `forget` does."""
    return store.delete_item(_counter_id("account", email_key(email)))


def _count(counter_id: str, free_attempts: int, now: int) -> None:
    before = store.add_free(counter_id, free_attempts, now, now + WINDOW_SECONDS)
    if before is not None and before.expires_at <= now:
        before = store.restart(counter_id, now, now + WINDOW_SECONDS)
    if before is None:
        return
    if before.attempts < free_attempts:  # another request has begun the counter anew since
        raise _refusal(1)
    if before.allowed_at > now:
        raise _refusal(before.allowed_at - now)
    allowed_at = now + _delay(before.attempts - free_attempts)
    if not store.add_delayed(counter_id, before.attempts, allowed_at, allowed_at + WINDOW_SECONDS):
        raise _refusal(1)


def _delay(excess: int) -> int:
    """Seconds until the attempt after the next: 1, 2, 4, ... up to MAX_DELAY_SECONDS."""
    return min(MAX_DELAY_SECONDS, 1 << min(excess, 16))


def _refusal(seconds: int) -> TooManyAttempts:
    log.count("logins_delayed")
    return TooManyAttempts(seconds)


def _counter_id(by: str, value: str) -> str:
    message = msgspec.json.encode((settings.current().stage, by, value))
    return hmac.digest(secret_settings.derived_key("login attempts"), message, "sha256").hex()[:32]
