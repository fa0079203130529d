"""`make deploy` against an emulated AWS: the whole command, from its options to what is on AWS then."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.client
import pytest
import urllib3

import app
from bootstrap.interrupts import NOT_CONFIRMED
from chalicelib.foundation import memory, settings
from infra import migrations
from infra.deploy import __main__ as command
from infra.deploy import deployment, stack
from infra.deploy.account import DeploymentFailed
from infra.deploy.deployment import CatalogCommands
from infra.emulation.aws import REGION, EmulatedAws
from infra.local.gateway import Gateway
from infra.local.server import LocalServer
from infra.template import stored_tables
from tests.infra.deployer_policy import is_allowed
from tests.repository import ROOT

pytestmark = pytest.mark.slow

STAGE, STACK, SHOP = "dev", "fairgate-dev", "https://shop.example.com"
ARGUMENTS = ("--stage", STAGE, "--skip", "check,test,package")


@pytest.fixture(scope="module")
def emulated(tmp_path_factory) -> Iterator[EmulatedAws]:
    with EmulatedAws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def aws(emulated, monkeypatch) -> EmulatedAws:
    """An AWS without anything, whose credentials and region the environment has."""
    assert urllib3.request("POST", f"{emulated.url}/_ministack/reset").status == 200
    for name, value in emulated.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stack, "POLL_SECONDS", 0)
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115  (nobody can be asked)
    return emulated


@pytest.fixture
def package(tmp_path) -> Path:
    """What `make package` writes, as far as a deployment reads it: the tables, a queue, and a bucket for two pages."""
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<h1>Shop</h1>")
    (web / "assets" / "shop-1a2b.js").write_text("start()")
    (tmp_path / "sam.json").write_text(json.dumps(template()))
    return tmp_path


def template(**more: dict) -> dict:
    resources = {**stored_tables.resources(STAGE), "Pages": {"Type": "AWS::S3::Bucket"}, **more}
    outputs = {
        "WebBucketName": {"Value": {"Ref": "Pages"}},
        "EndpointURL": {"Value": "http://127.0.0.1:9/api/"},
        "ShopURL": {"Value": SHOP},
    }
    return {"Transform": "AWS::Serverless-2016-10-31", "Resources": resources, "Outputs": outputs}


# A resource that waits a second for a signal that nobody sends, and then fails.
NEVER_READY = {
    "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
    "NeverReady": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1", "Count": 1}},
}


def queue(name: str) -> dict:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}


@pytest.fixture
def api_url(aws) -> Iterator[str]:
    """The API of the stage, in this process, with the tables of the emulated AWS."""
    with settings.override(stage=STAGE, store_endpoint=aws.url, region=REGION, identity="jwt"):
        memory.forget_everything()
        server = LocalServer(0)
        server.start(Gateway(app.app), Path(__file__).parent)
        yield f"{server.origin}/api/v1"
        server.stop()
    memory.forget_everything()


@pytest.fixture
def deploy(aws, package, api_url, capfd):
    """`deploy(*options)`: exit code, and what was printed."""

    def call(*options: str, url: str = api_url, yes: bool = True) -> tuple[int, str]:
        memory.forget_everything()
        code = command.main([*ARGUMENTS, "--folder", str(package), "--url", url, *(["--yes"] if yes else []), *options])
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return call


def _stack_status(aws: EmulatedAws) -> str | None:
    found = stack.Stack(_account(aws), STACK, print).describe()
    return found and found["StackStatus"]


def _account(aws: EmulatedAws):
    class Clients:
        client = staticmethod(aws.client)

    return Clients


def _served_version(api_url: str) -> int:
    memory.forget_everything()
    return urllib3.request("GET", f"{api_url}/catalog").json()["version"]


def test_a_first_deployment_makes_everything_and_sells_a_ticket(deploy, aws, api_url, package):
    code, printed = deploy()
    assert code == 0, printed
    assert _stack_status(aws) == "CREATE_COMPLETE"
    secret = json.loads(aws.client("secretsmanager").get_secret_value(SecretId="fairgate/dev")["SecretString"])
    assert len(secret["jwt_secret"]) >= 32
    assert secret["ticket_keys"].startswith("k1:")
    assert secret["jwt_secret"] not in printed
    assert "+ AWS::DynamoDB::Table TableCatalog" in printed
    assert "one ticket of test-event-1 was sold" in printed
    assert f"Stage dev is deployed: {SHOP}" in printed
    assert _served_version(api_url) == 1
    (pages,) = [b["Name"] for b in aws.client("s3").list_buckets()["Buckets"] if not b["Name"].startswith("fairgate-deploy-")]
    heads = {key: aws.client("s3").head_object(Bucket=pages, Key=key) for key in ("index.html", "assets/shop-1a2b.js")}
    assert [(head["ContentType"], head["CacheControl"]) for head in heads.values()] == [
        ("text/html", "no-cache"),
        ("text/javascript", "public, max-age=31536000, immutable"),
    ]


def test_a_stage_that_cannot_send_emails_is_warned_of(deploy, aws, monkeypatch):
    code, printed = deploy()
    assert code == 0, printed
    [warning] = [line for line in printed.splitlines() if line.startswith("Warning: this stage cannot send emails")]
    assert [name in warning for name in ("smtp_url", "FAIRGATE_MAIL_FROM", "FAIRGATE_SHOP_URL")] == [True] * 3
    client = aws.client("secretsmanager")
    secret = json.loads(client.get_secret_value(SecretId="fairgate/dev")["SecretString"])
    client.put_secret_value(SecretId="fairgate/dev", SecretString=json.dumps(secret | {"smtp_url": "smtps://mail.example:465"}))
    variables = {"FAIRGATE_MAIL_FROM": "Shop <tickets@shop.example>", "FAIRGATE_SHOP_URL": SHOP}
    monkeypatch.setattr(deployment, "function_settings", lambda _: {"Environment": {"Variables": variables}})
    code, printed = deploy()
    assert code == 0, printed
    assert "Warning" not in printed


def test_the_same_again_changes_nothing(deploy, aws):
    deploy()
    secret = aws.client("secretsmanager").get_secret_value(SecretId="fairgate/dev")["SecretString"]
    code, printed = deploy()
    assert code == 0, printed
    assert "the stack is up to date" in printed
    assert "version 1 is already served" in printed
    assert "no change that buyers can see" in printed  # the plan
    assert aws.client("secretsmanager").get_secret_value(SecretId="fairgate/dev")["SecretString"] == secret


def test_an_older_secret_gets_the_key_of_the_cdn_and_keeps_the_others(deploy, aws, monkeypatch):
    values = {"jwt_secret": "j" * 48, "ticket_keys": "k1:" + "t" * 48, "of_mine": "anything"}
    client = aws.client("secretsmanager")
    client.create_secret(Name="fairgate/dev", SecretString=json.dumps(values))
    called = _record_calls(monkeypatch)
    code, printed = deploy()
    assert code == 0, printed
    assert "edge_key, which CloudFront needs, was added" in printed
    secret = json.loads(client.get_secret_value(SecretId="fairgate/dev")["SecretString"])
    assert len(secret.pop("edge_key")) >= 32
    assert secret == values
    assert "secretsmanager:PutSecretValue" in called
    assert [name for name in sorted(called) if name.startswith("secretsmanager:") and not is_allowed(name)] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not JSON", "The secret fairgate/dev must be a JSON object"),
        ('["k"]', "The secret fairgate/dev must be a JSON object"),
        ('{"edge_key": "short"}', "edge_key in the secret fairgate/dev is too short. Replace it with a value of at least 32 characters."),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_before_anything_changes(deploy, aws, text, message):
    aws.client("secretsmanager").create_secret(Name="fairgate/dev", SecretString=text)
    code, printed = deploy()
    assert code == 1
    assert message in printed
    assert text not in printed
    assert _stack_status(aws) is None


def test_a_failed_smoke_test_takes_the_stack_and_the_catalog_back(deploy, aws, api_url, package, tmp_path):
    deploy()
    before = urllib3.request("GET", f"{api_url}/catalog").json()
    (package / "sam.json").write_text(json.dumps(template(More=queue("fairgate-dev-more"))))
    edited = json.loads((ROOT / "bootstrap" / "bootstrap-tickets.json").read_text())
    edited["events"]["test-event-1"]["name"] = "Another name"
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    code, printed = deploy("--files", str(tmp_path / "edited.json"), url=api_url.replace("/v1", "/none"))
    assert code == 1
    assert "The smoke test failed" in printed
    assert "applied as version 2" in printed
    assert "applied as version 3" in printed  # version 1 again
    assert not aws.client("sqs").list_queues().get("QueueUrls")
    assert _stack_status(aws) == "UPDATE_COMPLETE"
    memory.forget_everything()
    assert urllib3.request("GET", f"{api_url}/catalog").json()["checksum"] == before["checksum"]


@pytest.mark.parametrize(
    ("step", "message", "status"),
    [
        ("validate", "Interrupted in the step validate. Nothing was changed.", None),
        ("upload", "Interrupted in the step upload. The stage is unchanged. A secret or a bucket may be new", None),
        ("stack", "CloudFormation continues on its own. When it has finished, run the command again", "CREATE_COMPLETE"),
        ("pages", "The stage is deployed, but may still serve the previous pages", "CREATE_COMPLETE"),
    ],
)
def test_a_stopped_deployment_reports_its_state_and_can_continue(deploy, aws, monkeypatch, step, message, status):
    stopped_at = {
        "validate": (CatalogCommands, "validate"),
        "upload": (deployment, "upload_package"),
        "stack": (stack.Stack, "_report_event"),
        "pages": (deployment, "upload_pages"),
    }
    with monkeypatch.context() as patched:
        patched.setattr(*stopped_at[step], _press_ctrl_c)
        code, printed = deploy()
    assert (code, _stack_status(aws)) == (130, status)
    assert message in printed
    code, printed = deploy()
    assert code == 0, printed


def test_an_upload_of_assets_that_stops_leaves_the_stage_unchanged(deploy, aws, package, monkeypatch):
    deploy()
    (package / "sam.json").write_text(json.dumps(template(More=queue("fairgate-dev-more"))))
    with monkeypatch.context() as patched:
        patched.setattr(deployment, "upload_pages", _press_ctrl_c)
        code, printed = deploy()
    assert (code, _stack_status(aws)) == (130, "CREATE_COMPLETE")
    assert "Interrupted in the step assets. The stage is unchanged." in printed
    assert not aws.client("sqs").list_queues().get("QueueUrls")


def test_a_deployment_migrates_what_an_earlier_version_stored(deploy, aws, monkeypatch):
    """The stack changes between the two kinds of migrations, and the second kind follows when nothing is rolled back any more."""
    code, printed = deploy()
    assert code == 0, printed
    assert [f"Migration {each.number}: " in printed for each in migrations.MIGRATIONS] == [True] * len(migrations.MIGRATIONS)
    before = migrations.Migration(90, "new form", "before", "buyers", lambda _item: None)
    after = migrations.Migration(91, "no old form", "after", "buyers", lambda _item: None)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, before, after))
    code, printed = deploy()
    assert code == 0, printed
    found = re.findall(r"\] (prepare data|stack|smoke test|complete data):|Migration (\d+):", printed)
    assert ["".join(each) for each in found] == ["prepare data", "90", "stack", "smoke test", "complete data", "91"]


def test_two_changes_of_indexes_of_a_table_are_refused_before_anything_changes(deploy, aws, package):
    deploy()
    changed = template()
    properties = changed["Resources"]["TableTickets"]["Properties"]
    properties["GlobalSecondaryIndexes"] = properties["GlobalSecondaryIndexes"][:0]
    (package / "sam.json").write_text(json.dumps(changed))
    code, printed = deploy()
    assert code == 1
    assert "fairgate-dev-tickets changes 2 indexes (-code, -event)" in printed
    assert "First deploy the revisions in between" in printed
    assert _stack_status(aws) == "CREATE_COMPLETE"


def test_stopping_the_smoke_test_or_the_question_restores_the_stage(deploy, aws, api_url, package, monkeypatch):
    deploy()
    before = _change_sets(aws)
    (package / "sam.json").write_text(json.dumps(template(More=queue("fairgate-dev-more"))))
    with monkeypatch.context() as patched:
        patched.setattr(command, "_confirm", _press_ctrl_c)
        code, printed = deploy(yes=False)
        assert (code, "Interrupted in the step review. The stage is unchanged." in printed) == (130, True)
    assert _change_sets(aws) == before
    with monkeypatch.context() as patched:
        patched.setattr(deployment.smoke_test, "main", _press_ctrl_c)
        code, printed = deploy()
    assert code == 130
    assert "Interrupted in the step smoke test. The changes of this run were rolled back" in printed
    assert not aws.client("sqs").list_queues().get("QueueUrls")


def _change_sets(aws: EmulatedAws) -> list[str]:
    return [each["ChangeSetName"] for each in aws.client("cloudformation").list_change_sets(StackName=STACK)["Summaries"]]


def _press_ctrl_c(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_tables_of_a_deleted_stack_are_taken_into_the_new_one(deploy, aws, api_url):
    deploy()
    aws.client("cloudformation").delete_stack(StackName=STACK)
    assert _stack_status(aws) in (None, "DELETE_COMPLETE")
    code, printed = deploy()
    assert code == 0, printed
    assert "version 1 is already served" in printed


def test_a_deployment_that_cannot_ask_is_not_confirmed(deploy, aws):
    code, printed = deploy(yes=False)
    assert code == 3
    assert "make deploy YES=1" in printed
    assert _stack_status(aws) is None


def test_a_catalog_that_nobody_confirmed_has_the_same_exit_code(monkeypatch):
    for code, expected in ((NOT_CONFIRMED, 3), (1, 1)):
        monkeypatch.setattr(deployment, "run_bootstrap", lambda _, code=code: code)
        with pytest.raises(DeploymentFailed) as failed:
            CatalogCommands(STAGE, REGION, ()).apply(yes=False)
        assert failed.value.exit_code == expected


def test_a_failed_change_is_rolled_back_and_nothing_else_is_done(deploy, package, api_url):
    deploy()
    (package / "sam.json").write_text(json.dumps(template(**NEVER_READY)))
    code, printed = deploy()
    assert code == 1
    assert "CloudFormation rolled fairgate-dev back (UPDATE_ROLLBACK_COMPLETE): NeverReady" in printed
    assert "smoke test:" not in printed
    assert _served_version(api_url) == 1


def test_the_rest_of_a_failed_first_deployment_has_to_be_deleted(deploy, aws, package, monkeypatch):
    queues = {f"Queue{number}": queue(f"fairgate-dev-{number}") for number in range(60)}
    failing = {**NEVER_READY["NeverReady"], "DependsOn": sorted(queues)}
    (package / "sam.json").write_text(json.dumps(template(**queues, Handle=NEVER_READY["Handle"], NeverReady=failing)))
    monkeypatch.setattr(stack, "POLL_SECONDS", 2)  # more events until then than CloudFormation returns at once
    code, printed = deploy()
    assert code == 1
    assert "NeverReady" in printed.rpartition("deploy:")[2]
    code, printed = deploy()
    assert code == 1
    assert "aws cloudformation delete-stack --stack-name fairgate-dev" in printed
    aws.client("cloudformation").delete_stack(StackName=STACK)
    (package / "sam.json").write_text(json.dumps(template()))
    assert deploy()[0] == 0


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (("--bucket", "fairgate-none"), "The bucket fairgate-none does not exist. Create it (aws s3 mb s3://fairgate-none)"),
        (("--folder", "/none"), "There is no package in /none. Build it: make package STAGE=dev"),
    ],
)
def test_missing_options_are_named_before_anything_changes(deploy, aws, options, advice):
    code, printed = deploy(*options)
    assert code == 1
    assert advice in printed
    assert _stack_status(aws) is None


def test_missing_credentials_are_named(deploy, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    code, printed = deploy()
    assert code == 1
    assert "Unable to locate credentials. Log in to AWS" in printed
    assert "aws sso login" in printed


def test_a_dry_run_shows_the_steps_of_a_run_and_needs_no_account(monkeypatch, capsys):
    """The steps match a real run; the tests' environment has no account, no region and no package."""
    monkeypatch.setenv("STAGE", "prod")
    monkeypatch.setenv("DRY_RUN", "1")
    assert command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.partition("] ")[2].partition(":")[0] for line in lines[:-1]]
    assert names == [
        *("account", "check", "test", "package", "validate", "plan", "secret", "upload", "review", "assets"),
        *("prepare data", "stack", "apply", "smoke test", "pages", "complete data"),
    ]
    assert "fairgate-prod" in lines[8]
    assert lines[-1] == "This was a dry run: nothing was changed."


