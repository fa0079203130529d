"""The template, the policies and the stages, as they are deployed."""

import json
import re
from pathlib import Path

import pytest

import app
from chalicelib import dynamo, settings
from chalicelib.audit.store import AuditRow
from chalicelib.ledger.store import LedgerRow
from infra import chalice_package, event_sources, lint, tables
from infra.template.additions import template_additions
from infra.template.stages import deployed_stages

ROOT = Path(__file__).parents[2]
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_bytes())


def test_created_tables_equal_deployed_tables(store):
    resources = template_additions(settings.current().stage, app.app.routes)["Resources"].values()
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
    resources = template_additions(stage, app.app.routes)["Resources"]
    logs = {}
    for role in ("ApiHandlerRole", "SweepRole", "ReconcileRole", "ProjectReportsRole"):
        (policy,) = resources[role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            assert not any("*" in action for action in actions)
            if statement["Sid"] == "WriteLogs":
                logs[role] = resources[statement["Resource"][0]["Fn::GetAtt"][0]]["Properties"]["LogGroupName"]
                continue
            for arn in statement["Resource"]:
                assert re.search(rf"fairgate[-/]{stage}-", arn["Fn::Sub"])
                assert "${Stage}" not in arn["Fn::Sub"]
    assert len(set(logs.values())) == 4
    assert all(name.startswith(f"/aws/lambda/fairgate-{stage}-") for name in logs.values())


def test_no_function_may_change_the_ledger_or_the_audit():
    """A function that may write all tables is denied to change these two; others may not write them at all."""
    for file in (ROOT / ".chalice").glob("policy-*.json"):
        statements = json.loads(file.read_bytes())["Statement"]
        written = [arn for statement in statements for arn in _resources(statement) if "dynamodb:PutItem" in statement["Action"]]
        if not any(arn.endswith("${Stage}-*") for arn in written):
            assert not any(arn.endswith((LedgerRow.feature, AuditRow.feature)) for arn in written)
            continue
        (denied,) = [statement for statement in statements if statement["Effect"] == "Deny"]
        assert set(denied["Action"]) == {"dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"}
        assert {arn.partition("${Stage}-")[2] for arn in denied["Resource"]} == {LedgerRow.feature, AuditRow.feature}


def test_the_api_may_not_read_a_whole_table():
    """So a list that scans one fails before anybody's table is large."""
    statements = json.loads((ROOT / ".chalice" / "policy-api.json").read_bytes())["Statement"]
    allowed = " ".join(json.dumps(statement["Action"]) for statement in statements if statement["Effect"] == "Allow")
    assert "dynamodb:Query" in allowed
    assert not any(f'"dynamodb:{action}"' in allowed for action in ("Scan", "*", "PartiQLSelect"))


def _resources(statement):
    return [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]


@pytest.mark.parametrize("function", event_sources.CONSUMERS)
def test_a_consumer_reads_the_streams_of_its_tables_and_writes_its_own_table_and_its_dead_letters(function):
    statements = json.loads((ROOT / ".chalice" / f"policy-{function}.json").read_bytes())["Statement"]
    allowed = {statement["Sid"]: {arn.partition("${Stage}-")[2] for arn in _resources(statement)} for statement in statements}
    assert allowed["ReadChanges"] == {f"{feature}/stream/*" for feature in event_sources.CONSUMERS[function]}
    assert allowed["SendDeadLetters"] == {f"{function.replace('_', '-')}-dead-letters"}
    assert not any("*" in arn for sid in allowed.keys() - {"ReadChanges"} for arn in allowed[sid])


def test_each_consumer_gets_the_changes_of_its_tables(packaged):
    resources = packaged()["Resources"]
    mappings = [part["Properties"] for part in resources.values() if part["Type"] == "AWS::Lambda::EventSourceMapping"]
    expected = {
        (event_sources.function_id(function), tables.logical_id(feature))
        for function, features in event_sources.CONSUMERS.items()
        for feature in features
    }
    assert {(mapping["FunctionName"]["Ref"], mapping["EventSourceArn"]["Fn::GetAtt"][0]) for mapping in mappings} == expected
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        assert 0 < mapping["MaximumRetryAttempts"] < 10_000
        assert resources[mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]]["Type"] == "AWS::SQS::Queue"
        table = resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_every_function_has_a_policy():
    functions = {"api_handler", *(source.name for source in app.app.event_sources), *event_sources.CONSUMERS}
    assert {function.name for function in app.app.pure_lambda_functions} == set(event_sources.CONSUMERS)
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


