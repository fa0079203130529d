"""The functions of a stack deployed to the emulated AWS, and an HTTP server in front of them in place of API Gateway."""

import io
import threading
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3
from botocore.exceptions import ClientError

from infra.emulation.aws import CREDENTIALS, HOST, POLL_SECONDS, REGION, EmulatedAws, EmulationFailed
from infra.emulation.lambda_runtime import LambdaFunction, runtime_environment
from infra.local.gateway import Gateway, GatewayResponse, to_response


class DeployedStack:
    """The functions and routes of a stack, read from the emulated AWS at their first use; runs within a `with` block.

    After a change of the stack, create a new DeployedStack.
    """

    def __init__(self, aws: EmulatedAws, name: str, folder: Path) -> None:
        self._aws, self.name, self._folder = aws, name, folder
        self._running = ExitStack()
        self._lock = threading.RLock()
        self._functions: dict[str, LambdaFunction] = {}
        self._resources: dict[str, Any] = {}
        self._routes: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def function_of_arn(self, arn: str) -> LambdaFunction:
        """Return the running function with this ARN, with or without an alias or a version."""
        name, _, qualifier = arn.rpartition(":function:")[2].partition(":")
        with self._lock:
            if name not in self._functions:
                self._functions[name] = self._running.enter_context(self._start(name, qualifier))
            return self._functions[name]

    def function_of_route(self, method: str, resource: str) -> LambdaFunction | None:
        """Return the function that API Gateway calls for a route; None if the deployed API lacks the route."""
        routes = self.routes()
        arn = routes.get((method, resource)) or routes.get(("ANY", resource))
        return self.function_of_arn(arn) if arn else None

    def routes(self) -> dict[tuple[str, str], str]:
        """Return (method, path) of the deployed API -> ARN of its function."""
        with self._lock:
            if not self._routes:
                self._routes = self._read_routes()
            return self._routes

    def resources(self, *kinds: str) -> dict[str, str]:
        """Return logical id -> physical name of the stack's resources: of these types or, without types, of all."""
        with self._lock:
            if not self._resources:
                pages = self._aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
                try:
                    summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
                except ClientError as error:
                    raise EmulationFailed(f"the stack {self.name} cannot be read: {error}") from None
                self._resources = {summary["LogicalResourceId"]: summary for summary in summaries}
        return {name: each["PhysicalResourceId"] for name, each in self._resources.items() if not kinds or each["ResourceType"] in kinds}

    def resource(self, logical_id: str) -> str:
        """Return the physical name of a resource of the stack."""
        found = self.resources()
        if logical_id not in found:
            raise EmulationFailed(f"the stack {self.name} has no {logical_id}; it has {', '.join(sorted(found))}")
        return found[logical_id]

    def _start(self, name: str, qualifier: str) -> LambdaFunction:
        """Start a function from the zip and the layers of its alias or version, with the environment of the template."""
        client = self._aws.client("lambda")
        found = client.get_function(FunctionName=name, **({"Qualifier": qualifier} if qualifier else {}))
        configuration = found["Configuration"]
        folder = self._folder / name
        if not folder.exists():
            layers = [client.get_layer_version_by_arn(Arn=layer["Arn"])["Content"] for layer in configuration.get("Layers", [])]
            for zipped in (found["Code"], *layers):
                code = urllib3.request("GET", zipped["Location"])
                if code.status != 200:
                    raise EmulationFailed(f"the zip of {name} cannot be read: status {code.status}")
                zipfile.ZipFile(io.BytesIO(code.data)).extractall(folder)
        environment = {
            **runtime_environment(name, REGION, configuration["MemorySize"], folder),
            **configuration.get("Environment", {}).get("Variables", {}),
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self._aws.url,
            "FAIRGATE_STORE_ENDPOINT": self._aws.url,
        }
        log, arn = self._folder / f"{name}.log", configuration["FunctionArn"]
        return LambdaFunction(name, configuration["Handler"], folder, arn, configuration["Timeout"], environment, log)

    def _read_routes(self) -> dict[tuple[str, str], str]:
        client, api = self._aws.client("apigateway"), self.resource("RestAPI")
        pages = client.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"], PaginationConfig={"PageSize": 500})
        resources = [resource for page in pages for resource in page["items"]]
        integrations = {
            (method, resource["path"]): details.get("methodIntegration", {})
            for resource in resources
            for method, details in resource.get("resourceMethods", {}).items()
        }
        return {
            route: integration["uri"].partition("/functions/")[2].removesuffix("/invocations")
            for route, integration in integrations.items()
            if integration.get("type") == "AWS_PROXY"
        }


def caller_address(headers: Sequence[tuple[str, str]]) -> str:
    """Return an address for each access token, and another one for each request without a token: limits of addresses slow no trial."""
    values = {name.lower(): value for name, value in headers}
    caller = values.get("authorization") or values.get("idempotency-key", "")
    return str(IPv4Address(0x0A000000 + zlib.crc32(caller.encode()) % 0x1000000))  # in 10.0.0.0/8


class ApiFront:
    """An HTTP server that calls the stack's functions like API Gateway; runs within a `with` block. `url` is the address of the API."""

    def __init__(self, stack: DeployedStack) -> None:
        import app

        self._stack, self._gateway = stack, Gateway(app.app)
        self._server = ThreadingHTTPServer((HOST, 0), self._handler_class())
        self.url = f"http://{HOST}:{self._server.server_port}/api/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name="api-front", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def respond(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> GatewayResponse:
        event = self._gateway.proxy_event(method, target, headers, body, caller_address(headers))
        if isinstance(event, GatewayResponse):
            return event
        function = self._stack.function_of_route(method, event["resource"])
        if function is None:
            return GatewayResponse(403, {"Content-Type": "application/json"}, b'{"message": "Missing Authentication Token"}')
        event["requestContext"] |= {"accountId": "000000000000", "domainName": f"api.execute-api.{REGION}.amazonaws.com"}
        return to_response(function.call(event))

    def _handler_class(front) -> type[BaseHTTPRequestHandler]:  # `self` is the request below
        class Front(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target = self.path if urlsplit(self.path).netloc == "" else urlsplit(self.path).path
                try:
                    response = front.respond(self.command, target, list(self.headers.items()), body)
                except EmulationFailed as error:  # API Gateway's status for a failed function; the text is for the operator
                    response = GatewayResponse(502, {"Content-Type": "text/plain"}, str(error).encode())
                self.send_response(response.status)
                for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(response.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _handle

            def log_message(self, *_: Any) -> None:
                """Log nothing, because the functions have their own logs."""

        return Front
