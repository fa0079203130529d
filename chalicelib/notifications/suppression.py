"""Addresses to which no mail is sent: mails to them came back for good, or their owner has complained. Kept as keyed hashes only."""

import hmac

from chalicelib import secret_settings
from chalicelib.notifications import store


def suppress(address: str, reason: str, now: int) -> None:
    """Send no mail to an address any more."""
    store.put_suppressed(_digest(address), reason, now)


def is_suppressed(address: str) -> bool:
    """Whether no mail may be sent to an address; strongly consistent."""
    return store.is_suppressed(_digest(address))


def release(address: str) -> bool:
    """Send mails to an address again; False if they were sent anyway."""
    return store.delete_suppressed(_digest(address))


def _digest(address: str) -> str:
    key = secret_settings.derived_key("suppressed addresses")
    return hmac.digest(key, address.strip().lower().encode(), "sha256").hex()