@pytest.fixture
def packaged(tmp_path):
    """The template as Chalice merges it; the zip is empty."""

    def package_template(stage="dev", **options):
        chalice_package.write(stage, "arm64", tmp_path, template_alone=True, **options)
        return json.loads((tmp_path / "sam.json").read_bytes())

    return package_template


@pytest.mark.parametrize("stage", deployed_stages())
def test_cloudformation_would_take_the_template_with_and_without_snapstart(packaged, tmp_path, stage):
    packaged(stage)
    assert lint.template_problems(tmp_path / "sam.json") == []
    packaged(stage, snapstart=True)
    assert lint.template_problems(tmp_path / "sam.json") == []


def test_what_cloudformation_would_refuse_is_a_problem(tmp_path, monkeypatch):
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "/aws/lambda/${Gone}"}, "RetentionInDays": 2}}
    (tmp_path / "sam.json").write_text(json.dumps({"Resources": {"Logs": group}}))
    problems = lint.template_problems(tmp_path / "sam.json")
    assert any(problem.startswith("Resources.Logs.Properties.LogGroupName.Fn::Sub: 'Gone'") for problem in problems)
    assert any(problem.startswith("Resources.Logs.Properties.RetentionInDays: 2 is not one of") for problem in problems)
    monkeypatch.setattr(lint, "MAX_TEMPLATE_BYTES", 10)
    assert "CloudFormation takes 10 at most" in lint.template_problems(tmp_path / "sam.json")[-1]


def test_functions_run_on_arm64_unless_another_architecture_is_asked_for(packaged):
    functions = [part for part in packaged()["Resources"].values() if part["Type"] == "AWS::Serverless::Function"]
    assert [function["Properties"]["Architectures"] for function in functions] == [["arm64"]] * 4
    assert CONFIG["lambda_architecture"] == "arm64"


def test_the_api_has_a_whole_processor(packaged):
    resources = packaged()["Resources"]
    assert [resources[name]["Properties"]["MemorySize"] for name in ("APIHandler", "Sweep", "Reconcile")] == [1769, 1024, 1024]


@pytest.mark.parametrize(("snapstart", "called"), [(False, {"Fn::GetAtt": ["APIHandler", "Arn"]}), (True, {"Ref": "APIHandler.Alias"})])
def test_every_method_calls_the_function_or_with_snapstart_its_alias(packaged, snapstart, called):
    resources = packaged(snapstart=snapstart)["Resources"]
    uris = [
        method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"][1]["Function"]
        for path in resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values()
        for name, method in path.items()
        if name != "options"  # API Gateway answers it
    ]
    assert len(uris) > len(app.app.routes)
    assert all(uri == called for uri in uris)
    assert ("SnapStart" in resources["APIHandler"]["Properties"]) == snapstart
    permitted = resources["APIHandlerInvokePermission"]["Properties"]["FunctionName"]
    assert permitted == {"Ref": "APIHandler.Alias" if snapstart else "APIHandler"}


def test_error_responses_of_api_gateway_have_our_shape():
    body = template_additions("dev", app.app.routes)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for name, response in body["x-amazon-apigateway-gateway-responses"].items():
        error = json.loads(response["responseTemplates"]["application/json"])
        assert {"error", "message", "request_id"} <= error.keys(), name
        assert response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
        assert ("gatewayresponse.header.Retry-After" in response["responseParameters"]) == (response.get("statusCode") in ("429", "503"))
    assert body["paths"].keys() == app.app.routes.keys()
