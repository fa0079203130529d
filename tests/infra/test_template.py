"""The template, the policies and the stages, as they are deployed."""

import json
import re
from pathlib import Path

import pytest

import app
from chalicelib import dynamo, settings
from chalicelib.audit.store import AuditRow
from chalicelib.ledger.store import LedgerRow
from infra import tables, template

ROOT = Path(__file__).parents[2]
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_bytes())


def test_created_tables_equal_deployed_tables(store):
    resources = template.template_additions(settings.current().stage, app.app.routes)["Resources"].values()
    deployed = {table["Properties"]["TableName"]: table["Properties"] for table in resources if table.get("Type") == "AWS::DynamoDB::Table"}
    for feature, definition in tables.definitions().items():
        properties = deployed[dynamo.table_name(feature)]
        live = store.describe_table(TableName=properties["TableName"])["Table"]
        for name in ("KeySchema", "AttributeDefinitions"):
            assert live[name] == properties[name] == definition[name]
        assert {index["IndexName"] for index in live.get("GlobalSecondaryIndexes", [])} == {
            index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", [])
        }
        ttl = store.describe_time_to_live(TableName=properties["TableName"])["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == properties.get("TimeToLiveSpecification", {}).get("AttributeName")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_role_reaches_its_own_stage_and_nothing_else(stage):
    resources = template.template_additions(stage, app.app.routes)["Resources"]
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
        assert {arn.partition("${Stage}-")[2] for arn in denied["Resource"]} == {LedgerRow.feature, AuditRow.feature}


def test_every_function_has_a_policy():
    functions = {"api_handler", *(source.name for source in app.app.event_sources)}
    assert set(CONFIG["lambda_functions"]) == functions
    assert CONFIG["autogen_policy"] is False
    for function in CONFIG["lambda_functions"].values():
        assert (ROOT / ".chalice" / function["iam_policy_file"]).exists()


def test_stages_differ_in_identity_and_simulated_payments():
    def read(stage):
        return settings.read({**CONFIG["environment_variables"], **CONFIG["stages"][stage]["environment_variables"]})

    assert set(CONFIG["stages"]) == {"local", "dev", "prod"}
    assert [(read(stage).stage, read(stage).identity, read(stage).payment_simulation) for stage in ("local", "dev", "prod")] == [
        ("local", "demo", "on"),
        ("dev", "jwt", "on"),
        ("prod", "jwt", "off"),
    ]


def test_error_responses_of_api_gateway_have_our_shape():
    body = template.template_additions("dev", app.app.routes)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for name, response in body["x-amazon-apigateway-gateway-responses"].items():
        error = json.loads(response["responseTemplates"]["application/json"])
        assert {"error", "message", "request_id"} <= error.keys(), name
        assert response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
        assert ("gatewayresponse.header.Retry-After" in response["responseParameters"]) == (response.get("statusCode") in ("429", "503"))
    assert body["paths"].keys() == app.app.routes.keys()
