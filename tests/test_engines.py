"""The tables of the tests equal the tables that the product creates."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra import tables
from tests import engines

TIMES_AND_IDS = ("CreationDateTime", "TableId", "LatestStreamLabel", "LatestStreamArn")
ENGINES = {"moto": engines.moto, "local": engines.local}


def described():
    """Return the engine's descriptions of the current stage's tables, without times and ids."""
    client, found = dynamo.client(), {}
    for feature in tables.definitions():
        name = dynamo.table_name(feature)
        table = client.describe_table(TableName=name)["Table"]
        table["TimeToLive"] = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        table.get("BillingModeSummary", {}).pop("LastUpdateToPayPerRequestDateTime", None)
        found[feature] = {key: value for key, value in table.items() if key not in TIMES_AND_IDS}
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_copied_tables_are_like_those_that_are_created(engine):
    with ENGINES[engine]():
        engines.create_tables()
        copied = described()
        for feature in tables.definitions():
            dynamo.client().delete_table(TableName=dynamo.table_name(feature))
        assert len(tables.create_all(dynamo.client())) == len(copied)
        assert described() == copied


@pytest.mark.parametrize("engine", ENGINES)
def test_every_stage_begins_empty(engine):
    for _ in range(2):
        with ENGINES[engine]():
            for stage in ("one", "two"):
                with settings.override(stage=stage):
                    engines.create_tables()
                    name = dynamo.table_name("inventory")
                    assert dynamo.client().scan(TableName=name)["Count"] == 0
                    dynamo.client().put_item(TableName=name, Item={"id": {"S": "a"}})
                    assert dynamo.client().describe_table(TableName=name)["Table"]["TableArn"].endswith(f"/{name}")
