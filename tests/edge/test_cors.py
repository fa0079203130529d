"""Pages of other origins: which may read replies, with credentials or without, and what preflight requests are answered."""

import pytest

from chalicelib.foundation import settings

LISTED = "https://a.example, https://b.example"


def ask(edge, origin, path="/orders", method="POST"):
    """The preflight request that a browser sends for a page of `origin`."""
    return edge.options(path, headers={"Origin": origin, "Access-Control-Request-Method": method})


@pytest.mark.parametrize("path", ["/small", "/fresh", "/fails/refused", "/fails/bug", "/fails/not-found", "/me", "/nowhere"])
def test_every_reply_may_be_read_by_a_browser(edge, path):
    assert edge.get(path).headers["access-control-allow-origin"] == "*"


def test_a_preflight_request_allows_the_methods_and_headers_of_clients(edge):
    reply = ask(edge, "https://shop.example")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-methods"] == reply.headers["allow"] == "POST, OPTIONS"
    allowed = reply.headers["access-control-allow-headers"].split(", ")
    assert {"Authorization", "Content-Type", "Idempotency-Key", "If-Match"} <= set(allowed)
    assert reply.headers["access-control-max-age"] == "600"
    assert edge.options("/nowhere").status == 404


@pytest.mark.parametrize("send", [ask, lambda edge, origin: edge.get("/small", headers={"Origin": origin})], ids=["preflight", "request"])
def test_only_listed_origins_may_read_replies_and_send_credentials(edge, send):
    with settings.override(cors_origins=LISTED):
        replies = {origin: send(edge, origin) for origin in ("https://b.example", "https://evil.example", "https://b.example.evil")}
    allowed = {origin: reply.headers.get("access-control-allow-origin") for origin, reply in replies.items()}
    assert allowed == {"https://b.example": "https://b.example", "https://evil.example": None, "https://b.example.evil": None}
    credentials = {origin: reply.headers.get("access-control-allow-credentials") for origin, reply in replies.items()}
    assert credentials == {"https://b.example": "true", "https://evil.example": None, "https://b.example.evil": None}
    assert all("Origin" in reply.headers["vary"] for reply in replies.values())


def test_other_values_of_vary_are_kept(edge):
    with settings.override(cors_origins=LISTED):
        assert edge.get("/small").headers["vary"] == "Origin, Accept-Encoding"


@pytest.mark.parametrize("send", [ask, lambda edge, origin: edge.get("/small", headers={"Origin": origin})], ids=["preflight", "request"])
def test_with_all_origins_allowed_none_may_send_credentials(edge, send):
    reply = send(edge, "https://b.example")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers


def test_a_page_may_read_the_refusal_of_an_unknown_method(edge):
    with settings.override(cors_origins=LISTED):
        reply = edge.delete("/orders", headers={"Origin": "https://a.example"})
    assert (reply.status, reply.json["error"], reply.headers["allow"]) == (405, "method_not_allowed", "POST, OPTIONS")
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
