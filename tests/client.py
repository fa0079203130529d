"""An HTTP client for tests that speaks to the app through the same gateway as the local runtime, without a socket."""

import gzip
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from chalice.app import CaseInsensitiveMapping

from infra.local.gateway import Gateway

BASE = "/api/v1"


class ClientReply(msgspec.Struct, frozen=True):
    """`json` is the decoded body, None when it is not JSON; `body` is the bytes after any Content-Encoding was undone."""

    status: int
    headers: CaseInsensitiveMapping
    body: bytes
    json: Any


class Client:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def get(self, path: str, **how: Any) -> ClientReply:
        return self.request("GET", path, **how)

    def post(self, path: str, **how: Any) -> ClientReply:
        return self.request("POST", path, **how)

    def put(self, path: str, **how: Any) -> ClientReply:
        return self.request("PUT", path, **how)

    def patch(self, path: str, **how: Any) -> ClientReply:
        return self.request("PATCH", path, **how)

    def delete(self, path: str, **how: Any) -> ClientReply:
        return self.request("DELETE", path, **how)

    def options(self, path: str, **how: Any) -> ClientReply:
        return self.request("OPTIONS", path, **how)

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
        """`path` is below /api/v1. `json` is encoded as the body; `user` goes into X-User-Id, `token` into Authorization."""
        given = {"Accept": "application/json"}
        if json is not msgspec.UNSET:
            body = msgspec.json.encode(json)
            given["Content-Type"] = "application/json"
        if user is not None:
            given["X-User-Id"] = user
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        given |= headers or {}
        target = BASE + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        reply = self._gateway.handle(method, target, list(given.items()), body, source_ip)
        answered = CaseInsensitiveMapping(reply.headers)
        plain = gzip.decompress(reply.body) if answered.get("content-encoding") == "gzip" else reply.body
        is_json = plain and answered.get("content-type", "").startswith("application/json")
        return ClientReply(reply.status, answered, plain, msgspec.json.decode(plain) if is_json else None)
