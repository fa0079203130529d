"""The outcomes of calls, in a form that can be compared and written down."""

import logging
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.contract.wire_values import plain_item

CONDITION_FAILED = "ConditionalCheckFailedException 400"
INVALID = "ValidationException 400"
TRANSACTION_CANCELED = "TransactionCanceledException 400"
CONDITION_FAILED_REASON = "ConditionalCheckFailed"

_log = logging.getLogger(__name__)


def outcome(call: Callable[[], Any]) -> Any:
    """What `call` returns, or its error as text, with the item or the cancellation reasons that came with it."""
    try:
        return call()
    except ClientError as error:
        return _error_outcome(error)
    except Exception as error:  # moto runs in this process, so its own exceptions reach the caller
        cause = getattr(error, "cause", None)
        return _error_outcome(cause) if isinstance(cause, ClientError) else f"no response: {type(error).__name__}"


def completion(call: Callable[[], Any]) -> Any:
    """Just "done", or the error."""
    return outcome(lambda: call() and "done")


def _error_outcome(error: ClientError) -> Any:
    response: Any = error.response
    _log.warning("%s", error)  # pytest shows it with a test that fails
    text = f"{response['Error']['Code']} {response['ResponseMetadata']['HTTPStatusCode']}"
    if "CancellationReasons" in response:
        return text, [_reason(reason) for reason in response["CancellationReasons"]]
    return (text, plain_item(response["Item"])) if "Item" in response else text


def _reason(reason: dict[str, Any]) -> Any:
    code = reason.get("Code")
    return (code, plain_item(reason["Item"])) if "Item" in reason else code
