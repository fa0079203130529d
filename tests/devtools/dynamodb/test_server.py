"""The HTTP server on loopback."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import open_journal
from devtools.dynamodb.server import MAX_HEADER_BYTES, MAX_REQUEST_BYTES, Server

ROOT = Path(__file__).parents[3]
TABLE = {
    "TableName": "things",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}


CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: DynamoDB_20120810.%s\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server():
    with Server(Engine()) as server:
        yield server


def client(url: str, service: str = "dynamodb"):
    config = Config(retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=config, **keys)


class Connection:
    """A connection to a server, for requests as bytes."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self._file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def response(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers, self._file.read(int(headers.get("content-length", 0)))

    def call(self, operation: str, body: bytes = b"{}", **headers: str) -> tuple[int, dict[str, str], bytes]:
        self.send(request(operation, body, **headers))
        return self.response()

    def is_closed(self) -> bool:
        return self._file.read(1) == b""


def request(operation: str, body: bytes = b"{}", **headers: str) -> bytes:
    headers = {"Host": "127.0.0.1", "X_Amz_Target": f"DynamoDB_20120810.{operation}", "Content_Length": str(len(body))} | headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{lines}\r\n".encode() + body


@pytest.fixture
def connection(server):
    with Connection(server) as connection:
        yield connection


def error(response) -> tuple[int, str]:
    status, _, body = response
    return status, json.loads(body)["__type"].rpartition("#")[2]


def put_request(key: str, **more) -> bytes:
    return request("PutItem", json.dumps({"TableName": "things", "Item": {"id": {"S": key}}, **more}).encode())


def test_boto3_and_streams(server):
    dynamodb, streams = client(server.url), client(server.url, "dynamodbstreams")
    dynamodb.create_table(**TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    for number in range(30):
        dynamodb.put_item(TableName="things", Item={"id": {"S": str(number)}, "data": {"B": bytes((number,))}})
    assert dynamodb.get_item(TableName="things", Key={"id": {"S": "7"}})["Item"]["data"] == {"B": b"\x07"}
    stream = streams.list_streams(TableName="things")["Streams"][0]["StreamArn"]
    records = []
    for shard in streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
        start = {"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        records += streams.get_records(ShardIterator=streams.get_shard_iterator(**start)["ShardIterator"])["Records"]
    assert {record["dynamodb"]["Keys"]["id"]["S"] for record in records} == {str(number) for number in range(30)}
    arn = dynamodb.describe_table(TableName="things")["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName="things", Item={"id": {"S": "7"}}, ConditionExpression="attribute_not_exists(id)")


def test_responses_have_a_checksum_and_an_id(connection):
    status, headers, body = connection.call("ListTables")
    assert (status, json.loads(body)) == (200, {"TableNames": []})
    assert headers["x-amz-crc32"] == str(zlib.crc32(body))
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert re.fullmatch(r"[0-9A-Z]{52}", headers["x-amzn-requestid"])


def test_operations_without_output_answer_with_an_empty_body(connection):
    connection.call("CreateTable", json.dumps(TABLE).encode())
    arn = json.loads(connection.call("DescribeTable", b'{"TableName": "things"}')[2])["Table"]["TableArn"]
    status, headers, body = connection.call("TagResource", json.dumps({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]}).encode())
    assert (status, headers["x-amz-crc32"], body) == (200, "0", b"")


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("DynamoDB_20120810.ListTables", b"{", "SerializationException"),
        ("DynamoDB_20120810.ListTables", b"[]", "SerializationException"),
        ("DynamoDB_20120810.ListTables", b"", "SerializationException"),
        ("DynamoDB_20120810.ListTables", b'{"a": "\xff"}', "SerializationException"),
        ("DynamoDB_20120810.ListTables", b'{"":' * 100_000 + b"{}" + b"}" * 100_000, "SerializationException"),
        ("DynamoDB_20120810.Nothing", b"{}", "UnknownOperationException"),
        ("DynamoDB_20120810.ListStreams", b"{}", "UnknownOperationException"),
        ("DynamoDBStreams_20120810.ListTables", b"{}", "UnknownOperationException"),
        ("Other_20120810.ListTables", b"{}", "UnknownOperationException"),
        ("", b"{}", "UnknownOperationException"),
        ("DynamoDB_20120810.DescribeTable", b'{"TableName": "missing"}', "ResourceNotFoundException"),
    ],
)
def test_errors(connection, target, body, code):
    assert error(connection.call("", body, X_Amz_Target=target)) == (400, code)
    assert connection.call("ListTables")[0] == 200  # the connection remains


