"""Waiting for what a page can only say later, such as what it keeps."""

from time import monotonic
from typing import Any

from playwright.sync_api import Page, Route

SECONDS = 60.0
POLL_MS = 50
# Not `controller`: a page that loads while its service worker starts is never controlled. The next page is, also offline.
WORKER_IS_ACTIVE = "async () => (await navigator.serviceWorker.getRegistration())?.active?.state === 'activated'"


def wait_until(page: Page, check: str, arg: Any = None) -> None:
    """Wait until a function of JavaScript, asynchronous or not, returns something true. Raises AssertionError after a minute.

    Playwright's own `wait_for_function` evaluates a string in the page whenever it asks again, which the pages' content security policy
    forbids, so it works only if its first answer is true.
    """
    ends_at = monotonic() + SECONDS
    while not page.evaluate(check, arg):
        assert monotonic() < ends_at, f"never true: {check}"
        page.wait_for_timeout(POLL_MS)


def await_routes(page: Page, held: list[Route], count: int = 1) -> None:
    """Wait until a page has sent so many requests that the test holds back."""
    ends_at = monotonic() + SECONDS
    while len(held) < count:
        assert monotonic() < ends_at, f"{len(held)} of {count} requests"
        page.wait_for_timeout(POLL_MS)
