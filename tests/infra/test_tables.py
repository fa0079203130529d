"""The tables of all features, as they are created and as they are deployed."""

from chalicelib import dynamo
from infra import tables


def test_every_feature_has_one_table(store):
    first = {"audit", "buyers", "catalog", "idempotency", "inventory", "payment-transactions", "purchases", "tickets"}
    assert first <= set(tables.definitions())
    names = {dynamo.table_name(feature) for feature in tables.definitions()}
    assert set(store.list_tables()["TableNames"]) == names


def test_creating_the_tables_again_changes_nothing(store):
    assert tables.create_all(store) == []


def test_tables_outlive_the_stack_and_can_be_restored():
    for resource in tables.cloudformation("prod").values():
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
        assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert resource["Properties"]["BillingMode"] == "PAY_PER_REQUEST"


def test_abandoned_purchases_and_used_keys_expire():
    assert {"idempotency", "purchases"} <= set(tables.ttl_attributes())
