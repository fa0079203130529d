"""Query and Scan, of tables and of their secondary indexes, in pages."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from devtools.dynamodb_engine import legacy
from devtools.dynamodb_engine.expressions import Condition, compile_condition, compile_projection, project
from devtools.dynamodb_engine.items import consumed_capacity, read_units
from devtools.dynamodb_engine.syntax import Names, Node, Path, Values, names_and_values, resolve
from devtools.dynamodb_engine.tables import Entry, Index, Key, Table
from devtools.dynamodb_engine.values import (
    KB,
    Item,
    Value,
    check_item,
    decode_item,
    invalid,
    invalid_parameter,
    item_size,
    sortable,
    type_of,
)

_MAX_PAGE_BYTES = KB * KB
_MAX_ENCODED_BYTES = 4 * _MAX_PAGE_BYTES  # of what is collected under the lock; sizes as DynamoDB counts them are smaller
_MISSING_KEY = "Query condition missed key schema element: "
_BAD_START = "The provided starting key is invalid"

Request = dict[str, Any]
Comparisons = dict[str, tuple[str, list[Value]]]  # attribute -> comparison and operands


def query(engine: Any, request: Request) -> dict[str, Any]:
    read = _Read(engine, request, "QueryFilter")
    comparisons = read.key_comparisons()
    read.check_filtered_names()
    hash_key, prefix, comparison = read.ranges(comparisons)
    start = read.start_key()
    if start is not None and start[0] != hash_key:
        raise invalid("The provided starting key is outside query boundaries based on provided conditions")
    is_forward = request.get("ScanIndexForward", True)

    def entries() -> Iterator[tuple[Any, Entry]]:
        found = read.partitions.entries.get(hash_key, [])
        low, high = _bounds(found, prefix, comparison)
        if start is not None:
            if is_forward:
                low = max(low, bisect_right(found, start[1]))
            else:
                high = min(high, bisect_left(found, start[1]))
        for position in range(low, high) if is_forward else range(high - 1, low - 1, -1):
            yield hash_key, found[position]

    return read.page(entries())


def scan(engine: Any, request: Request) -> dict[str, Any]:
    segment, segments = request.get("Segment"), request.get("TotalSegments")
    if (segment is None) != (segments is None):
        missing, given = ("TotalSegments", "Segment") if segments is None else ("Segment", "TotalSegments")
        raise invalid(f"The {missing} parameter is required but was not present in the request when parameter {given} is present")
    if segment is not None and segments is not None and segment >= segments:
        raise invalid(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {segments}"
        )
    read = _Read(engine, request, "ScanFilter")
    start = read.start_key()
    return read.page(read.partitions.scan(start, segment or 0, segments or 1))


def _bounds(entries: list[Entry], prefix: Entry, comparison: tuple[str, list[Any]] | None) -> tuple[int, int]:
    """The first and the last position plus one of the entries that begin with `prefix` and then satisfy the comparison."""

    def left(bound: Entry) -> int:
        return bisect_left(entries, bound)

    def right(bound: Entry) -> int:
        return bisect_right(entries, bound, key=lambda entry: entry[: len(bound)])

    if comparison is None:
        return left(prefix), right(prefix)
    kind, operands = comparison
    first, last = (*prefix, operands[0]), (*prefix, operands[-1])
    if kind == "begins_with":
        length = len(operands[0])
        end = bisect_right(entries, first, key=lambda entry: (*entry[: len(prefix)], entry[len(prefix)][:length]))
        return left(first), end
    low = {"<": lambda: left(prefix), "<=": lambda: left(prefix), ">": lambda: right(first)}.get(kind, lambda: left(first))()
    high = {"<": lambda: left(first), ">": lambda: right(prefix), ">=": lambda: right(prefix)}.get(kind, lambda: right(last))()
    return low, max(low, high)


class _Read:
    """What Query and Scan have in common: the index, the filter, the projection and the page."""

    def __init__(self, engine: Any, request: Request, filter_parameter: str) -> None:
        self.engine, self.request = engine, request
        self.table: Table = engine.table(request["TableName"])
        legacy.check_mixing(request)
        name = request.get("IndexName")
        self.index: Index | None = self.table.index(name) if name is not None else None
        self.partitions = self.index.partitions if self.index is not None else self.table.partitions
        if self.index is not None and not self.index.is_local and request.get("ConsistentRead"):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        self.filter_parameter = filter_parameter
        key_text, filter_text = request.get("KeyConditionExpression"), request.get("FilterExpression")
        projection_text = request.get("ProjectionExpression")
        is_query = filter_parameter == "QueryFilter"
        self.key_condition = compile_condition(key_text, "KeyConditionExpression") if is_query and key_text is not None else None
        self.filter = compile_condition(filter_text, "FilterExpression") if filter_text is not None else None
        projection = compile_projection(projection_text) if projection_text is not None else None
        self.names, self.values = names_and_values(request, self.key_condition, self.filter, projection)
        self.test = self._test()
        self.paths: list[Path] | None = legacy.attributes_to_get(request)
        if projection is not None:
            self.paths = [resolve(path, self.names) for path in projection.paths]
        self._check_select()

    def _test(self) -> Callable[[Item], bool] | None:
        if self.filter is not None:
            test, names, values = self.filter.test, self.names, self.values
            return lambda item: test(item, names, values)
        return legacy.expected(self.request, self.filter_parameter) if self.request.get(self.filter_parameter) else None

    def _check_select(self) -> None:
        select, index = self.request.get("Select"), self.index
        if select is not None and self.paths is not None and select != "SPECIFIC_ATTRIBUTES":
            raise invalid(f"Cannot specify the AttributesToGet or ProjectionExpression when choosing to get {select}")
        if select == "SPECIFIC_ATTRIBUTES" and self.paths is None:
            raise invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
        if select == "ALL_PROJECTED_ATTRIBUTES" and index is None:
            raise invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
        if index is None or index.projected is None:
            return
        if select == "ALL_ATTRIBUTES" and not index.is_local:
            raise invalid_parameter(
                f"Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name}: its projection type is not ALL"
            )
        if not index.is_local and self.paths is not None:
            missing = [str(path[0]) for path in self.paths if path[0] not in index.projected]
            if missing:
                raise invalid_parameter(f"Global secondary index {index.name} does not project [{', '.join(missing)}]")

    # Keys

    def _schema(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self.index is not None:
            return self.index.hash_names, self.index.range_names
        return self.table.key_names[:1], self.table.key_names[1:]

    def key_comparisons(self) -> Comparisons:
        """The comparisons that select a range of keys, by attribute. Raises ApiError."""
        if self.key_condition is not None:
            if self.request.get("KeyConditions"):
                raise invalid("Can not use both KeyConditions and KeyConditionExpression")
            return dict(_flattened(self.key_condition, self.key_condition.tree, self.names, self.values))
        if not self.request.get("KeyConditions"):
            raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
        return legacy.key_conditions(self.request)

    def check_filtered_names(self) -> None:
        """A filter must not contain key attributes."""
        keys = {name for names in self._schema() for name in names}
        used = set(self.request.get("QueryFilter") or ())
        if self.filter is not None:
            used = {str(resolve(path, self.names)[0]) for path in _paths_of(self.filter.tree)}
        if keys & used:
            kind = "QueryFilter" if self.filter is None else "Filter Expression"
            raise invalid(f"{kind} can only contain non-primary key attributes: Primary key attribute: {min(keys & used)}")

    def ranges(self, comparisons: Comparisons) -> tuple[Any, Entry, tuple[str, list[Any]] | None]:
        """The hash key, the equal parts of the range key, and the comparison of the next part."""
        hash_names, range_names = self._schema()
        for name in hash_names:
            if name not in comparisons:
                raise invalid(f"{_MISSING_KEY}{name}")
        for name, (kind, operands) in comparisons.items():
            if name in hash_names and kind != "=":
                raise invalid("Query key condition not supported: HASH key attributes need an equality condition")
            if name in hash_names or name in range_names:
                self._check_operands(name, operands)
        if len(comparisons) > len(hash_names) + len(range_names):
            raise invalid("Conditions can be of length 1 or 2 only" if len(hash_names) == 1 else "Query key condition not supported")
        for name in comparisons:
            if name not in hash_names and name not in range_names:
                unused = next((key for key in range_names if key not in comparisons), None)
                raise invalid(f"{_MISSING_KEY}{unused}" if unused else "Query key condition not supported")
        hash_parts = tuple(sortable(comparisons[name][1][0]) for name in hash_names)
        prefix: list[Any] = []
        comparison = None
        for position, name in enumerate(range_names):
            if name not in comparisons:
                if any(later in comparisons for later in range_names[position:]):
                    raise invalid(f"{_MISSING_KEY}{name}")
                break
            kind, operands = comparisons[name]
            if comparison is not None:
                raise invalid("Query key condition not supported: only the last RANGE key attribute may lack an equality condition")
            if kind == "=":
                prefix.append(sortable(operands[0]))
            else:
                comparison = kind, [sortable(operand) for operand in operands]
        return hash_parts if self.index is not None else hash_parts[0], tuple(prefix), comparison

    def _check_operands(self, name: str, operands: list[Value]) -> None:
        for value in operands:
            if type_of(value) != self.table.types[name]:
                raise invalid_parameter("Condition parameter type does not match schema type")
            if not sortable(value) and "N" not in value:
                kind = "string" if "S" in value else "binary"
                raise invalid(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
                    f"{kind} value. Key: {name}"
                )

    def start_key(self) -> tuple[Any, Entry] | None:
        """The position of ExclusiveStartKey: a partition and an entry."""
        start = self.request.get("ExclusiveStartKey")
        if start is None:
            return None
        check_item(start)
        table, index = self.table, self.index
        names = {*table.key_names, *(index.types if index is not None else ())}
        if start.keys() != names:
            raise invalid(f"{_BAD_START}: The provided key element does not match the schema")
        for name in names:
            if type_of(start[name]) != table.types[name]:
                raise invalid(f"{_BAD_START}: The provided key element does not match the schema")
        key = table.key_of({name: start[name] for name in table.key_names})
        if index is None:
            return key[0], key[1:]
        return index.location(start, key)

    # Pages

    def page(self, entries: Iterable[tuple[Any, Entry]]) -> dict[str, Any]:
        request, limit = self.request, self.request.get("Limit", 2**63)
        collected: list[bytes] = []
        total, is_complete = 0, True
        with self.engine.lock:
            items = self.table.items
            for partition, entry in entries:
                if total > _MAX_ENCODED_BYTES or len(collected) == limit:
                    is_complete = False
                    break
                key: Key = (partition, *entry) if self.index is None else entry[-1]
                encoded = items[key]
                collected.append(encoded)
                total += len(encoded)
            is_complete = is_complete and len(collected) < limit
            pending = self.table.last_pending
        self.engine.await_reading(pending)
        found: list[Item] = []
        count, size, scanned, item = 0, 0, 0, {}
        for encoded in collected:
            item = decode_item(encoded)
            seen = self._projected(item)
            size += item_size(seen)
            scanned += 1
            if self.test is None or self.test(seen):
                count += 1
                found.append(seen if self.paths is None else self._selected(item, seen))
            if size >= _MAX_PAGE_BYTES:
                is_complete = False
                break
        response: dict[str, Any] = {"Count": count, "ScannedCount": scanned}
        if request.get("Select") != "COUNT":
            response["Items"] = found
        if not is_complete and scanned:
            names = (*self.table.key_names, *(self.index.types if self.index is not None else ()))
            response["LastEvaluatedKey"] = {name: item[name] for name in names}
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            units = read_units(size, request)
            of_index = {self.index.name: units} if self.index is not None else None
            response["ConsumedCapacity"] = consumed_capacity(request, self.table, 0 if of_index else units, of_index)
        return response

    def _projected(self, item: Item) -> Item:
        """What the index has of the item. Local indexes read the table for other attributes."""
        index = self.index
        if index is None or index.projected is None or (index.is_local and self.request.get("Select") == "ALL_ATTRIBUTES"):
            return item
        return {name: value for name, value in item.items() if name in index.projected}

    def _selected(self, item: Item, seen: Item) -> Item:
        assert self.paths is not None
        return project(item if self.index is not None and self.index.is_local else seen, self.paths)


def _flattened(condition: Condition, node: Node, names: Names, values: Values) -> Iterator[tuple[str, tuple[str, list[Value]]]]:
    """The comparisons that a key condition consists of. Raises ApiError if it has anything else."""
    seen: set[str] = set()
    nodes = [node]
    while nodes:
        kind, *operands = nodes.pop()
        if kind == "and":
            nodes += reversed(operands)
            continue
        if kind in ("or", "not", "<>", "in", "attribute_exists", "attribute_not_exists", "attribute_type", "contains"):
            raise invalid(f"Invalid operator used in {condition.parameter}: {kind.upper()}")
        if operands[0][0] == "value" and kind in _MIRRORED and operands[1][0] == "path":
            kind, operands = _MIRRORED[kind], operands[::-1]
        if operands[0][0] != "path" or any(operand[0] != "value" for operand in operands[1:]):
            raise invalid(f"Invalid {condition.parameter}: Query key condition not supported")
        path = resolve(operands[0][1], names)
        if len(path) > 1:
            raise invalid(f"Invalid {condition.parameter}: KeyConditionExpressions cannot have conditions on nested attributes")
        if path[0] in seen:
            raise invalid(f"Invalid {condition.parameter}: KeyConditionExpressions must only contain one condition per key")
        seen.add(str(path[0]))
        yield str(path[0]), (kind, [values[operand[1]] for operand in operands[1:]])


_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _paths_of(node: Node) -> Iterator[Path]:
    if node[0] == "path":
        yield node[1]
    else:
        for child in node[1:]:
            if type(child) is tuple:
                yield from _paths_of(child)
