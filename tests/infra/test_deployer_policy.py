"""The deployer's policy against what CloudFormation needs, which makes the resources with the rights of the deployer.

The schema of each resource type, which cfn-lint has from AWS, lists the actions of the handlers that create, read, change and delete such a
resource. `tests/infra/test_deploy.py` compares the policy with what a deployment itself calls.
"""

import json
from fnmatch import fnmatchcase
from functools import cache

import pytest
from cfnlint.schema.manager import ProviderSchemaManager
from samtranslator.translator.transform import transform

from infra import chalice_package
from infra.template import stages
from tests.infra.deployer_policy import allowed_actions, deployer_policy, is_allowed, listed

HANDLERS = ("create", "read", "update", "delete")
# What handlers ask for besides, because the type has uses that the template does not make.
NOT_USED = {
    "a web ACL protects other things than a REST API": (
        *(
            "amplify:*",
            "apprunner:*",
            "appsync:*",
            "bedrock-agentcore:*",
            "cognito-idp:*",
            "ec2:*VerifiedAccess*",
            "elasticloadbalancing:*",
        ),
    ),
    "requests that are paid for at a web ACL": ("payments:*",),
    "functions in a network of their own, or with file systems": ("ec2:Describe*", "elasticfilesystem:*", "s3files:*"),
    "functions and streams with keys of ours": ("kms:GenerateDataKey",),
    "tables that scale or have replicas in other regions": ("iam:CreateServiceLinkedRole",),
    "streams of Kinesis": ("kinesis:*",),
    "tables that are imported from files, whose import has a log": ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
    "log groups with keys of ours, or with policies": (
        *(
            "logs:*KmsKey",
            "logs:*IndexPolicy",
            "logs:*ResourcePolicy",
            "logs:PutDataProtectionPolicy",
            "logs:PutLogGroupDeletionProtection",
        ),
    ),
    "log groups that others write to": ("firehose:*", "logs:CreateLogDelivery", "logs:PutBearerTokenAuthentication"),
    "tables of what is in a bucket": ("s3tables:*",),
    "distributions for tenants, or in front of a network of ours": ("cloudfront:*ConnectionGroup", "cloudfront:GetVpcOrigin"),
    "the domain of mails, which stays when the stack goes": ("ses:DeleteEmailIdentity",),
    "boundaries, which a deployer must not be able to remove": ("iam:*RolePermissionsBoundary",),
}
# What the policy allows besides by name. A deployment calls these, or a page or a message names the command.
OF_THE_DEPLOYMENT = {
    *(f"cloudformation:{action}" for action in ("ContinueUpdateRollback", "CreateChangeSet", "DeleteChangeSet", "DeleteStack")),
    *(f"cloudformation:{action}" for action in ("DescribeChangeSet", "DescribeStackEvents", "DescribeStacks", "ExecuteChangeSet")),
    *(f"cloudformation:{action}" for action in ("GetTemplate", "GetTemplateSummary", "ListStackResources", "TagResource")),
    *(f"cloudformation:{action}" for action in ("DescribeStackResourceDrifts", "DetectStackDrift", "DetectStackResourceDrift")),
    *(f"secretsmanager:{action}" for action in ("CreateSecret", "GetSecretValue", "PutSecretValue")),
    "cloudfront:CreateInvalidation",
    *(f"acm:{action}" for action in ("DescribeCertificate", "ListCertificates", "RequestCertificate")),  # `fairgate domain`
}
# The statements whose resources are all of the account: what has no name of ours, or cannot be named.
OF_THE_WHOLE_ACCOUNT = {
    "ReadTemplates",
    "EncryptTables",  # by the keys that DynamoDB uses, and through it alone
    "ConnectStreams",
    "ReadLogGroupsAlarmsAndKeys",
    "MakeTheDistribution",
    "RequestCertificates",  # which have no names of ours
}
MAIL = {"FAIRGATE_MAIL_PROVIDER": "ses", "FAIRGATE_MAIL_FROM": "tickets@shop.example"}
EVERYTHING = {
    "domain": "shop.example",
    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "mail_domain": "shop.example",
    "alarm_email": "ada@shop.example",
    "scan_uploads": True,
}


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    """All resources of a stage that has everything a stage can have, after the transform that CloudFormation applies to the template."""
    config, blocks = stages._config(), stages._stacks()
    config["stages"]["prod"]["environment_variables"] |= MAIL
    blocks["prod"] |= EVERYTHING
    folder = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stages, "_config", lambda: config)
        patched.setattr(stages, "_stacks", lambda: blocks)
        chalice_package.write("prod", "arm64", folder, snapstart=True, template_alone=True)
    template = json.loads((folder / "sam.json").read_bytes())
    for resource in template["Resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = "s3://fairgate-deploy/code.zip"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        return transform(template, {}, _NoManagedPolicies())["Resources"]


class _NoManagedPolicies:
    def load(self) -> dict:
        return {}


@pytest.fixture(scope="module")
def needed(resources) -> dict[str, set[str]]:
    """Action -> the types whose handlers need it."""
    found: dict[str, set[str]] = {}
    for type_name in sorted({resource["Type"] for resource in resources.values()}):
        for action in _actions(type_name):
            found.setdefault(action, set()).add(type_name)
    return found


@cache
def _actions(type_name: str) -> frozenset[str]:
    schema = ProviderSchemaManager().get_resource_schema("us-east-1", type_name).schema
    assert schema["handlers"].keys() >= {"create", "delete"}, type_name
    return frozenset(action for name in HANDLERS for action in schema["handlers"].get(name, {}).get("permissions", []))


def test_cloudformation_may_make_change_and_delete_each_resource(needed):
    unused = [pattern for patterns in NOT_USED.values() for pattern in patterns]
    lacking = {action: types for action, types in needed.items() if not is_allowed(action) and not _is_among(action, unused)}
    assert lacking == {}
    assert len({type_name for types in needed.values() for type_name in types}) > 30


def test_deliberately_missing_rights_are_real_and_denied(needed):
    for reason, patterns in NOT_USED.items():
        for pattern in patterns:
            assert any(fnmatchcase(action, pattern) and not is_allowed(action) for action in needed), f"{reason}: {pattern}"


def test_nothing_is_allowed_that_nobody_needs(needed):
    assert {pattern for pattern in allowed_actions() if not any(fnmatchcase(action, pattern) for action in needed)} == OF_THE_DEPLOYMENT


def test_rights_are_limited_to_resources_with_our_names():
    of_all = {statement["Sid"] for statement in deployer_policy()["Statement"] if "*" in listed(statement["Resource"])}
    assert of_all == OF_THE_WHOLE_ACCOUNT


def test_the_deployer_cannot_delete_the_copies_of_the_ledger_before_their_time():
    assert is_allowed("s3:DeleteObjectVersion")
    assert not is_allowed("s3:BypassGovernanceRetention")


def test_roles_go_only_to_the_services_that_take_one(resources):
    [statement] = [statement for statement in deployer_policy()["Statement"] if statement["Action"] == "iam:PassRole"]
    trusted = {
        service
        for resource in resources.values()
        if resource["Type"] == "AWS::IAM::Role"
        for trust in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for service in listed(trust["Principal"]["Service"])
    }
    assert set(statement["Condition"]["StringEquals"]["iam:PassedToService"]) == trusted


def test_the_policy_fits_into_a_managed_policy_of_iam():
    assert len(json.dumps(deployer_policy(), separators=(",", ":"))) <= 6144


def _is_among(action: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in patterns)
