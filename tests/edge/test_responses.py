"""What goes out: CORS, gzip, ETag and 304."""

import pytest

from chalicelib import settings
from chalicelib.edge import http

DOCUMENTS = ["/small", "/large"]


@pytest.mark.parametrize("path", ["/small", "/fresh", "/fails/refused", "/fails/bug", "/fails/gone", "/me", "/nowhere"])
def test_every_answer_may_be_read_by_a_browser(edge, path):
    assert edge.get(path).headers["access-control-allow-origin"] == "*"


def test_the_preflight_allows_what_clients_send(edge):
    reply = edge.options("/orders", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["access-control-allow-methods"] == "POST,OPTIONS"
    allowed = reply.headers["access-control-allow-headers"].split(",")
    assert set(http.ALLOWED_HEADERS) <= set(allowed)
    assert edge.options("/nowhere").status == 404


@pytest.mark.parametrize(
    ("origin", "answered"), [("https://b.example", "https://b.example"), ("https://evil.example", "https://a.example")]
)
def test_origins_can_be_limited(edge, origin, answered):
    with settings.override(cors_origins="https://a.example, https://b.example"):
        reply = edge.get("/small", headers={"Origin": origin})
    assert reply.headers["access-control-allow-origin"] == answered
    assert "Origin" in reply.headers["vary"]
    assert "Accept-Encoding" in reply.headers["vary"]


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip; q=1.0", True),
        ("br;q=1.0, gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip ; q=0", False),
        ("identity", False),
        ("br", False),
        ("", False),
        ("x-gzipped", False),
    ],
)
@pytest.mark.parametrize("path", ["/large", "/fresh"])
def test_gzip_is_for_those_who_ask(edge, path, accepted, zipped):
    reply = edge.get(path, headers={"Accept-Encoding": accepted})
    assert (reply.headers.get("content-encoding") == "gzip") is zipped
    assert reply.json == {"text": "fairgate " * 1000}


def test_small_answers_are_not_zipped(edge):
    assert "content-encoding" not in edge.get("/small", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_known_etag_is_a_304_without_a_body(edge, path, encoding):
    first = edge.get(path, headers={"Accept-Encoding": encoding})
    reply = edge.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]})
    assert (reply.status, reply.body) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert reply.headers[name] == first.headers[name]


@pytest.mark.parametrize("form", ['"other", {}', "W/{}", "*", '{}, "other"', '"a",{},"b"'])
def test_if_none_match_takes_lists_weak_tags_and_any(edge, form):
    etag = edge.get("/small").headers["etag"]
    assert edge.get("/small", headers={"If-None-Match": form.format(etag)}).status == 304


@pytest.mark.parametrize("given", ['"other"', "", "nonsense", '"'])
def test_another_etag_gets_the_body(edge, given):
    assert edge.get("/small", headers={"If-None-Match": given}).status == 200


def test_the_two_encodings_have_two_strong_etags(edge):
    plain, zipped = (edge.get("/large", headers={"Accept-Encoding": coding}).headers["etag"] for coding in ("identity", "gzip"))
    assert plain != zipped
    assert plain.startswith('"')
    assert zipped.startswith('"')


def test_what_is_made_for_one_caller_is_not_stored(edge):
    assert edge.get("/fresh").headers["cache-control"] == "no-store"
    assert edge.get("/small").headers["cache-control"] == "public, max-age=5"