def test_an_unknown_operation_answers_like_dynamodb(connection):
    assert connection.call("Nothing")[2] == b'{"__type":"com.amazon.coral.service#UnknownOperationException"}'


def test_the_health_check(connection):
    connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.response()[::2] == (200, b"healthy: dynamodb.us-east-1.amazonaws.com ")


@pytest.mark.parametrize("line", [b"GET /page", b"PUT /", b"POST /page"])
def test_other_methods_and_paths(connection, line):
    connection.send(request("ListTables").replace(b"POST /", line))
    assert error(connection.response()) == (404, "UnknownOperationException")


@pytest.mark.parametrize("host", ["rebound.example", "", "127.0.0.1.example:8000", "[::"])
def test_other_host_names_are_refused(connection, host):
    assert error(connection.call("ListTables", Host=host)) == (403, "AccessDeniedException")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1"])
def test_names_of_this_machine(connection, host):
    assert connection.call("ListTables", Host=host)[0] == 200


def test_requests_in_pieces_and_several_at_once(connection):
    for place in (1, 10, 80, len(request("ListTables")) - 1):
        connection.send(request("ListTables")[:place])
        connection.send(request("ListTables")[place:])
        assert connection.response()[0] == 200
    connection.send(request("ListTables") * 3 + request("Nothing") + request("ListTables")[:20])
    assert [connection.response()[0] for _ in range(4)] == [200, 200, 200, 400]
    connection.send(request("ListTables")[20:])
    assert connection.response()[0] == 200


def test_a_large_response_to_a_client_that_reads_slowly(connection):
    connection.call("CreateTable", json.dumps(TABLE).encode())
    for key in "ab":
        connection.send(put_request(key, Item={"id": {"S": key}, "filling": {"S": "x" * 390_000}}))
        assert connection.response()[0] == 200
    connection.send(request("Scan", b'{"TableName": "things"}') * 20)
    assert {len(connection.response()[2]) > 780_000 for _ in range(20)} == {True}


def test_a_client_that_waits_for_a_continuation(connection):
    whole = request("ListTables", Expect="100-continue")
    connection.send(whole[:-2])
    assert connection.response()[0] == 100
    connection.send(whole[-2:])
    assert connection.response()[0] == 200


