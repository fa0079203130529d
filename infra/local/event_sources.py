"""Pass changes of the local store's tables to the functions that consume them, like AWS."""

import time
from collections.abc import Callable
from typing import Any

from chalice.app import Chalice

from chalicelib.dynamodb import dynamo
from chalicelib.foundation.log import logger
from devtools.dynamodb.engine import Engine
from devtools.event_source_mapping import EventSourceMapping, StreamPoller
from infra.event_sources import BATCH_SIZE, CONSUMERS, FILTERS, MAX_RETRY_ATTEMPTS, WINDOW_SECONDS


def create_poller(
    app: Chalice, engine: Engine, *, window_seconds: float = WINDOW_SECONDS, clock: Callable[[], float] = time.monotonic
) -> StreamPoller:
    """Create a poller that calls the app's functions. Changes that fail go to the log, instead of AWS's queue of dead letters."""
    sources = [(function, feature) for function, features in CONSUMERS.items() if function in app.handler_map for feature in features]
    return StreamPoller(engine, [_mapping(app, function, feature, window_seconds) for function, feature in sources], clock)


def _mapping(app: Chalice, function: str, feature: str, window_seconds: float) -> EventSourceMapping:
    def give_up(records: list[dict[str, Any]]) -> None:
        logger.warning("changes.given_up", function=function, table=feature, keys=[record["dynamodb"]["Keys"] for record in records])

    return EventSourceMapping(
        name=f"{function}/{feature}",
        table=dynamo.table_name(feature),
        handler=app.handler_map[function],
        pattern=FILTERS.get(function),
        batch_size=BATCH_SIZE,
        batching_window_seconds=window_seconds,
        bisect_batch_on_error=True,
        max_retry_attempts=MAX_RETRY_ATTEMPTS,
        on_failure=give_up,
    )
