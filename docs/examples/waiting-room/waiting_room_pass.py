"""Let only people with a pass of the waiting room reach an application: `Gate(...).wsgi(application)` or `.asgi`. Needs PyJWT[crypto]."""

import re
from urllib.parse import parse_qsl, quote, urlencode

import jwt


class Gate:
    def __init__(self, api, line, event, issuer, audience, path="/", first_session=None):
        # Known keys are kept, so buyers in the shop do not need the waiting room's server.
        self.keys = jwt.PyJWKClient(f"{api}/.well-known/jwks.json", cache_keys=True, lifespan=3600, timeout=5)
        self.line, self.event, self.issuer, self.audience, self.path = line, event, issuer, audience, path
        self.first_session = first_session or {}.setdefault  # (pass id, session) -> the first session of this pass

    def read(self, token):
        try:
            key = self.keys.get_signing_key_from_jwt(token).key
            options = {"require": ["exp", "jti"], "verify_iat": False}  # this server's clock may be behind
            claims = jwt.decode(token, key, ["EdDSA"], options, audience=self.audience, issuer=self.issuer)
        except jwt.PyJWTError:
            return None
        return claims if claims.get("event") == self.event else None

    def answer(self, path, query, cookies, *client):
        """Return the headers of a redirect, or None if the request may pass."""
        fields, kept = parse_qsl(query, keep_blank_values=True), re.search("(?:^|; ?)fairgate_pass=([^;]*)", cookies)
        token = dict(fields).get("fairgate_pass")
        if not f"{path}/".startswith(self.path) or (token is None and kept and self.read(kept[1])):
            return None
        claims = self.read(token) if token and re.fullmatch(r"[\w.-]+", token, re.ASCII) else None
        if claims is None or self.first_session(claims["jti"], str(client)) != str(client):
            return [("location", self.line)]
        rest = urlencode([field for field in fields if field[0] != "fairgate_pass"])
        cookie = f"fairgate_pass={token}; Path={self.path.rstrip('/') or '/'}; HttpOnly; Secure; SameSite=Lax"
        return [("location", f"/{quote(path.lstrip('/'))}{'?' if rest else ''}{rest}"), ("set-cookie", cookie)]

    def wsgi(self, application):
        def gated(environ, start_response):
            path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
            names = "QUERY_STRING", "HTTP_COOKIE", "REMOTE_ADDR", "HTTP_USER_AGENT"
            found = self.answer(path, *(environ.get(name, "") for name in names))
            if found is None:
                return application(environ, start_response)
            start_response("302 Found", found)
            return []

        return gated

    def asgi(self, application):
        async def gated(scope, receive, send):
            sent = {name.decode(): value.decode("latin-1") for name, value in scope.get("headers", ())}
            query, client = scope.get("query_string", b"").decode("latin-1"), (scope.get("client") or "?")[0]
            found = scope["type"] == "http" and self.answer(scope["path"], query, sent.get("cookie", ""), client, sent.get("user-agent"))
            if not found:
                return await application(scope, receive, send)
            await send({"type": "http.response.start", "status": 302, "headers": [(n.encode(), v.encode()) for n, v in found]})
            return await send({"type": "http.response.body", "body": b""})

        return gated
