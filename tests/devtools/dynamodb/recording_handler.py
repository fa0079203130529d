"""A handler of change records that keeps what it receives, and a poller for it."""

from devtools.event_source_mapping import EventSourceMapping, StreamPoller


class RecordingHandler:
    """Keeps the ids of the records that it receives. `results`: what it returns or raises for each batch."""

    def __init__(self, *results) -> None:
        self.batches: list[list[str]] = []
        self.events: list[dict] = []
        self._results = list(results)

    def __call__(self, event, _context):
        self.events.append(event)
        self.batches.append([record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]])
        result = self._results.pop(0) if self._results else None
        if isinstance(result, Exception):
            raise result
        return result(event) if callable(result) else result


def failed_records(*positions: int):
    """A response that reports the records at these positions of the batch as failed."""
    return lambda event: {
        "batchItemFailures": [{"itemIdentifier": event["Records"][position]["dynamodb"]["SequenceNumber"]} for position in positions]
    }


def create_poller(engine, poll_clock, handler, **more) -> StreamPoller:
    return StreamPoller(engine, [EventSourceMapping(name="notes", table="things", handler=handler, **more)], poll_clock)
