"""Expressions: conditions, filters, key conditions, projections and updates, compiled once per text.

The parser makes a tree of tuples; the compilers here turn it into functions of `(item, names, values)`.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from devtools.dynamodb_engine.syntax import (
    COMPARATORS,
    TYPE_NAMES,
    VALUE_TYPES,
    Check,
    Expression,
    Names,
    Node,
    Parser,
    Part,
    Path,
    Values,
    check_overlaps,
    path_text,
    resolve,
    value_at,
)
from devtools.dynamodb_engine.values import SETS, Item, Value, add_numbers, check_value, described, invalid, sortable, type_of

Test = Callable[[Item, Names, Values], bool]
Operand = Callable[[Item, Names, Values], Value | None]


class Condition(Expression):
    tree: Node
    test: Test


class Projection(Expression):
    paths: list[Path]


class Update(Expression):
    """Its actions by clause; each has a path, and a value reference or, for SET, an operand."""

    sets: list[tuple[Path, Operand]]
    removals: list[Path]
    additions: list[tuple[Path, str]]
    deletions: list[tuple[Path, str]]
    paths: list[Path]


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
    if kind in ("attribute_exists", "attribute_not_exists", "attribute_type") and nodes[0][0] != "path":
        parser.fail(f"Operator or function requires a document path; operator or function: {kind}")
    if kind not in ("in", "between") and len(nodes) == 2 and nodes[0][0] == "path" and nodes[1][0] == "path":
        parser.checks.append(_check_distinct(parser.parameter, kind, nodes[0][1], nodes[1][1]))
    first, *others = [_compile_operand(parser, node) for node in nodes]
    if kind == "attribute_exists":
        return lambda item, names, values: first(item, names, values) is not None
    if kind == "attribute_not_exists":
        return lambda item, names, values: first(item, names, values) is None
    if kind == "in":
        return lambda item, names, values: (
            (value := first(item, names, values)) is not None and any(value == other(item, names, values) for other in others)
        )
    second = others[0]
    if kind == "=":
        return lambda item, names, values: (value := first(item, names, values)) is not None and value == second(item, names, values)
    if kind == "<>":
        return lambda item, names, values: (value := first(item, names, values)) is None or value != second(item, names, values)
    if kind == "between":
        return _between(parser, nodes, first, second, others[1])
    for node in nodes:
        _restrict(parser, kind, node, {"begins_with": ("S", "B"), "attribute_type": ("S",)}.get(kind) or _comparable(kind))
    if kind == "attribute_type":
        if nodes[1][0] != "value":
            parser.fail("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: a path")
        parser.checks.append(_check_type_name(parser.parameter, nodes[1][1]))
        return lambda item, names, values: (value := first(item, names, values)) is not None and values[nodes[1][1]]["S"] in value
    compare = {"begins_with": begins_with, "contains": contains}.get(kind) or ordered(COMPARATORS[kind])
    return lambda item, names, values: (
        (left := first(item, names, values)) is not None and (right := second(item, names, values)) is not None and compare(left, right)
    )


def _comparable(kind: str) -> tuple[str, ...]:
    return ("S", "N", "B") if kind in COMPARATORS else tuple(VALUE_TYPES)


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: left.keys() == right.keys() and (value := sortable(left)) is not None and compare(value, sortable(right))


at_most = ordered(operator.le)


def begins_with(value: Value, prefix: Value) -> bool:
    kind = type_of(value)
    return kind in ("S", "B") and kind in prefix and bool(sortable(value).startswith(sortable(prefix)))


def contains(value: Value, part: Value) -> bool:
    ((kind, content),) = value.items()
    if kind == "L":
        return part in content
    ((part_kind, part_content),) = part.items()
    if kind in SETS:
        return part_kind == kind[0] and part_content in content
    return kind in ("S", "B") and part_kind == kind and sortable(part) in sortable(value)


def _between(parser: Parser, nodes: tuple[Node, ...], first: Operand, low: Operand, high: Operand) -> Test:
    for node in nodes:
        _restrict(parser, "BETWEEN", node, ("S", "N", "B"))
    if nodes[1][0] == nodes[2][0] == "value":
        parser.checks.append(_check_bounds(parser.parameter, nodes[1][1], nodes[2][1]))

    def test(item: Item, names: Names, values: Values) -> bool:
        value, least, most = first(item, names, values), low(item, names, values), high(item, names, values)
        return value is not None and least is not None and most is not None and at_most(least, value) and at_most(value, most)

    return test


def _check_bounds(parameter: str, low: str, high: str) -> Check:
    def check(names: Names, values: Values) -> None:  # noqa: ARG001
        least, most = values[low], values[high]
        bounds = f"lower bound operand: AttributeValue: {described(least)}, upper bound operand: AttributeValue: {described(most)}"
        if least.keys() != most.keys():
            raise invalid(f"Invalid {parameter}: The BETWEEN operator requires same data type for lower and upper bounds; {bounds}")
        if sortable(least) > sortable(most):
            raise invalid(
                f"Invalid {parameter}: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {bounds}"
            )

    return check


def _check_distinct(parameter: str, kind: str, one: Path, other: Path) -> Check:
    def check(names: Names, values: Values) -> None:  # noqa: ARG001
        if resolve(one, names) == resolve(other, names):
            raise invalid(
                f"Invalid {parameter}: The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {kind}, first operand: {path_text(resolve(one, names))}"
            )

    return check


def _check_type_name(parameter: str, reference: str) -> Check:
    def check(names: Names, values: Values) -> None:  # noqa: ARG001
        if (name := values[reference]["S"]) not in VALUE_TYPES:
            raise invalid(
                f"Invalid {parameter}: Invalid attribute type name found; type: {name}, valid types: {{{','.join(sorted(VALUE_TYPES))}}}"
            )

    return check


def _restrict(parser: Parser, kind: str, node: Node, types: Iterable[str]) -> None:
    """Require that an operand, if it is a value of the request, has one of these types; also the result of a function."""
    allowed = frozenset(types)
    problem = f"Invalid {parser.parameter}: Incorrect operand type for operator or function; operator or function: {kind}, operand type: "

    def check(names: Names, values: Values) -> None:  # noqa: ARG001
        if (actual := type_of(values[node[1]])) not in allowed:
            raise invalid(problem + (TYPE_NAMES.get(actual, actual) if kind in ("ADD", "DELETE") else actual))

    if node[0] == "value" and not allowed >= VALUE_TYPES:
        parser.checks.append(check)
    elif node[0] == "size" and "N" not in allowed:
        raise invalid(problem + "N")
    elif node[0] == "list_append" and "L" not in allowed:
        raise invalid(problem + "L")


def _compile_operand(parser: Parser, node: Node) -> Operand:
    kind = node[0]
    if kind == "value":
        reference = node[1]
        return lambda item, names, values: values[reference]  # noqa: ARG005
    if kind == "path":
        return _compile_path(node[1])
    if kind == "size":
        inner = _compile_operand(parser, node[1])
        _restrict(parser, "size", node[1], VALUE_TYPES - {"N", "BOOL", "NULL"})
        return lambda item, names, values: _size(inner(item, names, values))
    return parser.fail(f"The function is not allowed to be used this way in an expression; function: {kind}")


def _compile_path(path: Path) -> Operand:
    if len(path) == 1:
        name: Any = path[0]
        if name[0] == "#":
            return lambda item, names, values: item.get(names[name])  # noqa: ARG005
        return lambda item, names, values: item.get(name)  # noqa: ARG005
    if any(type(part) is str and part[0] == "#" for part in path):
        return lambda item, names, values: value_at(item, resolve(path, names))  # noqa: ARG005
    return lambda item, names, values: value_at(item, path)  # noqa: ARG005


def _size(value: Value | None) -> Value | None:
    """The value of size(): bytes of a text or binary, members of a set, list or map; None for other types."""
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind == "S":
        return {"N": str(len(content.encode()))}
    if kind == "B":
        return {"N": str(len(sortable(value)))}
    return {"N": str(len(content))} if kind in SETS or kind in ("L", "M") else None


# Projections


@lru_cache(512)
def compile_projection(text: str) -> Projection:
    """Compile a projection. Raises ApiError."""
    parser = Parser("ProjectionExpression", text)
    paths = [parser.path()]
    while parser.take_if(","):
        paths.append(parser.path())
    parser.end()
    parser.checks.append(check_overlaps(parser.parameter, paths))
    return Projection(parser.parameter, frozenset(parser.names), frozenset(), parser.checks, paths)


def project(item: Item, paths: Iterable[Path]) -> Item:
    """The parts of the item at these paths, which do not overlap. The elements of a list close up."""
    tree: dict[Any, Any] = {}
    for path in paths:
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = None
    return dict(_projected_members(item, tree))


def _projected_members(members: dict[str, Value], tree: dict[Any, Any]) -> Iterator[tuple[str, Value]]:
    for name, branch in tree.items():
        value = members.get(name)
        projected = value if branch is None or value is None else _projected(value, branch)
        if projected is not None:
            yield name, projected


def _projected(value: Value, tree: dict[Any, Any]) -> Value | None:
    ((kind, content),) = value.items()
    if kind == "M" and type(next(iter(tree))) is str:
        members = dict(_projected_members(content, tree))
        return {"M": members} if members else None
    if kind == "L" and type(next(iter(tree))) is int:
        found = [(content[index], tree[index]) for index in sorted(tree) if index < len(content)]
        elements = [element if branch is None else _projected(element, branch) for element, branch in found]
        kept = [element for element in elements if element is not None]
        return {"L": kept} if kept else None
    return None


# Updates


@lru_cache(2048)
def compile_update(text: str) -> Update:
    """Compile an update. Raises ApiError."""
    parser = Parser("UpdateExpression", text)
    update = Update(parser.parameter, frozenset(), frozenset(), parser.checks, [], [], [], [], [])
    seen: set[str] = set()
    while parser.token:
        clause = parser.word
        if clause not in ("SET", "REMOVE", "ADD", "DELETE"):
            parser.fail_at(parser.token)
        if clause in seen:
            parser.fail(f'The "{clause}" section can only be used once in an update expression;')
        seen.add(clause)
        parser.take()
        while True:
            update.paths.append(_parse_action(parser, update, clause))
            if not parser.take_if(","):
                break
    # New elements are appended to a list in the order of their indexes.
    update.sets.sort(key=lambda action: action[0][-1] if type(action[0][-1]) is int else -1)
    update.names, update.values = frozenset(parser.names), frozenset(parser.values)
    parser.checks.append(check_overlaps(parser.parameter, update.paths))
    return update


def _parse_action(parser: Parser, update: Update, clause: str) -> Path:
    path = parser.path()
    if clause == "SET":
        parser.take("=")
        update.sets.append((path, _compile_set(parser, _parse_sum(parser))))
    elif clause == "REMOVE":
        update.removals.append(path)
    else:
        reference = parser.value_reference()
        _restrict(parser, clause, ("value", reference), SETS if clause == "DELETE" else ("N", *SETS))
        (update.additions if clause == "ADD" else update.deletions).append((path, reference))
    return path


def _parse_sum(parser: Parser) -> Node:
    left = _parse_term(parser)
    return (parser.take(), left, _parse_term(parser)) if parser.token in ("+", "-") else left


def _parse_term(parser: Parser) -> Node:
    if parser.take_if("("):
        node = _parse_sum(parser)
        parser.take(")")
        return node
    return parser.operand()


def _compile_set(parser: Parser, node: Node) -> Operand:
    kind = node[0]
    if kind in ("value", "path"):
        operand = _compile_operand(parser, node)
        return operand if kind == "value" else _required(operand)
    if kind == "if_not_exists":
        if node[1][0] != "path":
            parser.fail("Operator or function requires a document path; operator or function: if_not_exists")
        existing, default = _compile_operand(parser, node[1]), _compile_set(parser, node[2])
        return lambda item, names, values: existing(item, names, values) or default(item, names, values)
    if kind not in ("list_append", "+", "-"):
        parser.fail(f"The function is not allowed in an update expression; function: {kind}")
    left, right = _compile_set(parser, node[1]), _compile_set(parser, node[2])
    wanted = "L" if kind == "list_append" else "N"
    for operand_node in node[1:]:
        _restrict(parser, kind, operand_node, (wanted,))
    sign = -1 if kind == "-" else 1

    def combine(item: Item, names: Names, values: Values) -> Value:
        one: Any = left(item, names, values)
        other: Any = right(item, names, values)
        if wanted not in one or wanted not in other:
            raise _WRONG_TYPE
        return {"L": one["L"] + other["L"]} if wanted == "L" else {"N": add_numbers(one["N"], other["N"], sign)}

    return combine


_WRONG_TYPE = invalid("An operand in the update expression has an incorrect data type")
_WRONG_PATH = invalid("The document path provided in the update expression is invalid for update")
_MISSING = invalid("The provided expression refers to an attribute that does not exist in the item")


def _required(operand: Operand) -> Operand:
    def read(item: Item, names: Names, values: Values) -> Value:
        value = operand(item, names, values)
        if value is None:
            raise _MISSING
        return value

    return read


def apply_update(update: Update, old: Item, new: Item, names: Names, values: Values) -> list[Path]:
    """Apply the update to `new`, a copy of `old` that shares nothing nested with it; returns the paths. Raises ApiError."""
    assignments = [(resolve(path, names), operand(old, names, values)) for path, operand in update.sets]
    for path, value in assignments:
        if len(path) == 1:
            new[path[0]] = value  # type: ignore[index, assignment]
        else:
            check_value(value, len(path))
            _set(new, path, value)
    removed: list[tuple[Any, Part]] = []
    removed += [(_parent(new, resolve(path, names)), resolve(path, names)[-1]) for path in update.removals]
    for path, reference in update.additions:
        _combine(new, resolve(path, names), values[reference], removed)
    for path, reference in update.deletions:
        _combine(new, resolve(path, names), values[reference], removed, is_deletion=True)
    for parent, part in sorted(removed, key=lambda removal: -removal[1] if type(removal[1]) is int else 0):
        if type(part) is str:
            parent.pop(part, None)
        elif part < len(parent):  # type: ignore[operator]
            del parent[part]
    return [resolve(path, names) for path in update.paths]


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


def _combine(new: Item, path: Path, operand: Value, removed: list[tuple[Any, Part]], *, is_deletion: bool = False) -> None:
    """ADD or DELETE."""
    ((kind, content),) = operand.items()
    existing, parent = value_at(new, path), _parent(new, path)
    if existing is None:
        if not is_deletion:
            _set(new, path, operand)
        return
    if kind not in existing:
        raise _WRONG_TYPE
    if kind == "N":
        _set(new, path, {"N": add_numbers(existing["N"], content)})
        return
    members = set(existing[kind]) - set(content) if is_deletion else {*existing[kind], *content}
    if members:
        _set(new, path, {kind: sorted(members)})
    else:
        removed.append((parent, path[-1]))
