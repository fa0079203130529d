"""Bodies of answers, in JSON."""

from typing import Any

import msgspec

# Who deletes items whose time to live is over, as Lambda gets it.
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}

_json = msgspec.json.Encoder()


def error(status: int, code: str, message: str) -> tuple[int, bytes]:
    return status, _json.encode({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})


def json_response(data: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    """In the shape that MiniStack's functions answer with."""
    return status, {}, _json.encode(data)


def json_response_of_streams(data: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    """Lambda and the API write the identity of whoever deletes expired items in different letters."""
    identity = {"PrincipalId": TTL_IDENTITY["principalId"], "Type": TTL_IDENTITY["type"]}
    if "Records" in data:
        data["Records"] = [{**record, "userIdentity": identity} if "userIdentity" in record else record for record in data["Records"]]
    return json_response(data, status)
