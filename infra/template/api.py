"""API Gateway in front of the functions: which of them each route calls, and its own error responses in the shape of ours."""

import json
from typing import Any

from chalicelib.edge import http
from infra.template.functions import API, Template

_INTEGRATION = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function}/invocations"

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


def resources(routes: dict[str, Any], *, snapstart: bool) -> Template:
    """The additions to Chalice's API; `routes` are those of the app: path -> method -> route."""
    called = {"Ref": f"{API}.Alias"} if snapstart else {"Fn::GetAtt": [API, "Arn"]}
    uri = {"Fn::Sub": [_INTEGRATION, {"Function": called}]}
    body = {
        "x-amazon-apigateway-gateway-responses": {name: _gateway_response(*response) for name, response in _GATEWAY_RESPONSES.items()},
        "paths": {path: _methods(path, methods, uri) for path, methods in routes.items()},
    }
    return {"RestAPI": {"Properties": {"DefinitionBody": body}}}


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


def _methods(path: str, methods: dict[str, Any], uri: Template) -> Template:
    """The function that is called for the methods of a path, and for all others.

    Chalice knows the methods of a path and responds with 405; without the latter API Gateway would respond with 404.
    """
    names = [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]
    called = {"x-amazon-apigateway-integration": {"uri": uri}}
    any_method = {
        "parameters": [{"name": name, "in": "path", "required": True, "type": "string"} for name in names],
        "responses": {"405": {"description": "The path has no such method."}},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": uri,
            "passthroughBehavior": "when_no_match",
            "contentHandling": "CONVERT_TO_TEXT",
        },
    }
    return {**{method.lower(): called for method in methods}, "x-amazon-apigateway-any-method": any_method}
