"""DynamoDB for all stores: the base class of all tables, conditional writes, transactions and batches.

A row is an instance of a `Table`, which is a PynamoDB model. Conditions and changes are PynamoDB's expressions
(https://pynamodb.readthedocs.io/en/stable/conditional.html):

    dynamo.transact_put(PurchaseRow("p", state="held", version=1), PurchaseRow.id.does_not_exist())
    dynamo.transact_update(PurchaseRow("p"), [PurchaseRow.state.set("paid"), PurchaseRow.ttl.remove()], PurchaseRow.version == 1)
    dynamo.transact_update(BuyerRow("u", "e"), [BuyerRow.bought.add(2), BuyerRow.orders.add({"p"})], BuyerRow.active_id == "p")
    dynamo.transact_delete(CaseRow("p", "refund#r"), CaseRow.next_at.does_not_exist())
    dynamo.transact_check(CatalogRow("head", "head"), CatalogRow.version == 7)

`transact_put`, `transact_update`, `transact_delete` and `transact_check` write nothing: they return items for `transact`, which writes
them in one transaction. `put_if`, `update_if` and `delete_if` take the same arguments, make a single write immediately, and return whether
its condition held. `put_if_returning` and `update_if_returning` also return the row in the table after the call, so a refused caller need
not read it. `update_now`, `update_now_returning` and a row's own `save` and `delete` write immediately and without a condition. All reads
of tables are strongly consistent by default; reads of indexes never are.

PynamoDB describes the tables, and converts rows and expressions to DynamoDB's format. All calls go through one client of botocore:
PynamoDB would create a client for each model, which takes about 50 ms each at cold start.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar
from uuid import uuid4

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from msgspec import Struct
from pynamodb.attributes import Attribute
from pynamodb.constants import NUMBER
from pynamodb.exceptions import AttributeNullError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, SetAction, Update
from pynamodb.indexes import Index
from pynamodb.models import Model

from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import deadline, parallel, sdk_calls, settings
from chalicelib.foundation.deadline import DeadlineExceeded

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
Row = TypeVar("Row", bound="Table")
TransactItem = dict[str, dict[str, Any]]

MAX_TRANSACT_ITEMS = 100
MAX_BATCH_GET = 100
MAX_BATCH_WRITE = 25

WRITE_ATTEMPTS = 5  # for a write that conflicts with transactions
_MAX_STALLED_ROUNDS = 6  # consecutive batches without a processed item

# Codes of errors that the store causes and that end by themselves.
_UNAVAILABLE_CODES = frozenset(
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

# The reasons that DynamoDB gives, item by item, if the cancelled transaction may succeed later. "None" means that the item was not a cause.
_TEMPORARY_REASONS = frozenset({"None", "ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})


class CancellationReason(Struct, frozen=True):
    """Why a transaction refused an item.

    `code` is DynamoDB's code, or the text `None` if the item was accepted. `item` is the item in the table.
    """

    code: str
    item: Any


class ConditionFailed(Exception):
    """A condition of a transaction failed, so no item was written. `reasons` has an entry for each item, in order."""

    def __init__(self, reasons: Sequence[CancellationReason]) -> None:
        self.reasons = reasons
        super().__init__(", ".join(reason.code for reason in reasons))

    def failed(self, index: int) -> bool:
        """Return whether the condition of the item at `index` failed."""
        return self.reasons[index].code == "ConditionalCheckFailed"

    def row(self, index: int, table: type[Row]) -> Row | None:
        """Return the stored row of the item at `index` if its condition failed. Returns None if it held, or if there is no such row."""
        reason = self.reasons[index]
        return _row(table, reason.item) if self.failed(index) else None


class StoreUnavailable(Exception):
    """The store is down or throttling, or refuses writes in this region. Earlier calls in the same request may have written data."""


class Contention(StoreUnavailable):
    """The store works, but other writers kept changing the same item, so all attempts failed. The caller may repeat the request."""


_RETURNING_OLD_ITEM = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

# Every error of a call to the store, other than a condition that failed. `is_unavailable` tells whether the store caused it.
STORE_ERRORS: tuple[type[Exception], ...] = (ClientError, BotoCoreError, StoreUnavailable, DeadlineExceeded)


class PersonalData(Struct, frozen=True):
    """The personal data in a table: what it is, whether the personal export includes it, and what happens to it on erasure.

    This class is documentation only: `privacy/service.py` exports and erases the data.
    """

    what: str
    export: str
    erasure: str


class Table(Model):
    """Base class of all PynamoDB models. Subclasses set `feature`, which names the table; several models may share a table.

    A table with `has_stream` has a stream of changes, each with the old and the new item (docs/changes.md). A StructAttribute decodes its
    value when the attribute is first read: loading a row never fails because of such a value, but reading the attribute may.

    Never give a model a `Meta`: PynamoDB would then make a client of its own, which knows nothing of our deadlines. Inherited methods that
    call DynamoDB therefore raise AttributeError: all except `query`, `scan`, `save` and `delete`, which this class replaces. Use `find` in
    place of `get`, which raises an error if the row is missing, and `find_all` in place of `batch_get`.

    Also not supported: other names of attributes (`attr_name`), defaults, discriminators, `VersionAttribute` and `TTLAttribute`. Use a
    NumberAttribute for a version or a `ttl`: only PynamoDB's own `save` and `update` add the condition of a version, and `from_raw_data`
    returns every whole number from 0 on as an int, not as a time.
    """

    feature: str
    has_stream = False
    # Only the documentation uses the next two. The first model of a table describes what the table stores.
    contents: str
    personal_data: PersonalData | None

    @classmethod
    def name(cls) -> str:
        """Return the table's name in the current stage."""
        return table_name(cls.feature)

    @classmethod
    def indexes(cls) -> list[Index[Any]]:
        """Return the indexes of the model."""
        return [value for parent in cls.__mro__ for value in vars(parent).values() if isinstance(value, Index)]

    @classmethod
    def find(cls, hash_key: Any, range_key: Any = None, *, consistent_read: bool = True) -> Self | None:
        """Return the row with this key. Returns None if it does not exist."""
        item = client().get_item(TableName=cls.name(), Key=_key(cls, hash_key, range_key), ConsistentRead=consistent_read).get("Item")
        return None if item is None else cls.from_raw_data(item)

    @classmethod
    def find_all(cls, keys: Iterable[Any], *, consistent_read: bool = True) -> list[Self]:
        """Return the rows that exist for these keys, in no particular order. Each round trip reads up to 100 keys.

        `keys` are distinct hash keys, or pairs of a hash key and a range key. Raises StoreUnavailable if keys stay unprocessed too long.
        """
        table, rows = cls.name(), list[Self]()

        def read(page: list[dict[str, Any]]) -> list[dict[str, Any]]:
            response: Any = client().batch_get_item(RequestItems={table: {"Keys": page, "ConsistentRead": consistent_read}})
            rows.extend(map(cls.from_raw_data, response["Responses"].get(table, [])))
            unprocessed: list[dict[str, Any]] = response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            return unprocessed

        in_order = sorted(keys)  # the same keys make the same calls, even if they come from a set
        _send_batches((_key(cls, *(key if isinstance(key, tuple) else (key,))) for key in in_order), MAX_BATCH_GET, read)
        return rows

    @classmethod
    def query(  # type: ignore[override]
        cls,
        hash_key: Any,
        range_key_condition: Condition | None = None,
        *,
        consistent_read: bool = True,
        index_name: str | None = None,
        scan_index_forward: bool | None = None,
        limit: int | None = None,
        page_size: int | None = None,
        attributes_to_get: Sequence[str] | None = None,
        **unsupported: Any,
    ) -> Iterator[Self]:
        """Iterate over the rows with this hash key, in the order of their range keys.

        `limit` is the largest number of rows. Each call to DynamoDB reads `page_size` items (default: `limit`). An index calls this method
        with all arguments of PynamoDB's `Model.query`; those in `unsupported` must be None.
        """
        if given := [name for name, value in unsupported.items() if value is not None]:
            raise TypeError(f"Table.query does not support {', '.join(given)}")
        condition = _hash_key(cls, index_name) == hash_key
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        whole = condition if range_key_condition is None else condition & range_key_condition
        arguments: dict[str, Any] = {"KeyConditionExpression": whole.serialize(names, values)}
        if index_name is not None:
            arguments["IndexName"] = index_name
        if scan_index_forward is False:
            arguments["ScanIndexForward"] = False
        if attributes_to_get:
            arguments["ProjectionExpression"] = ", ".join(names.setdefault(name, f"#{len(names)}") for name in attributes_to_get)
        arguments |= _placeholders(names, values)
        return cls._pages("query", consistent_read, limit, page_size, arguments)

    @classmethod
    def query_in(cls, region: str, hash_key: Any) -> list[Self]:
        """Return the rows with this hash key in the table of the same name in another region, but no more than one page."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        condition = (_hash_key(cls, None) == hash_key).serialize(names, values)
        arguments: Any = {"KeyConditionExpression": condition, **_placeholders(names, values)}
        return list(map(cls.from_raw_data, client_of(region).query(TableName=cls.name(), ConsistentRead=True, **arguments)["Items"]))

    @classmethod
    def scan(cls, *, consistent_read: bool = True, limit: int | None = None, segments: int = 1) -> Iterator[Self]:  # type: ignore[override]
        """Iterate over all rows of the table, in no particular order. With `segments`, read this many pages at once, without a `limit`."""
        if segments == 1:
            return cls._pages("scan", consistent_read, limit, None, {})
        arguments: dict[str, Any] = {"TableName": cls.name(), "ConsistentRead": consistent_read, "TotalSegments": segments}

        def read() -> Iterator[dict[str, Any]]:
            requests = [{**arguments, "Segment": number} for number in range(segments)]
            while requests:
                pages = parallel.call_each(lambda request: client().scan(**request), requests)
                following = [(request, page.get("LastEvaluatedKey")) for request, page in zip(requests, pages, strict=True)]
                requests = [{**request, "ExclusiveStartKey": last_key} for request, last_key in following if last_key]
                while pages:  # a page in memory is many times larger than in the table, so no page is kept
                    yield from pages.pop()["Items"]

        return map(cls.from_raw_data, read())

    @classmethod
    def scan_slice(cls, after: str | None, limit: int) -> tuple[list[Self], str | None]:
        """Read up to `limit` items of a table without range keys, from the item that follows the key `after`, with strong consistency.

        If `after` is None, the slice begins at the start of the table. Returns the rows, and the `after` of the next slice, which is None
        at the end of the table.
        """
        name = _hash_key(cls, None).attr_name
        start: Any = {} if after is None else {"ExclusiveStartKey": {name: {"S": after}}}
        page = client().scan(TableName=cls.name(), ConsistentRead=True, Limit=limit, **start)
        last_key = page.get("LastEvaluatedKey")
        return list(map(cls.from_raw_data, page["Items"])), last_key[name]["S"] if last_key else None

    @classmethod
    def _pages(
        cls, operation: str, consistent_read: bool, limit: int | None, size: int | None, arguments: dict[str, Any]
    ) -> Iterator[Self]:
        arguments |= {"TableName": cls.name(), "ConsistentRead": consistent_read}
        if page_size := size or limit:
            arguments["Limit"] = page_size

        def read() -> Iterator[dict[str, Any]]:
            while True:
                page = getattr(client(), operation)(**arguments)
                yield from page["Items"]
                if not (last := page.get("LastEvaluatedKey")):
                    return
                arguments["ExclusiveStartKey"] = last

        return map(cls.from_raw_data, islice(read(), limit))

    @classmethod
    def set_or_remove(cls, values: Mapping[str, Any]) -> list[Action]:
        """Return the actions of an update that set attributes to these values. None and an empty set remove an attribute."""
        attributes = cls.get_attributes()
        return [attributes[name].remove() if value in (None, set()) else _Set(attributes[name], value) for name, value in values.items()]

    @classmethod
    def _get_connection(cls) -> NoReturn:
        """Stop an inherited method that would call DynamoDB. PynamoDB's own error would ask for a `Meta`."""
        raise AttributeError(f"{cls.__name__} supports only find, find_all, query, scan, save, delete and the functions of `dynamo`")

    # PynamoDB would look at all attributes of the model, and at their defaults, which our models do not have.

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """Return the row of an item in wire format."""
        row, attributes = cls.__new__(cls), cls.get_attributes()
        values = row.attribute_values = {}
        for name, typed in data.items():
            if (number := typed.get("N")) is not None and number.isdecimal():
                if name in attributes:
                    values[name] = int(number)  # PynamoDB would decode JSON
            elif (attribute := attributes.get(name)) is not None and "NULL" not in typed:
                values[name] = attribute.deserialize(attribute.get_value(typed))
        return row

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """Return the item in wire format. Raises AttributeNullError if an attribute is missing and `null_check` is true."""
        item, values = {}, self.attribute_values
        for name, attribute in self.get_attributes().items():
            # PynamoDB serializes an empty set as None.
            if (value := values.get(name)) is not None and None not in (typed := _wire(attribute, value)).values():
                item[name] = typed
            elif null_check and not attribute.null:
                raise AttributeNullError(name)
        return item

    def save(self) -> None:  # type: ignore[override]
        """Write the row without a condition."""
        write("put_item", TableName=self.name(), Item=self.serialize())

    def delete(self) -> None:  # type: ignore[override]
        """Delete the row without a condition."""
        write("delete_item", TableName=self.name(), Key=_key_of(self))


