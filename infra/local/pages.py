"""The files of web/ as HTTP responses. Nothing outside the folder is served."""

import mimetypes
from pathlib import Path
from urllib.parse import unquote

from infra.local.gateway import GatewayResponse

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}
_PAGE_POLICY = "default-src 'self'; img-src 'self' https: data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"


def page_response(web: Path, method: str, target: str) -> GatewayResponse:
    """The file of the folder `web` that a request target names, a folder's index.html, or the error 404 or 405."""
    if method not in ("GET", "HEAD"):
        return text_response(405, "Pages can only be read: use GET. The API is under /api/v1.")
    file = _find_file(web.resolve(), unquote(target.partition("?")[0]).lstrip("/"))
    if file is None:
        return text_response(404, "There is no such page. The start page is /, the API is under /api/v1.")
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _PAGE_POLICY,
        "X-Content-Type-Options": "nosniff",
    }
    return GatewayResponse(200, headers, file.read_bytes())


def text_response(status: int, text: str) -> GatewayResponse:
    return GatewayResponse(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())


def _find_file(root: Path, path: str) -> Path | None:
    try:
        file = (root / path).resolve()
        if file.is_dir():
            file /= "index.html"
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):  # a name that is too long, or that has a NUL
        return None
