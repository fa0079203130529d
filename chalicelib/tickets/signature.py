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
from chalicelib.tickets.model import code_of

_VERSION, _CODE_VERSION = "fairgate-ticket-v1", "fairgate-code-v1"


def sign(ticket_id: str, event_id: str, code: str) -> str:
    """Return the signature of a ticket with the first key. Raises SettingsError if the keys are missing or malformed."""
    key_id, secret = next(iter(secret_settings.signing_keys("ticket_keys").items()))
    return f"{key_id}.{_mac(secret, ticket_id, event_id, code)}"


def derive_code(ticket_id: str) -> str:
    """Return the first code of a ticket, which nobody can compute without the first key.

    So a region that has lost a ticket issues it again with the code that its owner already has (docs/regions.md).
    """
    secret = next(iter(secret_settings.signing_keys("ticket_keys").values()))
    return code_of(_digest(secret, _CODE_VERSION, ticket_id))


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
    return base64.urlsafe_b64encode(_digest(secret, _VERSION, *fields)).rstrip(b"=").decode()


def _digest(secret: str, *fields: str) -> bytes:
    # Each field is preceded by its length, so that different lists of fields never produce the same message.
    message = "".join(f"{len(field.encode())}:{field}," for field in fields)
    return hmac.digest(secret.encode(), message.encode(), sha256)
