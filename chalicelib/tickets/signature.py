"""`qr_sig`: proof, without asking the store, that a ticket's id, event and code were put together by us.

`<key id>.<base64url HMAC-SHA256>`. The first key of the setting `ticket_keys` signs, all of them verify: to rotate, put a new
key in front and keep the old one for as long as tickets that it signed may come to the door.
"""

import base64
import hmac
import re
from functools import lru_cache
from hashlib import sha256

from chalicelib import settings
from chalicelib.settings import SettingsError

MIN_SECRET_LENGTH = 32

_VERSION = "fairgate-ticket-v1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")


def sign(ticket_id: str, event_id: str, code: str) -> str:
    """The signature under the first key. Raises SettingsError when the keys are missing or malformed."""
    key_id, secret = next(iter(_keys().items()))
    return f"{key_id}.{_mac(secret, ticket_id, event_id, code)}"


def verify(qr_sig: str, ticket_id: str, event_id: str, code: str) -> bool:
    """Whether one of our keys made `qr_sig` for just this ticket; the comparison takes the same time wherever they differ."""
    key_id, _, mac = qr_sig.partition(".")
    secret = _keys().get(key_id)
    return secret is not None and hmac.compare_digest(_mac(secret, ticket_id, event_id, code).encode(), mac.encode())


def _mac(secret: str, *fields: str) -> str:
    # Each field carries its length: no two different lists of fields are the same message.
    message = "".join(f"{len(field.encode())}:{field}," for field in (_VERSION, *fields))
    digest = hmac.digest(secret.encode(), message.encode(), sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _keys() -> dict[str, str]:
    return _parsed(settings.secret("ticket_keys"))


@lru_cache(maxsize=4)
def _parsed(text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for position, entry in enumerate(text.split(","), start=1):
        key_id, colon, secret = entry.strip().partition(":")
        # The entry itself stays out of the messages: they are logged.
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise SettingsError(f"FAIRGATE_TICKET_KEYS: key {position} must read `id:secret`, its id 1 to 16 letters, digits, _ or -.")
        if len(secret) < MIN_SECRET_LENGTH:
            raise SettingsError(f"FAIRGATE_TICKET_KEYS: the secret of key {position} must have {MIN_SECRET_LENGTH} characters or more.")
        if key_id in keys:
            raise SettingsError(f"FAIRGATE_TICKET_KEYS: the id of key {position} is there twice.")
        keys[key_id] = secret
    return keys
