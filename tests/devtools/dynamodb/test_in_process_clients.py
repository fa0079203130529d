"""Clients in this process: they get the same responses as over HTTP, and other handlers of their events still work."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import open_journal
from devtools.dynamodb.server import Server
from devtools.in_process_clients import attached
from tests.devtools.dynamodb.conftest import Caller, Clock

CONFIG = Config(retries={"total_max_attempts": 1})
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
ITEM = {
    "id": {"S": "1"},
    "raw": {"B": b"\x00\xff"},
    "raws": {"BS": [b"a", b"b"]},
    "deep": {"M": {"B": {"L": [{"B": b"in"}, {"NULL": True}, {"BOOL": False}]}}},
    "n": {"N": "1.50"},
    "ns": {"NS": ["3", "4"]},
    "empty": {"M": {}},
}
KEY = {"Key": {"id": {"S": "1"}}}
ABSENT = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
ONE_VALUE = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
TABLE = {"TableName": "things"}
CAPACITY = {"ReturnConsumedCapacity": "INDEXES"}
CALLS = [
    ("put_item", {**TABLE, "Item": ITEM, **CAPACITY}),
    ("get_item", {**TABLE, **KEY, "ConsistentRead": True, **CAPACITY}),
    ("get_item", {**TABLE, "Key": {"id": {"S": "missing"}}}),
    ("put_item", {**TABLE, "Item": {"id": {"S": "1"}}, **ABSENT}),
    ("put_item", {**TABLE, "Item": {"id": {"S": "2"}}, **ABSENT}),
    ("update_item", {**TABLE, **KEY, "UpdateExpression": "SET n = n + :one", **ONE_VALUE, "ReturnValues": "ALL_NEW"}),
    ("update_item", {**TABLE, **KEY, "UpdateExpression": "SET n = nothing + :one", **ONE_VALUE}),
    ("query", {**TABLE, "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "1"}}}),
    ("scan", {**TABLE, "Limit": 1}),
    ("transact_write_items", {"TransactItems": [{"Put": {**TABLE, "Item": ITEM, **ABSENT}}, {"Delete": {**TABLE, **KEY}}]}),
    (
        "transact_write_items",
        {"TransactItems": [{"Put": {**TABLE, "Item": ITEM, **ABSENT}}, {"Delete": {**TABLE, "Key": {"id": {"S": "2"}}}}]},
    ),
    ("transact_get_items", {"TransactItems": [{"Get": {**TABLE, **KEY}}, {"Get": {**TABLE, "Key": {"id": {"S": "0"}}}}]}),
    ("batch_get_item", {"RequestItems": {"things": {"Keys": [KEY["Key"]]}}}),
    ("batch_write_item", {"RequestItems": {"things": [{"DeleteRequest": KEY}]}, **CAPACITY}),
    ("delete_item", {**TABLE, "Key": {"id": {"S": "2"}}, "ReturnValues": "ALL_OLD"}),
    ("describe_time_to_live", TABLE),
    ("get_item", {"TableName": "nowhere", **KEY}),
    ("describe_table", {"TableName": "nowhere"}),
    ("list_tables", {}),
    ("execute_statement", {"Statement": "SELECT * FROM things"}),
]


@pytest.fixture(scope="module")
def detached_client():
    return boto3.client("dynamodb", config=CONFIG, **KEYS)


@pytest.fixture
def client(detached_client, db):
    """A client of the engine with the tables of `db`."""
    with attached(db.engine, detached_client):
        yield detached_client


def put(client, key: str) -> None:
    client.put_item(TableName="things", Item={"id": {"S": key}})


def responses(client) -> list[dict]:
    results = []
    for operation, arguments in CALLS:
        try:
            response = getattr(client, operation)(**arguments)
        except ClientError as error:
            response = {"raised": type(error).__name__, "message": str(error), **error.response}
        metadata = response.pop("ResponseMetadata")
        results.append(
            {**response, "status": metadata["HTTPStatusCode"], "keys": sorted(metadata), "type": metadata["HTTPHeaders"]["content-type"]}
        )
    return results


def test_responses_are_the_same_as_over_http(client):
    remote = Caller(Engine(Clock()))
    for name, keys in (("things", "id:S"), ("lines", "id:S at:N")):
        remote.create_table(name, keys)
    with Server(remote.engine) as server:
        over_http = responses(boto3.client("dynamodb", endpoint_url=server.url, config=CONFIG, **KEYS))
    for in_process, remotely, call in zip(responses(client), over_http, CALLS, strict=True):
        assert in_process == remotely, call


def test_times_are_parsed(client):
    assert client.describe_table(**TABLE)["Table"]["CreationDateTime"].timestamp() == 1_780_000_000


def test_responses_are_copies(client):
    client.put_item(**TABLE, Item={"id": {"S": "1"}, "list": {"L": [{"S": "a"}]}})
    client.get_item(**TABLE, **KEY)["Item"]["list"]["L"].append({"S": "b"})
    assert client.get_item(**TABLE, **KEY)["Item"]["list"]["L"] == [{"S": "a"}]


def test_an_earlier_handler_can_keep_a_call_from_the_engine(client):

    def refuse(**_):
        raise ConnectionError("lost")

    client.meta.events.register("before-call.dynamodb.PutItem", refuse)
    try:
        with pytest.raises(ConnectionError):
            put(client, "1")
    finally:
        client.meta.events.unregister("before-call.dynamodb.PutItem", refuse)
    put(client, "2")
    assert client.scan(**TABLE)["Count"] == 1


def test_handlers_can_change_the_parameters(client):

    def limit(params, **_):
        return {**params, "Limit": 1}

    def count(params, **_):
        params["Select"] = "COUNT"

    put(client, "1")
    put(client, "2")
    events = {"provide-client-params.dynamodb.Scan": limit, "before-parameter-build.dynamodb": count}
    for event, handler in events.items():
        client.meta.events.register(event, handler)
    try:
        page = client.scan(**TABLE)
    finally:
        for event, handler in events.items():
            client.meta.events.unregister(event, handler)
    assert (page["Count"], "Items" in page, "LastEvaluatedKey" in page) == (1, False, True)
    assert client.scan(**TABLE)["Count"] == 2


def test_later_handlers_receive_the_response(client):
    responses = []

    def listen(http_response, parsed, model, **_):
        responses.append((model.name, http_response.status_code, parsed["Error"]["Code"] if "Error" in parsed else None))

    client.meta.events.register("after-call.dynamodb", listen)
    try:
        put(client, "1")
        with pytest.raises(ClientError):
            client.put_item(**TABLE, Item={"id": {"S": "1"}}, **ABSENT)
    finally:
        client.meta.events.unregister("after-call.dynamodb", listen)
    assert responses == [("PutItem", 200, None), ("PutItem", 400, "ConditionalCheckFailedException")]


def test_a_detached_client_is_as_before(detached_client, db):
    before = dict(vars(detached_client))
    with attached(db.engine, detached_client):
        put(detached_client, "1")
    assert vars(detached_client) == before
    with attached(Engine(), detached_client):
        assert detached_client.list_tables()["TableNames"] == []


def test_a_client_is_attached_to_one_engine_at_a_time(client):
    with pytest.raises(ValueError, match="already attached"), attached(Engine(), client):
        pass


def test_a_closed_journal_is_a_server_error(detached_client, db, tmp_path):
    with open_journal(tmp_path, db.engine), attached(db.engine, detached_client):
        put(detached_client, "kept")
    with attached(db.engine, detached_client), pytest.raises(ClientError, match="closed") as refused:
        put(detached_client, "lost")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


class ThingModel(Model):
    class Meta:
        table_name = "things"
        region = "us-east-1"

    id = UnicodeAttribute(hash_key=True)
    raw = BinaryAttribute(legacy_encoding=False)
    n = NumberAttribute(default=0)


def test_pynamodb(client):
    ThingModel._get_connection().connection._client = client
    ThingModel("1", raw=b"\x00\xff").save(ThingModel.id.does_not_exist())
    with pytest.raises(PutError) as refused:
        ThingModel("1", raw=b"").save(ThingModel.id.does_not_exist())
    assert refused.value.cause_response_code == "ConditionalCheckFailedException"
    thing = ThingModel.get("1", consistent_read=True)
    thing.update([ThingModel.n.add(2)])
    assert (thing.raw, thing.n) == (b"\x00\xff", 2)
