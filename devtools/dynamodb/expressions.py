"""What expressions do with items: conditions, filters, key conditions, projections and updates.

The compilers turn the trees of the parser, once per text, into functions of an item and the values of a request.
"""

import operator
import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

import msgspec

from devtools.dynamodb.syntax import Check, Node, Parser, Part, Path, Request, check_depth, path_text, value_at
from devtools.dynamodb.values import SCALARS, SETS, ApiError, Item, Value, add_numbers, check_name, check_value, invalid, sortable, type_of

Values = dict[str, Value]
Evaluate = Callable[[Item, Values], Any]

_REFERENCE, _PLAIN_KEY = re.compile(r"(\.\s*)?(#\w+)"), re.compile(r"\.\s*[A-Za-z]")
_KEYS = "#"  # the entry of the values of a request that maps references to keys of maps
_WRONG_TYPE = "Type mismatch: an operand in the update expression has an incorrect data type"
_WRONG_PATH = "The document path provided in the update expression is invalid for update"
_MISSING = "The provided expression refers to an attribute that does not exist in the item"


class Condition(msgspec.Struct, eq=False):
    tree: Node
    roots: frozenset[Any]  # the first parts of the paths in it
    test: Evaluate


class Update(msgspec.Struct, eq=False):
    actions: list[tuple[Path, Evaluate]]  # what the value at each path becomes; None: it is removed
    roots: frozenset[Any]  # the first parts of the paths
    creates_item: bool  # whether it puts an item where there was none


# Operators and functions


def _size(value: Value | None) -> Value | None:
    """Return the value of size(): the bytes of a text or binary, or the number of members; None for other types."""
    if value is None or type_of(value) in ("N", "BOOL", "NULL"):
        return None
    ((kind, content),) = value.items()
    return {"N": str(len(content.encode() if kind == "S" else SCALARS[kind](content) if kind == "B" else content))}


