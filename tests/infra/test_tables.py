"""The tables of all features, as they are created and as they are deployed."""

from chalicelib.dynamodb import dynamo
from infra import tables
from infra.template import stored_tables


def test_every_feature_has_one_table(store):
    first = {"audit", "buyers", "catalog", "idempotency", "inventory", "payment-transactions", "purchases", "tickets"}
    assert first <= set(tables.definitions())
    names = {dynamo.table_name(feature) for feature in tables.definitions()}
    assert set(store.list_tables()["TableNames"]) == names


def test_creating_the_tables_again_changes_nothing(store):
    before = [store.describe_table(TableName=dynamo.table_name(feature))["Table"] for feature in tables.definitions()]
    assert tables.create_all(store) == []
    assert [store.describe_table(TableName=dynamo.table_name(feature))["Table"] for feature in tables.definitions()] == before


def test_older_tables_get_missing_streams_and_indexes(threaded_store):
    for feature in ("audit", "purchases"):
        key = tables.definitions()[feature]["KeySchema"]
        attributes = [{"AttributeName": part["AttributeName"], "AttributeType": "S"} for part in key]
        name = dynamo.table_name(feature)
        threaded_store.delete_table(TableName=name)
        threaded_store.create_table(TableName=name, KeySchema=key, AttributeDefinitions=attributes, BillingMode="PAY_PER_REQUEST")
    assert tables.create_all(threaded_store) == []
    audit = threaded_store.describe_table(TableName=dynamo.table_name("audit"))["Table"]
    assert {index["IndexName"] for index in audit["GlobalSecondaryIndexes"]} == {"event", "actor", "day"}
    purchases = threaded_store.describe_table(TableName=dynamo.table_name("purchases"))["Table"]
    assert purchases["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_a_stream_has_the_old_and_the_new_item(store):
    for feature in tables.definitions():
        table = store.describe_table(TableName=dynamo.table_name(feature))["Table"]
        assert table.get("StreamSpecification", {}).get("StreamEnabled", False) == (feature in tables.streamed())


def test_tables_outlive_the_stack_and_can_be_restored():
    for resource in stored_tables.resources("prod").values():
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
        assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert resource["Properties"]["BillingMode"] == "PAY_PER_REQUEST"


def test_abandoned_purchases_and_used_keys_expire():
    assert {"idempotency", "purchases"} <= set(tables.ttl_attributes())
