"""The shorter way of calls makes the requests that botocore makes, byte for byte, and returns or raises the same."""

import datetime
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import dynamo_client, sdk_calls, settings
from tests.simulation.http_service import HttpService, http_service

KEY = {"TableName": "t", "Key": {"id": {"S": "a"}}}
ITEM = {"id": {"S": "ä\u2028😀\x00"}, "n": {"N": "-1.5E+3"}, "l": {"L": [{"NULL": True}, {"BOOL": False}, {"SS": ["a"]}]}, "m": {"M": {}}}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("GetItem", {**KEY, "ConsistentRead": True}),
    ("PutItem", {"TableName": "t", "Item": ITEM}),
    ("UpdateItem", {**KEY, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": ""}}, "ReturnValues": "ALL_NEW"}),
    ("DeleteItem", KEY),
    ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}, {"Delete": KEY}], "ClientRequestToken": "token"}),
    ("TransactGetItems", {"TransactItems": [{"Get": KEY}]}),
    ("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY["Key"]] * 100}}}),
    ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": ITEM}}]}}),
    (
        "Query",
        {"TableName": "t", "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "x" * 70_000}}, "Limit": 3},
    ),
    ("Scan", {"TableName": "t"}),
]
# What goes the whole way.
UNUSUAL: list[tuple[str, dict[str, Any]]] = [
    ("PutItem", {"TableName": "t", "Item": {"id": {"B": b"\x00\xff"}, "set": {"BS": [b"a"]}}}),
    ("PutItem", {"TableName": "t", "Item": {"id": {"B": "text"}}}),
    ("GetItem", {**KEY, "TableName": "arn:aws:dynamodb:eu-central-1:123456789012:table/t"}),
    ("DescribeTable", {"TableName": "t"}),
]

texts = st.text(max_size=20)
values: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"S": texts}),
        st.fixed_dictionaries({"N": st.integers().map(str)}),
        st.fixed_dictionaries({"BOOL": st.booleans()}),
        st.fixed_dictionaries({"B": st.binary(max_size=5)}),
        st.fixed_dictionaries({"SS": st.lists(texts, max_size=3)}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)}), st.fixed_dictionaries({"M": st.dictionaries(texts, inner, max_size=3)})
    ),
    max_leaves=6,
)


def _forget_clients() -> None:
    dynamo_client._client.cache_clear()
    sdk_calls._session.cache_clear()  # which keeps the credentials


class Client:
    """The product's client of a service, and botocore's own way through it."""

    def __init__(self, service: HttpService, **environment: str) -> None:
        self.service = service
        _forget_clients()
        with pytest.MonkeyPatch.context() as patch, settings.override(store_endpoint=service.url, region="eu-central-1"):
            for name, value in environment.items():
                patch.setenv(name, value)
            self.client: Any = dynamo_client.client()

    def call(self, way: Callable[..., Any], operation: str, arguments: dict[str, Any]) -> tuple[list[bytes], Any]:
        """What was sent, and what came of it."""
        self.service.requests.clear()
        try:
            result = way(self.client, operation, arguments)
        except (ClientError, BotoCoreError) as raised:
            result = type(raised).__name__, str(raised), getattr(raised, "response", None)
        return list(self.service.requests), result

    def assert_same(self, operation: str, arguments: dict[str, Any]) -> tuple[list[bytes], Any]:
        expected = self.call(BaseClient._make_api_call, operation, arguments)  # type: ignore[attr-defined]
        for _ in range(2):  # the second call has everything prepared
            assert self.call(type(self.client)._make_api_call, operation, arguments) == expected
        return expected


@pytest.fixture
def make_client(monkeypatch) -> Iterator[Callable[..., Client]]:
    """Makes a client, with environment variables. Their requests have the same time and number, and they wait for nothing."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.datetime(2026, 11, 20, 21, 0, 1))
    monkeypatch.setattr("botocore.endpoint.get_current_datetime", lambda: datetime.datetime(2026, 11, 20, 21, 0, 1))
    monkeypatch.setattr("botocore.endpoint.uuid.uuid4", lambda: uuid.UUID(int=7))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    made: list[Client] = []
    with http_service() as service:

        def make(**environment: str) -> Client:
            made.append(Client(service, **environment))
            return made[-1]

        yield make
        for client in made:
            client.client.close()
        _forget_clients()


@pytest.mark.parametrize(("operation", "arguments"), CALLS + UNUSUAL)
@pytest.mark.parametrize("token", ["", "an//example=+token" * 20])
def test_requests_are_those_of_botocore(make_client, operation, arguments, token):
    (request,), _ = make_client(AWS_SESSION_TOKEN=token).assert_same(operation, arguments)
    assert request.startswith(b"POST / HTTP/1.1\r\n")
    assert (b"X-Amz-Security-Token" in request) is bool(token)


def test_requests_of_any_items_are_those_of_botocore(make_client):
    client = make_client()

    @given(st.dictionaries(texts, values, max_size=5))
    def compare(item: dict[str, Any]) -> None:
        client.assert_same("PutItem", {"TableName": "t", "Item": item})

    compare()