def _ordered(compare: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    """Compare two texts, two numbers or two binaries."""
    kind = type_of(left)
    return kind in SCALARS and kind in right and compare(SCALARS[kind](left[kind]), SCALARS[kind](right[kind]))


def _begins_with(value: Value, prefix: Value) -> bool:
    kind = type_of(value)
    return kind in ("S", "B") and kind in prefix and bool(sortable(value).startswith(sortable(prefix)))


def _contains(value: Value, part: Value) -> bool:
    ((kind, content),), part_kind = value.items(), type_of(part)
    if kind == "L":
        return part in content
    if kind in SETS:
        return part_kind == kind[0] and part[part_kind] in content
    return kind in ("S", "B") and part_kind == kind and sortable(part) in sortable(value)


def _sum(sign: int, left: Value, right: Value) -> Value:
    if "N" not in left or "N" not in right:
        raise invalid(_WRONG_TYPE)
    return {"N": add_numbers(left["N"], right["N"], sign)}


def _appended(left: Value, right: Value) -> Value:
    if "L" not in left or "L" not in right:
        raise invalid(_WRONG_TYPE)
    return {"L": left["L"] + right["L"]}


def _combined(is_added: bool, existing: Value | None, operand: Value) -> Value | None:
    """Return the value after ADD or DELETE; None if nothing remains."""
    if existing is None:
        return operand if is_added else None
    ((kind, content),) = operand.items()
    if kind not in existing:
        raise invalid(_WRONG_TYPE)
    if kind == "N":
        return _sum(1, existing, operand)
    members = {*existing[kind], *content} if is_added else set(existing[kind]) - set(content)
    return {kind: sorted(members)} if members else None


class Operand(msgspec.Struct, frozen=True):
    """What can be an operand: the kinds of nodes, and the types of values of the request and of results."""

    kinds: frozenset[str]
    types: frozenset[str]

    def of_types(self, *types: str) -> "Operand":
        return Operand(self.kinds, frozenset(types))


class Operator(msgspec.Struct, frozen=True):
    apply: Callable[..., Any]  # takes the values of the operands
    operands: tuple[Operand, ...]
    missing: bool | str | None = None  # the result, or an error, if the item lacks an operand; None: `apply` takes None for the operand
    result: str = ""  # its type, unless the operator is a test, or the result has the type of an operand


_TYPES, _NO_TYPES = frozenset((*SCALARS, *SETS, "L", "M", "BOOL", "NULL")), frozenset[str]()
_PATH, _VALUE = Operand(frozenset(("path",)), _TYPES), Operand(frozenset(("value",)), _TYPES)
_ANY = Operand(frozenset(("path", "value", "size")), _TYPES)  # of conditions
_SCALAR = _ANY.of_types("S", "N", "B")
_PART = Operand(frozenset(("path", "value", "if_not_exists", "+", "-")), _TYPES)  # of what is set
_SET = Operand(_PART.kinds | {"list_append"}, _TYPES)
_at_most = partial(_ordered, operator.le)

_TESTS = {
    "=": Operator(operator.eq, (_ANY, _ANY), missing=False),
    "<>": Operator(operator.ne, (_ANY, _ANY), missing=True),
    "<": Operator(partial(_ordered, operator.lt), (_SCALAR, _SCALAR), missing=False),
    "<=": Operator(_at_most, (_SCALAR, _SCALAR), missing=False),
    ">": Operator(partial(_ordered, operator.gt), (_SCALAR, _SCALAR), missing=False),
    ">=": Operator(partial(_ordered, operator.ge), (_SCALAR, _SCALAR), missing=False),
    "between": Operator(lambda value, low, high: _at_most(low, value) and _at_most(value, high), (_SCALAR,) * 3, missing=False),
    "in": Operator(lambda value, *others: value is not None and value in others, (_ANY,)),
    "attribute_exists": Operator(partial(operator.is_not, None), (_PATH,)),
    "attribute_not_exists": Operator(partial(operator.is_, None), (_PATH,)),
    "attribute_type": Operator(lambda value, name: name["S"] in value, (_ANY, _VALUE.of_types("S")), missing=False),
    "begins_with": Operator(_begins_with, (_ANY.of_types("S", "B"),) * 2, missing=False),
    "contains": Operator(_contains, (_ANY, _ANY), missing=False),
}
_CONDITION = Operand(frozenset((*_TESTS, "and", "or", "not")), _TYPES)
_OPERATORS = _TESTS | {
    "and": Operator(lambda left, right: left and right, (_CONDITION, _CONDITION)),
    "or": Operator(lambda left, right: left or right, (_CONDITION, _CONDITION)),
    "not": Operator(operator.not_, (_CONDITION,)),
    "size": Operator(_size, (_ANY.of_types(*_TYPES - {"N", "BOOL", "NULL"}),), result="N"),
    "+": Operator(partial(_sum, 1), (_PART.of_types("N"),) * 2, _MISSING),
    "-": Operator(partial(_sum, -1), (_PART.of_types("N"),) * 2, _MISSING),
    "list_append": Operator(_appended, (_PART.of_types("L"),) * 2, _MISSING, "L"),
    "if_not_exists": Operator(lambda value, default: value or default, (_PATH, _SET)),
    "SET": Operator(lambda value: value, (_SET,), _MISSING),
    "REMOVE": Operator(lambda: None, ()),
    "ADD": Operator(partial(_combined, True), (_PATH, _VALUE.of_types("N", *SETS))),
    "DELETE": Operator(partial(_combined, False), (_PATH, _VALUE.of_types(*SETS))),
}


def _result_without(missing: bool | str) -> bool:
    if isinstance(missing, str):
        raise invalid(missing)
    return missing


class _Compiler(Parser):
    """Parses and compiles an expression."""

    def compile(self, node: Node) -> Evaluate:
        kind, *nodes = node
        if kind == "value":
            (reference,) = nodes
            return lambda _item, values: values[reference]
        if kind == "path":
            name, *inner = path = nodes[0]
            return (lambda item, values: value_at(item, _bound(path, values))) if inner else lambda item, _: item.get(name)
        checked, operands = self._checked(kind, nodes), [self.compile(operand) for operand in nodes]
        apply, missing = checked.apply, checked.missing
        if kind == "SET" and nodes[0][0] not in ("path", "if_not_exists"):  # the value that is set is never missing
            return operands[0]
        if len(operands) == 2:
            first, second = operands
            if nodes[0][0] == "path" and len(nodes[0][1]) == 1 and nodes[1][0] == "value":  # as in most expressions
                (name,), reference = nodes[0][1], nodes[1][1]
                if missing is None:
                    return lambda item, values: apply(item.get(name), values[reference])
                return lambda item, values: apply(item[name], values[reference]) if name in item else _result_without(missing)
            if kind == "and":  # without the second operand if the first one decides
                return lambda item, values: first(item, values) and second(item, values)
            if kind == "or":
                return lambda item, values: first(item, values) or second(item, values)

            def apply_to_both(item: Item, values: Values) -> Any:
                left, right = first(item, values), second(item, values)
                return _result_without(missing) if missing is not None and (left is None or right is None) else apply(left, right)

            return apply_to_both

        def apply_to_all(item: Item, values: Values) -> Any:
            given = [operand(item, values) for operand in operands]
            return _result_without(missing) if missing is not None and None in given else apply(*given)

        return apply_to_all

    def _checked(self, kind: str, nodes: list[Node]) -> Operator:
        """Return an operator or function after checking its operands. Raises ApiError."""
        operator = _OPERATORS.get(kind)
        if operator is None:
            self.fail(f"Invalid function name; function: {kind}")
        is_wrong = kind != "in" and len(nodes) != len(operator.operands)
        self.refuse_if(is_wrong, f"Incorrect number of operands; operator or function: {kind}, number of operands: {len(nodes)}")
        for position, node in enumerate(nodes):
            self._check_operand(kind, operator.operands[min(position, len(operator.operands) - 1)], node)
        is_wrong = kind in _TESTS and len(nodes) == 2 and nodes[0][0] == "path" and nodes[0] == nodes[1]
        self.refuse_if(is_wrong, f"The first operand must be distinct from the remaining operands; operator: {kind}")
        if kind == "attribute_type":
            self.checks.append((nodes[1][1], _NO_TYPES, lambda values: self._check_type_name(values[nodes[1][1]]["S"])))
        if kind == "between" and nodes[1][0] == nodes[2][0] == "value":
            self.checks.append((nodes[1][1], _NO_TYPES, lambda values: self._check_range(values[nodes[1][1]], values[nodes[2][1]])))
        return operator

    def _check_operand(self, kind: str, operand: Operand, node: Node) -> None:
        problem = f"Incorrect operand type for operator or function; operator or function: {kind}, operand type: "
        if node[0] not in operand.kinds:
            self.refuse_if(node[0] in _OPERATORS, f"The function is not allowed to be used this way in an expression; function: {node[0]}")
            self.refuse_if(operand is _PATH, f"Operator or function requires a document path; operator or function: {kind}")
            self.refuse_if(node[0] in ("path", "value"), problem + node[0])
        result = _OPERATORS[node[0]].result if node[0] in _OPERATORS else ""
        self.refuse_if(result and result not in operand.types, problem + result)
        if node[0] == "value" and operand.types is not _TYPES:
            self.checks.append((node[1], operand.types, lambda values: self.fail(problem + type_of(values[node[1]]))))

    def _check_type_name(self, name: str) -> None:
        self.refuse_if(name not in _TYPES, f"Invalid attribute type name found; type: {name}, valid types: {sorted(_TYPES)}")

    def _check_range(self, low: Value, high: Value) -> None:
        if not _at_most(low, high):  # also if they have different types
            self.fail(f"The BETWEEN operator requires bounds of one type, the lower bound first; bounds: {low}, {high}")

    def compiled(self) -> Condition | Update | list[Path]:
        """Return the expression: a condition, an update, or the paths of a projection."""
        if self.parameter == "ProjectionExpression":
            paths: list[Path] = self.list_of(self.path)
            self._check_overlap(paths)
            return paths
        if self.parameter == "UpdateExpression":
            actions = self.update()
            self._check_overlap([path for path, _ in actions])
            # New elements are appended to a list in the order of their indexes.
            actions.sort(key=lambda action: action[0][-1] if type(action[0][-1]) is int else -1)
            creates_item = any(node[0] in ("SET", "ADD") for _, node in actions)
            compiled = [(path, self.compile(node)) for path, node in actions]
            return Update(compiled, frozenset(path[0] for path, _ in actions), creates_item)
        tree = self.condition()
        self._check_operand("condition", _CONDITION, tree)
        return Condition(tree, frozenset(self.roots), self.compile(tree))

    def _check_overlap(self, paths: list[Path]) -> None:
        """Refuse paths of which one is part of another, and a value that is used both as a map and as a list."""
        for position, one in enumerate(paths):
            for other in paths[:position]:
                different = next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), None)
                if different is None or type(different[0]) is not type(different[1]):
                    problem = f"Two document paths {'overlap' if different is None else 'conflict'} with each other"
                    self.fail(f"{problem}; path one: {path_text(other)}, path two: {path_text(one)}")


