"""Tables themselves, and the errors about them."""

import pytest

from tests.contract.contract_engines import table_description
from tests.contract.outcomes import completion

MISSING = "ResourceNotFoundException 400"


def test_an_existing_table_cannot_be_created(db, assert_matches):
    assert_matches(completion(lambda: db.client.create_table(**table_description(db.things, ["id"]))), "ResourceInUseException 400")


def test_description_of_a_table(db, assert_matches):
    description = db.client.describe_table(TableName=db.lines)["Table"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in description["KeySchema"]]
    assert_matches(
        (description["TableStatus"], keys, description["BillingModeSummary"]["BillingMode"], description["StreamSpecification"]),
        ("ACTIVE", [("id", "HASH"), ("at", "RANGE")], "PAY_PER_REQUEST", {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}),
    )


CALLS = {
    "put": lambda db, table: db.client.put_item(TableName=table, Item={"id": {"S": "1"}}),
    "get": lambda db, table: db.client.get_item(TableName=table, Key={"id": {"S": "1"}}),
    "update": lambda db, table: db.client.update_item(TableName=table, Key={"id": {"S": "1"}}),
    "delete": lambda db, table: db.client.delete_item(TableName=table, Key={"id": {"S": "1"}}),
    "scan": lambda db, table: db.client.scan(TableName=table),
    "query": lambda db, table: db.client.query(
        TableName=table, KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": {"S": "1"}}
    ),
    "batch": lambda db, table: db.client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": {"id": {"S": "1"}}}}]}),
    "describe": lambda db, table: db.client.describe_table(TableName=table),
    "delete table": lambda db, table: db.client.delete_table(TableName=table),
    "time to live": lambda db, table: db.client.describe_time_to_live(TableName=table),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_table(db, assert_matches, call):
    assert_matches(completion(lambda: CALLS[call](db, f"{db.things}-missing")), MISSING)
