"""DynamoDB for all stores: the base class of all tables, conditional writes, transactions and batches.

A row is an instance of a `Table`. Changes are mappings, and conditions are text in DynamoDB's own language:

    dynamo.put(PurchaseRow("p", state="held", version=1), "attribute_not_exists(id)")
    dynamo.update(PurchaseRow("p"), {"state": "paid", "ttl": None}, "version = :before AND size(lines) < :max_lines", before=1, max_lines=9)
    dynamo.update(BuyerRow("u", "e"), {"active_id": None}, "active_id = :id", add={"bought": 2, "orders": {"p"}}, id="p")
    dynamo.delete(CaseRow("p", "refund#r"), "attribute_not_exists(next_at)")
    dynamo.check(CatalogRow("head", "head"), "version = :version", version=7)

`put`, `update`, `delete` and `check` return transaction items for `transact`; `put_if`, `update_if`, `update_if_returning` and `delete_if`
take the same arguments and make a single write. Conditions use plain attribute names: `wire_format` replaces each name with a placeholder,
because some names are reserved words. A condition is parsed once and cached, so it must be a constant; pass variable values as operands.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Self, TypeVar
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from msgspec import Struct
from pynamodb.connection import TableConnection
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from chalicelib.dynamodb import wire_format
from chalicelib.dynamodb.dynamo_client import client as client
from chalicelib.foundation import deadline, parallel, settings
from chalicelib.foundation.deadline import DeadlineExceeded

T = TypeVar("T")
TransactItem = dict[str, dict[str, Any]]

MAX_TRANSACT_ITEMS = 100
MAX_BATCH_GET = 100
MAX_BATCH_WRITE = 25

WRITE_ATTEMPTS = 5  # for a write that conflicts with transactions
_MAX_STALLED_ROUNDS = 6  # consecutive batches without a processed item

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

# botocore's errors that may not occur again. Its other errors, such as missing credentials, last until somebody corrects the setup.
_TRANSPORT_ERRORS = (NoConnection, HTTPClientError, IncompleteReadError)

# Codes with which AWS refuses every call until somebody corrects the setup: the credentials, a role, or a table or bucket that is missing.
_SETUP_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "NoSuchBucket",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)

# The reasons that DynamoDB gives, item by item, if the cancelled transaction may succeed later. "None" means that the item was no cause.
_TEMPORARY_REASONS = frozenset({"None", "ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})


class CancellationReason(Struct, frozen=True):
    """Why a transaction refused an item.

    `code` is DynamoDB's code, or the text `None` if the item was accepted. `item` is the item in the table.
    """

    code: str
    item: Any


class TransactionCanceled(Exception):
    """A condition of a transaction failed, so no item was written. `reasons` has an entry for each item, in order."""

    def __init__(self, reasons: Sequence[CancellationReason]) -> None:
        self.reasons = reasons
        super().__init__(", ".join(reason.code for reason in reasons))

    def failed(self, index: int) -> bool:
        """Return whether the condition of the item at `index` failed."""
        return self.reasons[index].code == "ConditionalCheckFailed"


class StoreUnavailable(Exception):
    """The store is down or throttling, or too many writers compete for an item. Earlier calls in the same request may have written data."""


_RETURNING_OLD_ITEM = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

# Every exception that a call to the store can raise. `is_unavailable` tells whether the store caused it.
STORE_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError, PynamoDBException, StoreUnavailable, DeadlineExceeded)


class PersonalData(Struct, frozen=True):
    """The personal data in a table: what it is, whether the personal export includes it, and what happens to it on erasure.

    This class is documentation only: `privacy/service.py` exports and erases the data.
    """

    what: str
    export: str
    erasure: str


class Table(Model):
    """Base class of all PynamoDB models. Subclasses set `feature`, which names the table; several models may share a table.

    For the documentation, the first model of a table also describes the table's contents (`contents`) and its personal data
    (`personal_data`). A table with `has_stream` has a stream of changes, each with the old and the new item (docs/changes.md).
    """

    feature: str
    contents: str
    personal_data: PersonalData | None
    has_stream = False

    @classmethod
    def name(cls) -> str:
        """Return the table's name in the current stage."""
        return table_name(cls.feature)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        # PynamoDB creates a session and a client for each model; sharing our client saves about 50 ms of cold start for each model.
        name = cls.name()
        if cls.Meta.table_name != name:
            cls.Meta.table_name = name
        connection = super()._get_connection()
        connection.connection._client = client()  # type: ignore[assignment]
        return connection

    def __init__(self, hash_key: Any = None, range_key: Any = None, _user_instantiated: bool = True, **attributes: Any) -> None:
        # PynamoDB would set the attributes one by one and look for defaults, but our tables have no defaults.
        self.attribute_values = attributes
        if hash_key is not None:
            attributes[self._hash_keyname] = hash_key  # type: ignore[index]
        if range_key is not None:
            attributes[self._range_keyname] = range_key  # type: ignore[index]
        if not attributes.keys() <= self.get_attributes().keys():
            raise ValueError(f"{type(self).__name__} has no attribute {sorted(attributes.keys() - self.get_attributes().keys())}")

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Return the row of an item in wire format."""
        return cls(**wire_format.deserialize_row(cls, data))

    @classmethod
    def find(cls, hash_key: Any, range_key: Any = None, *, consistent: bool = True) -> Self | None:
        """Return the row with this key. Returns None if it does not exist. The read is strongly consistent by default."""
        key: Any = wire_format.serialize_key(cls(hash_key, range_key))
        item: Any = client().get_item(TableName=cls.name(), Key=key, ConsistentRead=consistent).get("Item")
        return None if item is None else cls.from_raw_data(item)

    def save(self) -> None:  # type: ignore[override]
        """Write the row without a condition."""
        put_item(TableName=self.name(), Item=wire_format.serialize_row(self))

    def delete(self) -> None:  # type: ignore[override]
        """Delete the row without a condition."""
        _delete_item(TableName=self.name(), Key=wire_format.serialize_key(self))


def table_name(feature: str) -> str:
    """Return the name of a feature's table in the current stage."""
    return f"fairgate-{settings.current().stage}-{feature}"


