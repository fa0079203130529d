"""The canary: a new version of the API serves a tenth of the requests for five minutes, and alarms take it back (decision 154).

Before the first request, CodeDeploy calls a function that reads from the new version. Functions that serve no requests change at once.
"""

from pathlib import Path

from infra.template.functions import FUNCTIONS, LOG_DAYS, RUNTIME, alarm_id, serving
from infra.template.stages import Template, stack_settings

# Alarms that a bad version of the API sets off within minutes. While one is on, CodeDeploy refuses to begin.
ALARMS = ("errors", "purchases-fail", "access-refused", "settings-wrong")
HOOK = "PreTraffic"
_VARIABLES = {"api_handler": "API_VERSION", "webhooks": "WEBHOOKS_VERSION", "documents": "DOCUMENTS_VERSION"}  # of pre_traffic.py
_CODE = Path(__file__).with_name("pre_traffic.py")


def preferences(stage: str) -> Template:
    """Return logical id of a function -> its DeploymentPreference; nothing for a stage without a canary."""
    preference = {
        "Type": "Canary10Percent5Minutes",
        "Alarms": [{"Ref": alarm_id(name)} for name in ALARMS],
        "Hooks": {"PreTraffic": {"Ref": HOOK}},
    }
    return {FUNCTIONS[name]: preference for name in serving(stage)} if stack_settings(stage).canary else {}


def resources(stage: str) -> Template:
    """Return the function that CodeDeploy calls, with its role and logs; nothing for a stage without a canary."""
    if not stack_settings(stage).canary:
        return {}
    name = f"CodeDeployHook_fairgate-{stage}"  # CodeDeploy's role may call only functions with this prefix
    return {
        HOOK: {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "FunctionName": name,
                "Runtime": RUNTIME,
                "Handler": "index.check_versions",
                "InlineCode": _CODE.read_text(),
                "MemorySize": 256,
                "Timeout": 120,
                "Role": {"Fn::GetAtt": [f"{HOOK}Role", "Arn"]},
                "LoggingConfig": {"LogGroup": {"Ref": f"{HOOK}Logs"}},
                "Environment": {"Variables": {_VARIABLES[name]: {"Ref": f"{FUNCTIONS[name]}.Version"} for name in serving(stage)}},
            },
        },
        f"{HOOK}Role": _role(stage),
        f"{HOOK}Logs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": f"/aws/lambda/fairgate-{stage}-pre-traffic", "RetentionInDays": LOG_DAYS},
        },
    }


def _role(stage: str) -> Template:
    versions = [{"Fn::Sub": f"${{{FUNCTIONS[name]}.Arn}}:*"} for name in serving(stage)]
    group = "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:${AWS::StackName}-*/*"
    statements = [
        {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": versions},
        {"Effect": "Allow", "Action": "codedeploy:PutLifecycleEventHookExecutionStatus", "Resource": {"Fn::Sub": group}},
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": [f"{HOOK}Logs", "Arn"]},
        },
    ]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "pre-traffic", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}],
        },
    }
