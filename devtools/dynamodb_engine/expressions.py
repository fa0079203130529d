"""What expressions do with items: conditions, filters, key conditions, projections and updates.

The compilers turn the trees of the parser, once per text, into functions of an item, names and values.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

from devtools.dynamodb_engine.syntax import (
    Check,
    Expression,
    Names,
    Node,
    Parser,
    Path,
    Values,
    check_overlap,
    path_text,
    resolve,
    value_at,
)
from devtools.dynamodb_engine.values import SETS, Item, Value, add_numbers, check_value, invalid, refuse_if, sortable, type_of

Test = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Value | None]


class Condition(Expression):
    tree: Node
    test: Test


class Projection(Expression):
    paths: list[Path]


class Update(Expression):
    actions: list[tuple[str, Path, Operand]]  # clause, path, and what is set, added or deleted
    roots: frozenset[Any]  # the first parts of the paths
    is_flat: bool
    creates_item: bool  # whether it puts an item where there was none


def _parts(parser: Parser) -> tuple[str, frozenset[str], frozenset[str], list[Check]]:
    return parser.parameter, frozenset(parser.names), frozenset(parser.values), parser.checks


# Operands

_TYPE_NAMES = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "SS": "STRING_SET", "NS": "NUMBER_SET", "BS": "BINARY_SET"}
_TYPES = frozenset((*_TYPE_NAMES, "L", "M", "BOOL", "NULL"))
_SCALARS = frozenset("SNB")
_RESULT_TYPES = {"size": "N", "list_append": "L"}
_OPERAND_TYPES: dict[str, Iterable[str]] = {
    **dict.fromkeys(("<", "<=", ">", ">=", "between"), _SCALARS),
    "begins_with": ("S", "B"),
    "attribute_type": ("S",),
    "size": _TYPES - {"N", "BOOL", "NULL"},
    "list_append": ("L",),
    **dict.fromkeys(("+", "-"), ("N",)),
    "ADD": ("N", *SETS),
    "DELETE": SETS,
}


def _restrict(parser: Parser, kind: str, nodes: Iterable[Node]) -> None:
    """Check the types of the operands that are values of the request or results of functions."""
    allowed = _OPERAND_TYPES.get(kind, _TYPES)
    problem = f"Incorrect operand type for operator or function; operator or function: {kind}, operand type: "

    def check(actual: str) -> None:
        if actual not in allowed:
            parser.fail(problem + (_TYPE_NAMES.get(actual, actual) if kind in ("ADD", "DELETE") else actual))

    def check_reference(reference: str) -> Check:
        return lambda _, values: check(type_of(values[reference]))

    for node in nodes:
        if node[0] == "value":
            parser.checks.append(check_reference(node[1]))
        elif node[0] in _RESULT_TYPES:
            check(_RESULT_TYPES[node[0]])


def _require_path(parser: Parser, kind: str, node: Node) -> None:
    if node[0] != "path":
        parser.fail(f"Operator or function requires a document path; operator or function: {kind}")


def _compile_operand(parser: Parser, node: Node) -> Operand:
    kind, content = node[:2]
    if kind == "value":
        return lambda _item, _names, values: values[content]
    if kind == "size":
        inner = _compile_operand(parser, content)
        _restrict(parser, "size", [content])
        return lambda item, names, values: _size(inner(item, names, values))
    if kind != "path":
        parser.fail_use(kind)
    if len(content) == 1:
        name = content[0]
        return (lambda item, names, _: item.get(names[name])) if name[0] == "#" else (lambda item, _names, _values: item.get(name))
    return lambda item, names, _: value_at(item, resolve(content, names))


def _size(value: Value | None) -> Value | None:
    """Return the value of size(): the bytes of a text or binary, or the number of members; None for other types."""
    ((kind, content),) = (value or {"NULL": True}).items()
    if kind in ("N", "BOOL", "NULL"):
        return None
    return {"N": str(len(content.encode() if kind == "S" else sortable(value) if value and kind == "B" else content))}


# Conditions


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    """Return the comparison of two texts, two numbers or two binaries."""

    def test(left: Value | None, right: Value | None) -> bool:
        if left is None or right is None or left.keys() != right.keys() or type_of(left) not in _SCALARS:
            return False
        return compare(sortable(left), sortable(right))

    return test


def _begins_with(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    kind = type_of(value)
    return kind in ("S", "B") and kind in prefix and bool(sortable(value).startswith(sortable(prefix)))


def _contains(value: Value | None, part: Value | None) -> bool:
    if value is None or part is None:
        return False
    ((kind, content),), part_kind = value.items(), type_of(part)
    if kind == "L":
        return part in content
    if kind in SETS:
        return part_kind == kind[0] and part[part_kind] in content
    return kind in ("S", "B") and part_kind == kind and sortable(part) in sortable(value)


_at_most = _ordered(operator.le)

# What holds for the values of the operands, which are None for attributes that the item does not have
_PREDICATES: dict[str, Callable[..., bool]] = {
    "=": lambda left, right: left is not None and left == right,
    "<>": lambda left, right: left is None or left != right,
    "<": _ordered(operator.lt),
    "<=": _at_most,
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "between": lambda value, low, high: _at_most(low, value) and _at_most(value, high),
    "in": lambda value, *others: value is not None and value in others,
    "attribute_exists": lambda value: value is not None,
    "attribute_not_exists": lambda value: value is None,
    "attribute_type": lambda value, name: value is not None and name["S"] in value,
    "begins_with": _begins_with,
    "contains": _contains,
}


@lru_cache(2048)
def compile_condition(text: str, parameter: str = "ConditionExpression") -> Condition:
    """Compile a condition, filter or key condition. Raises ApiError."""
    parser = Parser(parameter, text)
    try:
        tree = parser.condition()
        parser.end()
        test = _compile_test(parser, tree)
    except RecursionError:
        parser.fail("The expression is nested too deeply, or it has redundant parentheses")
    return Condition(*_parts(parser), tree, test)


def _compile_test(parser: Parser, node: Node) -> Test:
    kind, *nodes = node
    if kind in ("and", "or", "not"):
        left, *others = [_compile_test(parser, inner) for inner in nodes]
        if kind == "not":
            return lambda item, names, values: not left(item, names, values)
        right = others[0]
        if kind == "and":
            return lambda item, names, values: left(item, names, values) and right(item, names, values)
        return lambda item, names, values: left(item, names, values) or right(item, names, values)
    _check_predicate(parser, kind, nodes)
    predicate = _PREDICATES[kind]
    first, *rest = [_compile_operand(parser, operand) for operand in nodes]
    if not rest:
        return lambda item, names, values: predicate(first(item, names, values))
    if len(rest) == 1:
        second = rest[0]
        return lambda item, names, values: predicate(first(item, names, values), second(item, names, values))
    return lambda item, names, values: predicate(first(item, names, values), *(other(item, names, values) for other in rest))


def _check_predicate(parser: Parser, kind: str, nodes: list[Node]) -> None:
    """Check what the operands must be. Checks that need names and values are left to the parser."""

    def check_distinct(names: Names, _: Values) -> None:
        paths = [resolve(node[1], names) for node in nodes]
        if paths[0] == paths[1]:
            problem = "The first operand must be distinct from the remaining operands for this operator or function"
            parser.fail(f"{problem}; operator: {kind}, first operand: {path_text(paths[0])}")

    def check_type_name(_: Names, values: Values) -> None:
        if (name := values[nodes[1][1]]["S"]) not in _TYPES:
            parser.fail(f"Invalid attribute type name found; type: {name}, valid types: {sorted(_TYPES)}")

    if kind in ("attribute_exists", "attribute_not_exists"):
        _require_path(parser, kind, nodes[0])
    if len(nodes) == 2 and nodes[0][0] == nodes[1][0] == "path":
        parser.checks.append(check_distinct)
    if kind == "attribute_type" and nodes[1][0] != "value":
        parser.fail("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: a path")
    _restrict(parser, kind, nodes[1:] if kind == "attribute_type" else nodes)
    if kind == "attribute_type":
        parser.checks.append(check_type_name)
    if kind == "between" and nodes[1][0] == nodes[2][0] == "value":
        parser.checks.append(lambda _, values: _check_range(*(values[node[1]] for node in nodes[1:])))


def _check_range(low: Value, high: Value) -> None:
    bounds = f"lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
    refuse_if(low.keys() != high.keys(), f"The BETWEEN operator requires same data type for lower and upper bounds; {bounds}")
    refuse_if(not _at_most(low, high), f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {bounds}")


def paths_of(node: Node) -> Iterator[Path]:
    """Yield the paths in a tree."""
    if node[0] == "path":
        yield node[1]
    elif node[0] != "value":
        for child in node[1:]:
            yield from paths_of(child)


# Projections


@lru_cache(512)
def compile_projection(text: str) -> Projection:
    """Compile a projection. Raises ApiError."""
    parser = Parser("ProjectionExpression", text)
    paths = parser.list_of(parser.path)
    parser.end()
    check_overlap(parser, paths)
    return Projection(*_parts(parser), paths)


def project(item: Item, paths: Iterable[Path]) -> Item:
    """Return the parts of the item at these paths, which do not overlap. The elements of a list close up."""
    tree: dict[Any, Any] = {}
    for path in paths:
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = None
    projected: Item = _projected({"M": item}, tree).get("M", {})
    return projected


def _projected(value: Value, tree: dict[Any, Any] | None) -> Value:
    """Return the part of a value that the tree selects; an empty dictionary if there is no such part."""
    if tree is None:
        return value
    ((kind, content),), part_type = value.items(), type(next(iter(tree), None))
    if kind == "M" and part_type is str:
        members = {name: _projected(content[name], branch) for name, branch in tree.items() if name in content}
        kept: Any = {name: member for name, member in members.items() if member}
    elif kind == "L" and part_type is int:
        elements = [_projected(content[index], tree[index]) for index in sorted(tree) if index < len(content)]
        kept = [element for element in elements if element]
    else:
        return {}
    return {kind: kept} if kept else {}


# Updates

_WRONG_TYPES = {
    "UpdateExpression": invalid("An operand in the update expression has an incorrect data type"),
    "AttributeUpdates": invalid("Type mismatch for attribute to update"),
}
_WRONG_PATH = invalid("The document path provided in the update expression is invalid for update")
_MISSING = invalid("The provided expression refers to an attribute that does not exist in the item")


@lru_cache(2048)
def compile_update(text: str, parameter: str = "UpdateExpression") -> Update:
    """Compile an update. Raises ApiError."""
    parser = Parser(parameter, text)
    actions: list[tuple[str, Path, Operand]] = []
    seen: set[str] = set()
    while parser.token:
        clause = parser.take().upper()
        if clause not in ("SET", "REMOVE", "ADD", "DELETE"):
            parser.fail_at(clause)
        if clause in seen:
            parser.fail(f'The "{clause}" section can only be used once in an update expression;')
        seen.add(clause)
        actions += parser.list_of(lambda: _parse_action(parser, clause))  # noqa: B023
    paths = [path for _, path, _ in actions]
    check_overlap(parser, paths)
    # New elements are appended to a list in the order of their indexes.
    actions.sort(key=lambda action: action[1][-1] if type(action[1][-1]) is int else -1)
    roots, is_flat = frozenset(path[0] for path in paths), all(len(path) == 1 for path in paths)
    return Update(*_parts(parser), actions, roots, is_flat, bool(seen & {"SET", "ADD"}))


def _parse_action(parser: Parser, clause: str) -> tuple[str, Path, Operand]:
    path = parser.path()
    if clause == "SET":
        parser.take("=")
        return clause, path, _compile_set(parser, _parse_sum(parser))
    if clause == "REMOVE":
        return clause, path, lambda _item, _names, _values: None
    node = parser.value()
    _restrict(parser, clause, [node])
    return clause, path, _compile_operand(parser, node)


def _parse_sum(parser: Parser) -> Node:
    left = _parse_term(parser)
    return (parser.take(), left, _parse_term(parser)) if parser.token in ("+", "-") else left


def _parse_term(parser: Parser) -> Node:
    if not parser.take_if("("):
        return parser.operand()
    node = _parse_sum(parser)
    parser.take(")")
    return node


def _compile_set(parser: Parser, node: Node) -> Operand:
    """Compile what SET assigns. The operand raises ApiError for a path that the item does not have."""
    kind, *nodes = node
    if kind == "value":
        return _compile_operand(parser, node)
    if kind == "path":
        existing = _compile_operand(parser, node)
        return lambda item, names, values: existing(item, names, values) or _fail(_MISSING)
    if kind == "if_not_exists":
        _require_path(parser, kind, nodes[0])
        existing, default = _compile_operand(parser, nodes[0]), _compile_set(parser, nodes[1])
        return lambda item, names, values: existing(item, names, values) or default(item, names, values)
    if kind not in ("list_append", "+", "-") or any(operand[0] == "list_append" for operand in nodes):
        parser.fail_use(kind)
    left, right = (_compile_set(parser, operand) for operand in nodes)
    _restrict(parser, kind, nodes)

    def combine(item: Item, names: Names, values: Values) -> Value:
        one, other = left(item, names, values) or {}, right(item, names, values) or {}
        wanted = "L" if kind == "list_append" else "N"
        if wanted not in one or wanted not in other:
            raise _WRONG_TYPES[parser.parameter]
        return {"L": one["L"] + other["L"]} if wanted == "L" else {"N": add_numbers(one["N"], other["N"], -1 if kind == "-" else 1)}

    return combine


def _fail(error: Exception) -> NoReturn:
    raise error


def apply_update(update: Update, old: Item, new: Item, names: Names, values: Values) -> list[Path]:
    """Apply the update to `new`, a copy of `old` that shares nothing nested with it; returns the paths. Raises ApiError."""
    actions = [(clause, resolve(path, names), operand(old, names, values)) for clause, path, operand in update.actions]
    removed = []
    for clause, path, value in actions:
        parent, part = _parent(new, path), path[-1]
        if clause in ("ADD", "DELETE"):
            value = _combined(update, clause, value_at(new, path), value or {})
        elif value is not None and len(path) > 1:
            check_value(value, len(path))
        if value is None:
            removed.append((parent, part))
        elif type(part) is int and part >= len(parent):
            parent.append(value)
        else:
            parent[part] = value
    for parent, part in sorted(removed, key=lambda removal: -removal[1] if type(removal[1]) is int else 0):
        if type(part) is str:
            parent.pop(part, None)
        elif int(part) < len(parent):
            del parent[part]
    return [path for _, path, _ in actions]


def _parent(item: Item, path: Path) -> Any:
    """Return the dictionary or list that has the last part of the path. Raises ApiError if the item does not have it."""
    if len(path) == 1:
        return item
    parent = (value_at(item, path[:-1]) or {}).get("L" if type(path[-1]) is int else "M")
    return parent if parent is not None else _fail(_WRONG_PATH)


def _combined(update: Update, clause: str, existing: Value | None, operand: Value) -> Value | None:
    """Return the value after ADD or DELETE; None if nothing remains."""
    if existing is None:
        return operand if clause == "ADD" else None
    ((kind, content),) = operand.items()
    if kind not in existing:
        raise _WRONG_TYPES[update.parameter]
    if kind == "N":
        return {"N": add_numbers(existing["N"], content)}
    members = {*existing[kind], *content} if clause == "ADD" else set(existing[kind]) - set(content)
    return {kind: sorted(members)} if members else None
