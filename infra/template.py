"""The additions to the CloudFormation template that `chalice package` writes.

Tables from the models, event sources of the functions that consume changes, roles from the policy files of .chalice/, and API Gateway's
own error responses in the shape of ours. Chalice merges maps deeply and replaces lists.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.edge import http
from infra import event_sources, tables

Template = dict[str, Any]

ROOT = Path(__file__).parents[1]
# Chalice names a role after its function: api_handler -> ApiHandlerRole.
_POLICIES = {
    "ApiHandlerRole": "policy-api.json",
    "SweepRole": "policy-sweep.json",
    "ReconcileRole": "policy-reconcile.json",
    **{f"{event_sources.function_id(function)}Role": f"policy-{function}.json" for function in event_sources.CONSUMERS},
}

_API = "APIHandler"  # Chalice's logical id of the function behind the API
_INTEGRATION = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/%s/invocations"
_ALIAS = "live"

_UNKNOWN_ADDRESS = (404, "not_found", "There is nothing at this address.")
_CUT_OFF = f"The service is busy. {http.UNKNOWN} {http.LOOK_FIRST}"
_GATEWAY_RESPONSES: dict[str, tuple[int | None, str, str]] = {
    # What API Gateway calls an unknown resource or method.
    "MISSING_AUTHENTICATION_TOKEN": _UNKNOWN_ADDRESS,
    "RESOURCE_NOT_FOUND": _UNKNOWN_ADDRESS,
    "ACCESS_DENIED": (403, "forbidden", "You are not allowed to make this request."),
    "REQUEST_TOO_LARGE": (413, "body_too_large", "The body is too large. Send less in one request."),
    "UNSUPPORTED_MEDIA_TYPE": (415, "unsupported_media_type", "Send JSON with `Content-Type: application/json`."),
    "THROTTLED": (429, "too_many_requests", "Too many requests. Try again shortly."),
    "QUOTA_EXCEEDED": (429, "too_many_requests", "Too many requests. Try again shortly."),
    "INTEGRATION_TIMEOUT": (503, "service_unavailable", _CUT_OFF),
    "INTEGRATION_FAILURE": (503, "service_unavailable", _CUT_OFF),
    "DEFAULT_4XX": (None, "bad_request", "The request cannot be handled. Check its path, headers and body."),
    "DEFAULT_5XX": (503, "service_unavailable", _CUT_OFF),
}


def template_additions(stage: str, routes: dict[str, Any], *, snapstart: bool = False) -> Template:
    """The additions for a stage; `routes` are those of the app: path -> method -> route.

    With `snapstart` API Gateway calls an alias of the last published version, whose instances start from a snapshot (decision 28).
    """
    function = f"${{{_API}.{'Alias' if snapstart else 'Arn'}}}"
    body = {
        "x-amazon-apigateway-gateway-responses": {name: _gateway_response(*response) for name, response in _GATEWAY_RESPONSES.items()},
        "paths": {path: _methods(path, methods, _INTEGRATION % function) for path, methods in routes.items()},
    }
    return {
        "Resources": {
            **tables.cloudformation(stage),
            **event_sources.cloudformation(stage),
            **{role: _role(stage, file) for role, file in _POLICIES.items()},
            "RestAPI": {"Properties": {"DefinitionBody": body}},
            # Chalice names the function ApiHandler here and APIHandler elsewhere.
            "ApiHandlerLogGroup": {"Properties": {"LogGroupName": {"Fn::Sub": f"/aws/lambda/${{{_API}}}"}}},
            **(_SNAPSTART if snapstart else {}),
        }
    }


_SNAPSTART: Template = {
    # All properties: a changed setting has to reach the alias too.
    _API: {
        "Properties": {
            "AutoPublishAlias": _ALIAS,
            "AutoPublishAliasAllProperties": True,
            "SnapStart": {"ApplyOn": "PublishedVersions"},
        }
    },
    f"{_API}InvokePermission": {"Properties": {"FunctionName": {"Ref": f"{_API}.Alias"}}},
}


def unknown_references(template: Template) -> list[str]:
    """What the template refers to although it has no such resource; CloudFormation would refuse it."""
    resources = template["Resources"]
    known = {*resources, *template.get("Parameters", {})}
    # SAM makes an alias of a function that has the property.
    known |= {f"{name}.Alias" for name, resource in resources.items() if "AutoPublishAlias" in resource.get("Properties", {})}
    return sorted({name for name in _references(template) if name not in known and not name.startswith("AWS::")})


def _references(value: Any) -> Iterator[str]:
    """The logical ids in Ref, Fn::GetAtt, Fn::Sub and DependsOn."""
    if isinstance(value, list):
        for part in value:
            yield from _references(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key == "Ref":
                yield part
            elif key == "Fn::GetAtt":
                yield part[0] if isinstance(part, list) else part.partition(".")[0]
            elif key == "DependsOn":
                yield from [part] if isinstance(part, str) else part
            elif key == "Fn::Sub":
                text, variables = part if isinstance(part, list) else (part, {})
                names = [name for name in re.findall(r"\$\{([^!}]+)\}", text) if name not in variables]
                yield from (name if name.endswith(".Alias") else name.partition(".")[0] for name in names)
                yield from _references(variables)
            else:
                yield from _references(part)


def _gateway_response(status: int | None, code: str, message: str) -> Template:
    body: Template = {"error": code, "message": message, "request_id": "$context.requestId"}
    headers = {"Access-Control-Allow-Origin": "'*'", "X-Request-Id": "context.requestId"}
    if status == 503:
        body["outcome"] = "unknown"
    if status in (429, 503):
        body["retryAfterSeconds"] = http.STORE_RETRY_SECONDS
        headers["Retry-After"] = f"'{http.STORE_RETRY_SECONDS}'"
    return {
        **({"statusCode": str(status)} if status else {}),
        "responseParameters": {f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        "responseTemplates": {"application/json": json.dumps(body)},
    }


def _methods(path: str, methods: dict[str, Any], uri: str) -> Template:
    """The function that is called for the methods of a path, and for all others.

    Chalice knows the methods of a path and responds with 405; without the latter API Gateway would respond with 404.
    """
    names = [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]
    called = {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": uri}}}
    any_method = {
        "parameters": [{"name": name, "in": "path", "required": True, "type": "string"} for name in names],
        "responses": {"405": {"description": "The path has no such method."}},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": {"Fn::Sub": uri},
            "passthroughBehavior": "when_no_match",
            "contentHandling": "CONVERT_TO_TEXT",
        },
    }
    return {**{method.lower(): called for method in methods}, "x-amazon-apigateway-any-method": any_method}


def _role(stage: str, file: str) -> Template:
    """The role of one function. Policy files have `${Stage}`, which is replaced here, and CloudFormation's own `${AWS::...}`."""
    policy = json.loads((ROOT / ".chalice" / file).read_text().replace("${Stage}", stage))
    for statement in policy["Statement"]:
        arns = statement["Resource"]
        statement["Resource"] = [{"Fn::Sub": arn} for arn in ([arns] if isinstance(arns, str) else arns)]
    return {"Properties": {"Policies": [{"PolicyName": file.removesuffix(".json"), "PolicyDocument": policy}]}}
