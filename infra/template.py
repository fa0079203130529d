"""The additions to the CloudFormation template that `chalice package` writes.

Tables from the models, roles from the policy files of .chalice/, and API Gateway's own error responses in the shape of ours.
Chalice merges maps deeply and replaces lists.
"""

import json
from pathlib import Path
from typing import Any

from chalicelib.edge import http
from infra import tables

Template = dict[str, Any]

ROOT = Path(__file__).parents[1]
# Chalice names a role after its function: api_handler -> ApiHandlerRole.
_POLICIES = {"ApiHandlerRole": "policy-api.json", "SweepRole": "policy-sweep.json", "ReconcileRole": "policy-reconcile.json"}

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


def template_additions(stage: str, routes: dict[str, Any]) -> Template:
    """The additions for a stage; `routes` are those of the app, by path."""
    body = {
        "x-amazon-apigateway-gateway-responses": {name: _gateway_response(*response) for name, response in _GATEWAY_RESPONSES.items()},
        # Chalice knows the methods of a path and responds with 405; without this API Gateway would respond with 404.
        "paths": {path: {"x-amazon-apigateway-any-method": _any_method(path)} for path in routes},
    }
    return {
        "Resources": {
            **tables.cloudformation(stage),
            **{role: _role(stage, file) for role, file in _POLICIES.items()},
            "RestAPI": {"Properties": {"DefinitionBody": body}},
        }
    }


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


def _any_method(path: str) -> Template:
    names = [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]
    uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${APIHandler.Arn}/invocations"
    return {
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


def _role(stage: str, file: str) -> Template:
    """The role of one function. Policy files have `${Stage}`, which is replaced here, and CloudFormation's own `${AWS::...}`."""
    policy = json.loads((ROOT / ".chalice" / file).read_text().replace("${Stage}", stage))
    for statement in policy["Statement"]:
        arns = statement["Resource"]
        statement["Resource"] = [{"Fn::Sub": arn} for arn in ([arns] if isinstance(arns, str) else arns)]
    return {"Properties": {"Policies": [{"PolicyName": file.removesuffix(".json"), "PolicyDocument": policy}]}}
