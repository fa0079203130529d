"""Check new versions of the functions that serve requests before any request reaches them. CodeDeploy calls `check_versions`.

This file is the code of an inline function, so it imports nothing but boto3, and has at most 4,096 characters. The versions' ARNs are in
the environment: API_VERSION, WEBHOOKS_VERSION and, with the add-on, DOCUMENTS_VERSION.
"""

import json
import os
from typing import Any

import boto3

# A version that cannot read its settings, its secret's location or its tables fails one of these.
READS = {
    "API_VERSION": ("/v1/health", "/v1/openapi.json", "/v1/catalog", "/v1/events"),
    "WEBHOOKS_VERSION": ("/v1/health",),
    "DOCUMENTS_VERSION": ("/v1/health",),
}


def check_versions(event: dict[str, Any], _context: object) -> None:
    """Read from the versions and tell CodeDeploy the outcome. After `Failed`, CodeDeploy moves no traffic, and the stack rolls back."""
    reads = [(os.environ[version], path) for version, paths in READS.items() if version in os.environ for path in paths]
    problems = [found for version, path in reads if (found := _problem(version, path))]
    print(json.dumps({"message": "versions.checked", "problems": problems}))
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if problems else "Succeeded",
    )


def _problem(version: str, path: str) -> str:
    """Return why a version does not answer a path as it should; "" if it does."""
    try:
        reply = boto3.client("lambda").invoke(FunctionName=version, Payload=json.dumps(_request(path)).encode())
        answer = json.loads(reply["Payload"].read())
        if reply.get("FunctionError"):
            return f"{version} fails on {path}: {answer.get('errorType')}"
        if answer["statusCode"] != 200:
            return f"{version} returns {answer['statusCode']} for {path}"
        if path == "/v1/health" and json.loads(answer["body"])["status"] != "ok":
            return f"{version} is not healthy: {answer['body']}"
    except Exception as error:  # CodeDeploy must hear of it, or it waits for an hour
        return f"{version} cannot be called for {path}: {error!r}"
    return ""


def _request(path: str) -> dict[str, Any]:
    """Return the event of API Gateway for a GET request."""
    identity = {"sourceIp": "127.0.0.1", "userAgent": "pre-traffic"}
    context = {"resourcePath": path, "httpMethod": "GET", "path": f"/api{path}", "stage": "api", "requestId": "pre-traffic"}
    return {
        "resource": path,
        "path": path,
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {**context, "identity": identity},
    }