def put(row: Table, condition: str = "", **operands: Any) -> TransactItem:
    """Return a transaction item that writes all attributes of `row`."""
    arguments = wire_format.write_arguments(row, condition, operands)
    return {"Put": {**arguments, "Item": wire_format.serialize_row(row), **_RETURNING_OLD_ITEM}}


def update(
    row: Table,
    changes: Mapping[str, Any],
    condition: str = "",
    *,
    initial: Mapping[str, Any] | None = None,
    add: Mapping[str, Any] | None = None,
    discard: Mapping[str, Any] | None = None,
    **operands: Any,
) -> TransactItem:
    """Return a transaction item that updates the item with the key of `row`, and creates this item if the condition allows it.

    In `changes`, None removes an attribute. `initial` sets attributes that the item does not have. `add` increases numbers and extends
    sets. `discard` removes elements from sets.
    """
    arguments = wire_format.update_arguments(row, changes, initial or {}, add or {}, discard or {}, condition, operands)
    return {"Update": {**arguments, "Key": wire_format.serialize_key(row), **_RETURNING_OLD_ITEM}}


def delete(row: Table, condition: str = "", **operands: Any) -> TransactItem:
    """Return a transaction item that deletes the item with the key of `row`."""
    arguments = wire_format.write_arguments(row, condition, operands)
    return {"Delete": {**arguments, "Key": wire_format.serialize_key(row), **_RETURNING_OLD_ITEM}}


def check(row: Table, condition: str, **operands: Any) -> TransactItem:
    """Return a transaction item that writes nothing, but requires that the condition holds for the item with the key of `row`."""
    arguments = wire_format.write_arguments(row, condition, operands)
    return {"ConditionCheck": {**arguments, "Key": wire_format.serialize_key(row), **_RETURNING_OLD_ITEM}}


