"""Let only people with a pass of the waiting room reach an ASGI application: `Gate(application, ...)`. Needs PyJWT[crypto]."""

import asyncio
import re
import threading
import time
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlencode

import jwt


class Gate:
    def __init__(self, app, api, line, event, issuer, audience, path="/", first_session=None):
        self.app, self.line, self.event, self.issuer, self.audience, self.path = app, line, event, issuer, audience, path
        self.first_session = first_session or {}.setdefault  # (pass id, session) -> the first session of this pass
        self.keys = jwt.PyJWKClient(f"{api}/.well-known/jwks.json", cache_jwk_set=False, timeout=5)
        self.known, self.next_at, self.lock = {}, 0.0, threading.Lock()  # known keys stay while the waiting room's server is away

    def key_of(self, kid):
        # Anybody can send passes that name other keys. So only one thread looks for these, and seldom.
        if kid not in self.known and self.lock.acquire(blocking=not self.known):
            try:
                if kid not in self.known and time.monotonic() >= self.next_at:
                    self.next_at = time.monotonic() + 10
                    self.known = {key.key_id: key.key for key in self.keys.get_signing_keys()}
            finally:
                self.lock.release()
        return self.known[kid]

    def admits(self, token, session):
        try:
            key = self.key_of(jwt.get_unverified_header(token).get("kid"))
            options = {"require": ["exp", "jti"], "verify_iat": False}  # this server's clock may be behind
            claims = jwt.decode(token, key, ["EdDSA"], options, audience=self.audience, issuer=self.issuer)
        except (jwt.PyJWTError, KeyError):
            return False
        return claims.get("event") == self.event and self.first_session(claims["jti"], session) == session

    def answer(self, path, query, cookies, *client):
        """Return the headers of a redirect, or None if the request may pass."""
        fields, kept = parse_qsl(query, keep_blank_values=True), re.search(r"(?:^|; ?)fairgate_pass=([^;]*)\.([^;]*)", cookies)
        token, session = dict(fields).get("fairgate_pass"), sha256(str(client).encode()).hexdigest()
        if not f"{path}/".startswith(self.path) or (token is None and kept and self.admits(*kept.groups())):
            return None
        if not token or not re.fullmatch(r"[\w.-]+", token, re.ASCII) or not self.admits(token, session):
            return [("location", self.line)]
        rest = urlencode([field for field in fields if field[0] != "fairgate_pass"])
        cookie = f"fairgate_pass={token}.{session}; Path={self.path.rstrip('/') or '/'}; HttpOnly; Secure; SameSite=Lax"
        return [("location", f"/{quote(path.lstrip('/'))}{'?' if rest else ''}{rest}"), ("set-cookie", cookie)]

    async def __call__(self, scope, receive, send):
        sent = [[of.decode("latin-1") for key, of in scope.get("headers", ()) if key == name] for name in (b"cookie", b"user-agent")]
        query, cookies = scope.get("query_string", b"").decode("latin-1"), "; ".join(sent[0])  # HTTP/2 splits cookies
        asked = scope.get("path"), query, cookies, (scope.get("client") or "?")[0], *sent[1]
        if scope["type"] not in ("http", "websocket") or not (found := await asyncio.to_thread(self.answer, *asked)):
            return await self.app(scope, receive, send)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 302, "headers": [(n.encode(), v.encode()) for n, v in found]})
        return await send({"type": "http.response.body" if scope["type"] == "http" else "websocket.close"})
