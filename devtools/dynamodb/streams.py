"""Feed change records to handler functions as a Lambda event source mapping does.

Batches in order, one at a time; a batch that fails is tried again after a pause, and nothing behind it is read before it is done
or given up; a handler that names records that failed (`batchItemFailures`) gets everything from the first of them on again. How
far a mapping is, is written to the store when its handler has succeeded: what was at work when the process died comes again.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.store import Store

POLL_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

Records = list[dict[str, Any]]
Handler = Callable[[dict[str, Any], Any], Any]

_log = logging.getLogger(__name__)


class Source(msgspec.Struct, kw_only=True):
    """One event source mapping. Its `name` says whose position it is: a source with another name starts from the beginning."""

    name: str
    table: str
    handler: Handler
    batch_size: int = 100
    report_failures: bool = True  # FunctionResponseTypes: ReportBatchItemFailures
    retries: int = -1  # MaximumRetryAttempts; -1: as long as the records live
    bisect: bool = False  # BisectBatchOnFunctionError
    given_up: Callable[[Records], None] = lambda _: None  # gets what was tried too often, as OnFailure would
    context: Any = None  # what the handler gets as its second argument


class _Progress:
    def __init__(self) -> None:
        self.failures = 0  # of the batch that is next
        self.size: int | None = None  # of the batch that is next, when it is less than usual
        self.not_before = 0.0


class Runner:
    """`step` does what there is to do; `start` calls it again and again in a thread."""

    def __init__(self, store: Store, sources: list[Source], clock: Callable[[], float] = time.monotonic) -> None:
        if len({source.name for source in sources}) < len(sources):
            raise ValueError("two sources have the same name")
        self._store = store
        self._sources = sources
        self._clock = clock
        self._progress = {source.name: _Progress() for source in sources}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self) -> int:
        """Give each source one batch, unless there is none or it pauses; the number of records that are done or given up."""
        return sum(self._step(source, self._progress[source.name]) for source in self._sources)

    def drain(self) -> int:
        """Step until nothing is left but what pauses."""
        total = 0
        while done := self.step():
            total += done
        return total

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="store-streams", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when the batch that is at work is done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                done = self.step()
            except StoreFailed as failure:
                _log.error("the change feed stops: %s", failure)
                return
            if not done:
                self._stop.wait(POLL_SECONDS)

    def _step(self, source: Source, progress: _Progress) -> int:
        if self._clock() < progress.not_before:
            return 0
        stream, after = self._place(source)
        if stream is None:
            return 0
        limit = progress.size or source.batch_size
        batch = self._store.records(stream, after, limit)
        if batch is None:  # a stream that was switched off is read to its end: go on with the one that is on now
            current = self._store.streams().get(source.table)
            if current is not None:
                self._store.handled(source.name, current, "")
            return 0
        return self._handle(source, progress, stream, batch) if batch else 0

    def _place(self, source: Source) -> tuple[str | None, str]:
        """Where the source is: from the beginning of the table's stream when it has never been anywhere."""
        position = self._store.position(source.name)
        if position is not None:
            return position.stream, position.sequence
        stream = self._store.streams().get(source.table)
        if stream is not None:
            self._store.handled(source.name, stream, "")  # from here on, records wait for it
        return stream, ""

    def _handle(self, source: Source, progress: _Progress, stream: str, batch: Records) -> int:
        done = self._invoke(source, batch)
        if done:
            self._store.handled(source.name, stream, _sequence(batch[done - 1]))
        if done == len(batch):
            progress.failures, progress.size, progress.not_before = 0, None, 0.0
            return done
        if done:
            progress.failures = 0
        rest = batch[done:]
        if source.bisect and len(rest) > 1 and not done:
            progress.size = (len(rest) + 1) // 2  # again at once, to find the one that fails
            return done
        progress.failures += 1
        if 0 <= source.retries < progress.failures:
            source.given_up(rest)
            self._store.handled(source.name, stream, _sequence(rest[-1]))
            progress.failures, progress.size, progress.not_before = 0, None, 0.0
            return len(batch)
        progress.size = len(rest)
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (progress.failures - 1))
        progress.not_before = self._clock() + pause * random.uniform(0.5, 1)
        return done

    def _invoke(self, source: Source, batch: Records) -> int:
        """How many of the batch are done, from its beginning."""
        try:
            answer = source.handler({"Records": batch}, source.context)
        except Exception:
            _log.exception("the handler %s failed with %d records from %s on", source.name, len(batch), _sequence(batch[0]))
            return 0
        failed = _failures(answer) if source.report_failures else []
        if not failed:
            return len(batch)
        numbers = [_sequence(record) for record in batch]
        # An identifier that is missing, empty or of no record of this batch makes the whole batch fail.
        return min(numbers.index(one) for one in failed) if all(one in numbers for one in failed) else 0


def _failures(answer: Any) -> list[Any]:
    """The identifiers of an answer's `batchItemFailures`; an answer of another shape says that all is well."""
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    return [one.get("itemIdentifier") if isinstance(one, dict) else None for one in failures] if isinstance(failures, list) else []


def _sequence(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
