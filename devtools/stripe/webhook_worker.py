"""A thread that delivers webhooks automatically, for a fake that serves people rather than tests."""

import threading
from collections.abc import Callable

from devtools.stripe.webhooks import WebhookQueue

MAX_WAIT_SECONDS = 1.0


class WebhookWorker:
    """Wakes up for each event, and every second for retries and for the effects of elapsed time."""

    def __init__(self, webhooks: WebhookQueue, apply_elapsed_time: Callable[[], None]) -> None:
        self._webhooks, self._apply_elapsed_time = webhooks, apply_elapsed_time
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="fake-stripe-webhooks", daemon=True)
        webhooks.on_enqueue = self._wake.set

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(MAX_WAIT_SECONDS)
            self._wake.clear()
            if not self._is_stopping:
                self._apply_elapsed_time()
                self._webhooks.deliver()
