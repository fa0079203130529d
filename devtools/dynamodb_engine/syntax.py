"""The syntax of expressions: tokens, trees and document paths; and the names and values that a request gives them."""

import pathlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

import msgspec

from devtools.dynamodb_engine.values import ApiError, Item, Value, check_name, check_value, invalid, malformed

Names = dict[str, str]
Values = dict[str, Value]
Part = str | int
Path = tuple[Part, ...]  # of attribute names, `#references` and indexes of lists
Node = tuple[Any, ...]
Check = Callable[[Names, Values], None]

_MAX_BYTES, _MAX_OPERATORS, _MAX_PATH_LENGTH, _MAX_OPERANDS_OF_IN = 4096, 300, 32, 100
_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+)|(<=|>=|<>|[=<>()\[\],.+-])|(\S))", re.ASCII)
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
_OPERAND_COUNTS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
_PREDICATES = frozenset(_OPERAND_COUNTS)
_UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
_OPERAND_COUNTS |= {**_UPDATE_FUNCTIONS, "size": 1}
_RESERVED = frozenset(pathlib.Path(__file__).with_name("reserved_words.txt").read_text().split())


class Expression(msgspec.Struct, eq=False):
    """What all compiled expressions have: the parameter, the references, and the checks that need names and values."""

    parameter: str
    names: frozenset[str]
    values: frozenset[str]
    checks: list[Check]


