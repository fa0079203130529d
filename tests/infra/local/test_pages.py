"""The built pages over HTTP: which file an address is, how long it may be kept, and what it may run."""

import gzip
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from chalicelib.foundation import settings
from infra.local.pages import FOREVER, REVALIDATE, compressed, page_response, words_target
from infra.template.cdn import page_function
from tests.javascript import run_module


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    (tmp_path / "manage.html").write_text("<h1>Manage</h1>")
    (tmp_path / "door.html").write_text("<h1>Door</h1>")
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / ".sources").write_text("a digest")
    (tmp_path / "assets" / "index-3f2a.js").write_text("start()")
    return tmp_path


@pytest.mark.parametrize(
    "target", ["/", "/?checkout_id=1", "/tickets", "/tickets?new=1", "/events/summits.v.harbor", "/events/a/line", "/missing", "/%2e%2e/x"]
)
def test_page_addresses_serve_the_start_page_without_caching(web, target):
    response = page_response(web, "GET", target)
    assert (response.status, response.body, response.headers["Cache-Control"]) == (200, b"<h1>Start</h1>", REVALIDATE)


@pytest.mark.parametrize("target", ["/manage", "/manage/", "/manage/events/fest?tab=1", "/door", "/door?from=home"])
def test_addresses_below_an_entry_are_drawn_by_it(web, target):
    entry = "Manage" if target.startswith("/manage") else "Door"
    assert page_response(web, "GET", target).body == f"<h1>{entry}</h1>".encode()


def test_every_page_names_the_legal_texts_of_the_shop(web):
    (web / "index.html").write_text("<head></head>")
    (web / "door.html").write_text("<head></head>")
    with settings.override(legal_url='https://legal.test/?a="b"'):
        for target in ("/tickets", "/door"):
            body = page_response(web, "GET", target).body
            assert body == b'<head><meta name="legal" content="https://legal.test/?a=&quot;b&quot;"></head>'
        assert page_response(web, "GET", "/icon.svg").body == b"<svg/>"
    assert page_response(web, "GET", "/tickets").body == b"<head></head>"


def test_files_with_a_hash_in_their_names_are_kept_forever(web):
    assert page_response(web, "GET", "/assets/index-3f2a.js").headers["Cache-Control"] == FOREVER
    assert page_response(web, "GET", "/icon.svg").headers["Cache-Control"] == REVALIDATE


@pytest.mark.parametrize("target", ["/assets/old-1234.js", "/assets/", "/.sources", "/missing.txt", "/assets/../../secret", "/%2e%2e"])
def test_files_that_are_not_there_are_missing(web, target):
    assert page_response(web, "GET", target).status == 404


def test_pages_may_run_only_our_own_scripts_and_styles(web):
    rules = dict(rule.split(" ", 1) for rule in page_response(web, "GET", "/").headers["Content-Security-Policy"].split("; "))
    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'none'", "'self'", "'self'")
    assert not any("unsafe" in rule for rule in rules.values())
    assert rules["img-src"] == "'self' blob: data:"  # an `image_url` of elsewhere is for other clients
    assert {rules[name] for name in ("base-uri", "frame-ancestors")} == {"'none'"}


def test_pages_that_are_not_built_say_how_to_build_them(tmp_path):
    response = page_response(tmp_path, "GET", "/")
    assert (response.status, b"make run" in response.body) == (503, True)


@pytest.mark.parametrize(
    ("target", "accepted", "is_zipped"),
    [("/", "gzip, br", True), ("/", "br, gzip;q=0", False), ("/", "", False), ("/icon.svg", "gzip", False), ("/font.woff2", "gzip", False)],
)
def test_long_texts_are_sent_as_gzip_to_clients_that_accept_it(web, target, accepted, is_zipped):
    page = b"<h1>Start</h1>" * 100
    for name in ("index.html", "font.woff2"):
        (web / name).write_bytes(page)
    plain = page_response(web, "GET", target)
    response = compressed(plain, [("Accept-Encoding", accepted)])
    assert response.headers.get("Content-Encoding") == ("gzip" if is_zipped else None)
    assert response.headers.get("Vary") == ("Accept-Encoding" if target == "/" else None)
    assert (gzip.decompress(response.body) if is_zipped else response.body) == plain.body
    assert response.headers["Content-Security-Policy"] == plain.headers["Content-Security-Policy"]


