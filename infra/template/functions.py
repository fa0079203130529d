"""The Lambda functions, one for each kind of work, with their roles, logs, reserved concurrency and dead-letter queues.

Each deployment publishes a version of every function, and everything that calls a function calls its alias (decision 154).

Chalice creates a function for each job and consumer, and one for all routes. The webhooks of payment providers and SES are routes, but
have a function of their own, so that a drop and a flood of webhooks cannot take each other's instances. So have the documents, because
their packages would make the zip of all other functions larger (decision 203). Functions that make documents have a layer with fonts.
"""

import json
import sys

from chalicelib.foundation import addons, settings
from infra import deployment_zip, event_sources, tables
from infra.template import mails, policies, queues
from infra.template.stages import Template, addon_names, function_settings, stack_settings

API = "APIHandler"  # Chalice's logical id of the function behind the API
WEBHOOKS, DOCUMENTS = "Webhooks", "Documents"
SCHEDULED = ("sweep", "reconcile", "clean_images", "send_messages", "retry_webhooks", "offer_tickets", "update_passes")
BY_EVENTS = (*SCHEDULED, "process_image")  # EventBridge calls these
# Function -> its logical id. Chalice names roles after functions: api_handler -> ApiHandlerRole.
FUNCTIONS = {
    "api_handler": API,
    "webhooks": WEBHOOKS,
    "documents": DOCUMENTS,
    **{name: event_sources.function_id(name) for name in (*BY_EVENTS, *event_sources.CONSUMERS)},
}
SHARE_ROUTES = ("webhooks", "documents")  # functions with some routes of the app, which Chalice does not create
MADE_BY_CHALICE = tuple(name for name in FUNCTIONS if name not in SHARE_ROUTES)

# Function -> the add-on that it belongs to.
_ADDON_OF = {function: name for name, addon in addons.declared(settings.ADDONS).items() for function in addon.functions}

BUCKET = "ImagesBucket"  # the logical id of the bucket for images; CloudFormation chooses its name

FONTS = "Fonts"  # the logical id of the layer with the fonts of documents; SAM adds a digest, and makes a version for each content

ARCHITECTURES = {"arm64": ("aarch64", "arm64"), "x86_64": ("x86_64", "AMD64")}  # Lambda's name -> names of such a machine
PRODUCTION_PYTHON = (3, 13)  # functions get the Python that builds their package; `make deploy` refuses any other for production
ALIAS = "live"  # points to the version that serves
SERVE_REQUESTS = ("api_handler", *SHARE_ROUTES)  # called by API Gateway, with a canary
MAKE_DOCUMENTS = ("documents", "send_messages")  # have the zip with the packages for documents
MEMORY_MB = {"documents": 1769}  # a whole processor, as for the API
LOG_DAYS = 30
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"  # Chalice's choice too
# Lambda retries a failed run once, but not after this time, because the schedule has started other runs by then.
MAX_EVENT_AGE_SECONDS = 600


def functions_of(stage: str) -> dict[str, str]:
    """Return the functions of a stage and their logical ids: FUNCTIONS without the functions of disabled add-ons."""
    wanted = addon_names(stage)
    return {name: logical_id for name, logical_id in FUNCTIONS.items() if name not in _ADDON_OF or _ADDON_OF[name] in wanted}


def serving(stage: str) -> list[str]:
    """Return the functions of a stage that API Gateway calls."""
    present = functions_of(stage)
    return [name for name in SERVE_REQUESTS if name in present]


def consumers_of(stage: str) -> dict[str, tuple[str, ...]]:
    """Return the functions of a stage that receive changes -> the features whose tables the changes come from."""
    present = functions_of(stage)
    return {function: features for function, features in event_sources.CONSUMERS.items() if function in present}


def alias(logical_id: str) -> Template:
    """Return a reference to the alias of a function, by the function's logical id."""
    return {"Ref": f"{logical_id}.Alias"}


def alarm_id(name: str) -> str:
    """Return the logical id of an alarm."""
    return f"Alarm{name.title().replace('-', '')}"


def resources(stage: str, architecture: str, *, snapstart: bool) -> Template:
    """Return the additions to the functions that Chalice creates, and the functions that share its routes."""
    reserved, present = stack_settings(stage).reserved_concurrency, functions_of(stage)
    if unknown := reserved.keys() - present:
        raise ValueError(
            f"reserved_concurrency of stage {stage} names {min(unknown)}, which is not a function of this stage and its add-ons; "
            f"the functions are {', '.join(present)}"
        )
    made: Template = {}
    for name, logical_id in present.items():
        properties: Template = {
            "CodeUri": f"./{_zip(stage, name)}",
            "Environment": {"Variables": _variables(stage)},
            "LoggingConfig": {"LogGroup": {"Ref": logs_id(name)}},
            "Tracing": "Active",
            "AutoPublishAlias": ALIAS,
            "AutoPublishAliasAllProperties": True,  # a changed setting must reach the alias too
        }
        if _makes_documents(stage, name):
            properties["Layers"] = [{"Ref": FONTS}]
            made[FONTS] = _fonts_layer(stage)
        if name in reserved:
            properties["ReservedConcurrentExecutions"] = reserved[name]
        if name in BY_EVENTS:
            properties["EventInvokeConfig"] = _event_invoke_config(name)
        made |= {logical_id: {**_VERSIONS_END, "Properties": properties}, logs_id(name): _logs(stage, name)}
        if (queue := dead_letters_id(name)) is not None:
            made[queue] = queues.dead_letters(stage, name.replace("_", "-"))
    for name in (name for name in SHARE_ROUTES if name in present):
        logical_id = FUNCTIONS[name]
        made[logical_id]["Type"] = "AWS::Serverless::Function"
        made[logical_id]["Properties"] |= _route_function(stage, architecture, name)
        made[f"{logical_id}Role"] = _role(stage, name)
    made[f"{WEBHOOKS}InvokePermission"] = _permission({"Ref": WEBHOOKS}, "${RestAPI}/*")
    for logical_id in (FUNCTIONS[name] for name in serving(stage)):
        # Names no API, so that the permission exists before API Gateway calls the alias. The permissions without an alias serve a rollback
        # to a version that has none.
        made[alias_permission_id(logical_id)] = _permission(alias(logical_id), "*/api/*")
    if snapstart:
        made[API]["Properties"]["SnapStart"] = {"ApplyOn": "PublishedVersions"}
    return made


