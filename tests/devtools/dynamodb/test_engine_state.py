"""The state of an engine after a restart equals the state before it, whatever the calls were."""

import random
from contextlib import suppress

import pytest

from devtools.dynamodb.changes import encoder
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table, put

INDEX = {
    "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"}],
    "GlobalSecondaryIndexes": [
        {"IndexName": "owners", "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    ],
}


def contents(store) -> list[bytes]:
    return sorted(encoder.encode(change) for change in store.engine.dump_state())


def items_of_owner(client, owner: str) -> set[str]:
    found = client.query(
        TableName="things", IndexName="owners", KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"}, ExpressionAttributeValues={":o": {"S": owner}},
    )  # fmt: skip
    return {item["id"]["S"] for item in found["Items"]}


def make_random_call(client, chance: random.Random) -> None:
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
            create_table(client, stream=True, **{name: list(value) for name, value in INDEX.items()})


@pytest.mark.parametrize("seed", range(12))
def test_random_calls(clients, tmp_path, clock, seed):
    chance = random.Random(seed)
    expected: list[bytes] = []
    for _ in range(4):
        store = open_store(tmp_path, clock=clock)
        assert contents(store) == expected or not expected
        with attached_client(store, clients) as client:
            if not store.stream_arns() and not expected:
                create_table(client, stream=True)
            for _ in range(40):
                clock.now += chance.choice((0, 1, 100, 40_000))
                with suppress(client.exceptions.ConditionalCheckFailedException):
                    make_random_call(client, chance)
                if chance.random() < 0.05:
                    store.write_snapshot()
            expected = contents(store)


def test_tables_indexes_settings_and_tags(open_on_disk):
    with open_on_disk() as client:
        create_table(client, stream=True, **{name: list(value) for name, value in INDEX.items()})
        client.update_time_to_live(TableName="things", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
        described = client.describe_table(TableName="things")["Table"]
        client.tag_resource(ResourceArn=described["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
        put(client, "1", owner="ann")
        put(client, "2", owner="bob")
        described = client.describe_table(TableName="things")["Table"]
    with open_on_disk() as client:
        assert client.describe_table(TableName="things")["Table"] == described
        assert client.describe_time_to_live(TableName="things")["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "ttl",
        }
        assert client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
        assert items_of_owner(client, "ann") == {"1"}
        client.delete_table(TableName="things")
    with open_on_disk() as client:
        assert client.list_tables()["TableNames"] == []


def test_a_new_index_contains_older_items(open_on_disk):
    with open_on_disk() as client:
        create_table(client)
        put(client, "1", owner="ann")
        client.update_table(
            TableName="things",
            AttributeDefinitions=INDEX["AttributeDefinitions"],
            GlobalSecondaryIndexUpdates=[{"Create": INDEX["GlobalSecondaryIndexes"][0]}],
        )
    with open_on_disk() as client:
        assert items_of_owner(client, "ann") == {"1"}
