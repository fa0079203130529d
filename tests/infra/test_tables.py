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


def _spoil_index(client, feature, index_name):
    """Give a table an index of an earlier version, which has other attributes."""
    definition = tables.definitions()[feature]
    indexes = [
        {**index, "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["created_at"]}}
        for index in definition["GlobalSecondaryIndexes"]
        if index["IndexName"] == index_name
    ]
    used = {key["AttributeName"] for part in (definition, *indexes) for key in part["KeySchema"]}
    attributes = [attribute for attribute in definition["AttributeDefinitions"] if attribute["AttributeName"] in used]
    earlier = {"KeySchema": definition["KeySchema"], "AttributeDefinitions": attributes}
    name = dynamo.table_name(feature)
    client.delete_table(TableName=name)
    client.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST", **earlier, **({"GlobalSecondaryIndexes": indexes} if indexes else {})
    )


def test_an_index_with_other_attributes_is_replaced(threaded_store):
    _spoil_index(threaded_store, "email-notifications", "due")
    tables.create_all(threaded_store)
    found = threaded_store.describe_table(TableName=dynamo.table_name("email-notifications"))["Table"]["GlobalSecondaryIndexes"]
    assert {index["IndexName"]: index["Projection"].get("NonKeyAttributes") for index in found} == {
        "due": ["due_at"],
        "by_event": None,
        "event": None,
        "problem": None,
    }


def _conflicts(client):
    planned = {dynamo.table_name(feature): definition for feature, definition in tables.definitions().items()}
    return tables.index_conflicts(client, planned)


def test_changes_that_cloudformation_cannot_make_at_once_are_named(threaded_store):
    assert _conflicts(threaded_store) == []
    _spoil_index(threaded_store, "email-notifications", "due")
    name = dynamo.table_name("email-notifications")
    assert _conflicts(threaded_store) == [
        f"{name} changes 3 indexes (+by_event, +event, +problem)",
        f"{name} gives its index due other keys or attributes",
    ]
    _spoil_index(threaded_store, "tickets", "none")
    threaded_store.delete_table(TableName=name)
    assert _conflicts(threaded_store) == [f"{dynamo.table_name('tickets')} changes 2 indexes (+code, +event)"]


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
