"""The Stripe-Signature header: the time, and an HMAC for each secret that is in force."""

import hmac
from collections.abc import Sequence
from hashlib import sha256


def signature_header(body: bytes, secrets: Sequence[str], at: int) -> str:
    """The `v0` part, which Stripe adds to test events, is no signature: receivers must ignore it."""
    signatures = [f"v1={_digest(body, secret, at)}" for secret in secrets]
    return ",".join([f"t={at}", *signatures, f"v0={sha256(body).hexdigest()}"])


def _digest(body: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
