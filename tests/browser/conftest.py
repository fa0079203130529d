"""A shop on a port of this machine, with the pages as they are built, and buyers with browsers of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, sync_playwright

from chalicelib.foundation import settings
from devtools import http_messages
from infra import web
from infra.local.environment import BUCKET
from infra.local.gateway import Gateway
from infra.local.mailbox import Mailbox
from infra.local.server import LocalServer
from tests.browser.buyers import Buyer
from tests.browser.chromium import find_chromium
from tests.client import Client
from tests.conftest import Time

PATIENCE_MS = 60_000  # how long a condition may take to come true on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium. For one module: Playwright's event loop must not run while other tests start one."""
    chromium = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium.binary), env=chromium.environment, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def has_mailbox() -> bool:
    """Whether the pages link to the emails of the local run, as in `make run`. Tests of the link override this."""
    return False


@pytest.fixture
def server(
    threaded_store: object,
    api: Client,
    time: Time,
    buckets: object,
    has_mailbox: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[LocalServer]:
    """A shop whose clock stands still, also in the header Date."""
    import app
    from infra.local.images import LocalImages

    web.build()
    monkeypatch.setattr(http_messages, "time", SimpleNamespace(time=lambda: time.now))
    server = LocalServer(0)
    mailbox = Mailbox(tmp_path / "mail") if has_mailbox else None
    server.start(Gateway(app.app), web.BUILT, images=LocalImages(tmp_path / "buckets", app.app), mailbox=mailbox)
    # The bucket that the server shows; and a test may move the clock by days while a page's request runs, which must not time out.
    with settings.override(images_bucket=BUCKET, request_seconds=10_000_000, shell_file=str(web.BUILT / web.SHELL)):
        yield server
    server.stop()


@pytest.fixture
def origin(server: LocalServer) -> str:
    """The shop's address."""
    return server.origin


@pytest.fixture
def new_buyer(browser: Browser, origin: str) -> Iterator[Callable[..., Buyer]]:
    """Opens a browser for a new buyer, or another tab `beside` one. At the end, no page may have failed or broken its policy."""
    buyers: list[Buyer] = []

    def open_browser(beside: Buyer | None = None, **options: object) -> Buyer:
        if beside is not None:
            buyers.append(Buyer(beside.page.context.new_page()))
            return buyers[-1]
        context = browser.new_context(**{"locale": "en-US", "base_url": origin, "viewport": {"width": 390, "height": 844}, **options})
        context.set_default_timeout(PATIENCE_MS)
        buyers.append(Buyer(context.new_page()))
        return buyers[-1]

    yield open_browser
    for buyer in buyers:
        buyer.page.context.close()
    assert [problem for buyer in buyers for problem in buyer.problems] == []
