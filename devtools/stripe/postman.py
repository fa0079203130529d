"""Delivers webhooks by itself while the fake runs for people rather than tests."""

import threading
from collections.abc import Callable

from devtools.stripe.webhooks import Webhooks

LONGEST_WAIT_SECONDS = 1.0


class Postman:
    """Wakes up for each event, and every second for retries and for what time brings about."""

    def __init__(self, webhooks: Webhooks, tick: Callable[[], None]) -> None:
        self._webhooks, self._tick = webhooks, tick
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="stripe-fake-webhooks", daemon=True)
        webhooks.woken = self._wake.set

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(LONGEST_WAIT_SECONDS)
            self._wake.clear()
            if not self._stopping:
                self._tick()
                self._webhooks.deliver()
