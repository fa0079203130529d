"""The engines that the suite tests: moto, the local store, and the one that CONTRACT_ENDPOINT names (docs/engines.md)."""

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

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import sdk_calls, settings
from devtools.dynamodb.engine import Engine
from devtools.in_process_clients import attached
from infra.local.environment import UNREACHABLE_ENDPOINT
from tests.contract.both_ways import compared

FEATURES = ("contract-things", "contract-lines")
_MAX_WAIT_SECONDS = 60  # for the change records of a service; other engines have them at once


@dataclass
class ContractEngine:
    name: str  # in the list of deviations
    settings: dict[str, Any]
    client: Any
    streams: Any
    delete_expired: Callable[[], Any] | None  # deletes expired items now; None: the engine does it at an unknown time

    @property
    def things(self) -> str:
        return f"fairgate-{self.settings['stage']}-{FEATURES[0]}"

    @property
    def lines(self) -> str:
        return f"fairgate-{self.settings['stage']}-{FEATURES[1]}"

    def change_records(self, table: str, key: str, count: int) -> list[Any]:
        """The change records of items whose id begins with `key`, in order. Waits until there are `count`."""
        deadline = time.monotonic() + (_MAX_WAIT_SECONDS if self.delete_expired is None else 0)
        while True:
            records = [record for record in self._records(table) if record["dynamodb"]["Keys"]["id"]["S"].startswith(key)]
            if len(records) >= count or time.monotonic() >= deadline:
                return records

    def _records(self, table: str) -> Iterator[Any]:
        stream = self.client.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        for shard in self.streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
            at = {"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator, empty = self.streams.get_shard_iterator(**at)["ShardIterator"], 0
            while iterator and empty < 3:
                page = self.streams.get_records(ShardIterator=iterator)
                yield from page["Records"]
                iterator, empty = page.get("NextShardIterator"), 0 if page["Records"] else empty + 1


def engine_names() -> list[str]:
    return ["moto", "local", *(["remote"] if os.environ.get("CONTRACT_ENDPOINT") else [])]


@contextmanager
def run_engine(name: str) -> Iterator[ContractEngine]:
    """The engine with empty tables, which are deleted afterwards."""
    start = {"moto": _start_moto, "local": _start_local, "remote": _start_remote}[name]
    with ExitStack() as stack:
        engine = start(stack)
        with _tables(engine):
            yield engine


def _start_moto(stack: ExitStack) -> ContractEngine:
    stack.enter_context(mock_aws())
    return _connect(stack, "moto", "", lambda: 0)


def _start_local(stack: ExitStack) -> ContractEngine:
    store = Engine()
    engine = _connect(stack, "local", UNREACHABLE_ENDPOINT, store.delete_expired)
    stack.enter_context(attached(store, engine.client, engine.streams))
    for client in (engine.client, engine.streams):
        stack.enter_context(compared(client))
    return engine


def _start_remote(stack: ExitStack) -> ContractEngine:
    endpoint = os.environ["CONTRACT_ENDPOINT"]
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        if value := os.environ.get(f"CONTRACT_{name}"):
            patch.setenv(f"AWS_{name}", value)
    for kept in (dynamo._client, sdk_calls._session):  # they may have other credentials
        kept.cache_clear()
        stack.callback(kept.cache_clear)
    return _connect(stack, os.environ.get("CONTRACT_ENGINE", "remote"), "" if endpoint == "aws" else endpoint, None)


def _connect(stack: ExitStack, name: str, endpoint: str, delete_expired: Callable[[], Any] | None) -> ContractEngine:
    region = os.environ.get("CONTRACT_REGION", "us-east-1")
    values = {"stage": f"contract-{uuid.uuid4().hex[:12]}", "store_endpoint": endpoint, "region": region}
    with settings.override(**values):
        client = dynamo.client()  # as the product uses it: with its retries, without botocore's validation
    streams = boto3.session.Session().client("dynamodbstreams", region_name=region, endpoint_url=endpoint or None)
    return ContractEngine(name, values, client, streams, delete_expired)


@contextmanager
def _tables(engine: ContractEngine) -> Iterator[None]:
    tables = {engine.things: ["id"], engine.lines: ["id", "at"]}
    try:
        for table, keys in tables.items():
            engine.client.create_table(**table_description(table, keys))
        for table in tables:
            engine.client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
        engine.client.update_time_to_live(TableName=engine.things, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        yield
    finally:
        for table in engine.client.list_tables()["TableNames"]:
            if table in tables:
                engine.client.delete_table(TableName=table)


def table_description(table: str, keys: list[str]) -> dict[str, Any]:
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }
