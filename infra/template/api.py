"""API Gateway in front of the functions: the function of each route, and API Gateway's error responses in Fairgate's format."""

import json
from typing import Any, get_args

from chalicelib.edge import cors, deprecations, error_replies
from chalicelib.edge.error_replies import BodyTooLarge
from chalicelib.foundation.settings import PREFIX, ExternalProviderName
from infra.template.functions import FUNCTIONS, LOG_DAYS, alias, alias_permission_id, serving
from infra.template.stages import Template, function_settings, stack_settings

_INTEGRATION = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function}/invocations"

WEBHOOK_PATHS = ("/v1/webhooks/ses", *(f"/v1/webhooks/{provider}" for provider in get_args(ExternalProviderName)))

# Contains only the resource: no caller's address, actual path or token.
_ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "integration_milliseconds": "$context.integrationLatency",
    "integration_status": "$context.integrationStatus",
    "error": "$context.error.responseType",
    "web_acl": "$context.wafResponseCode",
    "trace_id": "$context.xrayTraceId",
}
# An account has one role for the logs of all its APIs in a region, so this role replaces any earlier one. It outlives this stack, because
# other stacks use it too.
_RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
_ACCESS_LOGS_ACCOUNT: Template = {
    "AccessLogsRole": {
        "Type": "AWS::IAM::Role",
        **_RETAINED,
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}],
            },
            "ManagedPolicyArns": [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}],
        },
    },
    "AccessLogsAccount": {
        "Type": "AWS::ApiGateway::Account",
        **_RETAINED,
        "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["AccessLogsRole", "Arn"]}},
    },
}

_UNKNOWN_ADDRESS = (404, "not_found", "There is nothing at this address.")
_CUT_OFF = f"The service is busy. {error_replies.UNKNOWN} {error_replies.LOOK_FIRST}"
_GATEWAY_RESPONSES: dict[str, tuple[int | None, str, str]] = {
    # API Gateway's name for an unknown resource or method.
    "MISSING_AUTHENTICATION_TOKEN": _UNKNOWN_ADDRESS,
    "RESOURCE_NOT_FOUND": _UNKNOWN_ADDRESS,
    "ACCESS_DENIED": (403, "forbidden", "You are not allowed to make this request."),
    "REQUEST_TOO_LARGE": (413, BodyTooLarge.code, error_replies.TOO_LARGE_FOR_AWS),
    "UNSUPPORTED_MEDIA_TYPE": (415, "unsupported_media_type", "Send JSON with `Content-Type: application/json`."),
    "THROTTLED": (429, "too_many_requests", "Too many requests. Try again shortly."),
    "WAF_FILTERED": (429, "too_many_requests", "Too many requests from your address. Try again in a few minutes."),
    "QUOTA_EXCEEDED": (429, "too_many_requests", "Too many requests. Try again shortly."),
    "INTEGRATION_TIMEOUT": (503, "service_unavailable", _CUT_OFF),
    "INTEGRATION_FAILURE": (503, "service_unavailable", _CUT_OFF),
    "DEFAULT_4XX": (None, "bad_request", "The request cannot be handled. Check its path, headers and body."),
    "DEFAULT_5XX": (503, "service_unavailable", _CUT_OFF),
}


