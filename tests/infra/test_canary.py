"""The aliases of the functions, and how a new version takes the requests over."""

import io
import json
import os

import pytest
from samtranslator.translator.transform import transform

import app
from chalicelib.edge import error_replies
from infra import chalice_package
from infra.deploy.deployment import without_canary
from infra.release import describe_build
from infra.template import canary, functions, pre_traffic, stages
from infra.template.stages import stack_settings

CALLS = ("AWS::Events::Rule", "AWS::Lambda::EventSourceMapping", "AWS::ApiGateway::RestApi")


class _NoManagedPolicies:
    def load(self) -> dict:
        return {}


def _template(folder, stage):
    chalice_package.write(stage, "arm64", folder, template_alone=True)
    return json.loads((folder / "sam.json").read_bytes())


def _as_cloudformation_gets_it(template):
    """The resources after the transform that CloudFormation applies."""
    for resource in template["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][name] = "s3://fairgate-deploy/code.zip"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        return transform(template, {}, _NoManagedPolicies())["Resources"]


@pytest.fixture(scope="module")
def prod(tmp_path_factory):
    return _as_cloudformation_gets_it(_template(tmp_path_factory.mktemp("prod"), "prod"))


def _of_type(resources, kind):
    return {name: part for name, part in resources.items() if part["Type"] == kind}


def _references(part):
    """The logical ids that a part of a template refers to."""
    if isinstance(part, list):
        return {name for each in part for name in _references(each)}
    if not isinstance(part, dict):
        return set()
    own = {part["Ref"]} if isinstance(part.get("Ref"), str) else set()
    if "Fn::GetAtt" in part:
        own = {part["Fn::GetAtt"][0]}
    return own.union(*map(_references, part.values()))


def test_everything_that_calls_a_function_calls_its_alias(prod):
    made = {functions.FUNCTIONS[name] for name in functions.FUNCTIONS}
    callers = [part for kind in CALLS for part in _of_type(prod, kind).values()]
    called = {name for part in callers for name in _references(part["Properties"])}
    assert called & made == set()
    assert {f"{name}Aliaslive" for name in made} <= called
    qualified = {part["Properties"]["Qualifier"] for part in _of_type(prod, "AWS::Lambda::EventInvokeConfig").values()}
    assert qualified == {"live"}


def test_callers_may_call_an_alias_before_they_do(prod):
    """In an upgrade from functions without aliases, API Gateway and the rule for uploads lose no call."""
    permissions = {name: part["Properties"] for name, part in _of_type(prod, "AWS::Lambda::Permission").items()}
    for caller, names in (
        ("RestAPI", ["APIHandlerAliasPermission", "WebhooksAliasPermission", "DocumentsAliasPermission"]),
        ("ImageStored", ["ImageStoredInvokePermission"]),
    ):
        waits_for = prod[caller]["DependsOn"]
        assert set(names) <= set([waits_for] if isinstance(waits_for, str) else waits_for)
        for name in names:
            assert permissions[name]["FunctionName"]["Ref"].endswith("Aliaslive")
            assert caller not in json.dumps(permissions[name]), "the caller could not wait for it"
    before = {permissions[name]["FunctionName"]["Ref"] for name in ("APIHandlerInvokePermission", "WebhooksInvokePermission")}
    assert before == {"APIHandler", "Webhooks"}, "a rollback to functions without aliases needs these"


def test_a_version_ends_when_the_next_one_serves(prod):
    """Kept versions would fill the account's storage, and fail a second attempt, because Lambda does not publish the same code twice."""
    assert {part["DeletionPolicy"] for part in _of_type(prod, "AWS::Lambda::Version").values()} == {"Delete"}
    assert len(_of_type(prod, "AWS::Lambda::Version")) == len(functions.FUNCTIONS)


def test_the_functions_that_serve_requests_have_a_canary_and_the_others_change_at_once(prod):
    moved = {
        name.removesuffix("Aliaslive"): part["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"]
        for name, part in _of_type(prod, "AWS::Lambda::Alias").items()
        if "UpdatePolicy" in part
    }
    assert moved == {name: {"Ref": canary.HOOK} for name in ("APIHandler", "Webhooks", "Documents")}
    for group in _of_type(prod, "AWS::CodeDeploy::DeploymentGroup").values():
        properties = group["Properties"]
        assert properties["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent5Minutes"}
        assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
        alarms = [alarm["Name"]["Ref"] for alarm in properties["AlarmConfiguration"]["Alarms"]]
        assert alarms == [functions.alarm_id(name) for name in canary.ALARMS]
        assert {prod[alarm]["Type"] for alarm in alarms} == {"AWS::CloudWatch::Alarm"}


def test_a_stage_without_a_canary_has_nothing_of_it(tmp_path):
    assert not stack_settings("dev").canary
    resources = _as_cloudformation_gets_it(_template(tmp_path / "dev", "dev"))
    assert not any("CodeDeploy" in part["Type"] or "UpdatePolicy" in part for part in resources.values())
    assert canary.HOOK not in resources


def test_a_stack_and_its_functions_name_the_build(tmp_path):
    template = _template(tmp_path / "dev", "dev")
    assert template["Outputs"]["Build"]["Value"] == describe_build()
    described = [
        part["Properties"]["Description"] for part in template["Resources"].values() if "AutoPublishAlias" in part.get("Properties", {})
    ]
    assert len(described) == len(functions.FUNCTIONS)
    assert all(text.startswith(f"Build {describe_build()}, ") for text in described)


def test_a_change_that_lambda_does_not_see_in_a_version_is_in_its_description(tmp_path, monkeypatch):
    """Lambda would not publish a version if only reserved instances or tags changed, and the stack would fail."""
    before = _template(tmp_path / "before", "prod")["Resources"]
    blocks = stages._stacks()
    blocks["prod"]["reserved_concurrency"]["sweep"] += 1
    monkeypatch.setattr(stages, "_stacks", lambda: blocks)
    after = _template(tmp_path / "after", "prod")["Resources"]
    described = [
        {name: part["Properties"]["Description"] for name, part in made.items() if name in ("Sweep", "Webhooks")}
        for made in (before, after)
    ]
    assert described[0]["Sweep"] != described[1]["Sweep"]
    assert described[0]["Webhooks"] == described[1]["Webhooks"]


def test_a_rollback_takes_all_requests_back_at_once(tmp_path):
    """An alarm that is on would stop the canary of the earlier version."""
    template = _template(tmp_path / "prod", "prod")
    resources = _as_cloudformation_gets_it(json.loads(without_canary(json.dumps(template))))
    groups = [part["Properties"] for part in _of_type(resources, "AWS::CodeDeploy::DeploymentGroup").values()]
    assert [group["DeploymentConfigName"]["Fn::Sub"][1]["ConfigName"] for group in groups] == ["AllAtOnce"] * 3
    assert not any("AlarmConfiguration" in group for group in groups)
    assert "BeforeAllowTrafficHook" not in json.dumps(resources)


class _Aws:
    """Lambda, whose versions are this process's app, and CodeDeploy, which notes what it is told."""

    def __init__(self, monkeypatch):
        self.called, self.told, self.replies = [], [], {}
        monkeypatch.setattr(pre_traffic.boto3, "client", lambda _service: self)
        for name in pre_traffic.READS:
            monkeypatch.setitem(os.environ, name, f"arn:{name}")

    def invoke(self, FunctionName, Payload):
        event = json.loads(Payload)
        self.called.append((FunctionName, event["path"]))
        reply = self.replies.get(event["path"], {})
        if isinstance(reply, Exception):
            raise reply
        return {"Payload": io.BytesIO(json.dumps(app.app(event, None)).encode()), **reply}

    def put_lifecycle_event_hook_execution_status(self, **status):
        self.told.append(status)


@pytest.fixture
def aws(api, monkeypatch):
    return _Aws(monkeypatch)


HOOK_EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}


