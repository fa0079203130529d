"""Expressions: conditions, filters, key conditions, projections and updates, compiled once per text; and what came before them.

The parser makes a tree of tuples; the compilers here turn it into functions of `(item, names, values)`.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from devtools.dynamodb_engine.syntax import (
    Check,
    Expression,
    Names,
    Node,
    Parser,
    Path,
    Values,
    overlap_checks,
    path_text,
    resolve,
    value_at,
)
from devtools.dynamodb_engine.values import (
    SETS,
    Item,
    Value,
    add_numbers,
    check_name,
    check_value,
    invalid,
    invalid_parameter,
    refuse_if,
    refuse_parameter_if,
    sortable,
    type_of,
)

Test = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Value | None]
Comparison = Callable[[Value, Value], bool]

_TYPE_NAMES = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "SS": "STRING_SET", "NS": "NUMBER_SET", "BS": "BINARY_SET"}
_TYPES = frozenset((*_TYPE_NAMES, "L", "M", "BOOL", "NULL"))
_SCALARS = frozenset("SNB")


class Condition(Expression):
    tree: Node
    test: Test


class Projection(Expression):
    paths: list[Path]


class Update(Expression):
    """Its actions by clause; each has a path, and a value reference or, for SET, an operand."""

    sets: list[tuple[Path, Operand]] = []
    removals: list[Path] = []
    additions: list[tuple[Path, str]] = []
    deletions: list[tuple[Path, str]] = []
    paths: list[Path] = []
    roots: frozenset[Any] = frozenset()  # the first parts of the paths
    is_flat: bool = True


# Comparisons of values


def ordered(compare: Callable[[Any, Any], bool]) -> Comparison:
    """The comparison of texts, numbers and binaries with values of the same type."""
    return lambda left, right: left.keys() == right.keys() and type_of(left) in _SCALARS and compare(sortable(left), sortable(right))


def begins_with(value: Value, prefix: Value) -> bool:
    kind = type_of(value)
    return kind in ("S", "B") and kind in prefix and bool(sortable(value).startswith(sortable(prefix)))


def contains(value: Value, part: Value) -> bool:
    ((kind, content),), part_kind = value.items(), type_of(part)
    if kind == "L":
        return part in content
    if kind in SETS:
        return part_kind == kind[0] and part[part_kind] in content
    return kind in ("S", "B") and part_kind == kind and sortable(part) in sortable(value)


_COMPARISONS: dict[str, Comparison] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": ordered(operator.lt),
    "<=": ordered(operator.le),
    ">": ordered(operator.gt),
    ">=": ordered(operator.ge),
    "begins_with": begins_with,
    "contains": contains,
    "attribute_type": lambda value, name: name["S"] in value,
}
_OPERAND_TYPES = {**dict.fromkeys(("<", "<=", ">", ">=", "between"), _SCALARS), "begins_with": frozenset("SB")}
at_most = _COMPARISONS["<="]


def check_range(low: Value, high: Value) -> None:
    bounds = f"lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
    refuse_if(low.keys() != high.keys(), f"The BETWEEN operator requires same data type for lower and upper bounds; {bounds}")
    refuse_if(not at_most(low, high), f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {bounds}")


# Conditions


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
    return Condition(parameter, frozenset(parser.names), frozenset(parser.values), parser.checks, tree, test)


def _compile_test(parser: Parser, node: Node) -> Test:
    kind = node[0]
    if kind == "not":
        inner = _compile_test(parser, node[1])
        return lambda item, names, values: not inner(item, names, values)
    if kind in ("and", "or"):
        left, right = _compile_test(parser, node[1]), _compile_test(parser, node[2])
        if kind == "and":
            return lambda item, names, values: left(item, names, values) and right(item, names, values)
        return lambda item, names, values: left(item, names, values) or right(item, names, values)
    return _compile_predicate(parser, kind, node[1:])


def _compile_predicate(parser: Parser, kind: str, nodes: tuple[Node, ...]) -> Test:
    if kind in ("attribute_exists", "attribute_not_exists") and nodes[0][0] != "path":
        parser.fail(f"Operator or function requires a document path; operator or function: {kind}")
    if len(nodes) == 2 and nodes[0][0] == nodes[1][0] == "path":
        parser.checks.append(_check_distinct(parser.parameter, kind, nodes[0][1], nodes[1][1]))
    first, *others = [_compile_operand(parser, node) for node in nodes]
    if kind == "attribute_exists":
        return lambda item, names, values: first(item, names, values) is not None
    if kind == "attribute_not_exists":
        return lambda item, names, values: first(item, names, values) is None
    if kind == "in":
        return lambda item, names, values: (
            (value := first(item, names, values)) is not None and value in [other(item, names, values) for other in others]
        )
    if kind == "attribute_type":
        _check_type_name(parser, nodes[1])
    elif kind in _OPERAND_TYPES:
        for node in nodes:
            _restrict(parser, kind, node, _OPERAND_TYPES[kind])
    if kind == "between":
        return _between(parser, nodes, first, *others)
    return _compare(first, others[0], _COMPARISONS[kind], is_missing_enough=kind == "<>")


def _compare(left: Operand, right: Operand, compare: Comparison, *, is_missing_enough: bool) -> Test:
    def test(item: Item, names: Names, values: Values) -> bool:
        one, other = left(item, names, values), right(item, names, values)
        return is_missing_enough if one is None or other is None else compare(one, other)

    return test


def _between(parser: Parser, nodes: tuple[Node, ...], operand: Operand, low: Operand, high: Operand) -> Test:
    if nodes[1][0] == nodes[2][0] == "value":
        parser.checks.append(lambda _, values: check_range(values[nodes[1][1]], values[nodes[2][1]]))
    above, below = (_compare(one, other, at_most, is_missing_enough=False) for one, other in ((low, operand), (operand, high)))
    return lambda item, names, values: above(item, names, values) and below(item, names, values)


def _check_distinct(parameter: str, kind: str, one: Path, other: Path) -> Check:
    def check(names: Names, _: Values) -> None:
        if resolve(one, names) == resolve(other, names):
            problem = "The first operand must be distinct from the remaining operands for this operator or function"
            raise invalid(f"Invalid {parameter}: {problem}; operator: {kind}, first operand: {path_text(resolve(one, names))}")

    return check


def _check_type_name(parser: Parser, node: Node) -> None:
    def check(_: Names, values: Values) -> None:
        if (name := values[node[1]]["S"]) not in _TYPES:
            raise invalid(f"Invalid {parser.parameter}: Invalid attribute type name found; type: {name}, valid types: {sorted(_TYPES)}")

    if node[0] != "value":
        parser.fail("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: a path")
    _restrict(parser, "attribute_type", node, ("S",))
    parser.checks.append(check)


def _restrict(parser: Parser, kind: str, node: Node, types: Iterable[str]) -> None:
    """Require that an operand, if it is a value of the request or the result of a function, has one of these types."""
    allowed = frozenset(types)
    problem = f"Invalid {parser.parameter}: Incorrect operand type for operator or function; operator or function: {kind}, operand type: "

    def check(actual: str) -> None:
        if actual not in allowed:
            raise invalid(problem + (_TYPE_NAMES.get(actual, actual) if kind in ("ADD", "DELETE") else actual))

    if node[0] == "value":
        parser.checks.append(lambda _, values: check(type_of(values[node[1]])))
    elif result := {"size": "N", "list_append": "L"}.get(node[0]):
        check(result)


def _compile_operand(parser: Parser, node: Node) -> Operand:
    kind, content = node[:2]
    if kind == "value":
        return lambda _item, _names, values: values[content]
    if kind == "size":
        inner = _compile_operand(parser, content)
        _restrict(parser, "size", content, _TYPES - {"N", "BOOL", "NULL"})
        return lambda item, names, values: _size(inner(item, names, values))
    if kind != "path":
        parser.fail_use(kind)
    if len(content) == 1:
        name = content[0]
        return (lambda item, names, _: item.get(names[name])) if name[0] == "#" else (lambda item, _names, _values: item.get(name))
    return lambda item, names, _: value_at(item, resolve(content, names))


def _size(value: Value | None) -> Value | None:
    """The value of size(): bytes of a text or binary, members of a set, list or map; None for other types."""
    if value is None:
        return None
    ((kind, content),) = value.items()
    size = {"S": lambda: len(content.encode()), "B": lambda: len(sortable(value)), "N": None, "BOOL": None, "NULL": None}
    measure = size.get(kind, lambda: len(content))
    return {"N": str(measure())} if measure is not None else None


# Projections


@lru_cache(512)
def compile_projection(text: str) -> Projection:
    """Compile a projection. Raises ApiError."""
    parser = Parser("ProjectionExpression", text)
    paths = parser.list_of(parser.path)
    parser.end()
    return Projection(parser.parameter, frozenset(parser.names), frozenset(), overlap_checks(parser, paths), paths)


def project(item: Item, paths: Iterable[Path]) -> Item:
    """The parts of the item at these paths, which do not overlap. The elements of a list close up."""
    tree: dict[Any, Any] = {}
    for path in paths:
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = None
    return _projected_members(item, tree)


def _projected_members(members: dict[str, Value], tree: dict[Any, Any]) -> dict[str, Value]:
    found = ((name, _projected(members[name], branch)) for name, branch in tree.items() if name in members)
    return {name: value for name, value in found if value is not None}


def _projected(value: Value, tree: dict[Any, Any] | None) -> Value | None:
    if tree is None:
        return value
    ((kind, content),), part_type = value.items(), type(next(iter(tree)))
    if kind == "M" and part_type is str:
        members = _projected_members(content, tree)
        return {"M": members} if members else None
    if kind == "L" and part_type is int:
        elements = [_projected(content[index], tree[index]) for index in sorted(tree) if index < len(content)]
        kept = [element for element in elements if element is not None]
        return {"L": kept} if kept else None
    return None


# Updates

_WRONG_TYPE = invalid("An operand in the update expression has an incorrect data type")
_WRONG_PATH = invalid("The document path provided in the update expression is invalid for update")
_MISSING = invalid("The provided expression refers to an attribute that does not exist in the item")


@lru_cache(2048)
def compile_update(text: str) -> Update:
    """Compile an update. Raises ApiError."""
    parser = Parser("UpdateExpression", text)
    update = Update(parser.parameter, frozenset(), frozenset(), parser.checks)
    seen: set[str] = set()
    while parser.token:
        clause = parser.take().upper()
        if clause not in ("SET", "REMOVE", "ADD", "DELETE"):
            parser.fail_at(clause)
        if clause in seen:
            parser.fail(f'The "{clause}" section can only be used once in an update expression;')
        seen.add(clause)
        update.paths += parser.list_of(lambda: _parse_action(parser, update, clause))  # noqa: B023
    # New elements are appended to a list in the order of their indexes.
    update.sets.sort(key=lambda action: action[0][-1] if type(action[0][-1]) is int else -1)
    update.names, update.values = frozenset(parser.names), frozenset(parser.values)
    update.roots, update.is_flat = frozenset(path[0] for path in update.paths), all(len(path) == 1 for path in update.paths)
    parser.checks += overlap_checks(parser, update.paths)
    return update


def _parse_action(parser: Parser, update: Update, clause: str) -> Path:
    path = parser.path()
    if clause == "SET":
        parser.take("=")
        update.sets.append((path, _compile_set(parser, _parse_sum(parser))))
    elif clause == "REMOVE":
        update.removals.append(path)
    else:
        node = parser.value()
        _restrict(parser, clause, node, SETS if clause == "DELETE" else ("N", *SETS))
        (update.additions if clause == "ADD" else update.deletions).append((path, node[1]))
    return path


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
    kind = node[0]
    if kind == "value":
        return _compile_operand(parser, node)
    if kind == "path":
        return _required(_compile_operand(parser, node))
    if kind == "if_not_exists":
        if node[1][0] != "path":
            parser.fail("Operator or function requires a document path; operator or function: if_not_exists")
        existing, default = _compile_operand(parser, node[1]), _compile_set(parser, node[2])
        return lambda item, names, values: existing(item, names, values) or default(item, names, values)
    if kind not in ("list_append", "+", "-") or any(operand[0] == "list_append" for operand in node[1:]):
        parser.fail_use(kind)
    left, right = _compile_set(parser, node[1]), _compile_set(parser, node[2])
    wanted, sign = "L" if kind == "list_append" else "N", -1 if kind == "-" else 1
    for operand_node in node[1:]:
        _restrict(parser, kind, operand_node, wanted)

    def combine(item: Item, names: Names, values: Values) -> Value:
        one, other = left(item, names, values) or {}, right(item, names, values) or {}
        if wanted not in one or wanted not in other:
            raise _WRONG_TYPE
        return {"L": one["L"] + other["L"]} if wanted == "L" else {"N": add_numbers(one["N"], other["N"], sign)}

    return combine


def _required(operand: Operand) -> Operand:
    def read(item: Item, names: Names, values: Values) -> Value:
        value = operand(item, names, values)
        if value is None:
            raise _MISSING
        return value

    return read


def apply_update(update: Update, old: Item, new: Item, names: Names, values: Values) -> list[Path]:
    """Apply the update to `new`, a copy of `old` that shares nothing nested with it; returns the paths. Raises ApiError."""
    for path, value in [(resolve(path, names), operand(old, names, values)) for path, operand in update.sets]:
        if len(path) > 1:
            check_value(value, len(path))
        _set(new, path, value)
    removed = [(_parent(new, path), path[-1]) for path in (resolve(path, names) for path in update.removals)]
    for path, reference in update.additions:
        _combine(new, resolve(path, names), values[reference])
    for path, reference in update.deletions:
        path = resolve(path, names)
        if _combine(new, path, values[reference], is_deletion=True):
            removed.append((_parent(new, path), path[-1]))
    for parent, part in sorted(removed, key=lambda removal: -removal[1] if type(removal[1]) is int else 0):
        if type(part) is str:
            parent.pop(part, None)
        elif int(part) < len(parent):
            del parent[part]
    return [resolve(path, names) for path in update.paths] if names else update.paths


def _parent(item: Item, path: Path) -> Any:
    """The dictionary or list that has the last part of the path. Raises ApiError if there is none."""
    if len(path) == 1:
        return item
    parent = (value_at(item, path[:-1]) or {}).get("L" if type(path[-1]) is int else "M")
    if parent is None:
        raise _WRONG_PATH
    return parent


def _set(item: Item, path: Path, value: Any) -> None:
    parent, part = _parent(item, path), path[-1]
    if type(part) is int and part >= len(parent):
        parent.append(value)
    else:
        parent[part] = value


def _combine(new: Item, path: Path, operand: Value, *, is_deletion: bool = False) -> bool:
    """ADD or DELETE; returns whether the last member of a set is deleted."""
    ((kind, content),) = operand.items()
    existing, parent = value_at(new, path), _parent(new, path)
    if existing is None:
        if not is_deletion:
            _set(new, path, operand)
        return False
    if kind not in existing:
        raise _WRONG_TYPE
    if kind == "N":
        parent[path[-1]] = {"N": add_numbers(existing["N"], content)}
        return False
    members = set(existing[kind]) - set(content) if is_deletion else {*existing[kind], *content}
    parent[path[-1]] = {kind: sorted(members)}
    return not members


def paths_of(node: Node) -> Iterator[Path]:
    """The paths in a tree."""
    if node[0] == "path":
        yield node[1]
    else:
        for child in node[1:]:
            if type(child) is tuple:
                yield from paths_of(child)


# The parameters that came before expressions

_OLDER_PARAMETERS = frozenset(["Expected", "AttributeUpdates", "QueryFilter", "ScanFilter", "AttributesToGet", "ConditionalOperator"])
_EXPRESSIONS = ("UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
_OPERATORS = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">", "BEGINS_WITH": "begins_with", "BETWEEN": "between"}
_OPERATORS |= {"CONTAINS": "contains", "NOT_CONTAINS": "not_contains", "IN": "in", "NULL": "null", "NOT_NULL": "not_null"}
_OLDER_OPERAND_TYPES = {**_OPERAND_TYPES, **dict.fromkeys(("in", "contains", "not_contains"), _SCALARS)}
_COMPARISONS["not_contains"] = lambda value, part: not contains(value, part)


def check_mixing(request: dict[str, Any]) -> None:
    """Raise ApiError if a request has both expressions and older parameters."""
    if _OLDER_PARAMETERS.isdisjoint(request):
        return
    if used := [name for name in _EXPRESSIONS if name in request]:
        older = f"Non-expression parameters: {{{', '.join(sorted(_OLDER_PARAMETERS & request.keys()))}}}"
        problem = "Can not use both expression and non-expression parameters in the same request"
        raise invalid(f"{problem}: {older} Expression parameters: {{{', '.join(used)}}}")
    if "ConditionalOperator" in request and not any(request.get(name) for name in ("Expected", "QueryFilter", "ScanFilter")):
        raise invalid("ConditionalOperator cannot be used without Filter or Expected")


def expectation(request: dict[str, Any], parameter: str = "Expected") -> Test | None:
    """The test that Expected, QueryFilter or ScanFilter makes; None if the request does not have it."""
    conditions = request.get(parameter)
    if not conditions:
        return None
    tests = [_expectation(name, condition) for name, condition in conditions.items()]
    combine = any if request.get("ConditionalOperator") == "OR" else all
    return lambda item, _names, _values: combine(test(item) for test in tests)


def _expectation(name: str, condition: dict[str, Any]) -> Callable[[Item], bool]:
    comparison, operands, exists = (condition.get(key) for key in ("ComparisonOperator", "AttributeValueList", "Exists"))
    value = condition.get("Value")
    if comparison is not None:
        if value is not None or exists is not None:
            raise invalid_parameter(f"Value or Exists cannot be used with ComparisonOperator or AttributeValueList for Attribute: {name}")
        return _older_test(name, *older_comparison(comparison, operands or []))
    refuse_parameter_if(operands is not None, f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}")
    if (value is None) == (exists is not False):
        problem = "Value cannot be used when Exists is set to false" if value is not None else "Value must be provided when Exists is true"
        raise invalid_parameter(f"{problem} or null for Attribute: {name}")
    if value is None:
        return lambda item: name not in item
    check_value(value)
    return lambda item: item.get(name) == value


def older_comparison(comparison: str, operands: list[Value]) -> tuple[str, list[Value]]:
    """A comparison as expressions write it, and its operands. Raises ApiError if they do not fit it."""
    kind = _OPERATORS[comparison]
    for value in operands:
        check_value(value)
        if type_of(value) not in _OLDER_OPERAND_TYPES.get(kind, _TYPES):
            raise invalid_parameter(f"ComparisonOperator {comparison} is not valid for {type_of(value)} AttributeValue type")
    wanted = {"null": 0, "not_null": 0, "between": 2, "in": max(1, len(operands))}.get(kind, 1)
    refuse_parameter_if(len(operands) != wanted, f"Invalid number of argument(s) for the {comparison} ComparisonOperator")
    if kind == "between":
        check_range(*operands)
    if len({type_of(value) for value in operands}) > 1:
        raise invalid_parameter("AttributeValues inside AttributeValueList must all be of the same type")
    return kind, operands


def _older_test(name: str, kind: str, operands: list[Value]) -> Callable[[Item], bool]:
    if kind in ("null", "not_null"):
        return lambda item: (name in item) == (kind == "not_null")
    if kind == "in":
        return lambda item: item.get(name) in operands
    if kind == "between":
        return lambda item: name in item and at_most(operands[0], item[name]) and at_most(item[name], operands[1])
    compare = _COMPARISONS[kind]
    return lambda item: compare(item[name], operands[0]) if name in item else kind == "<>"


def attributes_to_get(request: dict[str, Any]) -> list[Path] | None:
    names = request.get("AttributesToGet")
    if names is None:
        return None
    for name in names:
        check_name(name)
        refuse_parameter_if(names.count(name) > 1, f"Duplicate value in attribute name: {name}")
    return [(name,) for name in names]


def apply_attribute_updates(updates: dict[str, Any], new: Item) -> list[Path]:
    """Apply AttributeUpdates to an item; returns the paths that were updated."""
    for name, update in updates.items():
        action, value = update.get("Action", "PUT"), update.get("Value")
        if value is None:
            refuse_parameter_if(action != "DELETE", f"Only DELETE action is allowed when no attribute value is specified: {name}")
            new.pop(name, None)
            continue
        kind = type_of(value)
        if action != "PUT" and kind not in (SETS if action == "DELETE" else ("N", "L", *SETS)):
            raise invalid_parameter(f"{action} action is not supported for the type {kind}")
        refuse_if(action != "PUT" and name in new and kind not in new[name], "Type mismatch for attribute to update")
        if action == "PUT":
            new[name] = value
        elif kind == "L" and kind in new.get(name, ()):
            new[name] = {"L": new[name]["L"] + value["L"]}
        elif _combine(new, (name,), value, is_deletion=action == "DELETE"):
            del new[name]
    return [(name,) for name in updates]
