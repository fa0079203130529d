"""The signatures of the scheme Standard Webhooks (https://www.standardwebhooks.com), version `v1`: HMAC-SHA256 with a shared secret."""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A random secret, as receivers' libraries take it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(message_id: str, timestamp: int, body: bytes, secrets_of_endpoint: Iterable[str]) -> dict[str, str]:
    """The headers that identify and sign a message sent at `timestamp` (epoch seconds), with a signature by each secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{b64encode(hmac.digest(_key(secret), content, 'sha256')).decode()}" for secret in secrets_of_endpoint]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def _key(secret: str) -> bytes:
    return b64decode(secret.removeprefix(PREFIX))
