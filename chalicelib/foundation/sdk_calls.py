"""AWS SDK clients whose calls respect the request's deadline and report to `effects` whether a write may have taken effect.

This module uses botocore's events, which mark the start and end of a call, each attempt and its response, and the decision whether to
retry.
"""

from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from chalicelib.foundation import deadline, effects

# No attempt begins with fewer seconds left than this. An attempt may take longer, up to the client's timeouts; the edge reserves time for
# that.
MIN_SECONDS = 0.5

WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})

_MAY_BE_DONE = "fairgate_may_be_done"  # key in a call's context; its value is False until an attempt may have taken effect
_creating = Lock()


@lru_cache(maxsize=1)
def _session() -> botocore.session.Session:
    return botocore.session.Session()


def create_client(service: str, region: str, config: Config, endpoint: str = "") -> Any:
    """Create a client for an AWS service, the same as `boto3.client` does. boto3 itself would take 25 ms more of each cold start.

    All clients share the data that botocore has loaded: its descriptions of regions and endpoints, and the credentials.
    """
    with _creating:  # a session is not thread-safe
        return _session().create_client(service, region, endpoint_url=endpoint or None, config=config)


@lru_cache(maxsize=4)
def _client(region: str) -> Any:
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})
    client = create_client("cloudwatch", region, config)
    keep_deadline(client, "cloudwatch")
    return client


def read_metrics(region: str, queries: Mapping[str, Mapping[str, Any]], since: int, until: int) -> dict[str, dict[int, float]] | None:
    """Read metrics from CloudWatch, in one short attempt. Returns the values of each query by the time of their period (epoch seconds).

    `queries` are CloudWatch's `MetricStat`s by name. Returns None if CloudWatch does not have all values yet. Raises ClientError or
    BotoCoreError.
    """
    asked = [{"Id": name, "MetricStat": query} for name, query in queries.items()]
    found = _client(region).get_metric_data(MetricDataQueries=asked, StartTime=since, EndTime=until)["MetricDataResults"]
    if any(result["StatusCode"] != "Complete" for result in found):
        return None
    times = {result["Id"]: [int(at.timestamp()) for at in result["Timestamps"]] for result in found}
    return {result["Id"]: dict(zip(times[result["Id"]], result["Values"], strict=True)) for result in found}


def keep_deadline(client: Any, service: str) -> None:
    """Stop `client` from starting a call, an attempt or a wait for a retry when too little time is left."""
    events = client.meta.events
    events.register_first(f"before-call.{service}", _require_time)
    events.register_first(f"before-send.{service}", _require_time)
    events.register_first(f"needs-retry.{service}", _has_time_to_repeat)


def report_effects(client: Any, service: str) -> None:
    """Report each write of `client` to `effects`."""
    events = client.meta.events
    events.register(f"before-call.{service}", _begin_write)
    events.register(f"response-received.{service}", _note_attempt)
    events.register(f"after-call.{service}", _end_write)
    events.register(f"after-call-error.{service}", _end_write)


def _require_time(**_: Any) -> None:
    deadline.require(MIN_SECONDS)


def _has_time_to_repeat(attempts: int, caught_exception: Exception | None = None, **_: Any) -> bool | None:
    """Return False, so that botocore does not repeat the call, if the wait might exceed the deadline.

    Returns None to leave the decision to botocore.

    In botocore's standard mode, the wait before attempt n + 1 is a random time from 0 to 2 ** (n - 1) seconds. Some versions of botocore
    treat False as a wait of 0 seconds and begin one more attempt, which DeadlineExceeded ends.
    """
    if isinstance(caught_exception, deadline.DeadlineExceeded):
        raise caught_exception
    return False if deadline.remaining() < 2 ** (attempts - 1) + MIN_SECONDS else None


def _begin_write(model: Any, context: dict[str, Any], **_: Any) -> None:
    if model.name in WRITES and _MAY_BE_DONE not in context and effects.begin():
        context[_MAY_BE_DONE] = False


def _note_attempt(context: dict[str, Any], parsed_response: dict[str, Any] | None, exception: Exception | None, **_: Any) -> None:
    if _MAY_BE_DONE in context and not _is_refused(parsed_response, exception):
        context[_MAY_BE_DONE] = True


def _end_write(context: dict[str, Any], parsed: dict[str, Any] | None = None, exception: Exception | None = None, **_: Any) -> None:
    if context.get(_MAY_BE_DONE) is False and _is_refused(parsed, exception):
        effects.withdraw()


def _is_refused(response: dict[str, Any] | None, error: Exception | None) -> bool:
    """Return whether an attempt certainly had no effect, because DynamoDB refused it or it never arrived."""
    if response is None:
        return isinstance(error, ConnectTimeoutError | EndpointConnectionError | deadline.DeadlineExceeded)
    # TransactionInProgressException is not a refusal: it means that an earlier attempt is still being executed.
    in_progress = response.get("Error", {}).get("Code") == "TransactionInProgressException"
    return bool(400 <= response["ResponseMetadata"]["HTTPStatusCode"] < 500 and not in_progress)