class _Set(SetAction):
    """Gives an attribute a value. Takes a tenth of the time of `Attribute.set`, which can also compute values."""

    def __init__(self, attribute: Attribute[Any], value: Any) -> None:
        self._attribute, self._value = attribute, value

    @property
    def values(self) -> tuple[Path, Value]:  # type: ignore[override]
        """What PynamoDB compares and shows, made only when it is needed."""
        return Path(self._attribute), Value(_wire(self._attribute, self._value))

    def serialize(self, placeholder_names: dict[str, str], expression_attribute_values: dict[str, Any]) -> str:
        # Numbers the placeholders as PynamoDB does, because the conditions of the same call add theirs.
        name = placeholder_names.setdefault(self._attribute.attr_name, f"#{len(placeholder_names)}")
        value = f":{len(expression_attribute_values)}"
        expression_attribute_values[value] = _wire(self._attribute, self._value)
        return f"{name} = {value}"


def client() -> "DynamoDBClient":
    """Return the DynamoDB client of this process."""
    return client_of(settings.current().region)


def client_of(region: str) -> "DynamoDBClient":
    """Return the DynamoDB client for a region."""
    return _client(settings.current().store_endpoint, region)


@lru_cache(maxsize=8)
def _client(endpoint: str, region: str) -> "DynamoDBClient":
    # The timeouts are short, because a waiting Lambda function costs money and its caller can retry.
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=64,
        user_agent="fairgate",  # botocore would build its own text again for each call
        parameter_validation=False,  # the arguments come from this module, and DynamoDB checks them
    )
    client: DynamoDBClient = sdk_calls.create_client("dynamodb", region, config, endpoint)
    sdk_calls.keep_deadline(client, "dynamodb")
    sdk_calls.report_effects(client, "dynamodb")
    return client