def test_a_body_in_chunks(connection):
    connection.send(CHUNKED % b"ListTables" + b"1\r\n{\r\n" + b"1\r\n}\r\n0\r\n\r\n")
    assert connection.response()[0] == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("ListTables", b"x" * (MAX_REQUEST_BYTES + 1)), 413),
        (request("ListTables", Content_Length="-1"), 400),
        (request("ListTables", Transfer_Encoding="chunked"), 400),  # with a length too
        (CHUNKED % b"ListTables" + b"%x\r\n" % (MAX_REQUEST_BYTES + 1) + b"x" * (MAX_REQUEST_BYTES + 1), 413),
        (request("ListTables", Filling="x" * MAX_HEADER_BYTES), 400),
        (b"x" * MAX_HEADER_BYTES, 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(connection, data, status):
    connection.send(data)
    assert connection.response()[0] == status
    connection.send(b"x" * 100_000)  # a client that still sends gets the response nevertheless
    assert connection.is_closed()


@pytest.mark.parametrize("data", [request("ListTables", Connection="close"), request("ListTables").replace(b"HTTP/1.1", b"HTTP/1.0")])
def test_connections_that_the_client_does_not_keep(connection, data):
    connection.send(data + request("ListTables"))  # what comes after the last request is not answered
    status, headers, _ = connection.response()
    assert (status, headers["connection"]) == (200, "close")
    assert connection.is_closed()


def test_a_used_port_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        Server(Engine(), port=server.port)


def test_an_unexpected_fault_of_the_engine_is_an_internal_error(server, connection, monkeypatch):
    monkeypatch.setattr(Engine, "call", lambda *_: 1 / 0)
    assert error(connection.call("ListTables")) == (500, "InternalServerError")


def test_everything_is_there_after_a_restart(tmp_path):
    for start in range(3):
        engine = Engine()
        with open_journal(tmp_path, engine) as journal, Server(engine) as server, Connection(server) as connection:
            if start == 0:
                connection.call("CreateTable", json.dumps(TABLE).encode())
            connection.send(put_request(str(start)))
            assert connection.response()[0] == 200
            assert json.loads(connection.call("Scan", b'{"TableName": "things"}')[2])["Count"] == start + 1
            if start == 1:
                journal.compact()


def test_answers_wait_for_the_disk_and_share_it(tmp_path, monkeypatch):
    """The disk stands still: writes and what was read of them are not answered, but other requests are."""
    engine = Engine()
    with open_journal(tmp_path, engine), Server(engine) as server:
        with Connection(server) as first, Connection(server) as second, Connection(server) as reader:
            first.call("CreateTable", json.dumps(TABLE).encode())
            moves, stands = threading.Event(), threading.Event()
            sync, count = os.fdatasync, 0

            def wait(descriptor: int) -> None:
                nonlocal count
                count += 1
                stands.set()
                assert moves.wait(60)
                sync(descriptor)

            monkeypatch.setattr(os, "fdatasync", wait)
            first.send(put_request("a"))
            assert stands.wait(60)
            second.send(put_request("b") + put_request("c"))
            assert reader.call("ListTables")[0] == 200
            reader.send(request("GetItem", b'{"TableName": "things", "Key": {"id": {"S": "a"}}, "ConsistentRead": true}'))
            for waiting in (first, second, reader):
                waiting.socket.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    waiting.socket.recv(1)
                waiting.socket.settimeout(60)
            moves.set()
        assert count >= 1


def test_a_full_disk_is_an_internal_error(tmp_path, monkeypatch):
    engine = Engine()
    with open_journal(tmp_path, engine), Server(engine) as server, Connection(server) as connection:
        connection.call("CreateTable", json.dumps(TABLE).encode())

        def refuse(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fdatasync", refuse)
        for _ in range(2):
            connection.send(put_request("lost"))
            response = connection.response()
            assert error(response) == (500, "InternalServerError")
            assert b"Free some disk space" in response[2]


def start_process(*arguments: str) -> tuple[subprocess.Popen, str]:
    """The command, and the address that it prints."""
    command = [sys.executable, "-m", "devtools.dynamodb", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    line = process.stdout.readline()
    return process, re.search(r"http://\S+", line)[0] if "http" in line else line


def test_the_command_serves_and_stops(tmp_path):
    process, url = start_process("--folder", str(tmp_path), "--region", "eu-central-1")
    dynamodb = client(url)
    assert ":eu-central-1:" in dynamodb.create_table(**TABLE)["TableDescription"]["TableArn"]
    other, message = start_process("--folder", str(tmp_path))
    assert f"in use by process {process.pid}" in message
    assert other.wait(60) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    for stopped in (process, other):
        stopped.stdout.close()


@pytest.mark.slow
def test_kill_9_under_load_loses_no_acknowledged_write(tmp_path):
    acknowledged: set[str] = set()
    for kill in range(3):
        process, url = start_process("--folder", str(tmp_path))
        if kill == 0:
            client(url).create_table(**TABLE)
        enough = threading.Semaphore(0)

        def write(name: str, url: str = url, enough: threading.Semaphore = enough) -> None:
            dynamodb = client(url)
            for number in range(10_000):
                key = f"{name}-{number}"
                try:
                    dynamodb.put_item(TableName="things", Item={"id": {"S": key}}, ConditionExpression="attribute_not_exists(id)")
                except Exception:
                    return  # the server is gone
                acknowledged.add(key)
                enough.release()

        writers = [threading.Thread(target=write, args=(f"{kill}-{writer}",)) for writer in range(4)]
        for writer in writers:
            writer.start()
        for _ in range(100):
            assert enough.acquire(timeout=60)
        process.kill()
        for writer in writers:
            writer.join()
        process.wait()
        process.stdout.close()
    engine = Engine()
    with open_journal(tmp_path, engine):
        found = {item["id"]["S"] for item in engine.call("Scan", {"TableName": "things", "ConsistentRead": True})["Items"]}
    assert len(acknowledged) >= 300
    assert acknowledged <= found
    assert len(found) <= len(acknowledged) + 3 * 4
