"""Receive and verify webhooks: `python3 webhook_receiver.py PORT SECRET`. An example to copy from; it needs no packages."""

import hmac
import json
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

SEEN: set[str] = set()  # a real receiver stores the ids with their effects, for a month


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    message, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    signed = hmac.digest(b64decode(secret.removeprefix("whsec_")), f"{message}.{sent_at}.".encode() + body, "sha256")
    expected = f"v1,{b64encode(signed).decode()}"
    known = any(hmac.compare_digest(given, expected) for given in headers.get("webhook-signature", "").split())
    return known and abs(now - int(sent_at)) < 300  # refuses old requests that somebody sends again


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        genuine = is_genuine(self.headers, body, sys.argv[2], time.time())
        if genuine and self.headers["webhook-id"] not in SEEN:
            SEEN.add(self.headers["webhook-id"])
            sys.stdout.write(f"{json.loads(body)['type']}\n")
            sys.stdout.flush()
        self.send_response(204 if genuine else 401)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