def table_name(feature: str) -> str:
    """Return the name of a feature's table in the current stage."""
    return f"fairgate-{settings.current().stage}-{feature}"


def transact_put(row: Table, condition: Condition | None = None) -> TransactItem:
    """Return a transaction item that writes all attributes of `row`."""
    return {"Put": {**_arguments(row, condition), "Item": row.serialize(), **_RETURNING_OLD_ITEM}}


def transact_update(row: Table, actions: Sequence[Action], condition: Condition | None = None) -> TransactItem:
    """Return a transaction item that updates the item with the key of `row`, and creates this item if the condition allows it."""
    return {"Update": {**_arguments(row, condition, actions), "Key": _key_of(row), **_RETURNING_OLD_ITEM}}


def transact_delete(row: Table, condition: Condition | None = None) -> TransactItem:
    """Return a transaction item that deletes the item with the key of `row`."""
    return {"Delete": {**_arguments(row, condition), "Key": _key_of(row), **_RETURNING_OLD_ITEM}}


def transact_check(row: Table, condition: Condition) -> TransactItem:
    """Return a transaction item that writes nothing, but requires that the condition holds for the item with the key of `row`."""
    return {"ConditionCheck": {**_arguments(row, condition), "Key": _key_of(row), **_RETURNING_OLD_ITEM}}