def project(item: Item, paths: Iterable[Path], values: Values) -> Item:
    """Return the parts of the item at these paths, which do not overlap. The elements of a list close up."""
    tree: dict[Any, Any] = {}
    for path in paths:
        branch, (*parts, last) = tree, _bound(path, values)
        for part in parts:
            branch = branch.setdefault(part, {})
        branch[last] = None
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


def apply_update(update: Update, old: Item, values: Values) -> Item:
    """Return the item after the update; `old` stays as it is. Raises ApiError."""
    new = dict(old)
    owned: dict[Path, Any] = {(): new}
    for path, value in [(path, evaluate(old, values)) for path, evaluate in update.actions]:
        parent: Any = new
        if len(path) > 1:
            path = _bound(path, values)
            parent = _owned(path[:-1], path[-1], owned)
            check_depth(value, path)
        part = path[-1]
        if type(part) is int and part >= len(parent):
            parent.append(value)
        elif value is not None or type(part) is int:
            parent[part] = value
        else:
            parent.pop(part, None)
    for elements in owned.values() if len(owned) > 1 else ():
        if type(elements) is list:
            elements[:] = [element for element in elements if element is not None]  # without those that were removed
    return new


def _owned(path: Path, member: Part, owned: dict[Path, Any]) -> Any:
    """Return the map or list at a path, of which `member` is a part, copied once. Raises ApiError if the item does not have it."""
    known = owned.get(path)
    if known is None:
        parent, part, kind = _owned(path[:-1], path[-1], owned), path[-1], "M" if type(member) is str else "L"
        value = parent.get(part) if type(part) is str else parent[part] if int(part) < len(parent) else None
        if value is None or kind not in value:
            raise invalid(_WRONG_PATH)
        known = owned[path] = value[kind].copy()
        parent[part] = {kind: known}
    return known