def transact(items: Sequence[TransactItem]) -> None:
    """Write all of `items` or none of them.

    Raises TransactionCanceled, with the items in the table, if a condition failed, StoreUnavailable if other writes kept conflicting, and
    ClientError if DynamoDB refuses the request itself, for example because an item would be larger than 400 KB. The client request token
    makes all retries safe: botocore's retries after a lost response, and our own.
    """
    if len(items) > MAX_TRANSACT_ITEMS:
        raise ValueError(f"a transaction takes {MAX_TRANSACT_ITEMS} items at most, not {len(items)}")
    token = str(uuid4())
    try:
        _write("transact_write_items", TransactItems=items, ClientRequestToken=token)
    except ClientError as error:
        if error_code(error) != "TransactionCanceledException":
            raise
        reasons = _cancellation_reasons(error)
        if any(reason.code == "ConditionalCheckFailed" for reason in reasons):
            raise TransactionCanceled(reasons) from error
        if not _is_conflict(error):
            raise
        raise StoreUnavailable("the transaction kept conflicting with other writes") from error


def _cancellation_reasons(error: Exception) -> list[CancellationReason]:
    response: Any = getattr(error, "response", {})
    return [CancellationReason(reason.get("Code", "None"), reason.get("Item")) for reason in response.get("CancellationReasons", [])]


def _write(operation: str, **arguments: Any) -> Any:
    """Call a write operation of boto3's client, and repeat it while DynamoDB refuses it because of a conflict with a transaction.

    Raises the last error. botocore's own retries are not enough, because botocore retries only one of these errors,
    TransactionInProgressException, and gives up sooner.
    """
    for attempt in range(1, WRITE_ATTEMPTS):
        try:
            return getattr(client(), operation)(**arguments)
        except ClientError as error:
            if not _is_conflict(error):
                raise
        # Full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
        deadline.wait(random.uniform(0, 0.01 * 2**attempt))
    return getattr(client(), operation)(**arguments)


# boto3's operations of these names, with the same arguments. `_write` repeats them after a conflict.
put_item, update_item, _delete_item = partial(_write, "put_item"), partial(_write, "update_item"), partial(_write, "delete_item")


def put_if(row: Table, condition: str, **operands: Any) -> dict[str, Any] | None:
    """Write an item if the condition holds. Returns None on success. If the condition fails, returns the item in the table."""
    try:
        put_item(**put(row, condition, **operands)["Put"])
    except ClientError as error:
        return refused_item(error)
    return None


def update_if(row: Table, changes: Mapping[str, Any], condition: str, **more: Any) -> bool:
    """Make a single update (see `update`), and set `changes` in `row` too. If the condition fails, changes nothing and returns False."""
    try:
        update_item(**update(row, changes, condition, **more)["Update"])
    except ClientError as error:
        refused_item(error)
        return False
    row.attribute_values.update(changes)
    return True


def update_if_returning(row: Table, changes: Mapping[str, Any], condition: str = "", **more: Any) -> tuple[bool, dict[str, Any]]:
    """Make a single update. Returns whether the condition held, and the item in wire format after the update.

    The item is empty if it does not exist.
    """
    try:
        return True, update_item(**update(row, changes, condition, **more)["Update"], ReturnValues="ALL_NEW")["Attributes"]
    except ClientError as error:
        return False, refused_item(error)


def delete_if(row: Table, condition: str, **operands: Any) -> bool:
    """Delete an item if the condition holds. Returns False if the condition does not hold."""
    try:
        _delete_item(**delete(row, condition, **operands)["Delete"])
    except ClientError as error:
        refused_item(error)
        return False
    return True


def _is_conflict(error: Exception) -> bool:
    if error_code(error) == "TransactionCanceledException":
        return all(reason.code in _TEMPORARY_REASONS for reason in _cancellation_reasons(error))
    return error_code(error) in ("TransactionConflictException", "TransactionInProgressException")


def refused_item(error: ClientError) -> dict[str, Any]:
    """Return the item whose condition failed, or an empty dict if it does not exist. Raises `error` again if it is any other error."""
    if error_code(error) != "ConditionalCheckFailedException":
        raise error
    response: Any = error.response
    item: dict[str, Any] = response.get("Item", {})
    return item


