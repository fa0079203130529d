"""The syntax of expressions, and the parameters that came before expressions."""

import pathlib
import re
from collections.abc import Callable
from typing import Any, NoReturn

from devtools.dynamodb.values import (
    SETS,
    Item,
    Value,
    check_name,
    check_value,
    invalid,
    refuse_parameter_if,
    type_of,
)

Values = dict[str, Value]
Part = str | int
Path = tuple[Part, ...]  # attribute names and indexes of lists
Node = tuple[Any, ...]  # an operator or function and its operands, ("path", path) or ("value", reference)
Check = Callable[[Values], object]
Request = dict[str, Any]

_MAX_BYTES, _MAX_OPERATORS, _MAX_PATH_LENGTH, _MAX_OPERANDS_OF_IN, _MAX_REFERENCE_LENGTH = 4096, 300, 32, 100, 255
_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+)|(<=|>=|<>|[=<>()\[\],.+-])|(\S))", re.ASCII)
_COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
_PREDICATE_OPERANDS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
_UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
_OPERAND_COUNTS = {**_PREDICATE_OPERANDS, **_UPDATE_FUNCTIONS, "size": 1}
_RESERVED = frozenset(pathlib.Path(__file__).with_name("reserved_words.txt").read_text().split())


class Parser:
    """Parses an expression, in which references to names stand for these names. `checks` need the values of the request."""

    def __init__(self, parameter: str, text: str, names: dict[str, str]) -> None:
        self.parameter, self.names = parameter, names
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
        self.enclosed: Node | None = None  # the last condition in parentheses
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
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

    def take(self, expected: str = "") -> str:
        token = self.token
        if expected and token != expected:
            self.fail_at(token)
        self.at += 1
        return token

    def take_if(self, expected: str) -> bool:
        """Skip the next token if it is this sign, or this word in any mixture of cases."""
        is_found = self.token.upper() == expected
        self.at += is_found
        return is_found

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
        if self.token[:1] == "#":
            reference = self.reference("#", self.used_names)
            if reference not in self.names:
                self.fail(f"An expression attribute name used in the document path is not defined; attribute name: {reference}")
            return self.names[reference]
        token = self.take()
        if not token[:1].isalpha():
            self.fail_at(token)
        if token.upper() in _RESERVED:
            self.fail(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def value(self) -> Node:
        return ("value", self.reference(":", self.used_values))

    def reference(self, sign: str, used: set[str]) -> str:
        token = self.take()
        if token[:1] != sign or len(token) < 2:
            self.fail_at(token)
        if len(token) > _MAX_REFERENCE_LENGTH:
            self.fail(f"A reference to a name or a value exceeds the size limit of {_MAX_REFERENCE_LENGTH} characters")
        used.add(token)
        return token

    def operand(self) -> Node:
        """Parse a path, a reference to a value, or a function of them."""
        if self.token[:1] == ":":
            return self.value()
        return self.function() if self.is_at_function() else ("path", self.path())

    def is_at_function(self) -> bool:
        return self.token[:1].isalpha() and self.tokens[self.at + 1] == "("

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

    def count_operator(self) -> None:
        self.operator_count += 1
        if self.operator_count > _MAX_OPERATORS:
            self.fail(f"The expression contains too many operators; operator count: {self.operator_count}")

    def condition(self, strength: int = 0) -> Node:
        """Parse a condition. NOT binds more strongly than AND, and AND more strongly than OR."""
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
        inner = self.condition()
        self.take(")")
        if inner is self.enclosed:
            self.fail("The expression has redundant parentheses;")
        self.enclosed = inner
        return inner

    def comparison(self) -> Node:
        name = self.token if self.is_at_function() else ""
        if name in _UPDATE_FUNCTIONS:
            self.fail_use(name)
        left = self.operand()
        if name in _PREDICATE_OPERANDS:
            if self.token in _COMPARATORS:
                self.fail_use(name)
            return left
        self.count_operator()
        if self.token in _COMPARATORS:
            return (self.take(), left, self.operand())
        if self.take_if("BETWEEN"):
            low = self.operand()
            if not self.take_if("AND"):
                self.fail_at(self.token)
            return ("between", left, low, self.operand())
        if not self.take_if("IN"):
            self.fail_use("size") if name == "size" else self.fail_at(self.token)
        self.take("(")
        operands = self.list_of(self.operand)
        self.take(")")
        if (count := len(operands)) > _MAX_OPERANDS_OF_IN:
            self.fail(f"Too many operands for operator or function; operator: IN, number of operands: {count}")
        return ("in", left, *operands)


# Paths


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


def check_overlap(parser: Parser, paths: list[Path]) -> None:
    """Refuse paths of which one is part of another, and a value that is used both as a map and as a list."""
    for position, one in enumerate(paths):
        for other in paths[:position]:
            different = next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), None)
            if different is None or type(different[0]) is not type(different[1]):
                problem = f"Two document paths {'overlap' if different is None else 'conflict'} with each other"
                which = f"path one: {path_text(other)}, path two: {path_text(one)}"
                parser.fail(f"{problem}; must remove or rewrite one of these paths; {which}")


