"""What a function needs beside its code: a role of its own, from its policy file in .chalice/, and its logs."""

import json
from typing import Any

from infra import event_sources
from infra.template.stages import ROOT

Template = dict[str, Any]

API = "APIHandler"  # Chalice's logical id of the function behind the API
_ALIAS = "live"
LOG_DAYS = 30

# Function -> its logical id. Chalice names its role after the function: api_handler -> ApiHandlerRole.
FUNCTIONS = {"api_handler": API, **{name: event_sources.function_id(name) for name in ("sweep", "reconcile", *event_sources.CONSUMERS)}}


def resources(stage: str, *, snapstart: bool) -> Template:
    """The additions to the functions of a stage."""
    made: Template = {}
    for name, logical_id in FUNCTIONS.items():
        logs = f"{logical_id}Logs"
        made |= {
            logical_id: {"Properties": {"LoggingConfig": {"LogGroup": {"Ref": logs}}}},
            logs: {
                "Type": "AWS::Logs::LogGroup",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Delete",
                "Properties": {"LogGroupName": f"/aws/lambda/fairgate-{stage}-{name.replace('_', '-')}", "RetentionInDays": LOG_DAYS},
            },
            f"{event_sources.function_id(name)}Role": _role(stage, name, logs),
        }
    if snapstart:
        made[API]["Properties"] |= _SNAPSTART
        made[f"{API}InvokePermission"] = {"Properties": {"FunctionName": {"Ref": f"{API}.Alias"}}}
    return made


_SNAPSTART: Template = {
    "AutoPublishAlias": _ALIAS,
    "AutoPublishAliasAllProperties": True,  # a changed setting has to reach the alias too
    "SnapStart": {"ApplyOn": "PublishedVersions"},
}


def _role(stage: str, function: str, logs: str) -> Template:
    """The role of one function. Policy files have `${Stage}`, which is replaced here, and CloudFormation's own `${AWS::...}`."""
    file = f"policy-{function.removesuffix('_handler')}"
    policy = json.loads((ROOT / ".chalice" / f"{file}.json").read_text().replace("${Stage}", stage))
    for statement in policy["Statement"]:
        arns = statement["Resource"]
        statement["Resource"] = [{"Fn::Sub": arn} for arn in ([arns] if isinstance(arns, str) else arns)]
    write_logs = {
        "Sid": "WriteLogs",
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [{"Fn::GetAtt": [logs, "Arn"]}],
    }
    policy["Statement"].append(write_logs)
    return {"Properties": {"Policies": [{"PolicyName": file, "PolicyDocument": policy}]}}
