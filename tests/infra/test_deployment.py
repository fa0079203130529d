"""Tables, policies and API Gateway's own answers, as they are deployed."""

import json
import re
from pathlib import Path

import pytest

import app
from chalicelib import dynamo, settings
from chalicelib.audit.model import Record
from chalicelib.payments.store import EntryRow
from infra import package, tables, template

ROOT = Path(__file__).parents[2]
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_bytes())


def test_every_feature_has_one_table(store):
    first = {"audit", "buyers", "catalog", "idempotency", "inventory", "payment-transactions", "purchases", "tickets", "wallets"}
    assert first <= set(tables.descriptions())
    names = {dynamo.table_name(feature) for feature in tables.descriptions()}
    assert set(store.list_tables()["TableNames"]) == names


def test_making_the_tables_again_changes_nothing(store):
    assert tables.create_all(store) == []


def test_what_is_created_is_what_is_deployed(store):
    resources = template.merged(settings.current().stage, app.app.routes)["Resources"].values()
    deployed = {one["Properties"]["TableName"]: one["Properties"] for one in resources if one.get("Type") == "AWS::DynamoDB::Table"}
    for feature, description in tables.descriptions().items():
        properties = deployed[dynamo.table_name(feature)]
        live = store.describe_table(TableName=properties["TableName"])["Table"]
        for name in ("KeySchema", "AttributeDefinitions"):
            assert live[name] == properties[name] == description[name]
        assert {index["IndexName"] for index in live.get("GlobalSecondaryIndexes", [])} == {
            index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", [])
        }
        ttl = store.describe_time_to_live(TableName=properties["TableName"])["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == properties.get("TimeToLiveSpecification", {}).get("AttributeName")


def test_tables_outlive_the_stack_and_can_be_restored():
    for resource in tables.cloudformation("prod").values():
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
        assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert resource["Properties"]["BillingMode"] == "PAY_PER_REQUEST"


def test_abandoned_purchases_and_used_keys_vanish():
    assert {"idempotency", "purchases"} <= set(tables.ttl_attributes())


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_role_reaches_its_own_stage_and_nothing_else(stage):
    resources = template.merged(stage, app.app.routes)["Resources"]
    for role in ("ApiHandlerRole", "SweepRole", "ReconcileRole"):
        (policy,) = resources[role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            assert not any("*" in action for action in actions)
            for arn in statement["Resource"]:
                assert re.search(rf"fairgate[-/]{stage}-", arn["Fn::Sub"])
                assert "${Stage}" not in arn["Fn::Sub"]


def test_no_function_may_change_the_ledger_or_the_audit():
    for file in (ROOT / ".chalice").glob("policy-*.json"):
        statements = json.loads(file.read_bytes())["Statement"]
        (denied,) = [statement for statement in statements if statement["Effect"] == "Deny"]
        assert set(denied["Action"]) == {"dynamodb:DeleteItem", "dynamodb:UpdateItem"}
        assert {arn.partition("${Stage}-")[2] for arn in denied["Resource"]} == {EntryRow.feature, Record.feature}


def test_every_function_has_its_policy():
    functions = {"api_handler", *(source.name for source in app.app.event_sources)}
    assert set(CONFIG["lambda_functions"]) == functions
    assert CONFIG["autogen_policy"] is False
    for function in CONFIG["lambda_functions"].values():
        assert (ROOT / ".chalice" / function["iam_policy_file"]).exists()


def test_stages_say_how_far_they_trust():
    def read(stage):
        return settings.read({**CONFIG["environment_variables"], **CONFIG["stages"][stage]["environment_variables"]})

    assert set(CONFIG["stages"]) == {"local", "dev", "prod"}
    assert [(read(stage).stage, read(stage).identity, read(stage).payment_simulation) for stage in ("local", "dev", "prod")] == [
        ("local", "demo", "on"),
        ("dev", "jwt", "on"),
        ("prod", "jwt", "off"),
    ]


def test_api_gateways_own_answers_have_our_shape():
    body = template.merged("dev", app.app.routes)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for name, answer in body["x-amazon-apigateway-gateway-responses"].items():
        shown = json.loads(answer["responseTemplates"]["application/json"])
        assert {"error", "message", "request_id"} <= shown.keys(), name
        assert answer["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
        assert ("gatewayresponse.header.Retry-After" in answer["responseParameters"]) == (answer.get("statusCode") in ("429", "503"))
    assert body["paths"].keys() == app.app.routes.keys()


def test_a_cold_start_loads_only_what_it_needs():
    assert package.check_imports() == []
