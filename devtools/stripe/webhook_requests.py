"""The HTTP requests that deliver webhooks."""

from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

TIMEOUT_SECONDS = 20

Receiver = Callable[[bytes, Mapping[str, str]], int]


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """A redirect is a failed delivery, as it is for Stripe."""


def webhook_headers(signature: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
    return headers if signature is None else {**headers, "Stripe-Signature": signature}


def send(target: str | Receiver, body: bytes, headers: Mapping[str, str]) -> int:
    """Post to a URL, or call a function; returns the HTTP status, 0 when there was no response."""
    if callable(target):
        return target(body, headers)
    opener = build_opener(ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(Request(target, data=body, headers=dict(headers), method="POST"), timeout=TIMEOUT_SECONDS) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code
    except (OSError, HTTPException):
        return 0
