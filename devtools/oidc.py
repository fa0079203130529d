"""A fake OpenID Connect provider, for one client, on 127.0.0.1 only.

    with FakeIdentityProvider("client", "secret") as provider:
        provider.person = {"email": "ada@example.com", "email_verified": True}
        reply = provider.sign_in(address)   # the query with which the browser returns

`claims`, `header` and `key` change the next tokens, as a wrong or hostile provider would.
"""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

Json = dict[str, Any]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
TOKEN_SECONDS = 300


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8))


class FakeIdentityProvider:
    def __init__(self, client_id: str, client_secret: str, now: Callable[[], float] = time.time) -> None:
        self.client_id, self.client_secret, self.now = client_id, client_secret, now
        self.person: Json = {}
        self.claims: Json = {}  # replace claims of the next tokens; None removes a claim
        self.header: Json = {}
        self.key: PrivateKey = rsa.generate_private_key(65537, 2048)
        self.key_id = "k1"
        self.published: list[Json] = []
        self.is_down = False
        self.discovery: Json = {}  # replaces what the discovery document says
        self.issuer = "https://login.example.com"
        self.requests: list[str] = []
        self.forgets_codes = True  # once they were used
        self._codes: dict[str, Json] = {}
        self._server: ThreadingHTTPServer | None = None
        self.publish()

    def publish(self) -> None:
        """Publish the current key."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            key = {"kty": "RSA", "alg": "RS256", "n": _number(numbers.n), "e": _number(numbers.e)}
        else:
            point = public.public_numbers()
            key = {"kty": "EC", "alg": "ES256", "crv": "P-256", "x": _text(point.x.to_bytes(32)), "y": _text(point.y.to_bytes(32))}
        self.published = [key | {"kid": self.key_id, "use": "sig"}]

    def sign_in(self, address: str) -> dict[str, str]:
        """Sign the person in at the address that the shop names. Returns the query with which the browser returns to the shop."""
        asked = {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (self.client_id, "code", "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def answer(self, method: str, path: str, body: str = "", authorization: str = "") -> tuple[int, Json]:
        """Return the status and the body of a reply."""
        self.requests.append(f"{method} {path}")
        if self.is_down:
            return 503, {}
        match method, path:
            case "GET", "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    **self.discovery,
                }
            case "GET", "/keys":
                return 200, {"keys": self.published}
            case "POST", "/token":
                return self._exchange({name: value for name, [value] in parse_qs(body).items()}, authorization)
        return 404, {}

    def _exchange(self, form: dict[str, str], authorization: str) -> tuple[int, Json]:
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote(user), unquote(password)) != (self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form["code"], None) if self.forgets_codes else self._codes.get(form["code"])
        challenge = _text(sha256(form["code_verifier"].encode()).digest())
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self._token(asked["nonce"])}

    def _token(self, nonce: str) -> str:
        now = int(self.now())
        claims = {"iss": self.issuer, "aud": self.client_id, "sub": "1", "iat": now, "exp": now + TOKEN_SECONDS, "nonce": nonce}
        claims |= self.person | self.claims
        header = {"alg": "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256", "kid": self.key_id} | self.header
        parts = [header, {name: value for name, value in claims.items() if value is not None}]
        signed = ".".join(_text(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_text(self._sign(signed.encode(), str(header['alg'])))}"

    def _sign(self, message: bytes, algorithm: str) -> bytes:
        if algorithm == "none":
            return b""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), SHA256())
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                status, content = provider.answer(self.command, self.path, body, self.headers.get("Authorization") or "")
                raw = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = _reply

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