def test_versions_that_answer_get_requests(aws):
    pre_traffic.check_versions(HOOK_EVENT, None)
    assert aws.told == [{"deploymentId": "d-1", "lifecycleEventHookExecutionId": "h-1", "status": "Succeeded"}]
    assert aws.called == [(f"arn:{name}", path) for name, paths in pre_traffic.READS.items() for path in paths]


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/v1/catalog", {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorType": "Runtime.ImportModuleError"}')}),
        ("/v1/events", {"Payload": io.BytesIO(b'{"statusCode": 503, "body": "{}"}')}),
        ("/v1/events", {"Payload": io.BytesIO(b"null")}),
        ("/v1/health", RuntimeError("throttled")),
    ],
)
def test_a_version_that_does_not_answer_gets_no_request(aws, path, reply, capsys):
    aws.replies[path] = reply
    pre_traffic.check_versions(HOOK_EVENT, None)
    assert [told["status"] for told in aws.told] == ["Failed"]
    assert path in json.loads(capsys.readouterr().out.splitlines()[-1])["problems"][0]


def test_a_version_that_is_not_set_up_gets_no_request(aws, monkeypatch, capsys):
    monkeypatch.setattr(error_replies, "list_setup_errors", lambda _now: ["NoCredentialsError"])
    pre_traffic.check_versions(HOOK_EVENT, None)
    assert [told["status"] for told in aws.told] == ["Failed"]
    assert "not healthy" in capsys.readouterr().out


def test_the_hook_fits_into_a_template():
    assert len(canary._CODE.read_text()) <= 4096
