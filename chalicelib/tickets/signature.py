"""Sign tickets: `qr_sig` proves, without a store read, that this shop issued a ticket with this id, event and code.

The door compares the signature with the stored signature. If the code differs from the stored code, `is_genuine` tells the door whether the
shop issued this code earlier or somebody made it up.

The format is `<key id>.<base64url HMAC-SHA256>`. Tickets are signed with the first key in the setting `ticket_keys`, and verified with any
of the keys. To rotate the keys, put a new key first, and keep the old key until the last event whose tickets it signed has ended.
"""

import base64
import hmac
from hashlib import sha256

from chalicelib.foundation import secret_settings

_VERSION = "fairgate-ticket-v1"


def sign(ticket_id: str, event_id: str, code: str) -> str:
    """Return the signature of a ticket with the first key. Raises SettingsError if the keys are missing or malformed."""
    key_id, secret = next(iter(secret_settings.signing_keys("ticket_keys").items()))
    return f"{key_id}.{_mac(secret, ticket_id, event_id, code)}"


def is_genuine(qr_sig: str, ticket_id: str, event_id: str, code: str) -> bool:
    """Return whether this shop signed exactly this ticket, with any of the keys. The comparison takes constant time.

    Only the store knows whether the ticket has become void or frozen in the meantime.
    """
    key_id, _, mac = qr_sig.partition(".")
    secret = secret_settings.signing_keys("ticket_keys").get(key_id)
    return secret is not None and hmac.compare_digest(_mac(secret, ticket_id, event_id, code).encode(), mac.encode())


def has_known_key(qr_sig: str) -> bool:
    """Return whether the key of a signature is still among the keys, so that `is_genuine` can verify the signature."""
    return qr_sig.partition(".")[0] in secret_settings.signing_keys("ticket_keys")


def _mac(secret: str, *fields: str) -> str:
    # Each field is preceded by its length, so that different lists of fields never produce the same message.
    message = "".join(f"{len(field.encode())}:{field}," for field in (_VERSION, *fields))
    digest = hmac.digest(secret.encode(), message.encode(), sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
