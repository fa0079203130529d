"""The images of a local run: the bucket in its data folder, served as by CloudFront, and uploads of browsers to it.

The product's calls of S3 reach the folder through `devtools.s3.transport`, so its code is the same as on AWS. Uploads are passed to the
function that checks them, as by EventBridge.
"""

import logging
import threading
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from chalice.app import Chalice

from chalicelib.foundation import settings
from devtools.s3.folder_buckets import FolderBuckets
from devtools.s3.upload_forms import FormRefused, accept_form
from infra.local.environment import BUCKET, LOCAL_CREDENTIALS, UPLOADS
from infra.local.gateway import GatewayResponse, Headers

SHOWN = "/media/"
STOP_SECONDS = 3

_CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "*"}


class LocalImages:
    """Responds to requests below SHOWN and UPLOADS; checks each upload in a thread of its own, one after another.

    Without the add-on `images` it only shows the pictures that are stored already.
    """

    def __init__(self, folder: Path, app: Chalice) -> None:
        self.buckets = FolderBuckets(folder)
        self._process: Any = app.handler_map.get("process_image")
        self._busy = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Check the uploads that the last run did not finish."""
        if self._process is not None:
            for key in self.buckets.list_keys(BUCKET, "uploads/"):
                self._on_stored(key)

    def stop(self) -> None:
        """Wait a moment for running checks. The next start repeats checks that take longer."""
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def response(self, method: str, target: str, headers: Headers, body: bytes) -> GatewayResponse | None:
        """Return the response to a request for an image or with a form; None for all other requests."""
        path = target.partition("?")[0]
        if path.startswith(SHOWN):
            return self._show(method, path)
        if path.rstrip("/") == f"{UPLOADS}/{BUCKET}" and self._process is not None:
            return self._take(method, headers, body)
        return None

    def _show(self, method: str, path: str) -> GatewayResponse:
        found = self.buckets.find(BUCKET, path[1:]) if method in ("GET", "HEAD") else None
        if found is None:
            return GatewayResponse(404, {"Content-Type": "text/plain; charset=utf-8"}, b"This picture does not exist.")
        shown = {name.title(): value for name, value in found.response_headers.items()}
        return GatewayResponse(200, {**shown, "X-Content-Type-Options": "nosniff"}, found.body)

    def _take(self, method: str, headers: Headers, body: bytes) -> GatewayResponse:
        if method == "OPTIONS":
            return GatewayResponse(200, _CORS, b"")
        content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
        try:
            key = accept_form(self.buckets, BUCKET, content_type, body, LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
        except FormRefused as refused:
            text = f"<Error><Code>{refused.code}</Code><Message>{escape(str(refused))}</Message></Error>"
            return GatewayResponse(refused.status, {**_CORS, "Content-Type": "application/xml"}, text.encode())
        self._on_stored(key)
        return GatewayResponse(204, _CORS, b"")

    def _on_stored(self, key: str) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._check, args=(key,), name="image", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _check(self, key: str) -> None:
        with self._busy:
            try:
                self._process(stored_event(key), None)
            except Exception:
                logging.getLogger(__name__).exception("an upload was not checked; the next start repeats the check")


def stored_event(key: str) -> dict[str, Any]:
    """Return EventBridge's event for a stored object."""
    bucket = settings.current().images_bucket
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}}}
