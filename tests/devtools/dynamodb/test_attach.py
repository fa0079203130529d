"""A client that is served in this process hears what it would hear over HTTP, and others who listen to its calls still can."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError
from pynamodb.models import Model

from devtools.dynamodb.http_server import StoreHttpServer
from devtools.dynamodb.store import open_store
from devtools.dynamodb.transport import in_process_transport
from tests.devtools.dynamodb.conftest import put, serving, table

THING = {
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
ONE = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
T = {"TableName": "things"}
CAPACITY = {"ReturnConsumedCapacity": "INDEXES"}

CALLS = [
    ("put_item", {**T, "Item": THING, **CAPACITY}),
    ("get_item", {**T, **KEY, "ConsistentRead": True, **CAPACITY}),
    ("get_item", {**T, "Key": {"id": {"S": "missing"}}}),
    ("put_item", {**T, "Item": {"id": {"S": "1"}}, **ABSENT}),
    ("put_item", {**T, "Item": {"id": {"S": "2"}}, **ABSENT}),
    ("update_item", {**T, **KEY, "UpdateExpression": "SET n = n + :one", **ONE, "ReturnValues": "ALL_NEW"}),
    ("update_item", {**T, **KEY, "UpdateExpression": "SET n = nothing + :one", **ONE}),
    ("query", {**T, "KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": {"S": "1"}}}),
    ("scan", {**T, "Limit": 1}),
    ("transact_write_items", {"TransactItems": [{"Put": {**T, "Item": THING, **ABSENT}}, {"Delete": {**T, **KEY}}]}),
    ("transact_write_items", {"TransactItems": [{"Put": {**T, "Item": THING, **ABSENT}}, {"Delete": {**T, "Key": {"id": {"S": "2"}}}}]}),
    ("transact_get_items", {"TransactItems": [{"Get": {**T, **KEY}}, {"Get": {**T, "Key": {"id": {"S": "0"}}}}]}),
    ("batch_get_item", {"RequestItems": {"things": {"Keys": [KEY["Key"]]}}}),
    ("batch_write_item", {"RequestItems": {"things": [{"DeleteRequest": KEY}]}, **CAPACITY}),
    ("delete_item", {**T, "Key": {"id": {"S": "2"}}, "ReturnValues": "ALL_OLD"}),
    ("describe_time_to_live", T),
    ("get_item", {"TableName": "nowhere", **KEY}),
    ("describe_table", {"TableName": "nowhere"}),
    ("list_tables", {}),
    ("execute_statement", {"Statement": "SELECT * FROM things"}),
]


def answers(client) -> list[dict]:
    found = []
    for operation, arguments in CALLS:
        try:
            answer = getattr(client, operation)(**arguments)
        except ClientError as error:
            answer = {"raised": type(error).__name__, "said": str(error), **error.response}
        metadata = answer.pop("ResponseMetadata")
        found.append(
            {**answer, "status": metadata["HTTPStatusCode"], "keys": sorted(metadata), "type": metadata["HTTPHeaders"]["content-type"]}
        )
    return found


def test_the_same_as_over_http(memory):
    table(memory)
    with open_store() as store, StoreHttpServer(store) as port:
        remote = boto3.client("dynamodb", endpoint_url=port.url, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))
        table(remote)
        for mine, over_http, call in zip(answers(memory), answers(remote), CALLS, strict=True):
            assert mine == over_http, call


def test_times_are_times(memory):
    table(memory)
    assert memory.describe_table(**T)["Table"]["CreationDateTime"].timestamp() == 1_780_000_000


def test_answers_are_the_callers_own(memory):
    table(memory)
    memory.put_item(**T, Item={"id": {"S": "1"}, "list": {"L": [{"S": "a"}]}})
    memory.get_item(**T, **KEY)["Item"]["list"]["L"].append({"S": "b"})
    assert memory.get_item(**T, **KEY)["Item"]["list"]["L"] == [{"S": "a"}]


def test_whoever_listens_first_can_keep_a_call_from_the_store(memory):
    table(memory)

    def refuse(**_):
        raise ConnectionError("lost")

    memory.meta.events.register("before-call.dynamodb.PutItem", refuse)
    try:
        with pytest.raises(ConnectionError):
            put(memory, "1")
    finally:
        memory.meta.events.unregister("before-call.dynamodb.PutItem", refuse)
    put(memory, "2")
    assert memory.scan(**T)["Count"] == 1


def test_whoever_listens_afterwards_hears_the_answer(memory):
    table(memory)
    heard = []

    def listen(http_response, parsed, model, **_):
        heard.append((model.name, http_response.status_code, parsed["Error"]["Code"] if "Error" in parsed else None))

    memory.meta.events.register("after-call.dynamodb", listen)
    try:
        put(memory, "1")
        with pytest.raises(ClientError):
            memory.put_item(**T, Item={"id": {"S": "1"}}, **ABSENT)
    finally:
        memory.meta.events.unregister("after-call.dynamodb", listen)
    assert heard == [("PutItem", 200, None), ("PutItem", 400, "ConditionalCheckFailedException")]


def test_a_detached_client_is_as_it_was(clients):
    client = clients[0]
    agent = client._user_agent_creator
    with open_store() as first, in_process_transport(first, client):
        table(client)
    assert client._user_agent_creator is agent
    with open_store() as second, in_process_transport(second, client):
        assert client.list_tables()["TableNames"] == []


def test_a_client_has_one_store(memory):
    with pytest.raises(ValueError, match="already"), open_store() as other, in_process_transport(other, memory):
        pass


def test_a_closed_store_is_a_server_error(clients):
    store = open_store()
    with in_process_transport(store, clients[0]):
        store.close()
        with pytest.raises(ClientError, match="closed") as refused:
            clients[0].list_tables()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_two_stores_share_nothing(clients):
    with serving(open_store(), clients) as client:
        table(client)
        put(client, "1")
    with serving(open_store(), clients) as client:
        table(client)
        assert client.scan(**T)["Count"] == 0


class Thing(Model):
    class Meta:
        table_name = "things"
        region = "us-east-1"

    id = UnicodeAttribute(hash_key=True)
    raw = BinaryAttribute(legacy_encoding=False)
    n = NumberAttribute(default=0)


def test_pynamodb(memory):
    table(memory)
    Thing._get_connection().connection._client = memory
    Thing("1", raw=b"\x00\xff").save(Thing.id.does_not_exist())
    with pytest.raises(PutError) as refused:
        Thing("1", raw=b"").save(Thing.id.does_not_exist())
    assert refused.value.cause_response_code == "ConditionalCheckFailedException"
    thing = Thing.get("1", consistent_read=True)
    thing.update([Thing.n.add(2)])
    assert (thing.raw, thing.n) == (b"\x00\xff", 2)


class Interrupted(BaseException):
    """As KeyboardInterrupt, which a test can't raise without ending all of them."""


