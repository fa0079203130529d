"""The stream of changes, and the wrapper for Lambda functions that consume it (docs/changes.md).

Lambda passes batches of change records from one table to a function. Each change is delivered at least once, and the changes to one item
are delivered in order. If a record fails, that record and all later records of the batch are delivered again.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from chalicelib.catalog import service as catalog
from chalicelib.changes.model import Change, LedgerEntryAdded
from chalicelib.changes.rows import catalog_changes, purchase_changes, ticket_changes
from chalicelib.dynamodb import dynamo
from chalicelib.edge import scheduled
from chalicelib.foundation import deadline, ids, log
from chalicelib.foundation.log import logger
from chalicelib.ledger import service as ledger
from chalicelib.purchases import queries
from chalicelib.tickets.store import decode_ticket

Record = dict[str, Any]  # a change record as Lambda passes it


def record_changes(record: Record) -> Sequence[Change]:
    """Convert a change record to changes. Raises ValueError for a record from an unknown table."""
    table, stream = _feature(record), record["dynamodb"]
    before, after = stream.get("OldImage"), stream.get("NewImage")
    at = int(stream["ApproximateCreationDateTime"])
    match table:
        case "purchases":
            return purchase_changes(queries.read_image(before), queries.read_image(after), at)
        case "payment-transactions":
            return [LedgerEntryAdded(at=at, entry=ledger.read_image(after))] if before is None else []
        case "tickets":
            # DynamoDB's sequence numbers have at most 40 digits. Padding makes them sort as text in numeric order.
            sequence = stream["SequenceNumber"].rjust(40, "0")
            old, new = (decode_ticket(item) if item else None for item in (before, after))
            return ticket_changes(old, new, at, sequence)
        case "catalog":
            return catalog_changes(catalog.read_image(before), catalog.read_image(after), at)
    raise ValueError(f"no changes are derived from the table {table!r}")


def stream_consumer(name: str) -> Callable[[Callable[[Sequence[Change]], None]], Callable[[Any, Any], dict[str, Any]]]:
    """Wrap `consume(changes)` as the handler of a Lambda function that gets batches of change records.

    `consume` gets all changes of a batch at once. If that fails, `consume` gets the changes again, record by record, to find the record
    that fails, and then the later changes to other items. Lambda retries from that record on, and finally reports the record to the
    dead-letter queue. If the store is unavailable, the whole batch is delivered again.
    """

    def wrap(consume: Callable[[Sequence[Change]], None]) -> Callable[[Any, Any], dict[str, Any]]:
        @wraps(consume)
        def handle(event: Any, context: Any) -> dict[str, Any]:
            records: list[Record] = event["Records"]
            if not (left := scheduled.seconds_to_write()):
                return {"batchItemFailures": []}  # the region that sells has the same changes in its own stream
            with log.scope(ids.new_id()), deadline.within(min(left, scheduled.lambda_seconds(context))):
                failed = _consume_all(name, consume, records)
            return {"batchItemFailures": [{"itemIdentifier": failed["dynamodb"]["SequenceNumber"]}] if failed else []}

        return handle

    return wrap


def _consume_all(name: str, consume: Callable[[Sequence[Change]], None], records: list[Record]) -> Record | None:
    """Consume a batch. Returns the first record that failed, or None. Raises the error if the store is unavailable.

    The records after a failed record are consumed too, except those of the same item, so they do not wait for its last attempt. If some of
    them fail, they are delivered again with the failed record.
    """
    first: Record | None = None
    while records or first is None:
        try:
            failed = _find_failure(name, consume, records)
        except Exception:
            if first is None:
                raise
            logger.exception(f"{name}.rest_failed", records=len(records))
            break
        if failed is None:
            break
        record = records[failed]
        first = first or record
        records = [later for later in records[failed + 1 :] if _item(later) != _item(record)]
    return first


def _find_failure(name: str, consume: Callable[[Sequence[Change]], None], records: list[Record]) -> int | None:
    """Consume records together, and one by one if that fails. Returns the index of the first record that fails, where it stops, or None."""
    try:
        consume([change for record in records for change in record_changes(record)])
        return None
    except Exception as error:
        logger.exception(f"{name}.batch_failed", records=len(records))
        if dynamo.is_unavailable(error):
            raise
    for index, record in enumerate(records):
        try:
            consume(record_changes(record))
        except Exception as error:
            if dynamo.is_unavailable(error):
                raise
            logger.exception(f"{name}.failed", table=_feature(record), sequence_number=record["dynamodb"]["SequenceNumber"])
            return index
    return None


def _item(record: Record) -> tuple[str, Any]:
    return record["eventSourceARN"], record["dynamodb"]["Keys"]


def _feature(record: Record) -> str:
    """Return the feature whose table the record comes from: `...:table/fairgate-<stage>-<feature>/stream/...`."""
    name: str = record["eventSourceARN"].partition(":table/")[2].partition("/")[0]
    return name.removeprefix(dynamo.table_name(""))
