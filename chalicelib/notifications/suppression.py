"""Addresses to which no mail is sent: mails to them came back for good, or their owner has complained. Kept as keyed hashes only."""

import hmac

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import secret_settings
from chalicelib.notifications import store
from chalicelib.notifications.model import NotSuppressed


def suppress(address: str, reason: str, now: int) -> None:
    """Send no mail to an address any more."""
    store.put_suppressed(_digest(address), reason, now)


def is_suppressed(address: str) -> bool:
    """Whether no mail may be sent to an address; strongly consistent."""
    return store.is_suppressed(_digest(address))


def release(address: str, actor: str, now: int) -> None:
    """Send mails to an address again, audited without the address. Raises NotSuppressed."""
    entry = audit.entry_item("suppressed-addresses", "address.released", actor, now, {})
    try:
        dynamo.transact([store.delete_suppressed_item(_digest(address)), entry])
    except dynamo.TransactionCanceled:
        raise NotSuppressed() from None


def _digest(address: str) -> str:
    key = secret_settings.derived_key("suppressed addresses")
    return hmac.digest(key, address.strip().lower().encode(), "sha256").hex()
