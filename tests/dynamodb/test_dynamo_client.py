"""The shorter way of calls makes the requests that botocore makes, byte for byte, and returns or raises the same."""

import datetime
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dynamodb import dynamo_client
from chalicelib.foundation import sdk_calls, settings
from tests.simulation.http_service import CLOSE, HttpService, answer, error, http_service

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

    def __init__(self, service: HttpService, endpoint: str, environment: dict[str, str]) -> None:
        self.service = service
        _forget_clients()
        with pytest.MonkeyPatch.context() as patch, settings.override(store_endpoint=endpoint, region="eu-central-1"):
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
    """Makes a client in an environment. All requests are made at one time and have one number; nothing waits between attempts."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.datetime(2026, 11, 20, 21, 0, 1))
    monkeypatch.setattr("botocore.endpoint.get_current_datetime", lambda: datetime.datetime(2026, 11, 20, 21, 0, 1))
    monkeypatch.setattr("botocore.endpoint.uuid.uuid4", lambda: uuid.UUID(int=7))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    made: list[Client] = []
    with http_service() as service:

        def make(endpoint: str = service.url, **environment: str) -> Client:
            made.append(Client(service, endpoint, environment))
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


ITEM_OF_CONDITION = ', "Item": {"id": {"S": "a"}, "n": {"N": "1"}}'
REASONS = ', "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "m", "Item": {"id": {"S": "a"}}}]'
ANSWERS: dict[str, list[bytes]] = {
    "an item": [answer(b'{"Item":{"id":{"S":"\\u00e4"},"n":{"N":"1"}},"ConsumedCapacity":{"CapacityUnits":0.5}}')],
    "a binary value": [answer(b'{"Item":{"id":{"B":"AAE="}}}')],
    "a set of binary values": [answer(b'{"Item":{"id":{"BS":["YQ=="]}}}')],
    "a null": [answer(b'{"Item": null, "ConsumedCapacity": null}')],
    "a text that looks like a null": [answer(b'{"Item":{"a":{"S":": null"}}}')],
    "nothing": [answer(b"")],
    "no JSON": [answer(b"{")],
    "a refused condition": [error("ConditionalCheckFailedException", more=ITEM_OF_CONDITION)],
    "a cancelled transaction": [error("TransactionCanceledException", more=REASONS)],
    "a refused request": [error("ValidationException")],
    "an unknown error": [error("SomethingNewException", 418)],
    "throttled once": [error("ThrottlingException"), answer()],
    "throttled for long": [error("ProvisionedThroughputExceededException")],
    "down once": [error("InternalServerError", 500), answer()],
    "down twice": [error("InternalServerError", 500), answer(b"<html>down</html>", 503), answer()],
    "down for long": [answer(b"", 502)],
    "a transaction in progress": [error("TransactionInProgressException"), answer()],
    "a damaged answer": [answer(b'{"Item":{}}', checksum=1), answer()],
    "damaged answers": [answer(b'{"Item":{}}', checksum=1)],
    "no checksum": [answer(b'{"Item":{}}', x_amz_crc32="")],
    "a lost answer": [CLOSE, answer()],
    "lost answers": [CLOSE],
    "a truncated answer": [answer(b"truncated", Content_Length="99"), answer()],
    "no HTTP": [b"truncated\r\n\r\n", answer()],
    "in chunks": [answer(b'b\r\n{"Item":{}}\n\r\n0\r\n\r\n', Content_Length="", x_amz_crc32="", Transfer_Encoding="chunked")],
    "the last of a connection": [answer(Connection="close"), answer()],
    "until the end of the connection": [answer(b"{}", Content_Length="", Connection="close"), answer()],
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_answers_come_to_what_they_come_to_with_botocore(make_client, answers):
    client = make_client()
    client.service.answers = answers
    requests, _ = client.assert_same("GetItem", KEY)
    assert len(requests) in (1, len(answers), 3)


def test_a_transaction_without_a_token_gets_one(make_client):
    requests, _ = make_client().assert_same("TransactWriteItems", {"TransactItems": [{"Delete": KEY}]})
    assert b"ClientRequestToken" in requests[0]


def test_each_request_is_signed_with_the_credentials_of_its_time(make_client):
    client, keys = make_client(), iter(f"AKID{number}" for number in range(100))
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=12)  # so soon that botocore refreshes them at each use

    def refresh() -> dict[str, str]:
        return {"access_key": next(keys), "secret_key": "s", "token": "t", "expiry_time": soon.isoformat()}

    client.client._request_signer._credentials = RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")
    for _ in range(3):
        before = int(next(keys)[4:])
        (request,), _ = client.call(type(client.client)._make_api_call, "GetItem", KEY)
        assert int(request.split(b"Credential=AKID")[1].split(b"/")[0]) > before
    client.client._request_signer._credentials = credentials = Credentials("AKIDA", "one")
    client.assert_same("GetItem", KEY)
    credentials.access_key, credentials.secret_key, credentials.token = "AKIDB", "two", "three"
    (request,), _ = client.assert_same("GetItem", KEY)
    assert b"Credential=AKIDB/" in request


def test_a_new_day_has_a_new_signing_key(make_client, monkeypatch):
    client = make_client()
    client.assert_same("GetItem", KEY)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.datetime(2026, 11, 21))
    client.assert_same("GetItem", KEY)


def test_without_credentials_nothing_is_sent(make_client):
    client = make_client()
    client.client._request_signer._credentials = None
    requests, (raised, *_) = client.assert_same("GetItem", KEY)
    assert (requests, raised) == ([], "NoCredentialsError")


def test_the_trace_of_a_lambda_is_passed_on(make_client, monkeypatch):
    client = make_client()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "api")
    for trace in ("Root=1-5759e988;Sampled=1", "Root=2-\u00e4"):
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
        (request,), _ = client.assert_same("GetItem", KEY)
        assert b"X-Amzn-Trace-Id: Root=" in request


def test_a_header_of_a_listener_is_signed_by_botocore(make_client):
    client = make_client()
    client.client.meta.events.register("before-call.dynamodb", lambda params, **_: params["headers"].update({"X-Amz-New": "a"}))
    (request,), _ = client.assert_same("GetItem", KEY)
    assert b"x-amz-new" in request


def test_only_the_calls_of_a_paginator_say_that_they_are(make_client):
    client = make_client()
    client.client.scan(TableName="t")
    list(client.client.get_paginator("scan").paginate(TableName="t"))
    client.client.scan(TableName="t")
    features = [request.split(b" m/")[1].split(b" ")[0].split(b",") for request in client.service.requests]
    assert [b"C" in those for those in features] == [False, True, False]


def test_many_threads_make_the_same_request(make_client):
    client = make_client()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: client.client.get_item(**KEY), range(64)))
    assert (len(client.service.requests), len(set(client.service.requests))) == (64, 1)


class Recorder:
    """Takes the place of botocore's HTTP session: keeps the requests and answers at once."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, ...]] = []

    def send(self, request: Any) -> AWSResponse:
        headers = [(name, value if isinstance(value, bytes) else value.encode()) for name, value in request.headers.items()]
        self.requests.append((request.method, request.url, headers, request.body, request.stream_output))
        response: Any = AWSResponse(request.url, 200, {}, None)  # type: ignore[arg-type]
        response._content = b"{}"
        return response  # type: ignore[no-any-return]

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "https://dynamodb.eu-central-1.amazonaws.com/"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "https://dynamodb-fips.eu-central-1.amazonaws.com/"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://dynamodb.eu-central-1.api.aws/"),
        ({"AWS_ACCOUNT_ID": "123456789012"}, "https://123456789012.ddb.eu-central-1.amazonaws.com/"),
        ({"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}, "https://dynamodb.eu-central-1.amazonaws.com/"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "https://dynamo.example:8443/at"}, "https://dynamo.example:8443/at"),
    ],
)
def test_requests_go_where_botocore_sends_them(make_client, environment, url):
    client = make_client("", **environment)
    client.client._endpoint.http_session = recorder = Recorder()
    for operation, arguments in CALLS + UNUSUAL:
        for way in (BaseClient._make_api_call, *[type(client.client)._make_api_call] * 2):  # type: ignore[attr-defined]
            way(client.client, operation, arguments)
        expected, *ours = recorder.requests[-3:]
        assert ours == [expected, expected]
    assert url in {request[1] for request in recorder.requests}


def test_another_account_has_another_endpoint(make_client):
    client = make_client("", AWS_ACCOUNT_ID="111111111111")
    client.client._endpoint.http_session = recorder = Recorder()
    credentials = client.client._request_signer._credentials
    for account in ("111111111111", "222222222222", "111111111111"):
        credentials.account_id = account
        client.client.get_item(**KEY)
        assert recorder.requests[-1][1] == f"https://{account}.ddb.eu-central-1.amazonaws.com/"
