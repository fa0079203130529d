"""Tokens: arrivals signed by the shop. A token cannot be forged, used for another event or passed on to another user.

Also the proofs that users can read the emails of an address, which rooms with a rule of entry require.

`service.require_pass` decides whether the token's user may reserve tickets now.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

import msgspec
from msgspec.structs import replace

from chalicelib.accounts.model import mailbox_key
from chalicelib.foundation import secret_settings
from chalicelib.waiting_room.model import DEMO_PREFIX, GUEST_PREFIX, Arrival, TokenUnknown

MAX_LENGTH = 1024
_PURPOSE = "waiting room token v1"
_DIGEST_PURPOSE = "waiting room user v1"
_ADDRESS_PURPOSE, _CODE_PURPOSE, _PROOF_PURPOSE = "waiting room address v1", "waiting room code v1", "waiting room address proof v1"


def sign_arrival(arrival: Arrival) -> str:
    """Return the token of an arrival: `<payload>.<HMAC-SHA256>`, both base64url. The payload is JSON, which the buyer's browser reads."""
    payload = _encode(msgspec.json.encode(replace(arrival, user=name_in_tokens(arrival.user))))
    return f"{payload}.{_signature(payload)}"


def read_token(token: str) -> Arrival | None:
    """Return the arrival in a token, or None if this shop did not sign the token."""
    if len(token) > MAX_LENGTH or not token.isascii():
        return None
    payload, _, signature = token.partition(".")
    if not hmac.compare_digest(signature, _signature(payload)):
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Arrival)
    except (Base64Error, msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_event_id(token: str) -> str:
    """Return the id of the token's event. Raises TokenUnknown if this shop did not sign the token."""
    arrival = read_token(token)
    if arrival is None:
        raise TokenUnknown()
    return arrival.event_id


def user_key(user_id: str) -> str:
    """Return the name of a user in the table: a keyed digest of the user's id. A guest's id is used unchanged."""
    return user_id if user_id.startswith((GUEST_PREFIX, DEMO_PREFIX)) else _digest(user_id)


def belongs_to(arrival: Arrival, user_id: str) -> bool:
    """Return whether the arrival in a token belongs to the user. Tokens from earlier versions contain a guest's id."""
    key = user_key(user_id)
    return (arrival.holder or arrival.user) in (key, name_in_tokens(key))


# Addresses. The shop stores and signs only a keyed digest, which differs between events.


def address_key(event_id: str, email: str) -> str:
    """Return the name of an address in the table: a keyed digest of the event and the mailbox that the address leads to."""
    return _mac(_ADDRESS_PURPOSE, event_id, mailbox_key(email)).hex()[:32]


def code_digest(event_id: str, address: str, user_id: str, code: str) -> str:
    """Return the digest of a mailed code."""
    return _mac(_CODE_PURPOSE, event_id, address, user_id, code).hex()


def sign_address(event_id: str, address: str, user_id: str) -> str:
    """Return the proof that the user can read the emails of the address: `<address key>.<HMAC-SHA256>`."""
    return f"{address}.{_encode(_mac(_PROOF_PURPOSE, event_id, address, user_id))}"


def read_address(proof: str, event_id: str, user_id: str) -> str | None:
    """Return the key of the address in a proof, or None if this shop did not sign the proof for this event and user."""
    address = proof.partition(".")[0]
    is_signed = proof.isascii() and hmac.compare_digest(proof, sign_address(event_id, address, user_id))
    return address if is_signed else None


def _mac(purpose: str, *parts: str) -> bytes:
    return hmac.digest(secret_settings.derived_key(purpose), msgspec.json.encode(parts), "sha256")


def name_in_tokens(key: str) -> str:
    """Return the name of a user in tokens: a keyed digest, so that nobody can learn a user's id from a token.

    In a demo stage, the token of a user who did not identify themselves contains the id, because only the token identifies this user.
    """
    return _digest(key) if key.startswith(GUEST_PREFIX) else key


def _digest(user_id: str) -> str:
    return hmac.digest(secret_settings.derived_key(_DIGEST_PURPOSE), user_id.encode(), "sha256").hex()[:16]


def _signature(payload: str) -> str:
    return _encode(hmac.digest(secret_settings.derived_key(_PURPOSE), payload.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
