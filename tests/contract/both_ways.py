"""Compares each call that `devtools.in_process_clients` serves with the same call as botocore makes it over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.foundation import sdk_calls


@contextmanager
def compared(client: Any) -> Iterator[None]:
    """Within the block, let botocore repeat each call of an attached client, and give it the engine's response as if it came over HTTP.

    A call fails if the two requests, or the two responses or exceptions, differ.
    """
    meta, event = client.meta, client.meta.service_model.service_id.hyphenize()
    config = meta.config.merge(Config(parameter_validation=False))
    botocores = sdk_calls.create_client(meta.service_model.service_name, meta.region_name, config, meta.endpoint_url)
    make, request, received = client._make_api_call, b"", None

    def keep_request(params: dict[str, Any], **_: Any) -> None:
        nonlocal request
        request = params["body"]

    def keep_response(http_response: Any, **_: Any) -> None:
        nonlocal received
        received = http_response

    def respond(request: Any, **_: Any) -> Any:
        sent.append(msgspec.json.decode(request.body))
        return received

    def make_both_ways(operation: str, parameters: dict[str, Any]) -> Any:
        sent.clear()
        response, error = _result(lambda: make(operation, parameters))
        # `parameters` now have a token, if botocore adds one.
        expected, expected_error = _result(lambda: botocores._make_api_call(operation, parameters))
        assert sent == [msgspec.json.decode(request)]
        assert response == expected
        assert (type(error).__name__, str(error)) == (type(expected_error).__name__, str(expected_error))
        if error is not None:
            raise error
        return response

    sent: list[Any] = []
    botocores.meta.events.register(f"before-send.{event}", respond)
    client.meta.events.register(f"before-call.{event}", keep_request)
    client.meta.events.register(f"after-call.{event}", keep_response)
    client._make_api_call = make_both_ways
    try:
        yield
    finally:
        client._make_api_call = make
        client.meta.events.unregister(f"before-call.{event}", keep_request)
        client.meta.events.unregister(f"after-call.{event}", keep_response)


def _result(call: Callable[[], Any]) -> tuple[Any, ClientError | None]:
    """Return the response, and the error that it is."""
    try:
        return call(), None
    except ClientError as error:
        return error.response, error
