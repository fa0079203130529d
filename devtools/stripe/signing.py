"""The Stripe-Signature header: when, and an HMAC for each secret that is in force."""

import hmac
from collections.abc import Sequence
from hashlib import sha256


def header(body: bytes, secrets: Sequence[str], at: int) -> str:
    """`v0` is what Stripe adds for test events; whoever checks must not take it for a signature."""
    signed = [f"v1={_digest(body, secret, at)}" for secret in secrets]
    return ",".join([f"t={at}", *signed, f"v0={sha256(body).hexdigest()}"])


def _digest(body: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
