"""The built pages over HTTP: which file an address is, how long it may be kept, and what it may run."""

from pathlib import Path

import pytest

from infra.local.pages import FOREVER, PAGES, REVALIDATE, page_response
from tests.test_tidy import ROOT


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / ".sources").write_text("a digest")
    (tmp_path / "assets" / "index-3f2a.js").write_text("start()")
    return tmp_path


@pytest.mark.parametrize("target", ["/", "/?checkout_id=1", "/tickets", "/tickets?new=1", "/events/summits.v.harbor", "/events/a/line"])
def test_addresses_of_pages_are_the_start_page_which_is_asked_for_each_time(web, target):
    response = page_response(web, "GET", target)
    assert (response.status, response.body, response.headers["Cache-Control"]) == (200, b"<h1>Start</h1>", REVALIDATE)


def test_files_with_a_hash_in_their_names_are_kept_forever(web):
    assert page_response(web, "GET", "/assets/index-3f2a.js").headers["Cache-Control"] == FOREVER
    assert page_response(web, "GET", "/icon.svg").headers["Cache-Control"] == REVALIDATE


@pytest.mark.parametrize("target", ["/assets/old-1234.js", "/assets", "/.sources", "/missing", "/assets/../../secret", "/%2e%2e/x"])
def test_anything_else_is_missing(web, target):
    assert page_response(web, "GET", target).status == 404


def test_no_page_may_run_a_script_or_use_a_style_that_is_not_a_file_of_ours(web):
    rules = dict(rule.split(" ", 1) for rule in page_response(web, "GET", "/").headers["Content-Security-Policy"].split("; "))
    assert (rules["default-src"], rules["script-src"], rules["style-src"]) == ("'none'", "'self'", "'self'")
    assert not any("unsafe" in rule for rule in rules.values())


def test_pages_that_are_not_built_say_how_to_build_them(tmp_path):
    response = page_response(tmp_path, "GET", "/")
    assert (response.status, b"make run" in response.body) == (503, True)


def test_the_server_knows_every_page():
    routes = (ROOT / "web" / "src" / "main.tsx").read_text().split('path="/')[1:]
    assert {route.split('"')[0].split("/")[0] for route in routes} == set(PAGES)