# Parameters that came before expressions: they are translated into expressions

_TRANSLATIONS = {
    "Expected": "ConditionExpression",
    "QueryFilter": "FilterExpression",
    "ScanFilter": "FilterExpression",
    "KeyConditions": "KeyConditionExpression",
    "AttributeUpdates": "UpdateExpression",
    "AttributesToGet": "ProjectionExpression",
}
_COMPARISONS = {word: f"{{}} {sign} {{}}" for word, sign in zip(("EQ", "NE", "LT", "LE", "GT", "GE"), _COMPARATORS, strict=True)}
_COMPARISONS |= {"BEGINS_WITH": "begins_with({}, {})", "BETWEEN": "{} BETWEEN {} AND {}", "IN": "{} IN ({})"}
_COMPARISONS |= {"CONTAINS": "contains({}, {})", "NOT_CONTAINS": "attribute_exists({0}) AND NOT contains({0}, {1})"}
_COMPARISONS |= {"NULL": "attribute_not_exists({})", "NOT_NULL": "attribute_exists({})"}
_KEY_COMPARISONS = frozenset(("EQ", "LT", "LE", "GT", "GE", "BEGINS_WITH", "BETWEEN"))


def translate_older_parameters(request: Request) -> None:
    """Add expressions that mean the same as the parameters that came before expressions. Raises ApiError."""
    older = [parameter for parameter in _TRANSLATIONS if parameter in request]
    if not older and "ConditionalOperator" not in request:
        return
    expressions = [expression for expression in dict.fromkeys(_TRANSLATIONS.values()) if expression in request]
    mixed = [parameter for parameter in (*older, "ConditionalOperator") if parameter in request and parameter != "KeyConditions"]
    if "KeyConditionExpression" in expressions and "KeyConditions" in older:
        mixed.append("KeyConditions")
    if expressions and mixed:
        which = f"Non-expression parameters: {{{', '.join(mixed)}}} Expression parameters: {{{', '.join(expressions)}}}"
        raise invalid(f"Can not use both expression and non-expression parameters in the same request: {which}")
    for parameter in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if parameter in request and not expressions:
            raise invalid(f"{parameter} can only be specified when using expressions")
    if "ConditionalOperator" in request and not any(request.get(name) for name in ("Expected", "QueryFilter", "ScanFilter")):
        raise invalid("ConditionalOperator cannot be used without Filter or Expected")
    references = _References(request)
    for parameter in older:
        if content := request[parameter]:
            request[_TRANSLATIONS[parameter]] = references.expression(parameter, content, request.get("ConditionalOperator", "AND"))
    request |= {name: given for name, given in references.given.items() if given}