def alias_permission_id(logical_id: str) -> str:
    """Return the logical id of the permission with which API Gateway calls the alias of a function."""
    return f"{logical_id}AliasPermission"


def policy(stage: str, function: str) -> Template:
    """Return the policy of a function's role."""
    return policies.policy(stage, function, logs_id(function), dead_letters_id(function))


def _zip(stage: str, function: str) -> str:
    """Return the name of the zip of a function."""
    return deployment_zip.DOCUMENTS_ZIP if _makes_documents(stage, function) else deployment_zip.ZIP


def _makes_documents(stage: str, function: str) -> bool:
    return function in MAKE_DOCUMENTS and "documents" in addon_names(stage)


def _fonts_layer(stage: str) -> Template:
    """Return the layer with fonts. Versions of functions keep a version of the layer that was deleted."""
    return {
        "Type": "AWS::Serverless::LayerVersion",
        "Properties": {
            "LayerName": f"fairgate-{stage}-fonts",
            "ContentUri": f"./{deployment_zip.FONTS_ZIP}",
            "CompatibleRuntimes": [RUNTIME],
            "RetentionPolicy": "Delete",
        },
    }


def _variables(stage: str) -> Template:
    """Return the environment variables that come from the stack instead of the stage's settings."""
    bucket = {"FAIRGATE_IMAGES_BUCKET": {"Ref": BUCKET}} if "images" in addon_names(stage) else {}
    return {**bucket, **mails.variables(stage)}


def logs_id(function: str) -> str:
    """Return the logical id of a function's log group."""
    return f"{FUNCTIONS[function]}Logs"


def dead_letters_id(function: str) -> str | None:
    """Return the logical id of a function's queue of dead letters; None if the function's caller gets the errors."""
    return f"{FUNCTIONS[function]}DeadLetters" if function in (*BY_EVENTS, *event_sources.CONSUMERS) else None


# SAM passes these on to the versions: a version is deleted when the next one serves, or when a failed change is rolled back. By default,
# SAM keeps both versions, and Lambda does not publish the same version twice.
_VERSIONS_END: Template = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}


def _event_invoke_config(function: str) -> Template:
    destination = {"Type": "SQS", "Destination": {"Fn::GetAtt": [dead_letters_id(function), "Arn"]}}
    return {
        "MaximumEventAgeInSeconds": MAX_EVENT_AGE_SECONDS,
        "MaximumRetryAttempts": 1,
        "DestinationConfig": {"OnFailure": destination},
    }


def _logs(stage: str, function: str) -> Template:
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {"LogGroupName": f"/aws/lambda/fairgate-{stage}-{function.replace('_', '-')}", "RetentionInDays": LOG_DAYS},
    }


def _route_function(stage: str, architecture: str, function: str) -> Template:
    """Return the properties of a function with some routes of the app: the code and settings of the API's function."""
    settings = function_settings(stage)
    return {
        "Runtime": RUNTIME,
        "Handler": "app.app",
        "Architectures": [architecture],
        "Role": {"Fn::GetAtt": [f"{FUNCTIONS[function]}Role", "Arn"]},
        **settings,
        "Environment": {"Variables": {**settings["Environment"]["Variables"], **_variables(stage)}},
        "MemorySize": MEMORY_MB.get(function, settings["MemorySize"]),
    }


def _role(stage: str, function: str) -> Template:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": function, "PolicyDocument": policy(stage, function)}],
        },
    }


def _permission(function: Template, caller: str) -> Template:
    source = f"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:{caller}"
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": {"Fn::Sub": source},
        },
    }


def event_source_mappings(stage: str) -> Template:
    """Return a mapping for each function and each of its tables. Changes that fail all attempts go to the function's dead letters."""
    return {
        f"{FUNCTIONS[function]}{tables.logical_id(feature).removeprefix('Table')}Changes": _mapping(function, feature)
        for function, features in consumers_of(stage).items()
        for feature in features
    }


def _mapping(function: str, feature: str) -> Template:
    pattern = event_sources.FILTERS.get(function)
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "DependsOn": f"{FUNCTIONS[function]}Role",
        "Properties": {
            "FunctionName": alias(FUNCTIONS[function]),
            "EventSourceArn": {"Fn::GetAtt": [tables.logical_id(feature), "StreamArn"]},
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": event_sources.BATCH_SIZE,
            "MaximumBatchingWindowInSeconds": event_sources.WINDOW_SECONDS,
            **({"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]}} if pattern is not None else {}),
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": event_sources.MAX_RETRY_ATTEMPTS,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [dead_letters_id(function), "Arn"]}}},
        },
    }
