"""The built pages of web/ as HTTP responses, with the CDN's headers. Serves no file outside the folder."""

import gzip
import mimetypes
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode

from chalicelib.edge.languages import choose_language
from chalicelib.edge.routes import MIN_GZIP_BYTES, accepts_gzip
from chalicelib.foundation import ids, settings
from chalicelib.foundation.settings import Settings
from chalicelib.payments import service as payments
from infra.local.gateway import GatewayResponse, Headers
from infra.web import with_legal_texts

_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
# Scripts and styles come only from the shop's own files, so text smuggled into a page cannot run.
_RULES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "worker-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
PAGE_POLICY = "; ".join(f"{name} {sources}" for name, sources in _RULES.items())
_PAYMENT = re.compile(rf"events/{ids.FORM}/(checkout|card)/?")
# Files are in assets/ or have a dot in their only segment. The entries in `_ENTRY` draw the pages below their addresses, and index.html
# draws all other pages. infra/cdn/viewer-request.js has the same rules.
_FILE = re.compile(r"assets/.*|[^/]*\.[^/]*", re.DOTALL)
_ENTRY = re.compile(r"(manage|door)(/.*)?", re.DOTALL)
_WORDS_PAGE = re.compile(r"/|(/events/[^/]*)/?")  # infra/cdn/viewer-request.js and infra/template/cdn.py have the same rule
FAILOVER_STATUSES = (400, 403, 429, 500, 502, 503, 504)  # of the API; the page without words is served instead
_HASHED = "assets"  # the files in this folder have a hash in their names
FOREVER, REVALIDATE = "public, max-age=31536000, immutable", "no-cache"


def words_target(method: str, target: str, headers: Headers) -> str | None:
    """Return the target in the API of a page that arrives with its first words; None for all other requests."""
    path, _, query = target.partition("?")
    page = _WORDS_PAGE.fullmatch(path)
    if page is None or method != "GET":
        return None
    accepted = ",".join(value for name, value in headers if name.lower() == "accept-language")
    is_preview = "preview" in dict(parse_qsl(query, keep_blank_values=True))  # only scripts may show a draft to its managers
    wanted = {"path": "/preview" if is_preview else page[1] or "/", "language": choose_language(accepted)}
    return f"/api/v1/pages/index.html?{urlencode(wanted)}"


def has_pages(web: Path) -> bool:
    """Whether the pages are built. Otherwise, `page_response` says how to build them."""
    return (web / "index.html").exists()


def words_response(reply: GatewayResponse) -> GatewayResponse | None:
    """Return the API's reply with the headers of a page; None if the page without words is served instead.

    Without the route, the local gateway answers 404 in JSON, and API Gateway 403.
    """
    if reply.status in FAILOVER_STATUSES or not reply.headers.get("Content-Type", "").startswith("text/html"):
        return None
    return GatewayResponse(reply.status, {"Content-Type": reply.headers["Content-Type"], **_page_headers(PAGE_POLICY)}, reply.body)


def page_response(web: Path, method: str, target: str) -> GatewayResponse:
    """Return the file in the folder `web` for a request target; 404 or 405 as plain text.

    Any other target is a page, which an entry draws, including the page for unknown addresses.
    """
    if method not in ("GET", "HEAD"):
        return text_response(405, "Pages can only be read: use GET. The API is under /api/v1.")
    root, path = web.resolve(), unquote(target.partition("?")[0]).lstrip("/")
    is_page = _FILE.fullmatch(path) is None
    entry = _ENTRY.fullmatch(path)
    file = _find_file(root, path if not is_page else f"{entry[1]}.html" if entry else "index.html")
    if file is None and is_page:
        return text_response(503, "The pages are not built: run `make run`, or `python -m infra.web`. The API is under /api/v1.")
    if file is None:
        return text_response(404, "There is no such file. The start page is /, the API is under /api/v1.")
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        **_page_headers(payment_policy(settings.current()) if _PAYMENT.fullmatch(path) else PAGE_POLICY),
        "Cache-Control": FOREVER if file.parent == root / _HASHED else REVALIDATE,
    }
    content = file.read_bytes()
    return GatewayResponse(200, headers, with_legal_texts(content, settings.current().legal_url) if is_page else content)


def _page_headers(policy: str) -> dict[str, str]:
    return {
        "Cache-Control": REVALIDATE,
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def compressed(response: GatewayResponse, headers: Headers) -> GatewayResponse:
    """Return the response as gzip if it is text and the client accepts gzip. CloudFront does the same."""
    kind = response.headers.get("Content-Type", "")
    if len(response.body) < MIN_GZIP_BYTES or not kind.startswith(("text/", "image/svg+xml")):
        return response
    varied = response.headers | {"Vary": "Accept-Encoding"}
    if not accepts_gzip(", ".join(value for name, value in headers if name.lower() == "accept-encoding")):
        return GatewayResponse(response.status, varied, response.body)
    return GatewayResponse(response.status, varied | {"Content-Encoding": "gzip"}, _gzip(response.body))


@lru_cache(maxsize=256)
def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def payment_policy(chosen: Settings) -> str:
    """Return the content policy of the checkout and of the page for a card, which may load the scripts of payment providers."""
    rules = dict(_RULES)
    for name, sources in payments.own_page_sources(chosen).items():
        rules[name] = f"{rules.get(name, '')} {sources}".strip()
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def text_response(status: int, text: str) -> GatewayResponse:
    return GatewayResponse(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())


def _find_file(root: Path, path: str) -> Path | None:
    try:
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() and not file.name.startswith(".") else None
    except (OSError, ValueError):  # the name is too long or contains a NUL
        return None
