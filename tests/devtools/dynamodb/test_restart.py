"""What is there after a restart: all of it, whatever the calls were."""

import random
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from bench.store import put_items
from devtools.dynamodb.changes import encoder
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import ids, put, serving, table

INDEX = {
    "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"}],
    "GlobalSecondaryIndexes": [
        {"IndexName": "owners", "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    ],
}


def contents(store) -> list[bytes]:
    return sorted(encoder.encode(change) for change in store.engine.dump_state())


def owned(client, owner: str) -> set[str]:
    found = client.query(
        TableName="things", IndexName="owners", KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"}, ExpressionAttributeValues={":o": {"S": owner}},
    )  # fmt: skip
    return {item["id"]["S"] for item in found["Items"]}


def some_call(client, chance: random.Random) -> None:
    key = {"id": {"S": f"k{chance.randrange(12)}"}}
    number = {":n": {"N": str(chance.randrange(100))}}
    things = {"TableName": "things"}
    match chance.randrange(9):
        case 0:
            client.put_item(**things, Item={**key, "owner": {"S": "o"}, "raw": {"B": chance.randbytes(5)}, "set": {"NS": ["1.0", "2"]}})
        case 1:
            client.delete_item(**things, Key=key)
        case 2:
            client.update_item(**things, Key=key, UpdateExpression="SET n = :n", ExpressionAttributeValues=number)
        case 3:
            client.put_item(**things, Item=key, ConditionExpression="attribute_not_exists(id)")
        case 4:
            other = {"id": {"S": f"k{chance.randrange(12, 24)}"}}
            items = [{"Put": {**things, "Item": {**key, "n": number[":n"]}}}, {"Delete": {**things, "Key": other}}]
            client.transact_write_items(TransactItems=items)
        case 5:
            wanted = [{"PutRequest": {"Item": {"id": {"S": f"k{n}"}}}} for n in range(20, 24)] + [{"DeleteRequest": {"Key": key}}]
            client.batch_write_item(RequestItems={"things": wanted})
        case 6:
            client.update_table(**things, StreamSpecification={"StreamEnabled": False})
        case 7:
            client.update_table(**things, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        case 8:
            client.delete_table(**things)
            table(client, stream=True, **{name: list(value) for name, value in INDEX.items()})


@pytest.mark.parametrize("seed", range(12))
def test_any_calls(clients, tmp_path, clock, seed):
    chance = random.Random(seed)
    expected: list[bytes] = []
    for _ in range(4):
        store = open_store(tmp_path, clock=clock)
        assert contents(store) == expected or not expected
        with serving(store, clients) as client:
            if not store.stream_arns() and not expected:
                table(client, stream=True)
            for _ in range(40):
                clock.now += chance.choice((0, 1, 100, 40_000))
                with suppress(client.exceptions.ConditionalCheckFailedException):
                    some_call(client, chance)
                if chance.random() < 0.05:
                    store.write_snapshot()
            expected = contents(store)


def test_tables_indexes_settings_and_tags(on_disk):
    with on_disk() as client:
        table(client, stream=True, **{name: list(value) for name, value in INDEX.items()})
        client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        described = client.describe_table(TableName="things")["Table"]
        client.tag_resource(ResourceArn=described["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
        put(client, "1", owner="ann")
        put(client, "2", owner="bob")
        described = client.describe_table(TableName="things")["Table"]
    with on_disk() as client:
        assert client.describe_table(TableName="things")["Table"] == described
        assert client.describe_time_to_live(TableName="things")["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "ttl",
        }
        assert client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
        assert owned(client, "ann") == {"1"}
        client.delete_table(TableName="things")
    with on_disk() as client:
        assert client.list_tables()["TableNames"] == []


def test_a_new_index_has_the_old_items(on_disk):
    with on_disk() as client:
        table(client)
        put(client, "1", owner="ann")
        client.update_table(
            TableName="things",
            AttributeDefinitions=INDEX["AttributeDefinitions"],
            GlobalSecondaryIndexUpdates=[{"Create": INDEX["GlobalSecondaryIndexes"][0]}],
        )
    with on_disk() as client:
        assert owned(client, "ann") == {"1"}


def add(client, token: str, amount: str) -> None:
    item = {"TableName": "things", "Key": {"id": {"S": "sum"}}, "UpdateExpression": "ADD amount :n"}
    items = [{"Update": {**item, "ExpressionAttributeValues": {":n": {"N": amount}}}}]
    client.transact_write_items(TransactItems=items, ClientRequestToken=token)


def test_a_transaction_that_is_sent_again_after_a_restart_is_not_made_again(on_disk, clock):
    def total() -> str:
        return client.get_item(TableName="things", Key={"id": {"S": "sum"}})["Item"]["amount"]["N"]

    with on_disk() as client:
        table(client)
        add(client, "token", "1.0")
        add(client, "token", "1.0")
        assert total() == "1"
    with on_disk() as client:
        add(client, "token", "1.0")
        assert total() == "1"
        with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
            add(client, "token", "2")
        clock.now += 601
        add(client, "token", "1.0")
        assert total() == "2"


def test_snapshots_keep_the_journal_short(clients, tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.dynamodb.store.SNAPSHOT_BYTES", 20_000)
    store = open_store(tmp_path)
    with serving(store, clients) as client:
        table(client)
        for number in range(300):
            put(client, str(number % 10), filling="x" * 1000)
        assert store._journal.size < 100_000
        for thread in [store._snapshot_thread] if store._snapshot_thread else []:
            thread.join()
        assert store._journal._header.generation > 1
    with serving(open_store(tmp_path), clients) as client:
        assert len(ids(client)) == 10


def test_a_long_journal_becomes_a_snapshot_at_the_start(clients, tmp_path, monkeypatch):
    with serving(open_store(tmp_path), clients) as client:
        table(client)
        put(client, "1", filling="x" * 1000)
    monkeypatch.setattr("devtools.dynamodb.store.SNAPSHOT_AT_START_BYTES", 1000)
    store = open_store(tmp_path)
    with serving(store, clients) as client:
        assert store._journal.size == 0
        assert ids(client) == {"1"}
    with serving(open_store(tmp_path), clients) as client:
        assert ids(client) == {"1"}


def test_a_hundred_thousand_items(tmp_path):
    """bench/store.py measures how long it takes."""
    with open_store(tmp_path) as store:
        put_items(store, 100_000)
    with open_store(tmp_path) as store:
        assert len(store.engine) == 100_000


def test_nothing_is_read_before_it_is_on_disk(clients, tmp_path):
    """A crash must not take back what somebody was told. Who reads something else does not wait."""
    store = open_store(tmp_path)
    things = {"TableName": "things", "ConsistentRead": True}
    with serving(store, clients) as client, ThreadPoolExecutor() as pool:
        table(client)
        put(client, "other")
        with store._journal._disk_lock:
            write = pool.submit(put, client, "new")
            while store._journal.last == store._journal.durable and not write.done():
                pass
            assert client.get_item(**things, Key={"id": {"S": "other"}})["Item"]
            waiting = [write, pool.submit(client.get_item, **things, Key={"id": {"S": "new"}}), pool.submit(client.scan, **things)]
            assert wait(waiting, timeout=0.2).done == set()
        assert waiting[1].result()["Item"] == {"id": {"S": "new"}}
        assert waiting[2].result()["Count"] == 2


def test_what_was_changed_is_forgotten_when_it_is_on_disk(clients, tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.dynamodb.store.MAX_TRACKED_CHANGES", 10)
    store = open_store(tmp_path)
    with serving(store, clients) as client:
        table(client)
        for number in range(50):
            put(client, str(number))
        assert len(store._last_changes) <= 11
