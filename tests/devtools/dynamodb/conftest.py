"""Stores and clients for the tests of the local store; nothing here knows Fairgate's tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from devtools.dynamodb.store import Store, open_store
from devtools.dynamodb.transport import in_process_transport

START = 1_780_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def clients():
    """(DynamoDB, Streams): made once, since making them is what takes time."""
    session = boto3.session.Session(region_name="us-east-1")
    config = Config(max_pool_connections=64, retries={"total_max_attempts": 1})
    return session.client("dynamodb", config=config), session.client("dynamodbstreams", config=config)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def serving(store: Store, clients) -> Iterator:
    with store, in_process_transport(store, *clients):
        yield clients[0]


@pytest.fixture
def memory(clients, clock) -> Iterator:
    """A DynamoDB client of an empty store in memory."""
    with serving(open_store(clock=clock), clients) as client:
        yield client


@pytest.fixture
def on_disk(clients, clock, tmp_path: Path):
    """`with on_disk() as client:` opens the store of this test's folder."""
    return lambda: serving(open_store(tmp_path / "data", clock=clock), clients)


def table(client, name: str = "things", *, sort: str | None = None, stream: bool = False, **more) -> None:
    keys = [("id", "HASH"), *([(sort, "RANGE")] if sort else [])]
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


def ids(client, name: str = "things") -> set[str]:
    pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    return {item["id"]["S"] for page in pages for item in page["Items"]}
