"""The built pages over HTTP: which file an address is, how long it may be kept, and what it may run."""

import gzip
from pathlib import Path

import pytest

from infra.local.pages import FOREVER, REVALIDATE, compressed, page_response, preview_target
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


CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
PREVIEWERS = ["WhatsApp/2.23.20 A", "facebookexternalhit/1.1", "Slackbot-LinkExpanding 1.0"]
AGENTS = [CHROME, "Mozilla/5.0 (compatible; Googlebot/2.1)", "", *PREVIEWERS]
PREVIEWED = ["/events/fest", "/events/fest/", "/events/a.b"]
PAGES = [
    "/",
    "/manage",
    "/manage/events/fest",
    "/managers",
    "/door",
    "/doors",
    "/tickets",
    "/events/fest/line",
    "/events/a%20b",
    "/orders/1/",
    "/missing",
]
FILES = ["/assets/index-3f2a.js", "/assets/", "/icon.svg", "/missing.txt"]
TARGETS = [*PAGES, *FILES, *PREVIEWED]
# CloudFront's module `cloudfront` is replaced by one that notes the origin.
RUN_EDGE_FUNCTION = """
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
const source = readFileSync(new URL("../infra/cdn/viewer-request.js", "$WEB/"), "utf8").replace(/import cf from .*/, "");
const { handler, chosen } = await import("data:text/javascript," + encodeURIComponent(
  `const chosen = []; const cf = { selectRequestOriginById: (id) => chosen.push(id) }; ${source}; export { handler, chosen };`));
for await (const line of createInterface({ input: process.stdin })) {
  const { method, uri, agent } = JSON.parse(line);
  const headers = agent ? { "user-agent": { value: agent } } : {};
  const request = handler({ request: { method, uri, headers, querystring: { utm: { value: "x" } } } });
  console.log(JSON.stringify([chosen.pop() ?? "pages", request.uri, Object.keys(request.querystring)]));
}
"""


def test_the_cdn_function_answers_like_the_local_run(web):
    requests = [(method, target, agent) for method in ("GET", "HEAD") for target in TARGETS for agent in AGENTS]
    answered = run_module(RUN_EDGE_FUNCTION, [{"method": method, "uri": uri, "agent": agent} for method, uri, agent in requests])
    for (method, target, agent), (origin, uri, query) in zip(requests, answered, strict=True):
        preview = preview_target(method, f"{target}?utm=x", [("User-Agent", agent)])
        if preview is not None:
            assert (origin, uri, query) == ("api", preview, [])
        else:
            assert (origin, query) == ("pages", ["utm"])
            assert page_response(web, method, target).body == page_response(web, method, uri).body
    assert sum(origin == "api" for origin, _, _ in answered) == len(PREVIEWED) * len(PREVIEWERS)
