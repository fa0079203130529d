"""Tables themselves, and the errors about them."""

import pytest

from tests.contract.calls import done
from tests.contract.engines import description

MISSING = "ResourceNotFoundException 400"


def test_a_table_that_is_there(db, agrees):
    agrees(done(lambda: db.client.create_table(**description(db.things, ["id"]))), "ResourceInUseException 400")


def test_what_a_table_is(db, agrees):
    found = db.client.describe_table(TableName=db.lines)["Table"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in found["KeySchema"]]
    agrees(
        (found["TableStatus"], keys, found["BillingModeSummary"]["BillingMode"], found["StreamSpecification"]),
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
def test_a_table_that_is_not_there(db, agrees, call):
    agrees(done(lambda: CALLS[call](db, f"{db.things}-missing")), MISSING)
