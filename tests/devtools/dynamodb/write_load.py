"""A process that writes until it is killed, and reports on its output which writes were acknowledged."""

import itertools
import os
import sys
import threading
from pathlib import Path
from typing import Any

from devtools.dynamodb import journal
from devtools.dynamodb.engine import Engine
from devtools.event_source_mapping import EventSourceMapping, StreamPoller

WRITERS = 4


def create_tables(engine: Engine) -> None:
    streamed = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
    for name, more in {"puts": streamed, "left": {}, "right": {}, "counters": {}}.items():
        key = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
        types = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
        engine.call("CreateTable", {"TableName": name, "BillingMode": "PAY_PER_REQUEST", **key, **types, **more})


def report(kind: str, text: str) -> None:
    os.write(1, f"{kind} {text}\n".encode())  # in one write, so that the lines of several threads do not mix


def write(engine: Engine, name: str) -> None:
    """Write items one by one and in transactions, for ever."""
    increment = {":one": {"N": "1"}}
    for number in itertools.count():
        key = f"{name}-{number}"
        engine.call("PutItem", {"TableName": "puts", "Item": {"id": {"S": key}, "filling": {"S": "x" * 200}}})
        report("put", key)
        puts = [{"Put": {"TableName": table, "Item": {"id": {"S": key}}}} for table in ("left", "right")]
        count = {"TableName": "counters", "Key": {"id": {"S": "transactions"}}, "UpdateExpression": "ADD made :one"}
        engine.call("TransactWriteItems", {"TransactItems": [*puts, {"Update": {**count, "ExpressionAttributeValues": increment}}]})
        report("transaction", key)


def report_records(event: dict[str, Any], _: Any) -> None:
    for record in event["Records"]:
        report("record", f"{record['dynamodb']['SequenceNumber']} {record['dynamodb']['Keys']['id']['S']}")


def main(folder: str, name: str) -> None:
    journal.MIN_COMPACTION_BYTES = 60_000  # so that some processes are killed during a compaction
    engine = Engine(has_conflicts=False)
    journal.open_journal(Path(folder), engine)
    if not engine.tables:
        create_tables(engine)
    StreamPoller(engine, [EventSourceMapping(name="notes", table="puts", handler=report_records, batch_size=7)]).start()
    for writer in range(WRITERS):
        threading.Thread(target=write, args=(engine, f"{name}-{writer}")).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