ACCEPTED = [
    "",
    "es",
    "es-MX,es;q=0.9,en;q=0.8",
    "en-GB,en;q=0.5,es;q=0.9",
    "fr,de;q=0.7",
    "fr, ES ;q=0.4, en;q=0.3",
    "es;q=0,en;q=0.1",
    "es;q=2",
    "es;q=",
    "es;level=1",
    "es; Q = 0.5, en",
    "es,en",
    "en;q=0.5,es;q=0.5",
    "es;q=..",
    "x" * 1000 + ",es",
]
WORDS_PAGES = ["/", "/events/fest", "/events/fest/", "/events/a.b", "/events/a%20b", "/events/a&b=c", "/events/"]
PAGES = [
    "/manage",
    "/manage/events/fest",
    "/managers",
    "/door",
    "/doors",
    "/tickets",
    "/events",
    "/events/fest/line",
    "/orders/1/",
    "/missing",
]
FILES = ["/assets/index-3f2a.js", "/assets/", "/icon.svg", "/missing.txt"]
RUN_EDGE_FUNCTION = """
import { createInterface } from "node:readline";
const source = $SOURCE;
const { handler } = await import("data:text/javascript," + encodeURIComponent(`${source}; export { handler };`));
for await (const line of createInterface({ input: process.stdin })) {
  const { uri, accepted, query } = JSON.parse(line);
  const headers = accepted ? { "accept-language": { value: accepted } } : {};
  const sent = { method: "GET", uri, headers, querystring: { [query]: { value: "x" } } };
  const request = handler({ viewer: { ip: "192.0.2.1" }, request: sent });
  console.log(JSON.stringify([request.uri, Object.entries(request.querystring).map(([name, { value }]) => `${name}=${value}`).join("&")]));
}
"""


def test_the_cdn_function_answers_like_the_local_run(web):
    requests = [
        {"uri": uri, "accepted": accepted, "query": name}
        for uri in (*WORDS_PAGES, *PAGES, *FILES)
        for accepted in ACCEPTED
        for name in ("utm", "preview")
    ]
    answered = run_module(RUN_EDGE_FUNCTION.replace("$SOURCE", json.dumps(page_function({}))), requests)
    for request, (uri, query) in zip(requests, answered, strict=True):
        target = request["uri"]
        words = words_target("GET", f"{target}?{request['query']}=x", [("Accept-Language", request["accepted"])])
        assert (words is not None) == (target in WORDS_PAGES)
        if words is not None:
            assert uri == "/index.html"  # of the API and, if the API fails, of the bucket
            sent = dict(parse_qsl(words.partition("?")[2], keep_blank_values=True))
            assert dict(parse_qsl(query, keep_blank_values=True)) == sent
            assert (sent["path"] == "/preview") == (request["query"] == "preview")
        else:
            assert query == f"{request['query']}=x"
            assert page_response(web, "GET", target).body == page_response(web, "GET", uri).body


def test_the_cdn_function_uses_only_what_its_runtime_knows():
    """CloudFront's runtime 2.0 has neither destructuring nor `for ... of`, and refuses to publish a function with them."""
    assert not re.search(r"\bfor \([^;)]* of |\b(?:const|let|var) [\[{]", page_function({}))


def test_a_request_for_the_head_of_a_page_gets_the_head_of_the_page_without_words(web):
    assert words_target("HEAD", "/", []) is None
    assert page_response(web, "HEAD", "/").status == 200