def resources(stage: str, routes: dict[str, Any]) -> Template:
    """Return the additions to Chalice's API; `routes` are the app's: path -> method -> route."""
    allowed = _cors_headers(function_settings(stage)["Environment"]["Variables"].get(f"{PREFIX}CORS_ORIGINS", cors.ALL))
    body = {
        "x-amazon-apigateway-gateway-responses": {
            name: _gateway_response(allowed, *response) for name, response in _GATEWAY_RESPONSES.items()
        },
        "paths": {path: _methods(path, methods, _uri(path)) for path, methods in routes.items()},
    }
    settings = stack_settings(stage)
    all_methods = {
        "ResourcePath": "/*",
        "HttpMethod": "*",
        "ThrottlingRateLimit": settings.requests_per_second,
        "ThrottlingBurstLimit": settings.burst,
    }
    waits_for = [alias_permission_id(FUNCTIONS[name]) for name in serving(stage)]
    if settings.set_account_role:
        waits_for.append("AccessLogsAccount")
    return {
        "RestAPI": {
            "Properties": {
                "Name": f"fairgate-{stage}",
                "DefinitionBody": body,
                "MethodSettings": [all_methods],
                "TracingEnabled": False,  # its traces would have whole addresses, and some have tokens
                "AccessLogSetting": {"DestinationArn": {"Fn::GetAtt": ["AccessLogs", "Arn"]}, "Format": json.dumps(_ACCESS_LOG)},
            },
            "DependsOn": waits_for,
        },
        "AccessLogs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"LogGroupName": f"/aws/apigateway/fairgate-{stage}", "RetentionInDays": LOG_DAYS},
        },
        **(_ACCESS_LOGS_ACCOUNT if settings.set_account_role else {}),
    }


def function_of(path: str) -> str:
    """Return the function that API Gateway calls for a path."""
    return "webhooks" if path in WEBHOOK_PATHS else "documents" if path.endswith(".pdf") else "api_handler"


def _uri(path: str) -> Template:
    """Return the integration of a path with its function."""
    return {"Fn::Sub": [_INTEGRATION, {"Function": alias(FUNCTIONS[function_of(path)])}]}


def _cors_headers(setting: str) -> dict[str, str]:
    """Return the headers that let pages of allowed origins read API Gateway's errors, for a value of `cors_origins`.

    API Gateway cannot compare origins. If the setting lists several, every origin is allowed: these errors reveal nothing about anybody.
    """
    readable = {"Access-Control-Expose-Headers": "'Deprecation, Link, Retry-After, Sunset, X-Request-Id'"}
    if setting == cors.ALL:
        return {"Access-Control-Allow-Origin": "'*'", **readable}
    listed = cors.listed_origins(setting)
    origin = f"'{listed[0]}'" if len(listed) == 1 else "method.request.header.Origin"
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "'true'", "Vary": "'Origin'", **readable}


def _gateway_response(allowed: dict[str, str], status: int | None, code: str, message: str) -> Template:
    body: Template = {"error": code, "message": message, "request_id": "$context.requestId"}
    for_browsers = {name: f"'{value}'" for name, value in error_replies.BROWSER_HEADERS.items()}
    headers = {**allowed, **for_browsers, "X-Request-Id": "context.requestId"}
    if status == 503:
        body["outcome"] = "unknown"
    if status in (429, 503):
        body["retry_after_seconds"] = error_replies.STORE_RETRY_SECONDS
        headers["Retry-After"] = f"'{error_replies.STORE_RETRY_SECONDS}'"
    if deprecations.add_old_names(body, deprecations.ERROR_DETAILS):
        headers |= {name: f"'{value}'" for name, value in deprecations.HEADERS.items()}
    return {
        **({"statusCode": str(status)} if status else {}),
        "responseParameters": {f"gatewayresponse.header.{name}": value for name, value in headers.items()},
        "responseTemplates": {"application/json": json.dumps(body)},
    }


def _methods(path: str, methods: dict[str, Any], uri: Template) -> Template:
    """Return the integrations of a path: its methods, preflight requests (OPTIONS), and all other methods.

    Chalice refuses other methods with 405; API Gateway alone would respond with 404.
    """
    names = [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]
    called = {"x-amazon-apigateway-integration": {"uri": uri}}
    other_method = {
        "parameters": [{"name": name, "in": "path", "required": True, "type": "string"} for name in names],
        "responses": {"204": {"description": "A preflight request."}, "405": {"description": "The path has no such method."}},
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": uri,
            "passthroughBehavior": "when_no_match",
            "contentHandling": "CONVERT_TO_TEXT",
        },
    }
    # `any` includes OPTIONS, but the emulated AWS supports only named methods.
    others = {"options": other_method, "x-amazon-apigateway-any-method": other_method}
    return {**{method.lower(): called for method in methods}, **others}