# All expressions of a request


def compile_expressions(request: Request, *parameters: str) -> tuple[tuple[Any, ...], Values]:
    """Return the compiled expressions of these parameters, None for missing ones, and the values of the request. Raises ApiError."""
    names: dict[str, str] | None = request.get("ExpressionAttributeNames")
    values = request.get("ExpressionAttributeValues")
    texts = tuple(map(request.get, parameters))
    if names is values is None and texts.count(None) == len(texts):
        return texts, {}
    keys: dict[str, Any] = {}
    references = _references_to_keys(texts) if names else ()
    # Keys of maps are bound later, so that expressions are compiled once for all keys. The compiler compares paths, so names must differ.
    if names and references and len({*names.values()}) == len(names) and "#" not in "".join(names.values()):
        keys = {reference: name for reference, name in names.items() if reference in references}
        _check_contents("ExpressionAttributeNames", keys, check_name)
    known = [(name, name if name in keys else text) for name, text in names.items()] if names and keys else (names or {}).items()
    compiled, used, checks = _compiled(parameters, texts, tuple(known) if names is not None else None)
    if values is not None:
        _check_contents("ExpressionAttributeValues", values, check_value)
    if values is None or values.keys() != used.keys() or not values:
        for reference, parameter in used.items():
            if reference not in (values or {}):
                raise invalid(f"Invalid {parameter}: An expression attribute value is not defined; attribute value: {reference}")
        _check_references("ExpressionAttributeValues", ":", values, used.keys(), any(compiled))
    for reference, types, check in checks:
        if values and types.isdisjoint(values[reference]):
            check(values)
    return compiled, {**(values or {}), _KEYS: keys} if keys else values or {}