def test_the_policy_of_the_deployer_allows_what_a_deployment_calls(deploy, monkeypatch):
    called = _record_calls(monkeypatch)
    assert deploy()[0] == 0
    other_names = {"s3:HeadBucket": "s3:ListBucket", "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock"}
    needed = {other_names.get(name, name) for name in called} - {"sts:GetCallerIdentity"}  # which needs no permission
    assert {"cloudformation:ExecuteChangeSet", "secretsmanager:CreateSecret", "s3:PutObject"} <= needed
    assert [name for name in sorted(needed) if not is_allowed(name)] == []


def test_the_deployers_policy_allows_the_documented_commands():
    """Rights for stacks and secrets; an administrator sets up what an account needs once."""
    files = (*sorted((ROOT / "infra" / "deploy").glob("*.py")), ROOT / "docs" / "deployment.md", ROOT / "docs" / "backup.md")
    pattern = re.compile(r"aws (cloudformation|secretsmanager) ([a-z-]+)")
    named = {command for file in files for command in pattern.findall(file.read_text())} - {
        ("cloudformation", name)
        for name in ("deploy", "package")  # which make calls of other names
    }
    actions = {f"{service}:{''.join(word.capitalize() for word in name.split('-'))}" for service, name in named}
    assert {"cloudformation:DeleteStack", "cloudformation:ContinueUpdateRollback", "cloudformation:DetectStackDrift"} <= actions
    assert [action for action in sorted(actions) if not is_allowed(action)] == []


def _record_calls(monkeypatch) -> set[str]:
    """The calls of AWS that the command makes from now on, `service:operation`."""
    called = set()
    original = botocore.client.BaseClient._make_api_call

    def record(client, operation, arguments):
        called.add(f"{client.meta.service_model.service_name}:{operation}")
        return original(client, operation, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", record)
    return called


def test_the_steps_have_different_names():
    options = command.read_options(["--stage", "dev"])
    names = [step.name for step in deployment.Deployment(options, lambda _: False).steps()]
    assert len(names) == len(set(names))


def test_production_gets_only_the_python_that_its_tests_ran_on(monkeypatch, capfd):
    monkeypatch.setattr(deployment, "PRODUCTION_PYTHON", (3, 99))
    assert command.main(["--stage", "prod", "--yes"]) == 1
    printed = capfd.readouterr()
    assert "Stage prod runs on Python 3.99" in printed.err
    assert "[2/" not in printed.out
