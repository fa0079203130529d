"""A browser for the pages of the fake: one request, no redirects followed."""

import urllib.error
import urllib.request
from urllib.parse import urlencode


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


def visit(url, **form):
    """Status, body, and where it sends the browser."""
    try:
        answer = OPENER.open(url, data=urlencode(form).encode() if form else None, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read().decode(), answer.headers.get("Location")
