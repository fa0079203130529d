"""The HTTP server on loopback."""

import zlib
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import boto3
import pytest

from devtools.dynamodb.http_server import StoreHttpServer
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import create_table, item_ids, put

direct = build_opener(ProxyHandler({}))


@pytest.fixture
def server():
    with open_store() as store, StoreHttpServer(store) as server:
        yield server


def post(server: StoreHttpServer, body: bytes, **headers: str):
    extra_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(server.url, body, {"Content-Type": "application/x-amz-json-1.0", **extra_headers})
    try:
        return direct.open(request)
    except HTTPError as refused:
        return refused


def test_boto3_and_streams(server):
    client = boto3.client("dynamodb", endpoint_url=server.url, region_name="us-east-1")
    streams = boto3.client("dynamodbstreams", endpoint_url=server.url, region_name="us-east-1")
    create_table(client, stream=True)
    for number in range(30):
        put(client, str(number))
    assert item_ids(client) == {str(number) for number in range(30)}
    stream = streams.list_streams(TableName="things")["Streams"][0]["StreamArn"]
    shard = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert len(streams.get_records(ShardIterator=start)["Records"]) == 30


def test_responses_have_a_checksum_and_an_id(server):
    response = post(server, b"{}", X_Amz_Target="DynamoDB_20120810.ListTables")
    body = response.read()
    assert (response.status, body) == (200, b'{"TableNames":[]}')
    assert response.headers["x-amz-crc32"] == str(zlib.crc32(body))
    assert len(response.headers["x-amzn-RequestId"]) == 52


@pytest.mark.parametrize(
    ("target", "body", "status", "code"),
    [
        ("DynamoDB_20120810.ListTables", b"{", 400, "SerializationException"),
        ("DynamoDB_20120810.ListTables", b"[]", 400, "SerializationException"),
        ("DynamoDB_20120810.Nothing", b"{}", 400, "UnknownOperationException"),
        ("Other_20120810.ListTables", b"{}", 400, "UnknownOperationException"),
        ("", b"{}", 400, "UnknownOperationException"),
        ("DynamoDB_20120810.DescribeTable", b'{"TableName": "missing"}', 400, "ResourceNotFoundException"),
    ],
)
def test_errors(server, target, body, status, code):
    response = post(server, body, X_Amz_Target=target)
    assert response.status == status
    assert f"{code}".encode() in response.read()


def test_other_host_names_are_refused(server):
    response = post(server, b"{}", X_Amz_Target="DynamoDB_20120810.ListTables", Host="rebound.example")
    assert response.status == 403
