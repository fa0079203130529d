"""Sign tickets: `qr_sig` proves, without a store read, that this shop issued a ticket with this id, event and code.

Its form is `<key id>.<base64url HMAC-SHA256>`. The first key of the setting `ticket_keys` signs, all of them verify. To rotate,
put a new key in front, and keep the old key until the last event whose tickets it signed is over.
"""

import base64
import hmac
import re
from functools import lru_cache
from hashlib import sha256

from chalicelib import secret_settings
from chalicelib.settings import SettingsError

MIN_SECRET_LENGTH = 32

_VERSION = "fairgate-ticket-v1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")


def sign(ticket_id: str, event_id: str, code: str) -> str:
    """The signature of a ticket with the first key. Raises SettingsError if the keys are missing or malformed."""
    key_id, secret = next(iter(_keys().items()))
    return f"{key_id}.{_mac(secret, ticket_id, event_id, code)}"


def verify(qr_sig: str, ticket_id: str, event_id: str, code: str) -> bool:
    """Whether `qr_sig` was made with one of the keys for exactly this ticket; compared in constant time."""
    key_id, _, mac = qr_sig.partition(".")
    secret = _keys().get(key_id)
    return secret is not None and hmac.compare_digest(_mac(secret, ticket_id, event_id, code).encode(), mac.encode())


def _mac(secret: str, *fields: str) -> str:
    # Each field is preceded by its length, so that no two different lists of fields make the same message.
    message = "".join(f"{len(field.encode())}:{field}," for field in (_VERSION, *fields))
    digest = hmac.digest(secret.encode(), message.encode(), sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _keys() -> dict[str, str]:
    return _parse_keys(secret_settings.secret("ticket_keys"))


@lru_cache(maxsize=4)
def _parse_keys(text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for position, entry in enumerate(text.split(","), start=1):
        key_id, colon, secret = entry.strip().partition(":")
        # The messages must not contain the entry: they are logged.
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise SettingsError(f"FAIRGATE_TICKET_KEYS: key {position} must be `id:secret`, with an id of 1 to 16 letters, digits, _ or -.")
        if len(secret) < MIN_SECRET_LENGTH:
            raise SettingsError(f"FAIRGATE_TICKET_KEYS: the secret of key {position} must have {MIN_SECRET_LENGTH} characters or more.")
        if key_id in keys:
            raise SettingsError(f"FAIRGATE_TICKET_KEYS: the id of key {position} is used twice; give each key its own id.")
        keys[key_id] = secret
    return keys