class _References:
    """The names and values of a request, to which translations add their own."""

    def __init__(self, request: Request) -> None:
        self.given = {name: dict(request.get(name) or {}) for name in ("ExpressionAttributeNames", "ExpressionAttributeValues")}

    def _add(self, parameter: str, sign: str, content: Any) -> str:
        given = self.given[parameter]
        number = len(given)
        while (reference := f"{sign}{number}") in given:
            number += 1
        given[reference] = content
        return reference

    def name(self, name: str) -> str:
        check_name(name)
        return self._add("ExpressionAttributeNames", "#", name)

    def value(self, value: Value) -> str:
        check_value(value)
        return self._add("ExpressionAttributeValues", ":", value)

    def expression(self, parameter: str, content: Any, operator: str) -> str:
        if parameter == "AttributesToGet":
            for name in content:
                refuse_parameter_if(content.count(name) > 1, f"Duplicate value in attribute name: {name}")
            return ", ".join(map(self.name, content))
        if parameter == "AttributeUpdates":
            actions = [self._action(name, update) for name, update in content.items()]
            clauses = {clause: [text for kind, text in actions if kind == clause] for clause, _ in actions}
            return " ".join(f"{clause} {', '.join(texts)}" for clause, texts in clauses.items())
        if parameter == "KeyConditions":
            for comparison in (condition["ComparisonOperator"] for condition in content.values()):
                problem = f"Attempted conditional constraint is not an indexable operation: {comparison}"
                refuse_parameter_if(comparison not in _KEY_COMPARISONS, problem)
        return f" {operator} ".join(self._condition(name, condition) for name, condition in content.items())

    def _condition(self, name: str, condition: Request) -> str:
        comparison, operands, exists = (condition.get(key) for key in ("ComparisonOperator", "AttributeValueList", "Exists"))
        if comparison is not None:
            problem = f"Value or Exists cannot be used with ComparisonOperator or AttributeValueList for Attribute: {name}"
            refuse_parameter_if("Value" in condition or exists is not None, problem)
            return self._comparison(name, comparison, operands or [])
        refuse_parameter_if(operands is not None, f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}")
        problem = "Value must be provided when Exists is true or null"
        if exists is False:
            problem = "Value cannot be used when Exists is set to false"
        refuse_parameter_if(("Value" in condition) == (exists is False), f"{problem} for Attribute: {name}")
        return self._comparison(name, *(("NULL", []) if exists is False else ("EQ", [condition["Value"]])))

    def _comparison(self, name: str, comparison: str, operands: list[Value]) -> str:
        references, types = [self.value(operand) for operand in operands], [type_of(operand) for operand in operands]
        for kind in types if comparison not in ("EQ", "NE") else ():
            is_wrong = kind not in (("S", "B") if comparison == "BEGINS_WITH" else ("S", "N", "B"))
            refuse_parameter_if(is_wrong, f"ComparisonOperator {comparison} is not valid for {kind} AttributeValue type")
        wanted = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2, "IN": max(1, len(types))}.get(comparison, 1)
        refuse_parameter_if(len(types) != wanted, f"Invalid number of argument(s) for the {comparison} ComparisonOperator")
        refuse_parameter_if(len(set(types)) > 1, "AttributeValues inside AttributeValueList must all be of the same type")
        if comparison == "IN":
            references = [", ".join(references)]
        return _COMPARISONS[comparison].format(self.name(name), *references)

    def _action(self, name: str, update: Request) -> tuple[str, str]:
        """Return the clause and the text of an action of AttributeUpdates."""
        action, reference = update.get("Action", "PUT"), self.name(name)
        if "Value" not in update:
            refuse_parameter_if(action != "DELETE", f"Only DELETE action is allowed when no attribute value is specified: {name}")
            return "REMOVE", reference
        value = self.value(update["Value"])
        kind = type_of(update["Value"])
        if action == "PUT":
            return "SET", f"{reference} = {value}"
        if action == "ADD" and kind == "L":
            return "SET", f"{reference} = list_append(if_not_exists({reference}, {self.value({'L': []})}), {value})"
        is_wrong = kind not in SETS and (action, kind) != ("ADD", "N")
        refuse_parameter_if(is_wrong, f"{action} action is not supported for the type {kind}")
        return action, f"{reference} {value}"