class Parser:
    def __init__(self, parameter: str, text: Any) -> None:
        self.parameter = parameter
        if type(text) is not str:
            raise malformed(f"{parameter} must be text")
        if not text.strip():
            self.fail("The expression can not be empty;")
        if (size := len(text.encode())) > _MAX_BYTES:
            self.fail(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
        self.tokens: list[str] = []
        for match in _TOKEN.finditer(text):
            if match[3]:
                self.fail_at(match[3])
            self.tokens.append(match[1] or match[2])
        self.tokens.append("")
        self.at = self.operator_count = 0
        self.names: set[str] = set()
        self.values: set[str] = set()
        self.checks: list[Check] = []

    def fail(self, message: str) -> NoReturn:
        raise invalid(f"Invalid {self.parameter}: {message}")

    def fail_at(self, token: str) -> NoReturn:
        self.fail(f'Syntax error; token: "{token or "<EOF>"}"')

    def fail_use(self, function: str) -> NoReturn:
        self.fail(f"The function is not allowed to be used this way in an expression; function: {function}")

    @property
    def token(self) -> str:
        return self.tokens[self.at]

    @property
    def function_name(self) -> str:
        """The name of the function whose call begins here, or an empty text."""
        return self.token if self.token[:1].isalpha() and self.tokens[self.at + 1] == "(" else ""

    def take(self, expected: str = "") -> str:
        token = self.token
        if expected and token != expected:
            self.fail_at(token)
        self.at += 1
        return token

    def take_if(self, expected: str) -> bool:
        """Skip a sign, or a word in whatever letters, if it comes next."""
        found = self.token.upper() == expected
        self.at += found
        return found

    def list_of(self, element: Callable[[], Any]) -> list[Any]:
        elements = [element()]
        while self.take_if(","):
            elements.append(element())
        return elements

    def end(self) -> None:
        if self.token:
            self.fail_at(self.token)

    def path(self) -> Path:
        parts: list[Part] = [self.name()]
        while self.token in (".", "["):
            if self.take() == ".":
                parts.append(self.name())
                continue
            index = self.take()
            if not index.isdigit():
                self.fail_at(index)
            if len(index) > 9:
                self.fail(f"List index is not within the allowable range; index: [{index}]")
            parts.append(int(index))
            self.take("]")
        if len(parts) > _MAX_PATH_LENGTH:
            self.fail(f"The document path has too many nesting levels; nesting levels: {len(parts)}")
        return tuple(parts)

    def name(self) -> str:
        token = self.take()
        if token[:1] == "#" and len(token) > 1:
            self.check_length(token)
            self.names.add(token)
        elif not token[:1].isalpha():
            self.fail_at(token)
        elif token.upper() in _RESERVED:
            self.fail(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def value(self) -> Node:
        token = self.take()
        if token[:1] != ":" or len(token) < 2:
            self.fail_at(token)
        self.check_length(token)
        self.values.add(token)
        return ("value", token)

    def check_length(self, reference: str) -> None:
        if len(reference) > 255:
            self.fail("A reference to a name or a value exceeds the size limit of 255 characters")

    def operand(self) -> Node:
        """A path, a reference to a value, or a function of them."""
        if self.token[:1] == ":":
            return self.value()
        return self.function() if self.function_name else ("path", self.path())

    def function(self) -> Node:
        name = self.take()
        if name not in _OPERAND_COUNTS:
            self.fail(f"Invalid function name; function: {name}")
        self.take("(")
        operands = self.list_of(self.operand)
        self.take(")")
        if (count := len(operands)) != _OPERAND_COUNTS[name]:
            problem = "Incorrect number of operands for operator or function"
            self.fail(f"{problem}; operator or function: {name}, number of operands: {count}")
        return (name, *operands)

    # Conditions: NOT binds more strongly than AND, AND than OR.

    def count_operator(self) -> None:
        self.operator_count += 1
        if self.operator_count > _MAX_OPERATORS:
            self.fail(f"The expression contains too many operators; operator count: {self.operator_count}")

    def condition(self, strength: int = 0) -> Node:
        if self.take_if("NOT"):
            self.count_operator()
            left: Node = ("not", self.condition(2))
        else:
            left = self.parenthesized() if self.token == "(" else self.comparison()
        while ((word := self.token.lower()) == "or" and strength < 1) or (word == "and" and strength < 2):
            self.count_operator()
            self.take()
            left = (word, left, self.condition(1 if word == "or" else 2))
        return left

    def parenthesized(self) -> Node:
        self.take("(")
        start = self.at
        inner = self.condition()
        self.take(")")
        if self.tokens[start] == "(" and self._closing(start) == self.at - 2:
            self.fail("The expression has redundant parentheses;")
        return inner

    def _closing(self, start: int) -> int:
        depth = 0
        for at in range(start, self.at):
            depth += {"(": 1, ")": -1}.get(self.tokens[at], 0)
            if not depth:
                return at
        return -1

    def comparison(self) -> Node:
        name = self.function_name
        if name in _UPDATE_FUNCTIONS:
            self.fail_use(name)
        if name in _PREDICATES:
            node = self.function()
            if self.token in COMPARATORS:
                self.fail_use(name)
            return node
        left = self.operand()
        self.count_operator()
        if self.token in COMPARATORS:
            return (self.take(), left, self.operand())
        if self.take_if("BETWEEN"):
            low = self.operand()
            if not self.take_if("AND"):
                self.fail_at(self.token)
            return ("between", left, low, self.operand())
        if not self.take_if("IN"):
            self.fail_use("size") if left[0] == "size" else self.fail_at(self.token)
        self.take("(")
        operands = self.list_of(self.operand)
        self.take(")")
        if (count := len(operands)) > _MAX_OPERANDS_OF_IN:
            self.fail(f"Too many operands for operator or function; operator: IN, number of operands: {count}")
        return ("in", left, *operands)


# Names and values


def names_and_values(request: dict[str, Any], *expressions: Expression | None) -> tuple[Names, Values]:
    """The names and values of a request, checked together with all its expressions. Raises ApiError."""
    names: Names = request.get("ExpressionAttributeNames") or {}
    values: Values = request.get("ExpressionAttributeValues") or {}
    used_names, used_values, checks = _together(expressions)
    is_plain = names.keys() == used_names and values.keys() == used_values
    if not is_plain or "ExpressionAttributeNames" in request or "ExpressionAttributeValues" in request:
        for key, name in names.items():
            _check_given("ExpressionAttributeNames", key, check_name, name)
        for key, value in values.items():
            _check_given("ExpressionAttributeValues", key, check_value, value)
        if not is_plain or not (names or values):
            _check_references(request, [expression for expression in expressions if expression is not None])
    for check in checks:
        check(names, values)
    return names, values


@lru_cache(4096)
def _together(expressions: tuple[Expression | None, ...]) -> tuple[frozenset[str], frozenset[str], list[Check]]:
    """The names, the values and the checks of all expressions."""
    used = [expression for expression in expressions if expression is not None]
    names, values = (frozenset().union(*(getattr(expression, kind) for expression in used)) for kind in ("names", "values"))
    return names, values, [check for expression in used for check in expression.checks]


def _check_given(parameter: str, key: str, check: Callable[[Any], Any], content: Any) -> None:
    try:
        check(content)
    except ApiError as error:
        raise ApiError(error.code, f"{parameter} contains invalid value: {error.message} for key {key}") from None


def _check_references(request: dict[str, Any], expressions: list[Expression]) -> None:
    """Raise ApiError for the first reference that is unused, undefined or malformed."""
    for kind, sign, use in (("name", "#", "the document path"), ("value", ":", "expression")):
        parameter = f"ExpressionAttribute{kind.capitalize()}s"
        given = request.get(parameter) or {}
        if parameter in request and not (expressions and given):
            raise invalid(f"{parameter} must not be empty" if expressions else f"{parameter} can only be specified when using expressions")
        for key in given:
            if key[:1] != sign or len(key) < 2 or not key[1:].replace("_", "a").isalnum():
                raise invalid(f'{parameter} contains invalid key: Syntax error; key: "{key}"')
        used = [(expression, expression.names if kind == "name" else expression.values) for expression in expressions]
        for expression, references in used:
            if missing := references - given.keys():
                problem = f"An expression attribute {kind} used in {use} is not defined; attribute {kind}: {min(missing)}"
                raise invalid(f"Invalid {expression.parameter}: {problem}")
        if unused := given.keys() - {reference for _, references in used for reference in references}:
            raise invalid(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(unused)}}}")


