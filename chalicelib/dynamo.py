"""The ground under every store: one DynamoDB client, the base of all tables, and transactions over several of them."""

import random
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct
from pynamodb.connection import TableConnection
from pynamodb.exceptions import DoesNotExist, PynamoDBException
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from chalicelib import settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

TransactItem = dict[str, dict[str, Any]]

MAX_TRANSACT_ITEMS = 100
MAX_BATCH_GET = 100
MAX_BATCH_WRITE = 25

_CONFLICT_ATTEMPTS = 5

# Every exception that a store call can end in; the edge asks `is_unavailable` what to answer.
STORE_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError, PynamoDBException)

_UNAVAILABLE = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


class CancellationReason(Struct, frozen=True):
    """Why one item of a transaction was refused: DynamoDB's code (`None` for an item that was fine) and the item as it is."""

    code: str
    item: Any


class TransactionCanceled(Exception):
    """A condition of a transaction did not hold, so nothing of it was written; `reasons` has one entry per item, in order."""

    def __init__(self, reasons: Sequence[CancellationReason]) -> None:
        self.reasons = reasons
        super().__init__(", ".join(reason.code for reason in reasons))

    def failed(self, index: int) -> bool:
        return self.reasons[index].code == "ConditionalCheckFailed"


class StoreUnavailable(Exception):
    """The store is down, throttled or too contended; nothing was written by the call that raised it."""


@lru_cache(maxsize=8)
def _client(endpoint: str, region: str) -> "DynamoDBClient":
    return boto3.session.Session().client(
        "dynamodb",
        region_name=region,
        endpoint_url=endpoint or None,
        # Short timeouts: a Lambda that waits is paid for, and the caller can come back. Our own shapes need no validation.
        config=Config(
            connect_timeout=1,
            read_timeout=5,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=64,
            parameter_validation=False,
        ),
    )


def client() -> "DynamoDBClient":
    """The one client of this process: PynamoDB's models use it too, so that there is one pool and one place to observe."""
    chosen = settings.current()
    return _client(chosen.store_endpoint, chosen.region)


class Table(Model):
    """Base of every PynamoDB model. Subclasses say `feature`; several models may live in the table of one feature."""

    feature: str

    @classmethod
    def name(cls) -> str:
        return table_name(cls.feature)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        # PynamoDB makes a session and a client for each model; sharing ours saves about 50 ms of cold start for each.
        name = cls.name()
        if cls.Meta.table_name != name:
            cls.Meta.table_name = name
        connection = super()._get_connection()
        connection.connection._client = client()  # type: ignore[assignment]
        return connection

    @classmethod
    def find(cls, hash_key: Any, range_key: Any = None, *, consistent: bool = True) -> Self | None:
        """The item, or None. Strongly consistent unless told otherwise."""
        try:
            return cls.get(hash_key, range_key, consistent_read=consistent)
        except DoesNotExist:
            return None


def table_name(feature: str) -> str:
    return f"fairgate-{settings.current().stage}-{feature}"


def put(model: Model, condition: Condition | None = None) -> TransactItem:
    """A transaction item that writes the whole of `model`."""
    return {"Put": _returning_old_item(model.get_save_kwargs_from_instance(condition))}


def update(model: Model, actions: Sequence[Action], condition: Condition | None = None) -> TransactItem:
    """A transaction item that changes attributes of the item with the key of `model`."""
    return {"Update": _returning_old_item(model.get_update_kwargs_from_instance(list(actions), condition))}


def delete(model: Model, condition: Condition | None = None) -> TransactItem:
    return {"Delete": _returning_old_item(model.get_delete_kwargs_from_instance(condition))}