@pytest.mark.parametrize("fault", [RuntimeError, Interrupted])
def test_a_fault_in_the_middle_of_a_transaction_leaves_nothing(fault, clients, tmp_path, monkeypatch):
    """MiniStack fails where it must not: neither the tables nor the journal keep half of it."""
    store = open_store(tmp_path)
    with serving(store, clients) as client:
        table(client, stream=True)
        put(client, "old", a="before")
        emit = store.engine._ministack.dynamodb._emit_stream_event

        def fail(name, event, old, new):
            emit(name, event, old, new)
            if new["id"]["S"] == "second":
                raise fault("in the middle")

        monkeypatch.setattr(store.engine._ministack.dynamodb, "_emit_stream_event", fail)
        items = [{"Put": {**T, "Item": {"id": {"S": key}, "a": {"S": "after"}}}} for key in ("old", "new", "second", "third")]
        with pytest.raises((ClientError, Interrupted), match="in the middle"):
            client.transact_write_items(TransactItems=items)
        assert client.scan(**T)["Items"] == [{"id": {"S": "old"}, "a": {"S": "before"}}]
        assert len(store.stream_records(store.stream_arns()["things"], "", 100)) == 1
    with serving(open_store(tmp_path), clients) as client:
        assert client.scan(**T)["Count"] == 1


def test_what_the_journal_cannot_keep_ends_the_store(clients, tmp_path, monkeypatch):
    store = open_store(tmp_path)
    with serving(store, clients) as client:
        table(client)
        monkeypatch.setattr(store._checksum, "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            put(client, "1")
        with pytest.raises(ClientError, match="cannot write its journal"):
            client.scan(**T)
    with serving(open_store(tmp_path), clients) as client:
        assert client.scan(**T)["Count"] == 0