# Paths


def resolve(path: Path, names: Names) -> Path:
    return path if not names else tuple(names[part] if type(part) is str and part[0] == "#" else part for part in path)


def value_at(item: Item, path: Path) -> Value | None:
    value: Any = item.get(path[0])  # type: ignore[arg-type]
    for part in path[1:]:
        if value is None:
            return None
        if type(part) is str:
            value = value["M"].get(part) if "M" in value else None
        else:
            elements = value.get("L", ())
            value = elements[part] if int(part) < len(elements) else None
    return value  # type: ignore[no-any-return]


def path_text(path: Path) -> str:
    return "[" + ", ".join(f"[{part}]" if type(part) is int else str(part) for part in path) + "]"


def overlap_checks(parser: Parser, paths: list[Path]) -> list[Check]:
    """Checks that no path is a part of another, and that no value is taken for both a map and a list."""

    def check(names: Names, _: Values) -> None:
        resolved = [resolve(path, names) for path in paths]
        if all(len(path) == 1 for path in resolved) and len(set(resolved)) == len(resolved):
            return
        for position, one in enumerate(resolved):
            for other in resolved[:position]:
                different = next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), None)
                if different is None or type(different[0]) is not type(different[1]):
                    problem = f"Two document paths {'overlap' if different is None else 'conflict'} with each other"
                    which = f"path one: {path_text(other)}, path two: {path_text(one)}"
                    raise invalid(f"Invalid {parser.parameter}: {problem}; must remove or rewrite one of these paths; {which}")

    if parser.names:
        return [check]
    check({}, {})  # once, since the paths are always the same
    return []