def _returning_old_item(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**arguments, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def transact(items: Sequence[TransactItem]) -> None:
    """Write all of `items` or none of them.

    Raises TransactionRefused when a condition does not hold, with each item as it is, and StoreUnavailable when other
    writers kept colliding with it. botocore adds a client request token, so its own retry after a lost answer is safe.
    """
    if len(items) > MAX_TRANSACT_ITEMS:
        raise ValueError(f"a transaction takes {MAX_TRANSACT_ITEMS} items at most, not {len(items)}")
    for attempt in range(1, _CONFLICT_ATTEMPTS + 1):
        try:
            client().transact_write_items(TransactItems=items)  # type: ignore[arg-type]
            return
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            reasons = [
                CancellationReason(reason.get("Code", "None"), reason.get("Item"))
                for reason in error.response.get("CancellationReasons", [])
            ]
            if any(reason.code == "ConditionalCheckFailed" for reason in reasons):
                raise TransactionCanceled(reasons) from error
            if attempt == _CONFLICT_ATTEMPTS:
                raise StoreUnavailable("the transaction kept colliding with others") from error
            # Full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
            time.sleep(random.uniform(0, 0.01 * 2**attempt))


def put_if(model: Model, condition: Condition) -> dict[str, Any] | None:
    """Put one item if the condition holds. None on success; otherwise the item that is there, and nothing is written."""
    try:
        client().put_item(**_returning_old_item(model.get_save_kwargs_from_instance(condition)))
    except ClientError as error:
        return item_of_failed_condition(error)
    return None


def update_if(model: Model, actions: Sequence[Action], condition: Condition) -> bool:
    """Change one item if the condition holds; False, and nothing written, if it does not. Refreshes `model` on success."""
    try:
        model.update(list(actions), condition)
    except PynamoDBException as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True


def update_if_returning(model: Model, actions: Sequence[Action], condition: Condition) -> tuple[bool, dict[str, Any]]:
    """Change one item if the condition holds. True with the item as it is now, or False with what is there (empty: nothing)."""
    arguments = _returning_old_item(model.get_update_kwargs_from_instance(list(actions), condition))
    try:
        return True, client().update_item(**arguments, ReturnValues="ALL_NEW")["Attributes"]
    except ClientError as error:
        return False, item_of_failed_condition(error)


def item_of_failed_condition(error: ClientError) -> dict[str, Any]:
    """The item that a condition kept from being changed (empty: there is none); any other error is raised again."""
    if error_code(error) != "ConditionalCheckFailedException":
        raise error
    response: Any = error.response
    found: dict[str, Any] = response.get("Item", {})
    return found


def batch_get(table: str, keys: Iterable[dict[str, Any]], *, consistent: bool = False) -> list[dict[str, Any]]:
    """Items of one table by key, in no particular order, absent ones left out; one round trip per 100 keys."""
    wanted, found = list(keys), []
    while wanted:
        page, wanted = wanted[:MAX_BATCH_GET], wanted[MAX_BATCH_GET:]
        answer = client().batch_get_item(RequestItems={table: {"Keys": page, "ConsistentRead": consistent}})
        found += answer["Responses"].get(table, [])
        unprocessed: Any = answer.get("UnprocessedKeys", {})
        wanted += unprocessed.get(table, {}).get("Keys", [])
    return found


def batch_put(table: str, items: Iterable[dict[str, Any]]) -> None:
    """Write items without conditions, 25 at a time; only for keys that nobody else writes."""
    left: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
    rounds = 0
    while left:
        page, left = left[:MAX_BATCH_WRITE], left[MAX_BATCH_WRITE:]
        unprocessed = client().batch_write_item(RequestItems={table: page}).get("UnprocessedItems", {}).get(table, [])
        if unprocessed:
            rounds += 1
            if rounds > _CONFLICT_ATTEMPTS:
                raise StoreUnavailable("the store keeps leaving writes unprocessed")
            time.sleep(random.uniform(0, 0.05 * 2**rounds))
            left += unprocessed


def error_code(error: Exception) -> str:
    """DynamoDB's code of a client error, or an empty string."""
    # Not PynamoDB's `cause_response_code`, which fails on a timeout: botocore gives that one a `response` of None.
    cause = error.cause if isinstance(error, PynamoDBException) else error
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Code", ""))
    return ""


def is_unavailable(error: Exception) -> bool:
    """Whether the store, not our request, is at fault: throttled, overloaded or out of reach."""
    if isinstance(error, PynamoDBException) and isinstance(error.cause, BotoCoreError):
        return True
    return isinstance(error, StoreUnavailable | BotoCoreError) or error_code(error) in _UNAVAILABLE
