"""Bodies of DynamoDB's responses, in JSON."""

from collections.abc import Iterable
from typing import Any

import msgspec

# The identity in the change records of items that were deleted because their time to live is over, as Lambda receives it.
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}

_json = msgspec.json.Encoder()


def error_response(status: int, code: str, message: str) -> tuple[int, bytes]:
    return status, _json.encode({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})


def transaction_error(faults: Iterable[str]) -> tuple[int, bytes]:
    """A canceled transaction; `faults` are the messages of its actions' faults, empty for an action without one."""
    reasons = [{"Code": "ValidationError", "Message": fault} if fault else {"Code": "None"} for fault in faults]
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    return 400, _json.encode({"__type": kind, "message": message, "CancellationReasons": reasons})


def json_response(data: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    """A response in the shape that MiniStack's functions return."""
    return status, {}, _json.encode(data)


def streams_json_response(data: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    """The same for DynamoDB Streams, whose API capitalizes the fields of `userIdentity`, which Lambda does not."""
    identity = {"PrincipalId": TTL_IDENTITY["principalId"], "Type": TTL_IDENTITY["type"]}
    if "Records" in data:
        data["Records"] = [{**record, "userIdentity": identity} if "userIdentity" in record else record for record in data["Records"]]
    return json_response(data, status)
