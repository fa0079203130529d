"""One click to get no more mails about an offer of the waitlist (RFC 8058): the reminder is not sent. The offer itself stays.

All other mails are about what somebody has bought or has asked for at that moment, and have no such link.
"""

import hmac

from chalicelib.foundation import secret_settings, settings
from chalicelib.notifications import store
from chalicelib.notifications.model import UnsubscribeLinkInvalid, notification_id


def token(offer_id: str) -> str:
    """What names an offer in a link, and cannot be made by others."""
    return f"{offer_id}.{_signature(offer_id)}"


def headers(offer_id: str) -> dict[str, str]:
    """The headers by which a mail program shows a button for it."""
    url = f"{settings.current().shop_url.rstrip('/')}/api/v1/unsubscribe?token={token(offer_id)}"
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def unsubscribe(named: str, now: int) -> None:
    """Send no reminder of the offer that the token `named` is of, if it was not sent yet.

    May be repeated. Raises UnsubscribeLinkInvalid.
    """
    store.change_status(notification_id("offer_expiring", read_token(named), 1), "dropped", ("queued",), now)


def read_token(named: str) -> str:
    """The id of the offer that a token is of. Raises UnsubscribeLinkInvalid."""
    offer_id, _, signature = named.rpartition(".")
    if not hmac.compare_digest(_signature(offer_id).encode(), signature.encode()):
        raise UnsubscribeLinkInvalid()
    return offer_id


def _signature(offer_id: str) -> str:
    return hmac.digest(secret_settings.derived_key("unsubscribe"), offer_id.encode(), "sha256").hex()[:32]
