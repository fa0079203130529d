"""Sign tickets, and derive the rotating codes that wallets show.

`qr_sig` proves, without a store read, that this shop issued a ticket with this id, event and code.

The door compares the signature with the stored signature. If the code differs from the stored code, `is_genuine` tells the door whether the
shop issued this code earlier or somebody made it up.

The format is `<key id>.<base64url HMAC-SHA256>`. Tickets are signed with the first key in the setting `ticket_keys`, and verified with any
of the keys. To rotate the keys, put a new key first, and keep the old key until the last event whose tickets it signed has ended.

A wallet shows a code that changes every ROTATION_SECONDS (decision 239): a fixed part and a one-time password (TOTP, RFC 6238). Both derive
from the ticket's code and signature, so they need no storage, and they change when the ticket gets a new owner. The fixed part does not
reveal the ticket's code or signature.
"""

import base64
import hmac
from hashlib import sha256

from chalicelib.foundation import secret_settings
from chalicelib.tickets.model import code_from_bytes

ROTATION_SECONDS = 30
ROTATING_DIGITS = 8
ACCEPTED_PERIODS = 1  # before and after the current period, because clocks differ and people take a moment to hold up their phones

_VERSION, _CODE_VERSION = "fairgate-ticket-v1", "fairgate-code-v1"
_FIXED_PART_BYTES = 15  # 24 characters


def sign(ticket_id: str, event_id: str, code: str) -> str:
    """Return the signature of a ticket with the first key. Raises SettingsError if the keys are missing or malformed."""
    key_id, secret = next(iter(secret_settings.signing_keys("ticket_keys").items()))
    return f"{key_id}.{_mac(secret, ticket_id, event_id, code)}"


def derive_code(ticket_id: str) -> str:
    """Return the first code of a ticket, which nobody can compute without the first key.

    A region that has lost a ticket can therefore issue it again with the code that its owner already has (docs/regions.md).
    """
    secret = next(iter(secret_settings.signing_keys("ticket_keys").values()))
    return code_from_bytes(_digest(secret, _CODE_VERSION, ticket_id))


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


def wallet_fixed_part(code: str, qr_sig: str) -> str:
    """Return the fixed part of a ticket's rotating code. Nobody can derive the ticket's code or its one-time passwords from it."""
    return base64.b32encode(_derive(code, qr_sig, "wallet code")[:_FIXED_PART_BYTES]).decode()


def totp_key(code: str, qr_sig: str) -> bytes:
    """Return the key of a ticket's one-time passwords, which only the wallet of its owner and this shop know."""
    return _derive(code, qr_sig, "wallet totp")[:20]


def totp(key: bytes, at: int) -> str:
    """Return the one-time password at a time (epoch seconds), with HMAC-SHA1 as wallets compute it (RFC 6238)."""
    from cryptography.hazmat.primitives.hashes import SHA1  # imported here, because few scanned codes come from wallets
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    return TOTP(key, ROTATING_DIGITS, SHA1(), ROTATION_SECONDS).generate(at).decode()  # noqa: S303


def is_current(password: str, key: bytes, at: int) -> bool:
    """Return whether a one-time password belongs to the period of `at` or an adjacent period. The comparison takes constant time."""
    periods = range(-ACCEPTED_PERIODS, ACCEPTED_PERIODS + 1)
    matches = [hmac.compare_digest(totp(key, at + number * ROTATION_SECONDS).encode(), password.encode()) for number in periods]
    return any(matches)


def _derive(code: str, qr_sig: str, purpose: str) -> bytes:
    return hmac.digest(f"{qr_sig} {code}".encode(), f"fairgate {purpose}".encode(), sha256)


def _mac(secret: str, *fields: str) -> str:
    return base64.urlsafe_b64encode(_digest(secret, _VERSION, *fields)).rstrip(b"=").decode()


def _digest(secret: str, *fields: str) -> bytes:
    # Each field is preceded by its length, so that different lists of fields never produce the same message.
    message = "".join(f"{len(field.encode())}:{field}," for field in fields)
    return hmac.digest(secret.encode(), message.encode(), sha256)
