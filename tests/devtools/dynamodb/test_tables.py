"""Tables, their keys and their indexes."""

import itertools
import random

import pytest

from devtools.dynamodb.tables import Partitions
from tests import seeds
from tests.contract.wire_values import plain_item, wire_item

GSI = {"IndexName": "by-kind", "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}], "Projection": {"ProjectionType": "KEYS_ONLY"}}


def test_scans_in_segments_find_each_entry_once():
    """Also after removals, and when partitions come back."""
    chance, partitions, present = random.Random(seeds.first), Partitions(), set()
    for _ in range(600):
        entry = str(chance.randrange(60)), (chance.randrange(5),)
        if entry in present:
            partitions.remove(*entry)
        else:
            partitions.add(*entry)
        present ^= {entry}
        if chance.random() < 0.1:
            found = [found for segment in range(4) for found in partitions.scan(None, segment, 4)]
            assert len(found) == len(present)
            assert set(found) == present


def test_a_scan_goes_on_after_a_removed_entry():
    partitions = Partitions()
    for number in range(50):
        partitions.add(str(number), ())
    order = [partition for partition, _ in partitions.scan(None, 0, 1)]
    partitions.remove(order[20], ())
    assert [partition for partition, _ in partitions.scan((order[20], ()), 0, 1)] == order[21:]


def test_indexes_follow_their_items(db):
    db.create_table("pets", others=["kind"], GlobalSecondaryIndexes=[GSI])
    query = {"TableName": "pets", "IndexName": "by-kind", "KeyConditionExpression": "kind = :kind"}

    def found(kind):
        page = db.engine.call("Query", {**query, "ExpressionAttributeValues": {":kind": {"S": kind}}})
        return [plain_item(item) for item in page["Items"]]

    db.put({"id": "a", "kind": "cat", "name": "Tom"}, "pets")
    db.put({"id": "b"}, "pets")
    assert found("cat") == [{"id": "a", "kind": "cat"}]
    db.put({"id": "a", "kind": "dog"}, "pets")
    assert (found("cat"), found("dog")) == ([], [{"id": "a", "kind": "dog"}])
    db.engine.call("DeleteItem", {"TableName": "pets", "Key": wire_item({"id": "a"})})
    assert found("dog") == []
    assert db.error("PutItem", TableName="pets", Item={"id": {"S": "c"}, "kind": {"N": "1"}}) == "ValidationException"


def test_a_new_index_is_filled(db):
    db.put({"id": "a", "kind": "cat"})
    db.put({"id": "b", "kind": 5})
    db.put({"id": "c", "kind": "x" * 3000})
    update = {"AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}], "GlobalSecondaryIndexUpdates": [{"Create": GSI}]}
    db.engine.call("UpdateTable", {"TableName": "things", **update})
    assert db.pages("Scan", {"TableName": "things", "IndexName": "by-kind"}) == [[{"id": "a", "kind": "cat"}]]
    for key in ("a", "b", "c"):
        db.delete(key)
    assert db.pages("Scan", {"TableName": "things", "IndexName": "by-kind"}) == [[]]


@pytest.mark.parametrize(
    "change",
    [
        {"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]},
        {"KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]},
        {"AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "unused")]},
        {"TableName": "a"},
        {"TableName": "not a name"},
        {"BillingMode": "PROVISIONED"},
        {"GlobalSecondaryIndexes": []},
        {"GlobalSecondaryIndexes": [GSI]},
        {"StreamSpecification": {"StreamEnabled": True}},
        {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]},
    ],
)
def test_refused_tables(db, change):
    schema = [{"AttributeName": "id", "KeyType": "HASH"}]
    request = {"TableName": "more", "KeySchema": schema, "BillingMode": "PAY_PER_REQUEST"}
    request["AttributeDefinitions"] = [{"AttributeName": "id", "AttributeType": "S"}]
    assert db.error("CreateTable", **{**request, **change}) == "ValidationException"
    assert db.engine.call("ListTables", {}) == {"TableNames": ["lines", "things"]}


def test_a_protected_table_is_not_deleted(db):
    db.engine.call("UpdateTable", {"TableName": "things", "DeletionProtectionEnabled": True})
    assert db.error("DeleteTable", TableName="things") == "ValidationException"


def test_the_limits_of_capacity_are_those_of_aws(db):
    limits = db.engine.call("DescribeLimits", {})
    assert (limits["AccountMaxReadCapacityUnits"], limits["TableMaxWriteCapacityUnits"]) == (80_000, 40_000)


def test_tags(db):
    arn = {"ResourceArn": db.engine.call("DescribeTable", {"TableName": "things"})["Table"]["TableArn"]}
    db.engine.call("TagResource", {**arn, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]})
    db.engine.call("UntagResource", {**arn, "TagKeys": ["a", "c"]})
    assert db.engine.call("ListTagsOfResource", arn) == {"Tags": [{"Key": "b", "Value": "2"}]}
    assert db.error("ListTagsOfResource", ResourceArn=arn["ResourceArn"] + "s") == "ResourceNotFoundException"


def test_a_table_that_is_paid_per_request_has_been_so_since_it_was_made(db, clock):
    times = itertools.count(clock.now)
    db.engine.clock = lambda: float(next(times))
    db.create_table("more")
    table = db.engine.call("DescribeTable", {"TableName": "more"})["Table"]
    assert table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] == table["CreationDateTime"]
