"""Query and Scan of tables and their secondary indexes, in pages."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from devtools.dynamodb.expressions import Condition, Values, compile_expressions, project
from devtools.dynamodb.items import Capacity
from devtools.dynamodb.syntax import Node, Path, Request, translate_older_parameters
from devtools.dynamodb.tables import MAX_HASH_BYTES, Entry, Index, Table, key_part
from devtools.dynamodb.values import KB, Item, check_item, decode_item, invalid, item_size, refuse_if, type_of

_MAX_PAGE_BYTES = KB * KB
_MAX_ENCODED_BYTES = 4 * _MAX_PAGE_BYTES  # collected under the lock; an encoded item is larger than its size in DynamoDB
_NOT_SUPPORTED = "Query key condition not supported"
_RANGE_OPERATORS = ("=", "<", "<=", ">", ">=", "between", "begins_with")
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
Comparison = tuple[str, list[Any]]  # an operator and its operands


def query(engine: Any, request: Request) -> dict[str, Any]:
    read = _Read(engine, request, "KeyConditionExpression")
    hash_key, prefix, comparison = read.range()
    filtered_keys = read.filter.roots.intersection(read.hash_names + read.range_names) if read.filter is not None else ()
    refuse_if(filtered_keys, f"Filter Expression can only contain non-primary key attributes: {', '.join(filtered_keys)}")
    start, is_forward = read.start_key(), request.get("ScanIndexForward", True)
    if start is not None:
        refuse_if(not read.range_names, f"The provided exclusive start key is invalid: ExclusiveStartKey: {request['ExclusiveStartKey']}")
        refuse_if(start[0] != hash_key or start[1][: len(prefix)] != prefix, "The provided starting key is outside query boundaries")

    def entries() -> Iterator[tuple[Any, Entry]]:
        found = read.partitions.entries.get(hash_key, [])
        low, high = _bounds(found, prefix, comparison)
        if start is not None and is_forward:
            low = max(low, bisect_right(found, start[1]))
        elif start is not None:
            high = min(high, bisect_left(found, start[1]))
        for position in range(low, high) if is_forward else range(high - 1, low - 1, -1):
            yield hash_key, found[position]

    return read.page(entries())


def scan(engine: Any, request: Request) -> dict[str, Any]:
    refuse_if(("Segment" in request) != ("TotalSegments" in request), "Segment and TotalSegments must be in the request together")
    segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
    refuse_if(segment >= segments, f"Segment {segment} is zero-based and must be less than TotalSegments {segments}")
    read = _Read(engine, request)
    return read.page(read.partitions.scan(read.start_key(), segment, segments))


def _bounds(entries: list[Entry], prefix: Entry, comparison: Comparison | None) -> tuple[int, int]:
    """Return the range of positions of the entries that begin with `prefix` and then satisfy the comparison."""

    def left(bound: Entry) -> int:
        return bisect_left(entries, bound)

    def right(bound: Entry) -> int:
        return bisect_right(entries, bound, key=lambda entry: entry[: len(bound)])

    if comparison is None:
        return left(prefix), right(prefix)
    kind, operands = comparison
    first, last = (*prefix, operands[0]), (*prefix, operands[-1])
    if kind == "begins_with":
        position, length = len(prefix), len(operands[0])
        return left(first), bisect_right(entries, first, key=lambda entry: (*entry[:position], entry[position][:length]))
    low = left(prefix) if kind in ("<", "<=") else right(first) if kind == ">" else left(first)
    high = right(prefix) if kind in (">", ">=") else left(first) if kind == "<" else right(last)
    return low, max(low, high)


class _Read:
    """What Query and Scan have in common: the index, the filter, the projection and the page."""

    def __init__(self, engine: Any, request: Request, *key_parameters: str) -> None:
        self.engine, self.request = engine, request
        self.table: Table = engine.table(request["TableName"])
        translate_older_parameters(request)
        name = request.get("IndexName")
        refuse_if(name is not None and name not in self.table.indexes, f"The table does not have the specified index: {name}")
        self.index: Index | None = self.table.indexes.get(name)
        keys = self.index or self.table
        self.partitions, self.hash_names, self.range_names = keys.partitions, keys.hash_names, keys.range_names
        self.names = (*self.table.key_names, *(self.index.types if self.index is not None else ()))  # of the keys of pages
        is_global = self.index is not None and not self.index.is_local
        refuse_if(request.get("ConsistentRead") and is_global, "Consistent reads are not supported on global secondary indexes")
        expressions, self.values = compile_expressions(request, "FilterExpression", "ProjectionExpression", *key_parameters)
        self.filter, self.paths, *self.key_conditions = expressions
        self._check_select(request.get("Select"))

    def _check_select(self, select: str | None) -> None:
        index, paths = self.index, self.paths
        problem = "The AttributesToGet or ProjectionExpression must be specified to get SPECIFIC_ATTRIBUTES, and cannot be to get"
        refuse_if(select is not None and (select == "SPECIFIC_ATTRIBUTES") != (paths is not None), f"{problem} {select}")
        refuse_if(index is None and select == "ALL_PROJECTED_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES can only be used with an IndexName")
        if index is None or index.projected is None or index.is_local:
            return
        refuse_if(select == "ALL_ATTRIBUTES", f"ALL_ATTRIBUTES is not supported for {index.name}, whose projection type is not ALL")
        missing = [str(path[0]) for path in paths or () if path[0] not in index.projected]
        refuse_if(missing, f"Global secondary index {index.name} does not project {missing}")

    def range(self) -> tuple[Any, Entry, Comparison | None]:
        """Return the hash key, the equal parts of the range key, and the comparison of the next part. Raises ApiError."""
        refuse_if(self.key_conditions == [None], "Either the KeyConditions or KeyConditionExpression parameter must be specified")
        comparisons = dict(_flattened(self.key_conditions[0], self.values))
        if len(comparisons) > max(2, len(self.hash_names) + len(self.range_names)):
            raise invalid("Conditions can be of length 1 or 2 only" if len(self.hash_names) == 1 else _NOT_SUPPORTED)
        for name in (*self.hash_names, *self.range_names):
            if name not in comparisons and (name in self.hash_names or len(comparisons) > len(self.hash_names) == 1):
                refuse_if(len(self.hash_names) > 1, f"{_NOT_SUPPORTED}: each HASH key attribute needs an equality condition")
                if name in self.hash_names or not comparisons.keys() & {*self.range_names}:
                    raise invalid(f"Query condition missed key schema element: {name}")
        refuse_if(comparisons.keys() - {*self.hash_names, *self.range_names}, _NOT_SUPPORTED)
        for name, (kind, operands) in comparisons.items():
            refuse_if(name in self.hash_names and kind != "=", f"{_NOT_SUPPORTED}: HASH key attributes need an equality condition")
            comparisons[name] = kind, [key_part(operand, name, self.table.types[name], MAX_HASH_BYTES) for operand in operands]
        hash_key = tuple(comparisons[name][1][0] for name in self.hash_names)
        prefix: list[Any] = []
        given = [comparisons.get(name) for name in self.range_names]
        while given and given[0] is not None and given[0][0] == "=":
            prefix.append(given.pop(0)[1][0])  # type: ignore[index]
        refuse_if(any(given[1:]), f"{_NOT_SUPPORTED}: RANGE key attributes before the last one need equality conditions")
        return hash_key if self.index is not None else hash_key[0], tuple(prefix), given[0] if given else None

    def start_key(self) -> tuple[Any, Entry] | None:
        """Return the position of ExclusiveStartKey: a partition and an entry. Raises ApiError."""
        start, table, index = self.request.get("ExclusiveStartKey"), self.table, self.index
        if start is None:
            return None
        check_item(start)
        types = {name: table.types[name] for name in self.names}
        refuse_if({name: type_of(value) for name, value in start.items()} != types, "The provided starting key does not match the schema")
        key = table.key_of(table.key_attributes(start))
        return (key[0], key[1:]) if index is None else index.location(start, key)

    def page(self, entries: Iterable[tuple[Any, Entry]]) -> dict[str, Any]:
        request, limit = self.request, self.request.get("Limit", 2**63)
        collected: list[bytes] = []
        total, is_complete = 0, True
        with self.engine.lock:
            for partition, entry in entries:
                encoded = self.table.items.get((partition, *entry) if self.index is None else entry[-1])
                if encoded is None:  # the index was deleted meanwhile
                    continue
                collected.append(encoded)
                total += len(encoded)
                if total > _MAX_ENCODED_BYTES or len(collected) == limit:
                    is_complete = False
                    break
            pending = self.table.last_pending
        self.engine.settle(pending)
        found: list[Item] = []
        size, scanned, item = 0, 0, {}
        is_measured = total > _MAX_PAGE_BYTES or "ReturnConsumedCapacity" in request  # an encoded item is never smaller than its size
        # A local index reads the attributes that it does not have from the table.
        index = self.index if self.index is not None and not (self.index.is_local and request.get("Select") == "ALL_ATTRIBUTES") else None
        for encoded in collected:
            item = decode_item(encoded)
            seen = item if index is None else index.part(item)
            size, scanned = size + (item_size(seen) if is_measured else 0), scanned + 1
            if self.filter is None or self.filter.test(seen, self.values):
                found.append(seen if self.paths is None else project(item, self.paths, self.values))
            if size >= _MAX_PAGE_BYTES:
                is_complete = False
                break
        response: dict[str, Any] = {"Count": len(found), "ScannedCount": scanned}
        response |= {"Items": found} if request.get("Select") != "COUNT" else {}
        response |= {"LastEvaluatedKey": {name: item[name] for name in self.names}} if not is_complete else {}
        return response | Capacity(request).read(self.table, size, request, self.index).report(is_list=False)


def _flattened(condition: Condition, values: Values) -> Iterator[tuple[str, Comparison]]:
    """Yield the comparisons of a key condition by attribute. Raises ApiError if the condition has anything else."""
    seen: set[Path] = set()
    nodes: list[Node] = [condition.tree]
    while nodes:
        kind, *operands = nodes.pop()
        if kind == "and":
            nodes += reversed(operands)
            continue
        refuse_if(kind not in _RANGE_OPERATORS, f"Invalid operator used in KeyConditionExpression: {kind.upper()}")
        if operands[0][0] == "value" and kind in _MIRRORED:
            kind, operands = _MIRRORED[kind], operands[::-1]
        if operands[0][0] != "path" or any(operand[0] != "value" for operand in operands[1:]):
            raise invalid(f"Invalid KeyConditionExpression: {_NOT_SUPPORTED}")
        path = operands[0][1]
        if len(path) > 1 or path in seen:
            problem = "must only contain one condition per key" if path in seen else "cannot have conditions on nested attributes"
            raise invalid(f"Invalid KeyConditionExpression: KeyConditionExpressions {problem}")
        seen.add(path)
        yield str(path[0]), (kind, [values[operand[1]] for operand in operands[1:]])
