"""The DynamoDB client: botocore's client, with a fast path for calls that read and write items.

botocore takes 300 microseconds of CPU time for each call. Most of that work has the same result every time: resolving the endpoint,
composing the user agent, and matching arguments and response to their shapes, although both are already in wire format. The fast path
resolves the endpoint and composes the user agent once for each operation, and matches no shapes. It uses botocore for everything
else: credentials, retries, connections, errors, and the events of a call.

The fast path sends the same requests, byte for byte. Unusual calls (with binary values, ARNs or a paginator) take botocore's whole path,
and botocore signs retries. The fast path does not emit these events: before-endpoint-resolution, request-created, choose-signer,
before-sign, before-parse.
"""

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.config import Config
from botocore.context import get_context, start_as_current_context
from botocore.endpoint import convert_to_response_dict
from botocore.hooks import first_non_none_response

from chalicelib.dynamodb.request_signing import RequestTemplate
from chalicelib.foundation import sdk_calls, settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# botocore accepts the arguments and returns the responses of these operations in wire format, except for binary values.
_OPERATIONS = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
# Example arguments to resolve the endpoint. They contain no ARN of a table, because an ARN could change the endpoint.
_NO_ARNS: dict[str, Any] = {"TableName": "name", "RequestItems": {}, "TransactItems": []}
_SHORT_HEADERS = {"X-Amz-Target", "Content-Type", "User-Agent", "X-Amzn-Trace-Id"}  # the headers that a RequestTemplate can handle

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def client() -> "DynamoDBClient":
    """Return the DynamoDB client of this process. PynamoDB's models use it too, so that all calls share one connection pool."""
    current = settings.current()
    return _client(current.store_endpoint, current.region)


@lru_cache(maxsize=8)
def _client(endpoint: str, region: str) -> "DynamoDBClient":
    # The timeouts are short, because a waiting Lambda function costs money and its caller can retry. Our arguments need no validation.
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=64,
        parameter_validation=False,
    )
    client: DynamoDBClient = sdk_calls.create_client("dynamodb", region, config, endpoint, base=ShortCalls)
    sdk_calls.keep_deadline(client, "dynamodb")
    sdk_calls.report_effects(client, "dynamodb")
    return client


class _Operation:
    """The data that all calls of one operation to one endpoint share."""

    def __init__(self, model: Any, context: dict[str, Any], request: dict[str, Any]) -> None:
        self.model, self.context, self.request = model, context, request
        self.template: RequestTemplate | None = None  # created when the first request is sent
        place = f"{model.service_model.service_id.hyphenize()}.{model.name}"
        self.provide_parameters = f"provide-client-params.{place}"
        self.build_parameters = f"before-parameter-build.{place}"
        self.before_call = f"before-call.{place}"
        self.before_send = f"before-send.{place}"
        self.response_received = f"response-received.{place}"
        self.after_call = f"after-call.{place}"
        self.after_call_error = f"after-call-error.{place}"


