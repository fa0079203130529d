"""The template, the policies and the stages, as they are deployed."""

import json
import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import msgspec
import pytest

import app
from chalicelib.audit.store import AuditRow
from chalicelib.catalog.stock_ledger import StockLedgerRow
from chalicelib.dynamodb import dynamo
from chalicelib.edge import error_replies
from chalicelib.foundation import settings
from chalicelib.ledger.store import LedgerRow
from infra import chalice_package, event_sources, lint, tables
from infra.deploy.account import secret_name
from infra.template import api, functions, policies, stages, stored_tables
from infra.template.additions import template_additions
from infra.template.api import WEBHOOK_PATHS
from infra.template.stages import deployed_stages
from tests import builders
from tests.addons.reports.conftest import poller  # noqa: F401
from tests.infra import saved_stage
from tests.simulation.interception import Listener, intercept
from tests.waiting_room import sale

ROOT = Path(__file__).parents[2]
# Names that stages of earlier versions have and that were given up on purpose, such as `dev.TableCarts`, each with the reason.
GIVEN_UP: dict[str, str] = {**settings.DEPRECATED}
CONFIG, STACKS = stages._config(), stages._stacks()


def test_created_tables_equal_deployed_tables(store):
    deployed = stored_tables.resources("dev")
    for feature, definition in tables.definitions().items():
        properties = deployed[tables.logical_id(feature)]["Properties"]
        assert properties["TableName"] == f"fairgate-dev-{feature}"
        live = store.describe_table(TableName=dynamo.table_name(feature))["Table"]
        for name in ("KeySchema", "AttributeDefinitions"):
            assert live[name] == properties[name] == definition[name]
        assert {index["IndexName"] for index in live.get("GlobalSecondaryIndexes", [])} == {
            index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", [])
        }
        ttl = store.describe_time_to_live(TableName=dynamo.table_name(feature))["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == properties.get("TimeToLiveSpecification", {}).get("AttributeName")


@pytest.mark.parametrize("stage", deployed_stages())
def test_nothing_that_is_done_to_a_stack_deletes_a_table(stage):
    for resource in stored_tables.resources(stage).values():
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
        properties = resource["Properties"]
        assert properties["DeletionProtectionEnabled"] is True
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["SSESpecification"] == {"SSEEnabled": True}


@pytest.mark.parametrize("stage", deployed_stages())
def test_every_bucket_is_encrypted_and_closed_to_the_public(stage):
    resources = template_additions(stage, app.app.routes)["Resources"]
    buckets = {name: resource["Properties"] for name, resource in resources.items() if resource.get("Type") == "AWS::S3::Bucket"}
    policies = [resource["Properties"] for resource in resources.values() if resource.get("Type") == "AWS::S3::BucketPolicy"]
    assert buckets
    assert {policy["Bucket"]["Ref"] for policy in policies} == set(buckets)
    for policy in policies:
        [refusal] = [statement for statement in policy["PolicyDocument"]["Statement"] if statement["Effect"] == "Deny"]
        assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (refusal["Principal"], refusal["Action"]) == ("*", "s3:*")
    for properties in buckets.values():
        [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}


def test_copies_of_the_ledgers_and_the_audit_log_cannot_be_changed():
    assert stored_tables.archive_resources("dev") == {}
    resources = stored_tables.archive_resources("prod")
    assert resources["Archive"]["Properties"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Days"] == 400
    requests = [
        json.loads(part["Properties"]["Target"]["Input"]["Fn::Sub"])
        for part in resources.values()
        if part["Type"] == "AWS::Scheduler::Schedule"
    ]
    assert {request["TableArn"] for request in requests} == {
        "${TableAudit.Arn}",
        "${TableInvoices.Arn}",
        "${TablePaymentTransactions.Arn}",
        "${TableStockLedger.Arn}",
    }
    assert all(request["S3Bucket"] == "${Archive}" for request in requests)


def test_tables_get_the_warm_throughput_of_their_stage():
    warm = {
        stage: {name for name, table in stored_tables.resources(stage).items() if "WarmThroughput" in table["Properties"]}
        for stage in ("dev", "prod")
    }
    assert (warm["dev"], {"TableInventory", "TablePurchases"} - warm["prod"]) == (set(), set())
    indexes = stored_tables.resources("prod")["TableTickets"]["Properties"]["GlobalSecondaryIndexes"]
    assert all(index["WarmThroughput"] == {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 10_000} for index in indexes)


def test_the_costs_say_how_much_warm_throughput_prod_buys():
    bought = [0, 0]
    for table in stored_tables.resources("prod").values():
        for each in (table["Properties"], *table["Properties"].get("GlobalSecondaryIndexes", [])):
            warm = each.get("WarmThroughput", {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 4_000})  # what AWS gives a new table
            bought[0] += warm["WriteUnitsPerSecond"] - 4_000
            bought[1] += warm["ReadUnitsPerSecond"] - 12_000
    stated = "{:,} write units and {:,} read units".format(*bought)
    assert stated in " ".join((ROOT / "docs" / "costs.md").read_text().split())


class Writes(Listener):
    """The tables that are written."""

    def __init__(self):
        self.tables = set()

    def before(self, call):
        if call.operation not in ("GetItem", "BatchGetItem", "Query"):
            self.tables.update(call.tables)


def test_prod_warms_every_table_that_a_drop_writes(api, poller, time):  # noqa: F811
    event_id, tier_id = sale.create_sale(api, time)
    sold_out = builders.create_shop(api, capacity=1)
    builders.create_order(api, sold_out, 1, "bob")
    with intercept(writes := Writes()), settings.override(rate_limits="on", limit_reserve="1/60"):
        guest = api.post("/auth/guest").json["user"]["id"]
        token = sale.join(api, event_id, guest)
        time.advance(sale.SECONDS_TO_OPENING + 20)
        body = {"items": [{"tier_id": tier_id, "quantity": 1}], "token": token}
        replies = [
            api.post(f"/events/{event_id}/reservations", json=body, user=guest, headers={"Idempotency-Key": key}) for key in ("one", "two")
        ]
        assert [reply.status for reply in replies] == [201, 429]
        reservation_id = replies[0].json["id"]
        assert builders.start_checkout(api, guest, reservation_id).status == 201
        assert builders.confirm(api, guest, reservation_id).status == 201
        assert api.post("/waitlist", json={"event_id": sold_out[0]}, user="eve").status == 201
        poller.drain()
    few_writes = {"stock-display", "stock-ledger", "sweep", "ticket-numbers"}  # an item for each event, or for each minute
    assert writes.tables - stages.stack_settings("prod").warm_throughput.keys() == few_writes


@pytest.mark.parametrize("stage", deployed_stages())
@pytest.mark.parametrize("function", functions.FUNCTIONS)
def test_a_role_reaches_its_own_stage_and_nothing_else(stage, function):
    statements = {statement.get("Sid", str(statement)): statement for statement in functions.policy(stage, function)["Statement"]}
    assert statements.pop("Trace")["Resource"] == ["*"]  # X-Ray knows no resources
    assert statements.pop("ReadMetrics", {"Resource": ["*"]})["Resource"] == ["*"]  # neither do figures
    assert statements.pop("WriteLogs")["Resource"] == [{"Fn::GetAtt": [functions.logs_id(function), "Arn"]}]
    queue = statements.pop("SendDeadLetters", None)
    assert (queue and queue["Resource"][0]["Fn::GetAtt"][0]) == functions.dead_letters_id(function)
    for statement in statements.values():
        assert not any("*" in action for action in statement["Action"])
        for arn in statement["Resource"]:
            assert re.search(rf"fairgate[-/]{stage}-|^\$\{{ImagesBucket\.Arn\}}", arn["Fn::Sub"])


def test_a_role_reads_no_secret_of_a_stage_whose_name_begins_alike():
    statements = functions.policy("dev", "api_handler")["Statement"]
    (arn,) = next(statement["Resource"] for statement in statements if statement.get("Sid") == "ReadSecrets")
    pattern = arn["Fn::Sub"].rpartition("secret:")[2]
    assert fnmatch(f"{secret_name('dev')}-a1B2c3", pattern)  # AWS adds a hyphen and six characters
    assert not fnmatch(f"{secret_name('dev-eu')}-a1B2c3", pattern)


def test_traces_hold_no_addresses_because_some_have_tokens():
    """API Gateway's segments would have the whole address of a request, and those of the functions have none."""
    template = api.resources("dev", {})
    assert not template["RestAPI"]["Properties"].get("TracingEnabled")


def test_the_api_may_not_read_a_whole_table():
    """So a list that scans one fails before anybody's table is large."""
    assert "Scan" not in " ".join(policies.TABLES["api_handler"].values()).split()


@pytest.mark.parametrize("function", functions.FUNCTIONS)
def test_a_policy_names_all_indexes_of_a_table_at_once_only_if_the_function_may_use_them_all(function):
    indexes = {
        (table, index["IndexName"]) for table, each in tables.definitions().items() for index in each.get("GlobalSecondaryIndexes", [])
    }
    allowed = {}
    for statement in functions.policy("dev", function)["Statement"]:
        for resource in statement["Resource"] if "Sid" not in statement else ():
            table, _, pattern = resource["Fn::Sub"].rpartition("table/fairgate-dev-")[2].partition("/index/")
            names = [f"{table}/index/{name}" for of, name in indexes if of == table and fnmatch(name, pattern)] if pattern else [table]
            for name in names:
                allowed.setdefault(name, set()).update(action.removeprefix("dynamodb:") for action in statement["Action"])
    assert allowed == {table: set(actions.split()) for table, actions in policies.tables_of("dev", function).items()}


def test_no_role_is_larger_than_iam_takes(monkeypatch):
    stage, variables = "a-stage-of-20-letter", {"FAIRGATE_MAIL_PROVIDER": "ses", "FAIRGATE_MAIL_FROM": f"tickets@{'a' * 60}.example"}
    block = CONFIG["stages"]["dev"] | {"environment_variables": variables}
    monkeypatch.setattr(stages, "_config", lambda: {**CONFIG, "stages": {stage: block}})
    monkeypatch.setattr(stages, "_stacks", lambda: {stage: STACKS["dev"]})
    for function in functions.FUNCTIONS:
        characters = len(json.dumps(_as_iam_gets_it(functions.policy(stage, function)), separators=(",", ":")))
        assert characters < 10_240, f"the policy of {function} has {characters} characters, more than IAM takes: infra/template/policies.py"


def _as_iam_gets_it(value):
    """A part of a policy after CloudFormation has put in its values, in the partition and the region with the longest names."""
    if isinstance(value, list):
        return [_as_iam_gets_it(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::GetAtt"}:
        return "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:".ljust(150, "x")
    if value.keys() == {"Fn::Sub"}:
        known = {"AWS::Partition": "aws-us-gov", "AWS::Region": "us-gov-west-1", "AWS::AccountId": "1" * 12, "ImagesBucket.Arn": "b" * 85}
        return re.sub(r"\$\{(.*?)}", lambda found: known[found[1]], value["Fn::Sub"])
    return {key: _as_iam_gets_it(part) for key, part in value.items()}


@pytest.mark.parametrize("function", functions.FUNCTIONS)
def test_no_function_may_change_the_ledgers_the_audit_or_invoices(function):
    (denied,) = [statement for statement in functions.policy("dev", function)["Statement"] if statement["Effect"] == "Deny"]
    assert {"dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"} <= set(denied["Action"])
    append_only = {LedgerRow.feature, AuditRow.feature, StockLedgerRow.feature, "invoices"}
    assert {arn["Fn::Sub"].partition("fairgate-dev-")[2] for arn in denied["Resource"]} == append_only
    for feature in append_only:
        assert set(policies.TABLES[function].get(feature, "").split()) <= {"GetItem", "PutItem", "Query"}


@pytest.mark.parametrize("function", event_sources.CONSUMERS)
def test_a_consumer_reads_the_streams_of_its_tables(function):
    (statement,) = [statement for statement in functions.policy("dev", function)["Statement"] if statement.get("Sid") == "ReadChanges"]
    read = {arn["Fn::Sub"].partition("fairgate-dev-")[2] for arn in statement["Resource"]}
    assert read == {f"{feature}/stream/*" for feature in event_sources.CONSUMERS[function]}


def test_each_consumer_gets_the_changes_of_its_tables(packaged):
    resources = packaged("dev", snapstart=False)["Resources"]
    mappings = [part["Properties"] for part in resources.values() if part["Type"] == "AWS::Lambda::EventSourceMapping"]
    expected = {
        (event_sources.function_id(function), tables.logical_id(feature))
        for function, features in event_sources.CONSUMERS.items()
        for feature in features
    }
    assert {
        (mapping["FunctionName"]["Ref"].removesuffix(".Alias"), mapping["EventSourceArn"]["Fn::GetAtt"][0]) for mapping in mappings
    } == expected
    patterns = {
        mapping["FunctionName"]["Ref"]: json.loads(found["Pattern"])
        for mapping in mappings
        for found in mapping.get("FilterCriteria", {}).get("Filters", [])
    }
    assert patterns == {f"{event_sources.function_id(name)}.Alias": pattern for name, pattern in event_sources.FILTERS.items()}
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        assert 0 < mapping["MaximumRetryAttempts"] < 10_000
        assert resources[mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]]["Type"] == "AWS::SQS::Queue"
        table = resources[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_every_function_of_the_app_is_one_of_the_template():
    made = {
        "api_handler",
        *(source.name for source in app.app.event_sources),
        *(function.name for function in app.app.pure_lambda_functions),
    }
    assert made == set(functions.MADE_BY_CHALICE) == set(CONFIG["lambda_functions"])
    assert functions.FUNCTIONS.keys() == policies.TABLES.keys() == {*made, *functions.SHARE_ROUTES}
    assert CONFIG["autogen_policy"] is False


@pytest.mark.parametrize("function", functions.SHARE_ROUTES)
def test_some_routes_have_a_function_of_their_own(packaged, function):
    resources = packaged("prod", snapstart=True)["Resources"]
    api, shared = (resources[name]["Properties"] for name in ("APIHandler", functions.FUNCTIONS[function]))
    own = {
        "CodeUri",
        "Description",
        "SnapStart",
        "Layers",
        "MemorySize",
        "LoggingConfig",
        "ReservedConcurrentExecutions",
        "Role",
        "Tags",
    }
    assert {name: value for name, value in shared.items() if name not in own} == {
        name: value for name, value in api.items() if name not in own
    }


def test_every_route_calls_one_function(packaged):
    paths = packaged("prod", snapstart=True)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    called = {
        path: {method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"][1]["Function"]["Ref"] for method in methods.values()}
        for path, methods in paths.items()
    }
    assert {path for path, functions in called.items() if functions == {"Webhooks.Alias"}} == {
        path for path in app.app.routes if path.startswith("/v1/webhooks/")
    }, "WEBHOOK_PATHS of infra/template/api.py"
    assert {path for path, functions in called.items() if functions == {"Documents.Alias"}} == {
        f"/v1/{path}.pdf"
        for path in ("orders/{order_id}/receipt", "orders/{order_id}/tickets", "orders/{order_id}/invoices", "events/{event_id}/statement")
    }
    assert all(len(functions) == 1 for functions in called.values())


def test_only_functions_that_make_documents_have_the_larger_zip(packaged):
    for stage in ("dev", "core"):
        resources = packaged(stage, snapstart=False)["Resources"]
        larger = {name for name, part in resources.items() if part.get("Properties", {}).get("CodeUri") == "./documents.zip"}
        with_fonts = {name for name, part in resources.items() if part.get("Properties", {}).get("Layers") == [{"Ref": "Fonts"}]}
        assert larger == with_fonts == ({"Documents", "SendMessages"} if stage == "dev" else set())
        assert ("Fonts" in resources) == bool(with_fonts)


def test_no_function_of_a_stage_that_sells_takes_the_instances_of_another(packaged):
    resources = packaged("prod", snapstart=True)["Resources"]
    reserved = {
        name: resources[logical_id]["Properties"]["ReservedConcurrentExecutions"] for name, logical_id in functions.FUNCTIONS.items()
    }
    assert sum(reserved.values()) <= 900  # an account has 1,000 at first, and 100 that nobody may reserve


def test_failed_calls_of_functions_go_to_their_queue(packaged):
    resources = packaged("dev", snapstart=False)["Resources"]
    for name in ("sweep", "reconcile"):
        config = resources[functions.FUNCTIONS[name]]["Properties"]["EventInvokeConfig"]
        queue = config["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
        assert resources[queue]["Type"] == "AWS::SQS::Queue"


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ({"requests_per_second": 1, "burst": 1, "reserved_concurrency": {"sweeper": 1}}, "names sweeper"),
        ({"requests_per_second": 1, "burst": 1, "warm_throughput": {"stock": {"reads": 12000, "writes": 4000}}}, "names stock"),
        ({"requests_per_second": 1}, "missing required field `burst`"),
        ({"requests_per_second": 1, "burst": 1, "domain": "shop.test"}, "domains and certificate_arn belong together"),
        ({"requests_per_second": 1, "burst": 1, "warm": {}}, "unknown field `warm`"),
    ],
)
def test_a_wrong_setting_of_a_stack_is_named(monkeypatch, stack, message):
    monkeypatch.setattr(stages, "_stacks", lambda: {**STACKS, "dev": stack})
    with pytest.raises((ValueError, msgspec.ValidationError), match=message):
        template_additions("dev", app.app.routes)


def test_a_stage_without_settings_of_its_stack_is_named(monkeypatch):
    monkeypatch.setattr(stages, "_stacks", dict)
    with pytest.raises(ValueError, match="has no block for stage dev; add one, or move `stack` there"):
        template_additions("dev", app.app.routes)


def test_stages_differ_in_identity_and_simulated_payments():
    def read(stage):
        return settings.read({**CONFIG["environment_variables"], **CONFIG["stages"][stage]["environment_variables"]})

    assert [(read(stage).stage, read(stage).identity, read(stage).payment_simulation) for stage in ("local", "dev", "prod")] == [
        ("local", "demo", "on"),
        ("dev", "jwt", "on"),
        ("prod", "jwt", "off"),
    ]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The template as Chalice merges it; the zip is empty."""

    @cache
    def package_template(stage="dev", **options):
        folder = tmp_path_factory.mktemp("packaged")
        chalice_package.write(stage, "arm64", folder, template_alone=True, **options)
        return json.loads((folder / "sam.json").read_bytes())

    return package_template


def test_the_shell_cannot_leave_an_addon_out_of_a_package(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRGATE_ADDONS", "none")
    with pytest.raises(SystemExit, match="Unset FAIRGATE_ADDONS"):
        chalice_package.write("dev", "arm64", tmp_path / "package", template_alone=True)
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize(
    "folder", [each for each in saved_stage.list_stages() if (each / saved_stage.NAMES).exists()], ids=lambda each: each.name
)
def test_an_upgrade_keeps_the_names_of_a_saved_stage(packaged, folder):
    saved = json.loads((folder / saved_stage.NAMES).read_bytes())
    now = saved_stage.list_names(lambda stage: packaged(stage, snapstart=stage == "prod"))
    assert set(saved["settings"]) - set(now["settings"]) - GIVEN_UP.keys() == set()
    assert {stage: now["secrets"][stage] for stage in saved["secrets"]} == saved["secrets"]
    changed = {
        f"{stage}.{logical_id}": now["resources"][stage].get(logical_id)
        for stage, resources in saved["resources"].items()
        for logical_id, resource in resources.items()
        if now["resources"][stage].get(logical_id) != resource
    }
    assert changed.keys() - GIVEN_UP.keys() == set(), changed


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "snapstart"), [("dev", False), ("prod", True)])
def test_cloudformation_would_take_the_template(packaged, tmp_path, stage, snapstart):
    (tmp_path / "sam.json").write_text(json.dumps(packaged(stage, snapstart=snapstart), separators=(",", ":")))  # as it is deployed
    assert lint.template_problems(tmp_path / "sam.json") == []


def test_an_invalid_template_is_a_problem(tmp_path, monkeypatch):
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "/aws/lambda/${Gone}"}, "RetentionInDays": 2}}
    (tmp_path / "sam.json").write_text(json.dumps({"Resources": {"Logs": group}}))
    problems = lint.template_problems(tmp_path / "sam.json")
    assert any(problem.startswith("Resources.Logs.Properties.LogGroupName.Fn::Sub: 'Gone'") for problem in problems)
    assert any(problem.startswith("Resources.Logs.Properties.RetentionInDays: 2 is not one of") for problem in problems)
    monkeypatch.setattr(lint, "MAX_TEMPLATE_BYTES", 10)
    assert "CloudFormation accepts at most 10" in lint.template_problems(tmp_path / "sam.json")[-1]


def test_only_a_template_with_faults_is_checked_again(tmp_path, monkeypatch):
    looks, file = [], tmp_path / "sam.json"
    monkeypatch.setattr(lint, "FAULTLESS", tmp_path / "faultless")
    look = lint.run_cfn_lint
    monkeypatch.setattr(lint, "run_cfn_lint", lambda text, **options: looks.append(text) or look(text, **options))
    good, bad = (json.dumps({"Resources": {"Topic": {"Type": kind}}}) for kind in ("AWS::SNS::Topic", "AWS::SNS::Topik"))
    for text, found in ((good, False), (good, False), (bad, True), (bad, True), (good, False)):
        file.write_text(text)
        assert bool(lint.template_problems(file)) == found
    assert looks == [good, bad, bad]
    monkeypatch.setattr(lint, "MAX_TEMPLATE_BYTES", 10)
    assert lint.template_problems(file) != []


def test_functions_run_on_arm64_unless_another_architecture_is_asked_for(packaged):
    made = [part for part in packaged("dev", snapstart=False)["Resources"].values() if part["Type"] == "AWS::Serverless::Function"]
    assert [function["Properties"]["Architectures"] for function in made] == [["arm64"]] * len(functions.FUNCTIONS)
    assert CONFIG["lambda_architecture"] == "arm64"


def test_the_api_has_a_whole_processor(packaged):
    resources = packaged("dev", snapstart=False)["Resources"]
    assert [resources[name]["Properties"]["MemorySize"] for name in ("APIHandler", "Sweep", "Reconcile")] == [1769, 1024, 1024]


@pytest.mark.parametrize("snapstart", [False, True])
def test_every_method_calls_the_alias_of_its_function(packaged, snapstart):
    resources = packaged("dev", snapstart=snapstart)["Resources"]
    called = [
        method["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"][1]["Function"]["Ref"]
        for path in resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values()
        for method in path.values()
    ]
    assert len(called) > len(app.app.routes)
    assert set(called) == {"APIHandler.Alias", "Webhooks.Alias", "Documents.Alias"}
    assert called.count("Webhooks.Alias") == 3 * len(WEBHOOK_PATHS), "POST, OPTIONS, the others"
    assert ("SnapStart" in resources["APIHandler"]["Properties"]) == snapstart


@pytest.mark.parametrize("stage", deployed_stages())
def test_the_api_lets_through_what_the_stage_says_and_its_log_names_nobody(packaged, stage):
    api = packaged(stage, snapstart=stage == "prod")["Resources"]["RestAPI"]["Properties"]
    (every_method,) = api["MethodSettings"]
    limits = STACKS[stage]
    assert (every_method["ThrottlingRateLimit"], every_method["ThrottlingBurstLimit"]) == (limits["requests_per_second"], limits["burst"])
    logged = json.loads(api["AccessLogSetting"]["Format"]).values()
    assert {"$context.status", "$context.resourcePath"} <= set(logged)
    assert not {"$context.identity.sourceIp", "$context.path", "$context.identity.userAgent"} & set(logged)


def test_a_stage_can_leave_the_role_of_the_account_alone(monkeypatch):
    def account_resources():
        resources = template_additions("dev", app.app.routes)["Resources"]
        named = [*resources, *resources["RestAPI"]["DependsOn"]]
        return sorted(name for name in named if name in ("AccessLogsAccount", "AccessLogsRole"))

    assert account_resources() == ["AccessLogsAccount", "AccessLogsAccount", "AccessLogsRole"]
    monkeypatch.setattr(stages, "_stacks", lambda: {**STACKS, "dev": {**STACKS["dev"], "set_account_role": False}})
    assert account_resources() == []


def test_another_stage_is_a_block_in_each_file(monkeypatch):
    block = json.loads(json.dumps(CONFIG["stages"]["dev"]).replace("dev", "try-out"))
    monkeypatch.setattr(stages, "_config", lambda: {**CONFIG, "stages": {**CONFIG["stages"], "try-out": block}})
    monkeypatch.setattr(stages, "_stacks", lambda: {**STACKS, "try-out": STACKS["dev"]})
    assert "try-out" in deployed_stages()
    tables_of_stage = [part["Properties"]["TableName"] for part in stored_tables.resources("try-out").values()]
    assert all(name.startswith("fairgate-try-out-") for name in tables_of_stage)
    template = json.dumps(template_additions("try-out", app.app.routes))
    assert "fairgate-dev" not in template


def test_preflight_requests_reach_the_functions_which_know_the_origins(packaged):
    for path, methods in packaged("dev", snapstart=False)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"].items():
        assert methods["options"] == methods["x-amazon-apigateway-any-method"], path
        assert methods["options"]["x-amazon-apigateway-integration"]["type"] == "aws_proxy"


def test_error_responses_of_api_gateway_have_our_shape():
    body = template_additions("dev", app.app.routes)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for name, response in body["x-amazon-apigateway-gateway-responses"].items():
        error = json.loads(response["responseTemplates"]["application/json"])
        assert {"error", "message", "request_id"} <= error.keys(), name
        assert ("gatewayresponse.header.Retry-After" in response["responseParameters"]) == (response.get("statusCode") in ("429", "503"))
        assert ("gatewayresponse.header.Deprecation" in response["responseParameters"]) == ("retryAfterSeconds" in error), name
        assert error.get("retryAfterSeconds") == error.get("retry_after_seconds"), name
        for_browsers = {f"gatewayresponse.header.{header}": f"'{value}'" for header, value in error_replies.BROWSER_HEADERS.items()}
        assert for_browsers.items() <= response["responseParameters"].items(), name
    assert body["paths"].keys() == app.app.routes.keys()


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        (None, {"Allow-Origin": "'*'"}),
        ("*", {"Allow-Origin": "'*'"}),
        ("https://a.example", {"Allow-Origin": "'https://a.example'", "Allow-Credentials": "'true'"}),
        ("https://a.example, https://b.example", {"Allow-Origin": "method.request.header.Origin", "Allow-Credentials": "'true'"}),
    ],
)
def test_error_responses_of_api_gateway_allow_the_origins_of_the_settings(monkeypatch, origins, allowed):
    variables = CONFIG["stages"]["dev"]["environment_variables"] | ({"FAIRGATE_CORS_ORIGINS": origins} if origins else {})
    block = CONFIG["stages"]["dev"] | {"environment_variables": variables}
    monkeypatch.setattr(stages, "_config", lambda: {**CONFIG, "stages": {**CONFIG["stages"], "dev": block}})
    body = template_additions("dev", app.app.routes)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for response in body["x-amazon-apigateway-gateway-responses"].values():
        sent = {name.rpartition(".header.")[2]: value for name, value in response["responseParameters"].items()}
        cors = {name.removeprefix("Access-Control-"): value for name, value in sent.items() if name.startswith("Access-Control-")}
        assert cors == allowed | {"Expose-Headers": "'Deprecation, Link, Retry-After, Sunset, X-Request-Id'"}
        assert sent.get("Vary") == (None if origins in (None, "*") else "'Origin'")
