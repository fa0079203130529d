"""An HTTP client for tests. It calls the app through the gateway of the local runtime, without a socket."""

import gzip
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from chalice.app import CaseInsensitiveMapping

from infra.local.gateway import Gateway

BASE = "/api/v1"


class ClientReply(msgspec.Struct, frozen=True):
    """A response. `json` is the decoded body, None if the body is not JSON. `body` is the body without its Content-Encoding."""

    status: int
    headers: CaseInsensitiveMapping
    body: bytes
    json: Any
    cookies: tuple[str, ...] = ()

    def cookie_header(self) -> str:
        """The header of a browser that has received only this response."""
        return "; ".join(cookie.partition(";")[0] for cookie in self.cookies)


class Client:
    """Sends requests to the app, and calls `check_reply(method, route path, status, content type, decoded JSON)` with each response."""

    def __init__(self, gateway: Gateway, check_reply: Callable[..., None] | None = None) -> None:
        self._gateway, self._check_reply = gateway, check_reply

    def get(self, path: str, **options: Any) -> ClientReply:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> ClientReply:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> ClientReply:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> ClientReply:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> ClientReply:
        return self.request("DELETE", path, **options)

    def options(self, path: str, **options: Any) -> ClientReply:
        return self.request("OPTIONS", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = msgspec.UNSET,
        body: bytes = b"",
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        user: str | None = None,
        token: str | None = None,
        source_ip: str = "127.0.0.1",
    ) -> ClientReply:
        """Send a request to a path below /api/v1. `json` is encoded as the body; `user` is sent as X-User-Id, `token` as Authorization."""
        sent = {"Accept": "application/json"}
        if json is not msgspec.UNSET:
            body = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        if user is not None:
            sent["X-User-Id"] = user
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        sent |= headers or {}
        target = BASE + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        reply = self._gateway.handle(method, target, list(sent.items()), body, source_ip)
        received = CaseInsensitiveMapping(reply.headers)
        decoded = gzip.decompress(reply.body) if received.get("content-encoding") == "gzip" else reply.body
        is_json = decoded and received.get("content-type", "").startswith(("application/json", "application/problem+json"))
        content = msgspec.json.decode(decoded) if is_json else None
        if self._check_reply is not None:
            self._check_reply(
                method, self._gateway.resource_of(target.partition("?")[0]), reply.status, received.get("content-type", ""), content
            )
        return ClientReply(reply.status, received, decoded, content, reply.cookies)