class ShortCalls:
    """A base class of the client that replaces botocore's path from a call's arguments to its response."""

    meta: Any
    exceptions: Any
    _endpoint: Any
    _request_signer: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._operations: dict[tuple[str, str | None], _Operation] = {}  # by name and account

    def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> dict[str, Any]:
        # Paginators and waiters open a context, in which botocore composes a different user agent.
        if operation_name not in _OPERATIONS or get_context() is not None:
            return self._make_whole_call(operation_name, api_params)
        operation = self._operation(operation_name)
        context = {**operation.context}
        events, model = self.meta.events, operation.model
        provided = events.emit(operation.provide_parameters, params=api_params, model=model, context=context)
        api_params = first_non_none_response(provided, default=api_params)
        events.emit(operation.build_parameters, params=api_params, model=model, context=context)
        body = _encode(api_params)
        if body is None:
            return self._make_whole_call(operation_name, api_params)
        request = {**operation.request, "headers": {**operation.request["headers"]}, "body": body, "context": context}
        _, response = events.emit_until_response(
            operation.before_call, model=model, params=request, request_signer=self._request_signer, context=context
        )
        if response is None:
            try:
                response = self._exchange(operation, request)
            except Exception as error:
                events.emit(operation.after_call_error, exception=error, context=context)
                raise
        http, parsed = response
        events.emit(operation.after_call, http_response=http, parsed=parsed, model=model, context=context)
        if http.status_code >= 300:
            code = context.get("error_code_override") or parsed.get("Error", {}).get("Code")
            raise self.exceptions.from_code(code)(parsed, operation_name)
        result: dict[str, Any] = parsed
        return result

    def _make_whole_call(self, operation_name: str, api_params: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
        return result

    def _operation(self, name: str) -> _Operation:
        """Return the data that all calls of the operation share. The endpoint may depend on the account to which the credentials belong."""
        credentials = self._request_signer._credentials
        key = name, credentials.account_id if credentials is not None else None
        operation = self._operations.get(key)
        if operation is None:
            operation = self._operations[key] = self._resolve_operation(name)
        return operation

    def _resolve_operation(self, name: str) -> _Operation:
        client: Any = self
        model = self.meta.service_model.operation_model(name)
        context = {
            "client_region": self.meta.region_name,
            "client_config": self.meta.config,
            "has_streaming_input": model.has_streaming_input,
            "auth_type": model.resolved_auth_type,
            "unsigned_payload": model.unsigned_payload,
            "auth_options": self.meta.service_model.metadata.get("auth"),
        }
        url, headers, properties = client._resolve_endpoint_ruleset(model, _NO_ARNS, context)
        if properties:
            context["endpoint_properties"] = properties
        request = client._convert_to_request_dict({}, model, url, context, headers)
        return _Operation(model, context, request)

    def _exchange(self, operation: _Operation, request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Send a request until it needs no retry. Returns the HTTP response and its parsed content.

        Raises the last error if there was no response.
        """
        endpoint, model, context = self._endpoint, operation.model, request["context"]
        attempts = 1
        endpoint._update_retries_context(context, attempts)
        prepared = self._sign(operation, request)
        while True:
            response, error = self._attempt(operation, prepared)
            http, parsed = response or (None, None)
            self.meta.events.emit(
                operation.response_received,
                response_dict=convert_to_response_dict(http, model) if http is not None else None,
                parsed_response=parsed,
                context=context,
                exception=error,
            )
            if not endpoint._needs_retry(attempts, model, request, response, error):
                break
            attempts += 1
            endpoint._update_retries_context(context, attempts, response)
            prepared = self._sign_like_botocore(operation, request)
        if error is not None:
            raise error
        assert response is not None
        response[1]["ResponseMetadata"]["RetryAttempts"] = attempts - 1
        return response

    def _attempt(self, operation: _Operation, prepared: Any) -> tuple[tuple[Any, dict[str, Any]] | None, Exception | None]:
        try:
            responses = self.meta.events.emit(operation.before_send, request=prepared)
            http = first_non_none_response(responses)
            if http is None:
                http = self._endpoint._send(prepared)
        except Exception as error:  # the listeners of needs-retry decide whether to repeat the attempt or raise the error
            return None, error
        return (http, self._parse(operation.model, http)), None

    def _sign(self, operation: _Operation, request: dict[str, Any]) -> Any:
        credentials = self._request_signer._credentials
        headers = request["headers"]
        if credentials is None or not _SHORT_HEADERS.issuperset(headers):
            return self._sign_like_botocore(operation, request)
        frozen = credentials.get_frozen_credentials()
        if operation.template is None:
            context = {**request["context"], "retries": {**request["context"]["retries"]}}
            example = self._sign_like_botocore(operation, {**operation.request, "body": request["body"], "context": context})
            operation.template = RequestTemplate.from_botocore(example, frozen)
            if operation.template is None:
                return self._sign_like_botocore(operation, request)
        return operation.template.sign(frozen, request["context"], request["body"], headers.get("X-Amzn-Trace-Id"))

    def _sign_like_botocore(self, operation: _Operation, request: dict[str, Any]) -> Any:
        client: Any = self
        with start_as_current_context():
            # Resolve the endpoint again, because botocore composes the user agent together with the request, and the user agent says how
            # the endpoint was resolved.
            client._resolve_endpoint_ruleset(operation.model, _NO_ARNS, {**operation.context})
            return self._endpoint.create_request(request, operation.model)

    def _parse(self, model: Any, http: Any) -> dict[str, Any]:
        """Return a response in botocore's form."""
        body, status = http.content, http.status_code
        parsed = _decode_plain(body) if status < 300 else None
        if parsed is None:
            return self._parse_like_botocore(model, http)
        headers = {name.lower(): value for name, value in http.headers.items()}
        metadata = parsed["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": headers}
        if "x-amzn-requestid" in headers:
            metadata["RequestId"] = headers["x-amzn-requestid"]
        return parsed

    def _parse_like_botocore(self, model: Any, http: Any) -> dict[str, Any]:
        response = convert_to_response_dict(http, model)
        parser = self._endpoint._response_parser_factory.create_parser(model.service_model.resolved_protocol)
        parsed: dict[str, Any] = parser.parse(response, model.output_shape)
        if http.status_code >= 300:
            self._endpoint._add_modeled_error_fields(response, parsed, model, parser)
        return parsed


def _encode(arguments: dict[str, Any]) -> bytes | None:
    """Return the body of a request, exactly as botocore would write it. Returns None if botocore's body might differ."""
    try:
        text = json.dumps(arguments)
    except (TypeError, ValueError):
        return None  # binary values, or other values that botocore will refuse
    if '"B": ' in text or '"BS": ' in text or '"arn:' in text:
        return None  # botocore encodes binary values, and the account in a table's ARN may change the endpoint
    return text.encode()


def _decode_plain(body: bytes) -> dict[str, Any] | None:
    """Return the decoded JSON of a response. Returns None if botocore would decode the response differently."""
    if b'"B":' in body or b'"BS":' in body or b":null" in body or b": null" in body:
        return None  # botocore decodes binary values, and drops nulls
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None
