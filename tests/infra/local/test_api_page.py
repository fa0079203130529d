"""The page that shows the API: everything it refers to is served here, by a renderer that knows the document's version of OpenAPI."""

import re

import pytest

from infra.local.api_page import api_page_response


def test_the_page_refers_only_to_what_is_served_here(api):
    page = api_page_response("GET", "/docs")
    script = api_page_response("GET", "/docs/start.js")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    references = re.findall(r'(?:href=|src=|url: )"([^"]+)', (page.body + script.body).decode())
    assert {"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js", "/api/v1/openapi.json"} == set(references)
    for reference in references:
        is_api = reference.startswith("/api/v1/")
        reply = api.get(reference.removeprefix("/api/v1")) if is_api else api_page_response("GET", reference)
        assert reply.status == 200, reference


def test_scripts_come_from_here_alone():
    policy = api_page_response("GET", "/docs").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy


def test_the_renderer_knows_this_version_of_openapi():
    """Swagger UI knows OpenAPI 3.1 since its version 5."""
    script = api_page_response("GET", "/docs/swagger-ui-bundle.js")
    assert int(re.search(rb'PACKAGE_VERSION:"(\d+)', script.body).group(1)) >= 5


@pytest.mark.parametrize("target", ["/", "/docs/index.css", "/docs/../../app.py", "/swagger-ui.css"])
def test_other_addresses_are_not_its(target):
    assert api_page_response("GET", target) is None
    assert api_page_response("POST", "/docs") is None
