"""The engines that the contract is held against: moto, the local store, and what CONTRACT_ENDPOINT names (docs/engines.md)."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib import dynamo, settings
from devtools.dynamodb.store import open_store
from devtools.dynamodb.transport import in_process_transport
from infra.local.environment import UNREACHABLE_ENDPOINT

FEATURES = ("contract-things", "contract-lines")
_PATIENCE_SECONDS = 60  # for a stream that is a service; the others have it all at once


@dataclass
class Engine:
    name: str  # whose deviations are expected
    settings: dict[str, Any]
    client: Any
    streams: Any
    expire: Callable[[], Any] | None  # delete what is expired now; None: nobody can tell when it will

    @property
    def things(self) -> str:
        return f"fairgate-{self.settings['stage']}-{FEATURES[0]}"

    @property
    def lines(self) -> str:
        return f"fairgate-{self.settings['stage']}-{FEATURES[1]}"

    def changes(self, table: str, key: str, count: int) -> list[Any]:
        """Change records of the items whose id begins with `key`, in order, as soon as there are `count`."""
        until = time.monotonic() + (_PATIENCE_SECONDS if self.expire is None else 0)
        while True:
            found = [one for one in self._records(table) if one["dynamodb"]["Keys"]["id"]["S"].startswith(key)]
            if len(found) >= count or time.monotonic() >= until:
                return found

    def _records(self, table: str) -> Iterator[Any]:
        stream = self.client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        for shard in self.streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
            at = {"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator, empty = self.streams.get_shard_iterator(**at)["ShardIterator"], 0
            while iterator and empty < 3:
                page = self.streams.get_records(ShardIterator=iterator)
                yield from page["Records"]
                iterator, empty = page.get("NextShardIterator"), 0 if page["Records"] else empty + 1


def names() -> list[str]:
    return ["moto", "local", *(["remote"] if os.environ.get("CONTRACT_ENDPOINT") else [])]


@contextmanager
def running(name: str) -> Iterator[Engine]:
    """The engine with empty tables, which are gone afterwards."""
    opener = {"moto": _moto, "local": _local, "remote": _remote}[name]
    with ExitStack() as stack:
        engine = opener(stack)
        with _tables(engine):
            yield engine


def _moto(stack: ExitStack) -> Engine:
    stack.enter_context(mock_aws())
    return _connected(stack, "moto", "", lambda: 0)


def _local(stack: ExitStack) -> Engine:
    store = stack.enter_context(open_store())
    engine = _connected(stack, "local", UNREACHABLE_ENDPOINT, store.delete_expired_items)
    stack.enter_context(in_process_transport(store, engine.client, engine.streams))
    return engine


def _remote(stack: ExitStack) -> Engine:
    endpoint = os.environ["CONTRACT_ENDPOINT"]
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        if value := os.environ.get(f"CONTRACT_{name}"):
            patch.setenv(f"AWS_{name}", value)
    dynamo._client.cache_clear()  # a client of other credentials
    stack.callback(dynamo._client.cache_clear)
    return _connected(stack, os.environ.get("CONTRACT_ENGINE", "remote"), "" if endpoint == "aws" else endpoint, None)


def _connected(stack: ExitStack, name: str, endpoint: str, expire: Callable[[], Any] | None) -> Engine:
    region = os.environ.get("CONTRACT_REGION", "us-east-1")
    chosen = {"stage": f"contract-{uuid.uuid4().hex[:12]}", "store_endpoint": endpoint, "region": region}
    with settings.override(**chosen):
        client = dynamo.client()  # the very one that the product uses, with its retries and without validation of its own
    streams = boto3.session.Session().client("dynamodbstreams", region_name=region, endpoint_url=endpoint or None)
    return Engine(name, chosen, client, streams, expire)


@contextmanager
def _tables(engine: Engine) -> Iterator[None]:
    tables = {engine.things: ["id"], engine.lines: ["id", "at"]}
    try:
        for table, keys in tables.items():
            engine.client.create_table(**description(table, keys))
        for table in tables:
            engine.client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
        engine.client.update_time_to_live(TableName=engine.things, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        yield
    finally:
        for table in engine.client.list_tables()["TableNames"]:
            if table in tables:
                engine.client.delete_table(TableName=table)


def description(table: str, keys: list[str]) -> dict[str, Any]:
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }
