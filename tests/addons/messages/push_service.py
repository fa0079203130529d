"""A browser with a push service: the service is a real HTTP server on 127.0.0.1, and the browser decrypts what it gets."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from hmac import digest
from secrets import token_bytes
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.foundation import clock
from tests.addons.outgoing_webhooks.receiver import Received, Receiver, open_receiver

CURVE = ec.SECP256R1()


def encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    """Subscribes with a key of its own, and reads its messages as RFC 8291 and RFC 8292 say; `shop_key` is the shop's public key."""

    def __init__(self, receiver: Receiver, shop_key: str, name: str = "browser") -> None:
        self.receiver, self.shop_key, self.path = receiver, shop_key, f"/push/{name}"
        self._key, self._auth = ec.generate_private_key(CURVE), token_bytes(16)

    @property
    def subscription(self) -> dict[str, str]:
        endpoint = f"http://127.0.0.1:{self.receiver.port}{self.path}"
        return {"endpoint": endpoint, "p256dh": encode(self._public), "auth": encode(self._auth)}

    @property
    def requests(self) -> list[Received]:
        return [request for request in self.receiver.received if request.path == self.path]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the browser shows, after a check of each message's signature."""
        return [self.read(request) for request in self.requests]

    def read(self, request: Received) -> dict[str, Any]:
        self.verify(request.headers["authorization"])
        assert request.headers["content-encoding"] == "aes128gcm"
        return dict(json.loads(self.decrypt(request.body)))

    def verify(self, authorization: str) -> dict[str, Any]:
        """The claims of the JWT, if it is signed with the key to which this browser has tied its subscription."""
        scheme, _, rest = authorization.partition(" ")
        fields = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert (scheme, fields["k"]) == ("vapid", self.shop_key)
        signed, _, signature = fields["t"].rpartition(".")
        raw = decode(signature)
        assert len(raw) == 64
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        shop = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, decode(self.shop_key))
        shop.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        assert jwt.get_unverified_header(fields["t"]) == {"typ": "JWT", "alg": "ES256"}
        claims = dict(json.loads(decode(signed.partition(".")[2])))
        assert claims["aud"] == f"http://127.0.0.1:{self.receiver.port}"
        assert clock.now() < claims["exp"] <= clock.now() + 86_400
        return claims

    def decrypt(self, body: bytes) -> bytes:
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, sender))
        secret = self._hkdf(self._auth, shared, b"WebPush: info\0" + self._public + sender)
        key = self._hkdf(salt, secret, b"Content-Encoding: aes128gcm\0")[:16]
        nonce = self._hkdf(salt, secret, b"Content-Encoding: nonce\0")[:12]
        content, _, padding = AESGCM(key).decrypt(nonce, record, None).rpartition(b"\x02")
        assert padding.strip(b"\0") == b""
        return content

    @staticmethod
    def _hkdf(salt: bytes, secret: bytes, info: bytes) -> bytes:
        return digest(digest(salt, secret, sha256), info + b"\x01", sha256)

    @property
    def _public(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@contextmanager
def open_push_service() -> Iterator[Receiver]:
    """A push service that answers 201 unless a test changes its answer."""
    with open_receiver() as receiver:
        yield receiver
