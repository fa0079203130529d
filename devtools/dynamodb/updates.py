"""Update expressions as functions: each text is read once, and only what it changes is copied.

Compiled are SET, with values, paths, sums, differences and if_not_exists, REMOVE, and ADD to an attribute of the item. All other
expressions, those with a fault, and those that meet an odd item, are applied by MiniStack, which also words all errors.

The item that an update is applied to is never changed: the new item shares with it all that stays as it was.
"""

import operator
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from msgspec import Struct

from devtools.dynamodb.changes import Item
from devtools.dynamodb.expression_tokens import Cursor, Names, NotCompilable, Path, Values, get_at_path
from devtools.dynamodb.pure_functions import CACHE_SIZE, ddb
from devtools.dynamodb.values import attribute_value_size, canonical_number

# Changes the new item; reads the item as it was before, the values and the names; adds the paths that it changes to the set.
Action = Callable[[Item, Item, Values, Names, set[Path]], None]
Operand = Callable[[Item, Values, Names], Any]

_CLAUSES = ("SET", "REMOVE", "ADD")
_ADDABLE = ("N", "SS", "NS", "BS")
_MAX_CHARGE = 60  # of one token, its name and value aside; the largest charge of MiniStack's for a part is 39


class Update(Struct, frozen=True):
    """A compiled expression. Counts: of its tokens, and of the references to names and to values among them."""

    actions: tuple[Action, ...]
    tokens: int
    names: int
    values: int


def apply_update_expression(
    item: Item, text: Any, values: Values, names: Names, updated_paths: set[Path] | None = None
) -> tuple[Item, set[Path]]:
    """The item after the update, and the paths that were updated, which are also added to `updated_paths`. Raises ValueError."""
    update = compile_update(text) if type(text) is str else None
    if update is not None and "M" not in item and "L" not in item:  # MiniStack takes an item with such attributes for a value
        changed, paths = dict(item), set[Path]()
        try:
            for action in update.actions:
                action(changed, item, values, names, paths)
        except Exception:  # MiniStack says what is wrong
            pass
        else:
            if updated_paths is None:
                return changed, paths
            updated_paths |= paths
            return changed, updated_paths
    result: tuple[Item, set[Path]] = ddb._apply_update_expression(item, text, values, names, updated_paths)
    return result


def update_request_charge(text: Any, values: Values | None, names: Names | None, item: Item) -> int:
    """The bytes that an update counts for its limit of 400 KB: exactly near the limit, and below it at least as much as they are."""
    update = compile_update(text) if type(text) is str else None
    if update is not None:
        try:
            longest_name = max(map(len, (names or {}).values()), default=0)
            size_of_values = sum(map(attribute_value_size, (values or {}).values()))
        except (AttributeError, TypeError):  # names or values are of another type than they should be
            longest_name = size_of_values = ddb._DDB_ITEM_MAX_BYTES
        most = max_request_charge(text, update, longest_name, size_of_values)
        if most <= ddb._DDB_ITEM_MAX_BYTES:
            return most
    charge: int = ddb._update_request_charge(text, values, names, item)
    return charge


def max_request_charge(text: str, update: Update, longest_name: int, size_of_values: int) -> int:
    """At least the charge of an update whose values have this size together."""
    return 3 + update.tokens * _MAX_CHARGE + 4 * (len(text) + update.names * longest_name) + update.values * size_of_values


@lru_cache(CACHE_SIZE)
def compile_update(text: str) -> Update | None:
    """The expression as functions; None if MiniStack must apply it."""
    tokens = ddb._tokenize(text)
    words = [token for token in tokens if token[0] != "IDENT" or token[1].upper() not in (*_CLAUSES, "DELETE")]
    if ddb._check_redundant_parens(tokens) or ddb._check_reserved_keyword_usage(words):
        return None
    try:
        actions = _actions(Cursor(tokens))
    except NotCompilable:
        return None
    kinds = [kind for kind, _ in tokens]
    return Update(actions, len(kinds), kinds.count("NAME_REF"), kinds.count("VALUE_REF"))


