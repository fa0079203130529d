"""What expressions do with items: conditions, filters, key conditions, projections and updates.

The compilers turn the trees of the parser, once per text, into functions of an item, names and values.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NoReturn

import msgspec

from devtools.dynamodb.syntax import Check, Node, Parser, Path, Request, Values, check_overlap, path_text, value_at
from devtools.dynamodb.values import (
    SETS,
    ApiError,
    Item,
    Value,
    add_numbers,
    check_name,
    check_value,
    invalid,
    refuse_if,
    sortable,
    type_of,
)

Test = Callable[[Item, Values], bool]
Operand = Callable[[Item, Values], Value | None]


class Expression(msgspec.Struct, eq=False):
    """A compiled expression: its parameter, the references that it uses, and the checks that need the values of the request."""

    parameter: str
    names: frozenset[str]
    values: frozenset[str]
    checks: list[Check]


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
    return parser.parameter, frozenset(parser.used_names), frozenset(parser.used_values), parser.checks


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
    if kind not in _OPERAND_TYPES:
        return
    allowed = frozenset(_OPERAND_TYPES[kind])
    problem = f"Incorrect operand type for operator or function; operator or function: {kind}, operand type: "

    def refuse(actual: str) -> NoReturn:
        parser.fail(problem + (_TYPE_NAMES.get(actual, actual) if kind in ("ADD", "DELETE") else actual))

    def check(reference: str) -> Check:
        return lambda values: allowed.isdisjoint(values[reference]) and refuse(type_of(values[reference]))

    for node in nodes:
        result = _RESULT_TYPES.get(node[0])
        if node[0] == "value":
            parser.checks.append(check(node[1]))
        elif result is not None and result not in allowed:
            refuse(result)


def _require_path(parser: Parser, kind: str, node: Node) -> None:
    if node[0] != "path":
        parser.fail(f"Operator or function requires a document path; operator or function: {kind}")


def _compile_operand(parser: Parser, node: Node) -> Operand:
    kind, content = node[:2]
    if kind == "value":
        return lambda _item, values: values[content]
    if kind == "size":
        inner = _compile_operand(parser, content)
        _restrict(parser, "size", [content])
        return lambda item, values: _size(inner(item, values))
    if kind != "path":
        parser.fail_use(kind)
    if len(content) == 1:
        name = content[0]
        return lambda item, _: item.get(name)
    return lambda item, _: value_at(item, content)


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


def _compile_condition(parameter: str, text: str, names: dict[str, str]) -> Condition:
    parser = Parser(parameter, text, names)
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
            return lambda item, values: not left(item, values)
        right = others[0]
        if kind == "and":
            return lambda item, values: left(item, values) and right(item, values)
        return lambda item, values: left(item, values) or right(item, values)
    _check_predicate(parser, kind, nodes)
    predicate = _PREDICATES[kind]
    first, *rest = [_compile_operand(parser, operand) for operand in nodes]
    if not rest:
        return lambda item, values: predicate(first(item, values))
    if len(rest) == 1:
        second = rest[0]
        return lambda item, values: predicate(first(item, values), second(item, values))
    return lambda item, values: predicate(first(item, values), *(other(item, values) for other in rest))


def _check_predicate(parser: Parser, kind: str, nodes: list[Node]) -> None:
    """Check what the operands must be. Checks that need values are left to the parser."""

    def check_type_name(values: Values) -> None:
        if (name := values[nodes[1][1]]["S"]) not in _TYPES:
            parser.fail(f"Invalid attribute type name found; type: {name}, valid types: {sorted(_TYPES)}")

    if kind in ("attribute_exists", "attribute_not_exists"):
        _require_path(parser, kind, nodes[0])
    if len(nodes) == 2 and nodes[0][0] == "path" and nodes[0] == nodes[1]:
        problem = "The first operand must be distinct from the remaining operands for this operator or function"
        parser.fail(f"{problem}; operator: {kind}, first operand: {path_text(nodes[0][1])}")
    if kind == "attribute_type" and nodes[1][0] != "value":
        parser.fail("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: a path")
    _restrict(parser, kind, nodes[1:] if kind == "attribute_type" else nodes)
    if kind == "attribute_type":
        parser.checks.append(check_type_name)
    if kind == "between" and nodes[1][0] == nodes[2][0] == "value":
        parser.checks.append(lambda values: _check_range(*(values[node[1]] for node in nodes[1:])))


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


def _compile_projection(parameter: str, text: str, names: dict[str, str]) -> Projection:
    parser = Parser(parameter, text, names)
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

WRONG_TYPE = invalid("An operand in the update expression has an incorrect data type")
_WRONG_PATH = invalid("The document path provided in the update expression is invalid for update")
_MISSING = invalid("The provided expression refers to an attribute that does not exist in the item")


def _compile_update(parameter: str, text: str, names: dict[str, str]) -> Update:
    parser = Parser(parameter, text, names)
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
        return clause, path, lambda _item, _values: None
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
        return lambda item, values: existing(item, values) or _fail(_MISSING)
    if kind == "if_not_exists":
        _require_path(parser, kind, nodes[0])
        existing, default = _compile_operand(parser, nodes[0]), _compile_set(parser, nodes[1])
        return lambda item, values: existing(item, values) or default(item, values)
    if kind not in ("list_append", "+", "-") or any(operand[0] == "list_append" for operand in nodes):
        parser.fail_use(kind)
    left, right = (_compile_set(parser, operand) for operand in nodes)
    _restrict(parser, kind, nodes)

    def combine(item: Item, values: Values) -> Value:
        one, other = left(item, values) or {}, right(item, values) or {}
        wanted = "L" if kind == "list_append" else "N"
        if wanted not in one or wanted not in other:
            raise WRONG_TYPE
        return {"L": one["L"] + other["L"]} if wanted == "L" else {"N": add_numbers(one["N"], other["N"], -1 if kind == "-" else 1)}

    return combine


def _fail(error: Exception) -> NoReturn:
    raise error


def apply_update(update: Update, old: Item, new: Item, values: Values) -> list[Path]:
    """Apply the update to `new`, a copy of `old` that shares nothing nested with it; returns the paths. Raises ApiError."""
    actions = [(clause, path, operand(old, values)) for clause, path, operand in update.actions]
    removed = []
    for clause, path, value in actions:
        parent, part = _parent(new, path), path[-1]
        if clause in ("ADD", "DELETE"):
            value = _combined(clause, value_at(new, path), value or {})
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


def _combined(clause: str, existing: Value | None, operand: Value) -> Value | None:
    """Return the value after ADD or DELETE; None if nothing remains."""
    if existing is None:
        return operand if clause == "ADD" else None
    ((kind, content),) = operand.items()
    if kind not in existing:
        raise WRONG_TYPE
    if kind == "N":
        return {"N": add_numbers(existing["N"], content)}
    members = {*existing[kind], *content} if clause == "ADD" else set(existing[kind]) - set(content)
    return {kind: sorted(members)} if members else None


# All expressions of a request

_COMPILERS: dict[str, Callable[[str, str, dict[str, str]], Expression]] = {
    **dict.fromkeys(("ConditionExpression", "FilterExpression", "KeyConditionExpression"), _compile_condition),
    "ProjectionExpression": _compile_projection,
    "UpdateExpression": _compile_update,
}


def compile_expressions(request: Request, *parameters: str) -> tuple[tuple[Any, ...], Values]:
    """Compile the expressions in these parameters; returns them, with None for missing ones, and the values of the request.

    The names and values of the request are checked together with its expressions. Raises ApiError.
    """
    names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    texts = tuple([request.get(parameter) for parameter in parameters])
    if names is values is None and texts.count(None) == len(texts):
        return texts, {}
    compiled, used, checks = _compiled(parameters, texts, None if names is None else tuple(names.items()))
    if values is not None:
        _check_contents("ExpressionAttributeValues", values, check_value)
    if values is None or not values or values.keys() != used:
        for expression in filter(None, compiled):
            if missing := expression.values - (values or {}).keys():
                problem = f"An expression attribute value used in expression is not defined; attribute value: {min(missing)}"
                raise invalid(f"Invalid {expression.parameter}: {problem}")
        _check_references("ExpressionAttributeValues", ":", values, used, any(compiled))
    for check in checks:
        check(values or {})
    return compiled, values or {}


@lru_cache(2048)
def _compiled(
    parameters: tuple[str, ...], texts: tuple[str | None, ...], given: tuple[tuple[str, str], ...] | None
) -> tuple[tuple[Any, ...], frozenset[str], list[Check]]:
    """Compile expressions with these names; returns them, the values that they use, and all their checks."""
    names = dict(given or ())
    _check_contents("ExpressionAttributeNames", names, check_name)
    compiled = [
        _COMPILERS[parameter](parameter, text, names) if text is not None else None
        for parameter, text in zip(parameters, texts, strict=True)
    ]
    expressions = [expression for expression in compiled if expression is not None]
    used_names, used_values = (
        frozenset().union(*(getattr(expression, kind) for expression in expressions)) for kind in ("names", "values")
    )
    _check_references("ExpressionAttributeNames", "#", None if given is None else names, used_names, bool(expressions))
    return tuple(compiled), used_values, [check for expression in expressions for check in expression.checks]


def _check_contents(parameter: str, given: dict[str, Any], check: Callable[[Any], Any]) -> None:
    for key, content in given.items():
        try:
            check(content)
        except ApiError as error:
            raise ApiError(error.code, f"{parameter} contains invalid value: {error.message} for key {key}") from None


def _check_references(parameter: str, sign: str, given: dict[str, Any] | None, used: frozenset[str], has_expressions: bool) -> None:
    """Raise ApiError for the first reference that is malformed or unused."""
    if given is None:
        return
    refuse_if(not has_expressions, f"{parameter} can only be specified when using expressions")
    refuse_if(not given, f"{parameter} must not be empty")
    for key in given:
        is_wrong = key[:1] != sign or len(key) < 2 or not key[1:].replace("_", "a").isalnum()
        refuse_if(is_wrong, f'{parameter} contains invalid key: Syntax error; key: "{key}"')
    if unused := given.keys() - used:
        raise invalid(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(unused)}}}")
