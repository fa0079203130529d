"""The page /docs: Swagger UI, from the package swagger-ui-py, with the OpenAPI document."""

import importlib.util
from pathlib import Path

from infra.local.gateway import GatewayResponse

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fairgate API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui">Loading the API&#39;s document &hellip;</div>
<noscript>This page needs JavaScript. The document itself is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = 'SwaggerUIBundle({ url: "/api/v1/openapi.json", dom_id: "#ui", deepLinking: true, docExpansion: "none", validatorUrl: null });\n'

# Unlike the shop's pages, this page allows inline styles, because Swagger UI sets them.
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"


def api_page_response(method: str, target: str) -> GatewayResponse | None:
    """Return the page or one of its files; None for any other address."""
    path = target.partition("?")[0].removesuffix("/")
    if method not in ("GET", "HEAD"):
        return None
    match path:
        case "/docs":
            return _response("text/html", _PAGE.encode())
        case "/docs/start.js":
            return _response("text/javascript", _START.encode())
        case "/docs/swagger-ui-bundle.js":
            return _response("text/javascript", _package_file("swagger-ui-bundle.js"))
        case "/docs/swagger-ui.css":
            return _response("text/css", _package_file("swagger-ui.css"))
    return None


def _package_file(name: str) -> bytes:
    package = importlib.util.find_spec("swagger_ui")  # not imported, because only its files are needed
    assert package is not None
    assert package.origin is not None
    return (Path(package.origin).parent / "static" / name).read_bytes()


def _response(media_type: str, body: bytes) -> GatewayResponse:
    headers = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
    return GatewayResponse(200, {**headers, "X-Content-Type-Options": "nosniff"}, body)