def _arguments(row: Table, condition: Condition | None, actions: Sequence[Action] = ()) -> dict[str, Any]:
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    arguments: dict[str, Any] = {"TableName": row.name()}
    if update := Update(*actions).serialize(names, values):
        arguments["UpdateExpression"] = update
    if condition is not None:
        arguments["ConditionExpression"] = condition.serialize(names, values)
    return arguments | _placeholders(names, values)


def _placeholders(names: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that explain the placeholders of expressions. `names` maps names of attributes to their placeholders."""
    arguments: dict[str, Any] = {}
    if names:
        arguments["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in names.items()}
    if values:
        arguments["ExpressionAttributeValues"] = values
    return arguments


def _key(table: type[Table], *values: Any) -> dict[str, Any]:
    """Return a key in wire format. `values` are the hash key and the range key, which is ignored if the table has none."""
    return {attribute.attr_name: _wire(attribute, value) for (_, attribute), value in zip(_key_attributes(table), values, strict=False)}


def _key_of(row: Table) -> dict[str, Any]:
    return _key(type(row), *(row.attribute_values[name] for name, _ in _key_attributes(type(row))))


def _wire(attribute: Attribute[Any], value: Any) -> dict[str, Any]:
    if isinstance(attribute, StructAttribute):
        return attribute.wire(value)
    kind = attribute.attr_type
    return {kind: str(value) if kind == NUMBER and type(value) is int else attribute.serialize(value)}


@cache
def _key_attributes(table: type[Table]) -> list[tuple[str, Attribute[Any]]]:
    """Return the key attributes of a table by name, the hash key first."""
    keys = [item for item in table.get_attributes().items() if item[1].is_hash_key or item[1].is_range_key]
    return sorted(keys, key=lambda item: item[1].is_range_key)


@cache
def _hash_key(table: type[Table], index_name: str | None) -> Attribute[Any]:
    """Return the attribute that is the hash key of a table or of one of its indexes."""
    if index_name is None:
        return _key_attributes(table)[0][1]
    index = next(index for index in table.indexes() if index.Meta.index_name == index_name)
    return next(attribute for attribute in index.Meta.attributes.values() if attribute.is_hash_key)


def transact(items: Sequence[TransactItem]) -> None:
    """Write all of `items` or none of them.

    Raises ConditionFailed, with the items in the table, if a condition failed, Contention if other writes kept conflicting, and
    ClientError if DynamoDB refuses the request itself, for example because an item would be larger than 400 KB. The client request token
    makes all retries safe: botocore's retries after a lost response, and our own.
    """
    if len(items) > MAX_TRANSACT_ITEMS:
        raise ValueError(f"a transaction takes {MAX_TRANSACT_ITEMS} items at most, not {len(items)}")
    token = str(uuid4())
    try:
        write("transact_write_items", TransactItems=items, ClientRequestToken=token)
    except ClientError as error:
        if error_code(error) != "TransactionCanceledException":
            raise
        reasons = _cancellation_reasons(error)
        if any(reason.code == "ConditionalCheckFailed" for reason in reasons):
            raise ConditionFailed(reasons) from error
        if not _is_transaction_conflict(error):
            raise
        raise Contention("the transaction kept conflicting with other writes") from error


def _cancellation_reasons(error: Exception) -> list[CancellationReason]:
    response: Any = getattr(error, "response", {})
    return [CancellationReason(reason.get("Code", "None"), reason.get("Item")) for reason in response.get("CancellationReasons", [])]


_refuses_writes: ContextVar[bool] = ContextVar("refuses_writes", default=False)


@contextmanager
def refusing_writes() -> Iterator[None]:
    """Refuse every write of the block with StoreUnavailable: in a region that does not sell, another region writes the tables."""
    token = _refuses_writes.set(True)
    try:
        yield
    finally:
        _refuses_writes.reset(token)


def is_writable() -> bool:
    """Return whether writes are allowed (see `refusing_writes`)."""
    return not _refuses_writes.get()


def _require_writable() -> None:
    if not is_writable():
        raise StoreUnavailable("another region writes the tables")


def write(operation: str, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    """Call a write operation of botocore's client, and repeat it while DynamoDB refuses it because of a conflict with a transaction.

    Returns whether the condition held, and the attributes in DynamoDB's reply. If the condition failed, the stored item has these
    attributes. Raises the last error. botocore's own retries are not enough, because botocore retries only one of these errors,
    TransactionInProgressException, and gives up sooner.
    """
    _require_writable()
    attempt = 1
    while True:
        try:
            return True, getattr(client(), operation)(**arguments).get("Attributes", {})
        except client().exceptions.ConditionalCheckFailedException as error:
            response: Any = error.response
            return False, response.get("Item", {})
        except ClientError as error:
            if attempt == WRITE_ATTEMPTS or not _is_transaction_conflict(error):
                raise
        # Full jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
        deadline.wait(random.uniform(0, 0.01 * 2**attempt))
        attempt += 1


def put_if(row: Table, condition: Condition) -> bool:
    """Write an item if the condition holds. Returns False and writes nothing if the condition does not hold."""
    return write("put_item", **transact_put(row, condition)["Put"])[0]


def put_if_returning(row: Row, condition: Condition) -> tuple[bool, Row | None]:
    """Write an item like `put_if`. Returns whether the condition held, and the row that the table has after the call, if any."""
    is_written, stored = write("put_item", **transact_put(row, condition)["Put"])
    return is_written, row if is_written else _row(type(row), stored)


def update_if(row: Table, actions: Sequence[Action], condition: Condition) -> bool:
    """Update an item if the condition holds. Returns False and changes nothing if the condition does not hold.

    Creates the item if it does not exist and the condition allows this.
    """
    return write("update_item", **transact_update(row, actions, condition)["Update"])[0]


def update_if_returning(row: Row, actions: Sequence[Action], condition: Condition) -> tuple[bool, Row | None]:
    """Update like `update_if`. Returns whether the condition held, and the row that the table has after the call, if any."""
    is_written, stored = write("update_item", **transact_update(row, actions, condition)["Update"], ReturnValues="ALL_NEW")
    return is_written, _row(type(row), stored)


def update_now(row: Table, actions: Sequence[Action]) -> None:
    """Update an item without a condition. Creates the item if it does not exist."""
    write("update_item", **transact_update(row, actions)["Update"])


def update_now_returning(row: Row, actions: Sequence[Action]) -> Row:
    """Update an item like `update_now`. Returns the row that the table has after the call."""
    _, stored = write("update_item", **transact_update(row, actions)["Update"], ReturnValues="ALL_NEW")
    return type(row).from_raw_data(stored)


def delete_if(row: Table, condition: Condition) -> bool:
    """Delete an item if the condition holds. Returns False and deletes nothing if the condition does not hold."""
    return write("delete_item", **transact_delete(row, condition)["Delete"])[0]


def _row(table: type[Row], item: dict[str, Any]) -> Row | None:
    """Return the row of an item in wire format, or None if there is no item, which DynamoDB returns without attributes."""
    return table.from_raw_data(item) if item else None


def _is_transaction_conflict(error: Exception) -> bool:
    """Return whether DynamoDB refused a write only because another write or transaction was changing an item at the same time."""
    if error_code(error) == "TransactionCanceledException":
        return all(reason.code in _TEMPORARY_REASONS for reason in _cancellation_reasons(error))
    return error_code(error) in ("TransactionConflictException", "TransactionInProgressException")


def merge_sorted(queries: Sequence[Iterator[T]], key: Callable[[T], Any], *, reverse: bool = False) -> Iterator[T]:
    """Iterate over the rows of several queries, each sorted by `key`, as if they were one query. Their first pages are read at once."""
    first_rows = parallel.call_each(lambda query: list(islice(query, 1)), queries)
    return heapq.merge(*map(chain, first_rows, queries), key=key, reverse=reverse)


def batch_put(rows: Iterable[Table]) -> None:
    """Write rows of one table without conditions, 25 at a time. Use this only for items that no other process writes.

    Raises StoreUnavailable if items stay unprocessed for too long; other items may have been written by then.
    """
    rows = list(rows)
    if rows:
        batch_write(rows[0].name(), [{"PutRequest": {"Item": row.serialize()}} for row in rows])


def batch_delete(rows: Iterable[Table]) -> None:
    """Delete the items of one table with the keys of `rows`, 25 at a time. The warnings of `batch_put` apply."""
    rows = list(rows)
    if rows:
        batch_write(rows[0].name(), [{"DeleteRequest": {"Key": _key_of(row)}} for row in rows])


def batch_write(name: str, requests: Iterable[Any]) -> None:
    """Send requests of BatchWriteItem, in wire format, for the table with this name. The warnings of `batch_put` apply."""

    _require_writable()

    def send(page: list[Any]) -> list[Any]:
        return client().batch_write_item(RequestItems={name: page}).get("UnprocessedItems", {}).get(name, [])

    _send_batches(requests, MAX_BATCH_WRITE, send)


def _send_batches(entries: Iterable[T], size: int, send: Callable[[list[T]], list[T]]) -> None:
    """Call `send` with up to `size` entries at a time. It returns the entries that stayed unprocessed, which are sent again later.

    Raises StoreUnavailable after several calls in a row without a processed entry.
    """
    remaining, stalled_rounds = list(entries), 0
    while remaining:
        page, remaining = remaining[:size], remaining[size:]
        unprocessed = send(page)
        stalled_rounds = stalled_rounds + 1 if len(unprocessed) == len(page) else 0
        if stalled_rounds >= _MAX_STALLED_ROUNDS:
            raise StoreUnavailable("DynamoDB processed no item of several batches in a row")
        if unprocessed:
            deadline.wait(random.uniform(0, 0.05 * 2**stalled_rounds))
            remaining += unprocessed


def error_code(error: Exception) -> str:
    """Return DynamoDB's error code, or an empty string if the error has none."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_unavailable(error: Exception) -> bool:
    """Return whether the store, not the request, caused the error: it throttles, is overloaded, was too slow or cannot be reached."""
    return isinstance(error, (StoreUnavailable, DeadlineExceeded, *_TRANSPORT_ERRORS)) or error_code(error) in _UNAVAILABLE_CODES


def is_invalid_data(error: Exception) -> bool:
    """Return whether DynamoDB refused the data itself, such as an item that is too large, so that a repeated call would fail too."""
    return error_code(error) in ("ValidationException", "TransactionCanceledException")


def find_setup_error(error: Exception) -> str | None:
    """Return the name or code of an error that lasts until the setup is corrected, such as `NoCredentialsError`; None for other errors."""
    if isinstance(error, BotoCoreError) and not isinstance(error, _TRANSPORT_ERRORS):
        return type(error).__name__
    return code if (code := error_code(error)) in _SETUP_CODES else None
