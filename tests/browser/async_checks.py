"""Waiting for what a page can only say later, such as what it keeps."""

from itertools import count

from playwright.sync_api import Page

_numbers = count()


def wait_until(page: Page, check: str) -> None:
    """Wait until an asynchronous function of JavaScript returns something true; Playwright's own waiting asks such a function only once."""
    answer = f"window.answer{next(_numbers)}"
    page.wait_for_function(f"() => {{ ({check})().then((value) => ({answer} = value)); return {answer}; }}")