@lru_cache(2048)
def _references_to_keys(texts: tuple[str | None, ...]) -> frozenset[str]:
    """Return the references that stand only after dots; none if there is also a key that is no reference."""
    text = " ".join(filter(None, texts))
    if _PLAIN_KEY.search(text):
        return frozenset()
    references = _REFERENCE.findall(text)
    return frozenset(name for dot, name in references if dot) - {name for dot, name in references if not dot}


def _bound(path: Path, values: dict[str, Any]) -> Path:
    """Return the path with keys of maps instead of references to them."""
    keys = values.get(_KEYS)
    return path if keys is None else tuple(map(keys.get, path, path))


@lru_cache(2048)
def _compiled(
    parameters: tuple[str, ...], texts: tuple[str | None, ...], given: tuple[tuple[str, str], ...] | None
) -> tuple[tuple[Any, ...], dict[str, str], list[Check]]:
    """Compile expressions with these names; returns them, the values that they use with the parameter, and the checks of values."""
    names = dict(given or ())
    _check_contents("ExpressionAttributeNames", names, check_name)
    compiled: list[Any] = []
    used_names: set[str] = set()
    used_values: dict[str, str] = {}
    checks: list[Check] = []
    for parameter, text in zip(parameters, texts, strict=True):
        if text is None:
            compiled.append(None)
            continue
        compiler = _Compiler(parameter, text, names)
        try:
            compiled.append(compiler.compiled())
        except RecursionError:
            compiler.fail("The expression is nested too deeply, or it has redundant parentheses")
        compiler.refuse_token_if(compiler.token, compiler.token)
        used_names |= compiler.used_names
        used_values |= dict.fromkeys(sorted(compiler.used_values), parameter)
        checks += compiler.checks
    _check_references("ExpressionAttributeNames", "#", None if given is None else names, used_names, any(compiled))
    return tuple(compiled), used_values, checks


def _check_contents(parameter: str, given: dict[str, Any], check: Callable[[Any], Any]) -> None:
    for key, content in given.items():
        try:
            check(content)
        except ApiError as error:
            raise ApiError(error.code, f"{parameter} contains invalid value: {error.message} for key {key}") from None


def _check_references(parameter: str, sign: str, given: dict[str, Any] | None, used: Iterable[str], has_expressions: bool) -> None:
    """Raise ApiError if a reference is malformed or unused."""
    if given is None:
        return
    wrong = [key for key in given if key[:1] != sign or len(key) < 2 or not key[1:].replace("_", "a").isalnum()]
    if not has_expressions:
        raise invalid(f"{parameter} can only be specified when using expressions")
    if not given or wrong:
        raise invalid(f"{parameter} {'contains invalid key: Syntax error; key: ' + wrong[0] if wrong else 'must not be empty'}")
    if unused := given.keys() - used:
        raise invalid(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(unused)}}}")
