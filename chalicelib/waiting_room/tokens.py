"""Tokens carry an arrival, signed: nobody can make one, move it to another event or give it to somebody else."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import sha256

import msgspec

from chalicelib import settings
from chalicelib.waiting_room.model import Arrival

MAX_LENGTH = 1024
GUEST = "guest-"
_PURPOSE = "waiting room token v1"


def sign_arrival(arrival: Arrival) -> str:
    """`<payload>.<HMAC-SHA256>`, both base64url; the payload is JSON that the holder's browser reads."""
    payload = _encode(msgspec.json.encode(arrival))
    return f"{payload}.{_signature(payload)}"


def read_token(token: str) -> Arrival | None:
    """The arrival, or None for anything that we did not sign."""
    if len(token) > MAX_LENGTH or not token.isascii():
        return None
    payload, _, signature = token.partition(".")
    if not hmac.compare_digest(signature, _signature(payload)):
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Arrival)
    except (Base64Error, msgspec.DecodeError, UnicodeDecodeError):
        return None


def user_digest(user_id: str) -> str:
    """What stands for a user in a token: a digest, or the id itself of a guest, which names nobody."""
    return user_id if user_id.startswith(GUEST) else sha256(f"{_PURPOSE} {user_id}".encode()).hexdigest()[:16]


def _signature(payload: str) -> str:
    return _encode(hmac.digest(settings.derived_key(_PURPOSE), payload.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
