"""Stores and clients for the tests of the local store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from devtools.dynamodb.store import LocalStore, open_store
from devtools.dynamodb.transport import in_process_transport
from tests.devtools.manual_clock import ManualClock

START = 1_780_000_000.0


@pytest.fixture(scope="session")
def clients():
    """(DynamoDB, Streams), made once because making them takes long."""
    session = boto3.session.Session(region_name="us-east-1")
    config = Config(max_pool_connections=64, retries={"total_max_attempts": 1})
    return session.client("dynamodb", config=config), session.client("dynamodbstreams", config=config)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@contextmanager
def attached_client(store: LocalStore, clients) -> Iterator:
    """The DynamoDB client, attached to the store, which is closed afterwards."""
    with store, in_process_transport(store, *clients):
        yield clients[0]


@pytest.fixture
def memory_client(clients, clock) -> Iterator:
    """A client of an empty store in memory."""
    with attached_client(open_store(clock=clock), clients) as client:
        yield client


@pytest.fixture
def open_on_disk(clients, clock, tmp_path: Path):
    """`with open_on_disk() as client:` opens the store in this test's folder."""
    return lambda: attached_client(open_store(tmp_path / "data", clock=clock), clients)


@pytest.fixture
def store(clock) -> LocalStore:
    """An empty store in memory."""
    return open_store(clock=clock)


@pytest.fixture
def client(store, clients) -> Iterator:
    """A client of `store`, which has the table "things" with a stream."""
    with attached_client(store, clients) as client:
        create_table(client, stream=True)
        yield client


@pytest.fixture
def poll_clock() -> ManualClock:
    """The clock of pollers, which measures their pauses."""
    return ManualClock(0.0)


def create_table(client, name: str = "things", *, sort_key: str | None = None, stream: bool = False, **more) -> None:
    keys = [("id", "HASH"), *([(sort_key, "RANGE")] if sort_key else [])]
    attributes = more.pop("AttributeDefinitions", []) + [{"AttributeName": key, "AttributeType": "S"} for key, _ in keys]
    if stream:
        more["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=attributes,
        **more,
    )


def put(client, key: str, name: str = "things", **attributes: str) -> None:
    client.put_item(TableName=name, Item={"id": {"S": key}, **{attribute: {"S": value} for attribute, value in attributes.items()}})


def item_ids(client, name: str = "things") -> set[str]:
    pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    return {item["id"]["S"] for page in pages for item in page["Items"]}
