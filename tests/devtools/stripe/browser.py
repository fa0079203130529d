"""A browser for the pages of the fake: it sends one request and follows no redirects."""

import urllib.error
import urllib.request
from urllib.parse import urlencode


class _IgnoredRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


# The fields of the payment form.
CARD_FORM = {"email": "ann@example.com", "number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ann"}

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _IgnoredRedirects)


def visit(url, **form):
    """Open a page, or send a form to it; returns status, body, and the address of the redirect."""
    try:
        response = OPENER.open(url, data=urlencode(form).encode() if form else None, timeout=60)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return response.status, response.read().decode(), response.headers.get("Location")
