"""Single items, batches and transactions, as far as the contract suite does not have them."""

import pytest

from devtools.dynamodb.engine import ApiError
from tests.contract.wire_values import plain_item, wire_item
from tests.devtools.dynamodb.conftest import update_request


def returned(db, key, text, returns, **values):
    response = db.engine.call("UpdateItem", {**update_request(key, text, **values), "ReturnValues": returns})
    return plain_item(response["Attributes"]) if "Attributes" in response else None


def test_updated_parts_are_returned(db):
    db.put({"id": "a", "tree": {"x": 1, "y": 2}, "series": [1, 2]})
    assert returned(db, "a", "SET tree.x = :v, series[1] = :v", "UPDATED_OLD", v=9) == {"tree": {"x": 1}, "series": [2]}
    assert returned(db, "a", "REMOVE tree.x SET series[1] = :v", "UPDATED_NEW", v=8) == {"series": [8]}


def test_an_update_that_only_removes_does_not_create_an_item(db):
    assert returned(db, "a", "REMOVE x", "ALL_NEW") is None
    assert db.get("a") is None


@pytest.mark.parametrize("text", ["SET n = missing", "SET n = n + :v", "SET n.x = :v"])
def test_a_repeated_error_keeps_no_earlier_frames(db, text):
    db.put({"id": "a", "n": "text"})
    lengths = set()
    for _ in range(3):
        with pytest.raises(ApiError, match="ValidationException") as caught:
            db.engine.call("UpdateItem", update_request("a", text, **({"v": 1} if ":v" in text else {})))
        lengths.add(len(caught.traceback))
    assert len(lengths) == 1


def test_older_updates_and_conditions(db):
    db.put({"id": "a", "n": 1, "tags": {"x", "y"}})
    update = {"TableName": "things", "Key": wire_item({"id": "a"})}
    changes = {
        "n": {"Action": "ADD", "Value": {"N": "2"}},
        "tags": {"Action": "DELETE", "Value": {"SS": ["x"]}},
        "m": {"Value": {"S": "z"}},
    }
    expected = {"n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "2"}]}}
    db.engine.call("UpdateItem", {**update, "AttributeUpdates": changes, "Expected": expected})
    assert db.get("a") == {"id": "a", "n": 3, "tags": {"y"}, "m": "z"}
    assert db.error("UpdateItem", **update, AttributeUpdates={}, Expected=expected) == "ConditionalCheckFailedException"
    assert db.error("UpdateItem", **update, UpdateExpression="REMOVE n", Expected=expected) == "ValidationException"


def test_capacity_of_a_table_with_an_index(db):
    index = {"IndexName": "kinds", "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    db.create_table("pets", others=["kind"], GlobalSecondaryIndexes=[index])

    def consumed(item):
        return db.put(item, "pets", ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]

    assert "GlobalSecondaryIndexes" not in consumed({"id": "a"})
    assert consumed({"id": "a", "kind": "cat"})["CapacityUnits"] == 2
    moved = consumed({"id": "a", "kind": "dog"})
    assert (moved["Table"], moved["GlobalSecondaryIndexes"]) == ({"CapacityUnits": 1}, {"kinds": {"CapacityUnits": 2}})


def test_an_item_without_a_valid_key_cancels_a_transaction(db):
    puts = [{"Put": {"TableName": "things", "Item": item}} for item in ({"id": {"S": "a"}}, {"id": {"N": "1"}})]
    with pytest.raises(ApiError) as caught:
        db.engine.call("TransactWriteItems", {"TransactItems": puts})
    reasons = caught.value.members["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ValidationError"]
    assert db.get("a") is None


def test_tokens_are_valid_for_ten_minutes(db, clock):
    request = {"TransactItems": [{"Update": update_request("a", "ADD n :one", one=1)}], "ClientRequestToken": "token"}
    for seconds in (0, 599, 1):
        clock.now += seconds
        db.engine.call("TransactWriteItems", request)
    assert db.get("a")["n"] == 2


def test_old_tokens_are_forgotten(db, clock):
    for number in range(100):
        clock.now += 60
        puts = [{"Put": {"TableName": "things", "Item": {"id": {"S": "a"}}}}]
        db.engine.call("TransactWriteItems", {"TransactItems": puts, "ClientRequestToken": f"token-{number}"})
    assert len(db.engine.tokens) <= 12
