"""An authenticator in software, which makes passkeys and signs with them as browsers and phones do.

phone = Authenticator("https://shop.example")
created = phone.create(options)     # from POST /auth/me/passkeys/challenge
signature = phone.sign(challenge)   # from POST /auth/passkeys/challenge
"""

import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

_FLAGS = AuthenticatorData.FLAG
VERIFIED = _FLAGS.UP | _FLAGS.UV  # the user was present, and proved it to the authenticator


class Authenticator:
    """One passkey for one site. `counter` counts the signatures; with None, the authenticator always sends 0."""

    def __init__(self, origin: str, counter: int | None = 0) -> None:
        self.origin, self.counter = origin, counter
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = os.urandom(32)
        self.user_handle = ""

    def create(self, options: Mapping[str, Any], **changes: Any) -> dict[str, str]:
        """Make the passkey, and return what a page sends. `changes` replace client data or the `flags`."""
        self.user_handle = options["user_handle"]
        public_key = self.make_public_key()
        credential = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public_key)
        flags = changes.pop("flags", VERIFIED) | _FLAGS.AT
        data = AuthenticatorData.create(self._site_hash(changes), flags, self.counter or 0, credential)
        return {
            "client_data": self._client_data("webauthn.create", options["challenge"], changes).b64,
            "attestation": websafe_encode(AttestationObject.create("none", data, {})),
        }

    def sign(self, challenge: str, **changes: Any) -> dict[str, str]:
        """Sign a challenge, and return what a page sends. `changes` replace client data, the `flags` or the `user_handle`."""
        if self.counter is not None:
            self.counter += 1
        user_handle = changes.pop("user_handle", self.user_handle)
        data = AuthenticatorData.create(self._site_hash(changes), changes.pop("flags", VERIFIED), self.counter or 0)
        client_data = self._client_data("webauthn.get", challenge, changes)
        return {
            "credential_id": websafe_encode(self.credential_id),
            "user_handle": user_handle,
            "client_data": client_data.b64,
            "authenticator_data": websafe_encode(data),
            "signature": websafe_encode(self.key.sign(data + client_data.hash, ec.ECDSA(SHA256()))),
        }

    def make_public_key(self) -> Any:
        return ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]

    def _site_hash(self, changes: dict[str, Any]) -> bytes:
        return sha256(str(changes.pop("site", urlsplit(self.origin).hostname)).encode()).digest()

    def _client_data(self, kind: str, challenge: str, changes: dict[str, Any]) -> CollectedClientData:
        return CollectedClientData.create(changes.pop("type", kind), challenge, changes.pop("origin", self.origin), **changes)


__all__ = ["VERIFIED", "Authenticator", "websafe_decode", "websafe_encode"]
