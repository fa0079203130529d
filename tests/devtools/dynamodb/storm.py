"""A process that writes until it is killed, and says on its output what was acknowledged. Run by test_kill.py."""

import itertools
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from devtools.dynamodb import store as stores
from devtools.dynamodb.event_source_mapping import EventSourceMapping, StreamPoller
from devtools.dynamodb.store import DYNAMODB, Store, open_store

WRITERS = 4


def call(store: Store, operation: str, **arguments: Any) -> dict[str, Any]:
    status, body = store.call(DYNAMODB, operation, json.dumps(arguments).encode())
    assert status == 200, body
    return json.loads(body)


def make_tables(store: Store) -> None:
    streamed = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
    for name, more in {"puts": streamed, "left": {}, "right": {}, "counters": {}}.items():
        key = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
        types = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
        call(store, "CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST", **key, **types, **more)


def say(kind: str, what: str) -> None:
    os.write(1, f"{kind} {what}\n".encode())  # one write: lines of several threads stay whole


def write(store: Store, name: str) -> None:
    one = {":one": {"N": "1"}}
    for number in itertools.count():
        unique = f"{name}-{number}"
        call(store, "PutItem", TableName="puts", Item={"id": {"S": unique}, "filling": {"S": "x" * 200}})
        say("put", unique)
        sides = [{"Put": {"TableName": side, "Item": {"id": {"S": unique}}}} for side in ("left", "right")]
        count = {"TableName": "counters", "Key": {"id": {"S": "transactions"}}, "UpdateExpression": "ADD made :one"}
        call(store, "TransactWriteItems", TransactItems=[*sides, {"Update": {**count, "ExpressionAttributeValues": one}}])
        say("transaction", unique)


def note(event: dict[str, Any], _: Any) -> None:
    for record in event["Records"]:
        say("record", f"{record['dynamodb']['SequenceNumber']} {record['dynamodb']['Keys']['id']['S']}")


def main(folder: str, name: str) -> None:
    stores.SNAPSHOT_BYTES = 60_000  # so that some are killed in the middle of a snapshot
    store = open_store(Path(folder))
    if not store.stream_arns():
        make_tables(store)
    StreamPoller(store, [EventSourceMapping(name="notes", table="puts", handler=note, batch_size=7)]).start()
    for writer in range(WRITERS):
        threading.Thread(target=write, args=(store, f"{name}-{writer}")).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