def batch_get(table: str, keys: Iterable[dict[str, Any]], *, consistent: bool = False) -> list[dict[str, Any]]:
    """Read the items of a table that exist for these keys, in no particular order. Each round trip reads up to 100 keys.

    Raises StoreUnavailable if keys stay unprocessed for too long.
    """
    remaining, items, stalled_rounds = list(keys), [], 0
    while remaining:
        page, remaining = remaining[:MAX_BATCH_GET], remaining[MAX_BATCH_GET:]
        response: Any = client().batch_get_item(RequestItems={table: {"Keys": page, "ConsistentRead": consistent}})
        items += response["Responses"].get(table, [])
        unprocessed = response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        stalled_rounds = stalled_rounds + 1 if len(unprocessed) == len(page) else 0
        if unprocessed:
            _wait_for_capacity(stalled_rounds)
            remaining += unprocessed
    return items


def merge_lanes(lanes: Sequence[Iterator[T]], key: Callable[[T], Any], *, reverse: bool = False) -> Iterator[T]:
    """Iterate over the rows of several queries, each sorted by `key`, as if they were one query. Their first pages are read at once."""
    first_rows = parallel.call_each(lambda lane: list(islice(lane, 1)), lanes)
    return heapq.merge(*map(chain, first_rows, lanes), key=key, reverse=reverse)


def batch_put(table: str, items: Iterable[dict[str, Any]]) -> None:
    """Write items without conditions, 25 at a time. Use this only for items that no other process writes.

    Raises StoreUnavailable if items stay unprocessed for too long; other items may have been written by then.
    """
    _batch_write(table, [{"PutRequest": {"Item": item}} for item in items])


def batch_delete(table: str, keys: Iterable[dict[str, Any]]) -> None:
    """Delete the items with these keys without conditions, 25 at a time. The warnings of `batch_put` apply."""
    _batch_write(table, [{"DeleteRequest": {"Key": key}} for key in keys])


def _batch_write(table: str, requests: list[Any]) -> None:
    remaining, stalled_rounds = requests, 0
    while remaining:
        page, remaining = remaining[:MAX_BATCH_WRITE], remaining[MAX_BATCH_WRITE:]
        unprocessed = client().batch_write_item(RequestItems={table: page}).get("UnprocessedItems", {}).get(table, [])
        stalled_rounds = stalled_rounds + 1 if len(unprocessed) == len(page) else 0
        if unprocessed:
            _wait_for_capacity(stalled_rounds)
            remaining += unprocessed


def _wait_for_capacity(stalled_rounds: int) -> None:
    """Wait before unprocessed items are sent again. Raises StoreUnavailable after too many rounds without a processed item."""
    if stalled_rounds >= _MAX_STALLED_ROUNDS:
        raise StoreUnavailable("DynamoDB processed no item of several batches in a row")
    deadline.wait(random.uniform(0, 0.05 * 2**stalled_rounds))


def error_code(error: Exception) -> str:
    """Return DynamoDB's error code, or an empty string if the error has none."""
    # Not PynamoDB's `cause_response_code`, which fails on a timeout: botocore's timeout has a `response` of None.
    cause = error.cause if isinstance(error, PynamoDBException) else error
    if isinstance(cause, ClientError):
        return str(cause.response.get("Error", {}).get("Code", ""))
    return ""


def is_unavailable(error: Exception) -> bool:
    """Return whether the store, not the request, caused the error: it throttles, is overloaded, was too slow or cannot be reached."""
    cause = error.cause if isinstance(error, PynamoDBException) else error
    return isinstance(cause, (StoreUnavailable, DeadlineExceeded, *_TRANSPORT_ERRORS)) or error_code(error) in _UNAVAILABLE


def is_refused(error: Exception) -> bool:
    """Return whether DynamoDB refused the data itself, such as an item that is too large, so that a repeated call would fail too."""
    return error_code(error) in ("ValidationException", "TransactionCanceledException")


def find_setup_error(error: Exception) -> str | None:
    """Return the name or code of an error that lasts until the setup is corrected, such as `NoCredentialsError`; None for other errors."""
    cause = error.cause if isinstance(error, PynamoDBException) else error
    if isinstance(cause, BotoCoreError) and not isinstance(cause, _TRANSPORT_ERRORS):
        return type(cause).__name__
    return code if (code := error_code(error)) in _SETUP_CODES else None
