"""Runs in the background what AWS runs: the app's scheduled functions, and the deletion of items whose time to live is over."""

import threading
from typing import Any

from chalice.app import Chalice, ScheduledEventConfig

from chalicelib.foundation import clock, ids, log
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.store import LocalStore

INTERVAL_SECONDS = 30
STOP_SECONDS = 3


class Schedules:
    """Runs all schedules every 30 seconds instead of at their own intervals, so that a person who tries things out waits less."""

    def __init__(self, app: Chalice, store: LocalStore) -> None:
        self._store = store
        self._handlers = [app.handler_map[source.name] for source in app.event_sources if isinstance(source, ScheduledEventConfig)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait a moment for a run that is under way; one that takes longer is continued at the next start."""
        self._stop.set()
        self._thread.join(timeout=STOP_SECONDS)

    def run_once(self) -> None:
        """Run each schedule, then delete expired items; a failure of one is logged and does not stop the others."""
        for handler in self._handlers:
            if self._stop.is_set():
                return
            try:
                handler(scheduled_event(), None)
            except Exception:
                log.exception("schedule.failed")
        try:
            self._store.delete_expired_items()
        except StoreFailed:
            log.exception("schedule.failed")

    def _run(self) -> None:
        """The first run is at once, to finish what the last process left unfinished."""
        self.run_once()
        while not self._stop.wait(INTERVAL_SECONDS):
            self.run_once()


def scheduled_event() -> dict[str, Any]:
    """What EventBridge sends to a scheduled function."""
    return {
        "version": "0",
        "id": ids.new_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": clock.iso(clock.now()),
        "region": "local",
        "resources": [],
        "detail": {},
    }
