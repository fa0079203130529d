"""Event source mappings pass change records to handler functions, like Lambda's.

Batches come in order, one at a time. A batch that fails is retried after a pause, and nothing after it is read until it succeeds or is
given up. A handler that reports failed records (`batchItemFailures`) gets the first of these and all later records again. The position of a
mapping is saved in the engine when its handler has succeeded, so a batch that was being processed when the process died is passed again.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import StoreFailed

POLL_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0
REST_RATIO = 8.0  # after a batch, the poller rests this many times as long as the batch had to wait for other threads
MAX_REST_SECONDS = 2.0

Records = list[dict[str, Any]]

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class EventSourceMapping:
    """The settings of a mapping; those with a name of Lambda's in the comment mean the same.

    The position is saved under `name`: a mapping with a new name starts from the beginning of the stream.
    """

    name: str
    table: str
    handler: Callable[[dict[str, Any], Any], Any]
    pattern: dict[str, Any] | None = None  # FilterCriteria: the handler gets only the records that match
    batch_size: int = 100
    batching_window_seconds: float = 0  # MaximumBatchingWindowInSeconds: the time for changes to come together, so that batches are larger
    report_batch_item_failures: bool = True  # FunctionResponseTypes: ReportBatchItemFailures
    max_retry_attempts: int = -1  # MaximumRetryAttempts; -1: as long as the records exist
    bisect_batch_on_error: bool = False  # BisectBatchOnFunctionError
    on_failure: Callable[[Records], None] = lambda _: None  # OnFailure; receives the records that are given up
    context: Any = None  # the second argument of the handler


class _Progress:
    def __init__(self) -> None:
        self.not_before = 0.0  # when the next batch may be tried
        self.start_afresh()

    def start_afresh(self) -> None:
        self.failures = 0  # how often the next batch has failed
        self.batch_size: int | None = None  # size of the next batch, if it is smaller than usual


class StreamPoller:
    """Reads streams for mappings. `poll_once` processes what is due; `start` calls it repeatedly in a thread."""

    def __init__(self, engine: Engine, mappings: list[EventSourceMapping], clock: Callable[[], float] = time.monotonic) -> None:
        if len({mapping.name for mapping in mappings}) < len(mappings):
            raise ValueError("two event source mappings have the same name: give each its own")
        self._engine, self._clock = engine, clock
        self.mappings = mappings
        self._progress = {mapping.name: _Progress() for mapping in mappings}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream-poller", daemon=True)

    def poll_once(self) -> int:
        """Process one batch for each mapping that has one and does not pause; returns the number of records processed or given up.

        Raises StoreFailed when the engine's changes can no longer be made durable.
        """
        for mapping in self.mappings:  # all begin before the first one reads, because the stream forgets records that all have read
            if mapping.name not in self._engine.positions:
                self._move_on(mapping)
        return sum(self._poll(mapping, self._progress[mapping.name]) for mapping in self.mappings)

    def drain(self) -> int:
        """Poll until nothing is left, except for mappings that pause; returns the number of records processed or given up."""
        total = 0
        while processed := self.poll_once():
            total += processed
        return total

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when the batch that is being processed is done."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            began, computed = self._clock(), time.thread_time()
            try:
                processed = self.poll_once()
            except StoreFailed as failure:
                _log.error("change records are no longer passed to handlers: %s", failure)
                return
            # Handlers share this process with requests, which come first: the busier the process, the longer a batch waits.
            waited = self._clock() - began - (time.thread_time() - computed)
            self._stop.wait(min(MAX_REST_SECONDS, REST_RATIO * max(0, waited)) if processed else POLL_SECONDS)

    def _poll(self, mapping: EventSourceMapping, progress: _Progress) -> int:
        if self._clock() < progress.not_before:
            return 0
        position = self._engine.positions.get(mapping.name)
        if position is None:  # the table has no stream
            return 0
        stream, after = position
        batch = self._engine.stream_records(stream, after, progress.batch_size or mapping.batch_size)
        if batch is None:  # the stream was switched off, and has been read to its end
            self._move_on(mapping)
        return self._process(mapping, progress, stream, after, batch) if batch else 0

    def _move_on(self, mapping: EventSourceMapping) -> None:
        """Begin with the table's current stream, if it has one: from now on, its records are kept for this mapping."""
        stream = self._engine.stream_arns().get(mapping.table)
        if stream is not None:
            self._engine.save_stream_position(mapping.name, stream, "")

    def _process(self, mapping: EventSourceMapping, progress: _Progress, stream: str, after: str, batch: Records) -> int:
        succeeded = self._invoke(mapping, stream, after, batch)
        if succeeded:
            self._engine.save_stream_position(mapping.name, stream, _sequence(batch[succeeded - 1]))
            progress.failures = 0
        rest = batch[succeeded:]
        if not rest:
            progress.start_afresh()
            if succeeded < mapping.batch_size:
                progress.not_before = self._clock() + mapping.batching_window_seconds
            return succeeded
        if mapping.bisect_batch_on_error and len(rest) > 1 and not succeeded:
            progress.batch_size = (len(rest) + 1) // 2  # tried at once, to find the record that fails
            return 0
        progress.failures += 1
        if 0 <= mapping.max_retry_attempts < progress.failures:
            mapping.on_failure(rest)
            self._engine.save_stream_position(mapping.name, stream, _sequence(rest[-1]))
            progress.start_afresh()
            return len(batch)
        progress.batch_size = len(rest)
        pause = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (progress.failures - 1))
        progress.not_before = self._clock() + pause * random.uniform(0.5, 1)
        return succeeded

    def _invoke(self, mapping: EventSourceMapping, stream: str, after: str, batch: Records) -> int:
        """Call the handler; returns how many records succeeded, from the beginning of the batch."""
        records = batch if mapping.pattern is None else [record for record in batch if _matches(record, mapping.pattern)]
        if not records:
            return len(batch)
        try:
            response = mapping.handler({"Records": records}, mapping.context)
        except Exception:
            self._engine.save_stream_position(mapping.name, stream, after)  # raises StoreFailed if that is why the handler failed
            _log.exception("the handler of %s failed with %d records from %s on", mapping.name, len(batch), _sequence(batch[0]))
            return 0
        failed = _failed_identifiers(response) if mapping.report_batch_item_failures else []
        if not failed:
            return len(batch)
        sequences = [_sequence(record) for record in batch]
        # An identifier that is missing, empty or of no record of this batch makes the whole batch fail.
        return min(sequences.index(identifier) for identifier in failed) if all(identifier in sequences for identifier in failed) else 0


def _matches(value: Any, pattern: Any) -> bool:
    """Match a record with a pattern of Lambda's event filtering: objects of objects, and of lists of accepted values and prefixes."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(_matches(value.get(name), part) for name, part in pattern.items())
    return any(value.startswith(part["prefix"]) if isinstance(part, dict) else value == part for part in pattern)


def _failed_identifiers(response: Any) -> list[Any]:
    """The identifiers of the response's `batchItemFailures`. A response of another shape reports no failure."""
    failures = response.get("batchItemFailures") if isinstance(response, dict) else None
    if not isinstance(failures, list):
        return []
    return [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]


def _sequence(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
