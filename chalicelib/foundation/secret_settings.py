"""Secret settings, from the environment or, if they are not set there, from Secrets Manager.

Values from Secrets Manager are cached for five minutes. If Secrets Manager does not respond after that time, the cached values are used
until it does. The value of a secret is never logged and never part of an error.
"""

import hmac
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.foundation import clock, deadline, log, memory, sdk_calls, settings
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.foundation.settings import PREFIX, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_AGE_SECONDS = 300
# Seconds between a failed call and the next call. Without this pause, every request would wait for timeouts while Secrets Manager is down.
RETRY_SECONDS = 60
MIN_SECRET_LENGTH = 32

_LONG = ("jwt_secret", "ticket_keys", "edge_key")

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")


# The JSON in Secrets Manager. Other keys are ignored.
_SecretValues = msgspec.defstruct("_SecretValues", [(name, str, "") for name in settings.SECRETS], frozen=True)


class _KeptSecret(msgspec.Struct, frozen=True):
    """The values that were last read from a secret. Times are epoch seconds."""

    values: msgspec.Struct
    read_at: int
    fresh_until: int
    next_warning_at: int = 0


_kept: Memory[tuple[str, str], _KeptSecret] = Memory()  # (region, name or ARN) -> the values that were last read


def optional_secret(name: str) -> str:
    """Return the value of a secret setting. Returns an empty string if it is not set.

    Raises SettingsError if Secrets Manager has never returned the secret, and DeadlineExceeded if there is no time left to call it.
    """
    value: str = getattr(settings.current(), name)
    if not value and settings.current().secrets_arn:
        value = getattr(_load(), name)
    return value


def secret(name: Literal["jwt_secret", "jwt_keys", "ticket_keys"]) -> str:
    """Return a required secret. Raises SettingsError if it has fewer than 32 characters."""
    value = optional_secret(name)
    if len(value) < MIN_SECRET_LENGTH:
        raise _too_short(name)
    return value


def signing_keys(name: Literal["jwt_keys", "ticket_keys"]) -> dict[str, str]:
    """Return the keys in a setting such as `k2:secret,k1:secret` by id. The signing key comes first. Raises SettingsError."""
    return _parse_keys(f"{PREFIX}{name.upper()}", secret(name))


def check_secrets(values: msgspec.Struct | None = None) -> None:
    """Check the length and format of all secrets, so that an invalid secret is found at startup and not at the first payment.

    Secrets that are not in the environment are taken from `values`. Raises SettingsError, which never repeats a value.
    """
    current = settings.current()
    for name, beginnings in settings.SECRETS.items():
        value = getattr(current, name) or getattr(values, name, "")
        variable = f"{PREFIX}{name.upper()}"
        if name in ("jwt_keys", "ticket_keys") and value:
            _parse_keys(variable, value)
        elif (value or name in ("jwt_secret", "ticket_keys")) and name in _LONG and len(value) < MIN_SECRET_LENGTH:
            raise _too_short(name)
        parts = [part.strip() for part in value.split(",") if part.strip()] if name.endswith("_webhook_secrets") else [value]
        if value and beginnings and not all(part.startswith(beginnings) for part in parts):
            raise SettingsError(f"{variable}: must begin with {' or '.join(beginnings)}")


def _too_short(name: str) -> SettingsError:
    return SettingsError(f"{PREFIX}{name.upper()} must be set and have {MIN_SECRET_LENGTH} characters or more.")


@lru_cache(maxsize=4)
def _parse_keys(variable: str, text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for position, entry in enumerate(text.split(","), start=1):
        key_id, colon, value = entry.strip().partition(":")
        # The messages must not contain the entry, because they are logged.
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise SettingsError(f"{variable}: key {position} must be `id:secret`, with an id of 1 to 16 letters, digits, _ or -.")
        if len(value) < MIN_SECRET_LENGTH:
            raise SettingsError(f"{variable}: the secret of key {position} must have {MIN_SECRET_LENGTH} characters or more.")
        if key_id in keys:
            raise SettingsError(f"{variable}: the id of key {position} is used twice; give each key its own id.")
        keys[key_id] = value
    return keys


def derived_key(purpose: str) -> bytes:
    """Derive a key of 32 bytes from `jwt_secret` for one purpose, so that its signatures are never valid for another purpose."""
    return _derive_key(secret("jwt_secret"), purpose)


def derived_signing_key(purpose: str) -> "Ed25519PrivateKey":
    """Return the Ed25519 key that belongs to one purpose. Anybody who has its public key can check its signatures."""
    return _signing_key(derived_key(purpose))


@lru_cache(maxsize=64)
def _signing_key(key: bytes) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # here, because few requests need it

    return Ed25519PrivateKey.from_private_bytes(key)


@lru_cache(maxsize=64)  # more than there are purposes
def _derive_key(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), f"fairgate {purpose}".encode(), "sha256")


def _load() -> msgspec.Struct:
    """Return the values from Secrets Manager. If it responds, they are at most MAX_AGE_SECONDS old. Threads share one call."""
    key = (settings.current().region, settings.current().secrets_arn)
    now = clock.now()
    kept = _kept.entries.get(key)
    if kept is None or now >= kept.fresh_until:
        with _kept.lock:
            kept = _kept.entries.get(key)  # another thread may have read the secret in the meantime
            if kept is None or now >= kept.fresh_until:
                kept = _kept.entries[key] = _refresh(*key, kept, now)
    return kept.values


def _refresh(region: str, arn: str, kept: _KeptSecret | None, now: int) -> _KeptSecret:
    """Read the secret. If this fails, keep the cached values, or raise SettingsError or DeadlineExceeded if no values are cached."""
    try:
        return _KeptSecret(_fetch(region, arn), now, now + MAX_AGE_SECONDS)
    except (SettingsError, DeadlineExceeded) as error:
        if kept is None:
            raise
        log.count("secrets_stale")
        is_warning_due = now >= kept.next_warning_at
        if is_warning_due:
            logger.warning("secrets.stale", error=str(error), age_seconds=now - kept.read_at)
        next_warning_at = now + MAX_AGE_SECONDS if is_warning_due else kept.next_warning_at
        return _KeptSecret(kept.values, kept.read_at, now + RETRY_SECONDS, next_warning_at)


def _fetch(region: str, arn: str) -> msgspec.Struct:
    """Read the secret from Secrets Manager. Raises SettingsError with the reason, or DeadlineExceeded."""
    deadline.require(sdk_calls.MIN_SECONDS)
    try:
        text = _client(region).get_secret_value(SecretId=arn)["SecretString"]
    except (ClientError, BotoCoreError) as error:
        raise _unreadable(_cause(error)) from None
    except KeyError:
        raise _unreadable("it is not text") from None
    try:
        values: msgspec.Struct = memory.decoder(_SecretValues).decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _unreadable("it is not a JSON object whose values are text") from None
    check_secrets(values)
    return values


def _unreadable(cause: str) -> SettingsError:
    return SettingsError(
        f"{PREFIX}SECRETS_ARN: the secret cannot be read from Secrets Manager ({cause}). "
        "Check that it exists, that its text is JSON, and that this program may read it."
    )


def _cause(error: BaseException) -> str:
    """Return AWS's error code or the type of the error, but not its message, which could repeat data that was sent or received."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


@lru_cache(maxsize=4)
def _client(region: str) -> Any:
    # The timeouts are short, because a request waits for the secret.
    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
    client = sdk_calls.create_client("secretsmanager", region, config)
    sdk_calls.keep_deadline(client, "secrets-manager")
    return client