def _actions(cursor: Cursor) -> tuple[Action, ...]:
    """The actions in the order in which MiniStack applies the clauses, whatever their order in the text."""
    clauses: dict[str, list[Action]] = {}
    while cursor.kind != "EOF":
        clause = cursor.take("IDENT").upper()
        if clause not in _CLAUSES or clause in clauses:
            raise NotCompilable
        compile_action = {"SET": _assignment, "REMOVE": _removal, "ADD": _addition}[clause]
        clauses[clause] = [compile_action(cursor)]
        while cursor.take_if("COMMA"):
            clauses[clause].append(compile_action(cursor))
    return tuple(action for clause in _CLAUSES for action in clauses.get(clause, ()))


def _assignment(cursor: Cursor) -> Action:
    path = cursor.take_path()
    cursor.take("EQ")
    operand = _sum(cursor)

    def assign(new: Item, old: Item, values: Values, names: Names, paths: set[Path]) -> None:
        value = operand(old, values, names)
        if value is not None:
            where = path(names)
            if len(where) > 1 and get_at_path(old, where[:-1]) is None:
                raise NotCompilable
            paths.add(where)
            _set(new, where, value)

    return assign


def _sum(cursor: Cursor) -> Operand:
    left = _operand(cursor)
    if cursor.kind not in ("PLUS", "MINUS"):
        return left
    combine = operator.add if cursor.take("PLUS", "MINUS") == "+" else operator.sub
    right = _operand(cursor)

    def calculate(item: Item, values: Values, names: Names) -> Any:
        one, other = left(item, values, names), right(item, values, names)
        result = canonical_number(str(combine(Decimal(one["N"]), Decimal(other["N"]))))
        if result is None:
            raise NotCompilable
        return {"N": result}

    return calculate


def _operand(cursor: Cursor) -> Operand:
    reference = cursor.take_if("VALUE_REF")
    if reference is not None:
        return lambda _item, values, _names: values.get(reference)
    if cursor.function:
        return _if_not_exists(cursor)
    path = cursor.take_path()

    def read(item: Item, values: Values, names: Names) -> Any:  # noqa: ARG001
        value = get_at_path(item, path(names))
        if value is None:
            raise NotCompilable
        return value

    return read


def _if_not_exists(cursor: Cursor) -> Operand:
    if cursor.function != "if_not_exists":
        raise NotCompilable
    cursor.take("IDENT")
    cursor.take("LPAREN")
    path = cursor.take_path()
    cursor.take("COMMA")
    default = _operand(cursor)
    cursor.take("RPAREN")

    def read(item: Item, values: Values, names: Names) -> Any:
        existing = get_at_path(item, path(names))
        return existing if existing is not None else default(item, values, names)

    return read


def _removal(cursor: Cursor) -> Action:
    path = cursor.take_path()

    def remove(new: Item, old: Item, values: Values, names: Names, paths: set[Path]) -> None:  # noqa: ARG001
        where = path(names)
        paths.add(where)
        if len(where) == 1 or get_at_path(new, where[:-1]) is not None:
            _parent(new, where).pop(where[-1], None)

    return remove


def _addition(cursor: Cursor) -> Action:
    path = cursor.take_path()
    reference = cursor.take("VALUE_REF")

    def add(new: Item, old: Item, values: Values, names: Names, paths: set[Path]) -> None:  # noqa: ARG001
        where, added = path(names), values[reference]
        ((kind, content),) = added.items()
        existing = get_at_path(new, where)
        if len(where) > 1 or kind not in _ADDABLE or (existing is not None and existing.keys() != {kind}):
            raise NotCompilable
        paths.add(where)
        if kind == "N":
            _set(new, where, {"N": str((Decimal(existing["N"]) if existing else Decimal(0)) + Decimal(content))})
        else:
            _set(new, where, {kind: sorted({*(existing[kind] if existing else ()), *content})})

    return add


def _set(new: Item, path: Path, value: Any) -> None:
    _parent(new, path)[path[-1]] = value


def _parent(new: Item, path: Path) -> Item:
    """The dictionary that has the last part of the path: the new item, or a map in it, which is copied first."""
    for part in path[:-1]:
        if type(part) is not str or new[part].keys() != {"M"}:
            raise NotCompilable
        members: Item = dict(new[part]["M"])
        new[part] = {"M": members}
        new = members
    if type(path[-1]) is not str:
        raise NotCompilable
    return new


REPLACEMENTS = {"_apply_update_expression": apply_update_expression, "_update_request_charge": update_request_charge}
