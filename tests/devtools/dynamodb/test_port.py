"""DynamoDB's JSON protocol on loopback."""

import zlib
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import boto3
import pytest

from devtools.dynamodb.http_server import StoreHttpServer
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import ids, put, table

direct = build_opener(ProxyHandler({}))


@pytest.fixture
def port():
    with open_store() as store, StoreHttpServer(store) as opened:
        yield opened


def post(port: StoreHttpServer, body: bytes, **headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(port.url, body, {"Content-Type": "application/x-amz-json-1.0", **named})
    try:
        return direct.open(request)
    except HTTPError as refused:
        return refused


def test_boto3_and_streams(port):
    client = boto3.client("dynamodb", endpoint_url=port.url, region_name="us-east-1")
    streams = boto3.client("dynamodbstreams", endpoint_url=port.url, region_name="us-east-1")
    table(client, stream=True)
    for number in range(30):
        put(client, str(number))
    assert ids(client) == {str(number) for number in range(30)}
    stream = streams.list_streams(TableName="things")["Streams"][0]["StreamArn"]
    shard = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    assert len(streams.get_records(ShardIterator=start)["Records"]) == 30


def test_answers_carry_their_checksum_and_an_id(port):
    answer = post(port, b"{}", X_Amz_Target="DynamoDB_20120810.ListTables")
    body = answer.read()
    assert (answer.status, body) == (200, b'{"TableNames":[]}')
    assert answer.headers["x-amz-crc32"] == str(zlib.crc32(body))
    assert len(answer.headers["x-amzn-RequestId"]) == 52


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
def test_errors(port, target, body, status, code):
    answer = post(port, body, X_Amz_Target=target)
    assert answer.status == status
    assert f"{code}".encode() in answer.read()


def test_only_who_means_this_machine_is_answered(port):
    answer = post(port, b"{}", X_Amz_Target="DynamoDB_20120810.ListTables", Host="rebound.example")
    assert answer.status == 403
