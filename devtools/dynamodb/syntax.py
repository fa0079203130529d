"""The syntax of expressions, and the parameters that came before expressions."""

import pathlib
import re
from collections.abc import Callable
from itertools import count
from typing import Any, NoReturn

from devtools.dynamodb.values import SETS, Item, Value, check_name, check_value, encode_item, invalid, refuse_if, refuse_value_if, type_of

Part = str | int
Path = tuple[Part, ...]  # attribute names and indexes of lists
Node = tuple[Any, ...]  # an operator or function and its operands, ("path", path) or ("value", reference)
Check = tuple[str, frozenset[str], Callable[[dict[str, Value]], object]]  # a value's reference and types, and what to call for other types
Request = dict[str, Any]

_MAX_BYTES, _MAX_OPERATORS, _MAX_PATH_LENGTH, _MAX_OPERANDS_OF_IN, _MAX_REFERENCE_LENGTH = 4096, 300, 32, 100, 255
_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+|<=|>=|<>|[=<>()\[\],.+-])|(\S))", re.ASCII)
_COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
_RESERVED = frozenset(pathlib.Path(__file__).with_name("reserved_words.txt").read_text().split())


class Parser:
    """Parses an expression, in which references to names stand for these names."""

    def __init__(self, parameter: str, text: str, names: dict[str, str]) -> None:
        self.parameter, self.names = parameter, names
        self.refuse_if(not text.strip(), "The expression can not be empty;")
        self.refuse_if((size := len(text.encode())) > _MAX_BYTES, f"The expression is too large; expression size: {size}")
        matches = _TOKEN.findall(text)
        self.refuse_token_if(wrong := next((wrong for _, wrong in matches if wrong), ""), wrong)
        self.tokens: list[str] = [*(token for token, _ in matches if token), ""]
        self.at = self.operator_count = 0
        self.enclosed: Node | None = None  # the last condition in parentheses
        self.roots: set[Part] = set()  # the first parts of all paths
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.checks: list[Check] = []  # of the values of a request, which the compiler adds

    def fail(self, message: str) -> NoReturn:
        raise invalid(f"Invalid {self.parameter}: {message}")

    def refuse_if(self, problem: Any, message: str) -> None:
        if problem:
            self.fail(message)

    def refuse_token_if(self, problem: Any, token: str) -> None:
        self.refuse_if(problem, f'Syntax error; token: "{token or "<EOF>"}"')

    @property
    def token(self) -> str:
        return self.tokens[self.at]

    def take(self, expected: str = "") -> str:
        token = self.token
        self.refuse_token_if(expected and token.upper() != expected, token)
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

    def enclosed_list(self) -> list[Node]:
        self.take("(")
        operands = self.list_of(self.operand)
        self.take(")")
        return operands

    # Operands

    def path(self) -> Path:
        parts: list[Part] = [self._name()]
        self.roots.add(parts[0])
        while self.token in (".", "["):
            if self.take() == ".":
                parts.append(self._name())
                continue
            index = self.take()
            self.refuse_token_if(not index.isdigit(), index)
            self.refuse_if(len(index) > 9, f"List index is not within the allowable range; index: [{index}]")
            parts.append(int(index))
            self.take("]")
        self.refuse_if(len(parts) > _MAX_PATH_LENGTH, f"The document path has too many nesting levels; nesting levels: {len(parts)}")
        return tuple(parts)

    def _name(self) -> str:
        if self.token[:1] == "#":
            reference = self._reference("#", self.used_names)
            self.refuse_if(reference not in self.names, f"An expression attribute name is not defined; attribute name: {reference}")
            return self.names[reference]
        token = self.take()
        self.refuse_token_if(not token[:1].isalpha(), token)
        self.refuse_if(token.upper() in _RESERVED, f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def value(self) -> Node:
        return ("value", self._reference(":", self.used_values))

    def _reference(self, sign: str, used: set[str]) -> str:
        token = self.take()
        self.refuse_token_if(token[:1] != sign or len(token) < 2, token)
        self.refuse_if(len(token) > _MAX_REFERENCE_LENGTH, f"A reference exceeds the size limit of {_MAX_REFERENCE_LENGTH} characters")
        used.add(token)
        return token

    def operand(self) -> Node:
        """Parse a path, a reference to a value, or a function of them."""
        if self.token[:1] == ":":
            return self.value()
        if self.token[:1].isalpha() and self.tokens[self.at + 1] == "(":
            return (self.take(), *self.enclosed_list())
        return ("path", self.path())

    def condition(self, strength: int = 0) -> Node:
        """Parse a condition. NOT binds more strongly than AND, and AND more strongly than OR."""
        if self.take_if("NOT"):
            self._count_operator()
            left: Node = ("not", self.condition(2))
        else:
            left = self._parenthesized() if self.take_if("(") else self._comparison()
        while ((word := self.token.lower()) == "or" and strength < 1) or (word == "and" and strength < 2):
            self._count_operator()
            self.take()
            left = (word, left, self.condition(1 if word == "or" else 2))
        return left

    def _count_operator(self) -> None:
        self.operator_count += 1
        self.refuse_if(self.operator_count > _MAX_OPERATORS, f"Too many operators; operator count: {self.operator_count}")

    def _parenthesized(self) -> Node:
        inner = self.condition()
        self.take(")")
        self.refuse_if(inner is self.enclosed, "The expression has redundant parentheses;")
        self.enclosed = inner
        return inner

    def _comparison(self) -> Node:
        left = self.operand()
        word = self.token.upper()
        if word not in (*_COMPARATORS, "BETWEEN", "IN"):
            self.refuse_token_if(left[0] in ("path", "value"), self.token)
            return left
        self._count_operator()
        self.take()
        if word == "BETWEEN":
            low = self.operand()
            self.take("AND")
            return ("between", left, low, self.operand())
        if word != "IN":
            return (word, left, self.operand())
        operands = self.enclosed_list()
        self.refuse_if(len(operands) > _MAX_OPERANDS_OF_IN, f"Too many operands; operator: IN, number of operands: {len(operands)}")
        return ("in", left, *operands)

    def update(self) -> list[tuple[Path, Node]]:
        """Parse an update: paths, and what they are set to. ADD and DELETE are operators of the present value and an operand."""
        actions: list[tuple[Path, Node]] = []
        clauses = {"SET", "REMOVE", "ADD", "DELETE"}
        while self.token:
            clause = self.take().upper()
            self.refuse_token_if(clause not in clauses, clause)  # each can be used once
            clauses.remove(clause)
            actions += self.list_of(lambda: self._action(clause))  # noqa: B023
        return actions

    def _action(self, clause: str) -> tuple[Path, Node]:
        path = self.path()
        if clause == "REMOVE":
            return path, (clause,)
        if clause != "SET":
            return path, (clause, ("path", path), self.value())
        self.take("=")
        left = self.operand()
        return path, (clause, (self.take(), left, self.operand()) if self.token in ("+", "-") else left)


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


def check_depth(value: Value | None, path: Path) -> None:
    """Raise ApiError if a valid value is nested too deeply to be at this path. Encoded, each level takes four bytes at least."""
    if value is not None and len(encode_item(value)) > 4 * (_MAX_PATH_LENGTH - len(path)):
        check_value(value, len(path))


def path_text(path: Path) -> str:
    return "[" + ", ".join(f"[{part}]" if type(part) is int else str(part) for part in path) + "]"


# Parameters that came before expressions: they are translated into expressions

_TRANSLATIONS = {
    "Expected": "ConditionExpression",
    "QueryFilter": "FilterExpression",
    "ScanFilter": "FilterExpression",
    "KeyConditions": "KeyConditionExpression",
    "AttributeUpdates": "UpdateExpression",
    "AttributesToGet": "ProjectionExpression",
}
_OLDER = frozenset((*_TRANSLATIONS, "ConditionalOperator"))
_COMPARISONS = {word: f"{{}} {sign} {{}}" for word, sign in zip(("EQ", "NE", "LT", "LE", "GT", "GE"), _COMPARATORS, strict=True)}
_COMPARISONS |= {"BEGINS_WITH": "begins_with({}, {})", "BETWEEN": "{} BETWEEN {} AND {}", "IN": "{} IN ({})"}
_COMPARISONS |= {"CONTAINS": "contains({}, {})", "NOT_CONTAINS": "attribute_exists({0}) AND NOT contains({0}, {1})"}
_COMPARISONS |= {"NULL": "attribute_not_exists({})", "NOT_NULL": "attribute_exists({})"}


def translate_older_parameters(request: Request) -> None:
    """Add expressions that mean the same as the parameters that came before expressions. Raises ApiError."""
    if _OLDER.isdisjoint(request):
        return
    older = [parameter for parameter in request if parameter in _OLDER]
    expressions = [expression for expression in dict.fromkeys(_TRANSLATIONS.values()) if expression in request]
    mixed = [parameter for parameter in older if parameter != "KeyConditions" or "KeyConditionExpression" in request]
    problem = "Can not use both expression and non-expression parameters in the same request"
    refuse_if(expressions and mixed, f"{problem}: {', '.join(expressions + mixed)}")
    is_unused = "ConditionalOperator" in older and not any(request.get(name) for name in ("Expected", "QueryFilter", "ScanFilter"))
    refuse_if(is_unused, "ConditionalOperator cannot be used without Filter or Expected")
    translation = _Translation(request)
    for parameter, expression in _TRANSLATIONS.items():
        if content := request.get(parameter):
            request[expression] = translation.expression(parameter, content, request.get("ConditionalOperator", "AND"))
    given = {"ExpressionAttributeNames": translation.names, "ExpressionAttributeValues": translation.values}
    request |= {parameter: references for parameter, references in given.items() if references}


class _Translation:
    """Translates parameters of a request into expressions, which add their references to its names and values."""

    def __init__(self, request: Request) -> None:
        self.names = dict(request.get("ExpressionAttributeNames") or {})
        self.values = dict(request.get("ExpressionAttributeValues") or {})

    def _name(self, name: str) -> str:
        check_name(name)
        return _refer(self.names, "#", name)

    def _value(self, value: Value) -> str:
        check_value(value)
        return _refer(self.values, ":", value)

    def expression(self, parameter: str, content: Any, operator: str) -> str:
        if parameter == "AttributesToGet":
            refuse_value_if(len(set(content)) < len(content), f"Duplicate value in attribute name: {content}")
            return ", ".join(map(self._name, content))
        if parameter == "AttributeUpdates":
            actions = [self._action(name, update) for name, update in content.items()]
            clauses = {clause: [text for kind, text in actions if kind == clause] for clause, _ in actions}
            return " ".join(f"{clause} {', '.join(texts)}" for clause, texts in clauses.items())
        return f" {operator} ".join(self._condition(name, condition) for name, condition in content.items())

    def _condition(self, name: str, condition: Request) -> str:
        comparison, operands, exists = (condition.get(key) for key in ("ComparisonOperator", "AttributeValueList", "Exists"))
        if comparison is None:
            refuse_value_if(operands is not None, f"AttributeValueList can only be used with a ComparisonOperator: {name}")
            problem = "cannot be used when Exists is set to false" if exists is False else "must be provided when Exists is true or null"
            refuse_value_if(("Value" in condition) == (exists is False), f"Value {problem} for Attribute: {name}")
            comparison, operands = ("NULL", []) if exists is False else ("EQ", [condition["Value"]])
        else:
            has_both = "Value" in condition or exists is not None
            refuse_value_if(has_both, f"Value or Exists cannot be used with ComparisonOperator for Attribute: {name}")
        operands = operands or []
        references, types = [self._value(operand) for operand in operands], [type_of(operand) for operand in operands]
        allowed = {"EQ": types, "NE": types, "BEGINS_WITH": ("S", "B")}.get(comparison, ("S", "N", "B"))
        wrong = [kind for kind in types if kind not in allowed]
        refuse_value_if(wrong, f"ComparisonOperator {comparison} is not valid for {wrong} AttributeValue type")
        wanted = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2, "IN": max(1, len(types))}.get(comparison, 1)
        refuse_value_if(len(types) != wanted, f"Invalid number of argument(s) for the {comparison} ComparisonOperator")
        refuse_value_if(len(set(types)) > 1, "AttributeValues inside AttributeValueList must all be of the same type")
        operands_text = [", ".join(references)] if comparison == "IN" else references
        return _COMPARISONS[comparison].format(self._name(name), *operands_text)

    def _action(self, name: str, update: Request) -> tuple[str, str]:
        """Return the clause and the text of an action of AttributeUpdates."""
        action, reference = update.get("Action", "PUT"), self._name(name)
        if "Value" not in update:
            refuse_value_if(action != "DELETE", f"Only DELETE action is allowed when no attribute value is specified: {name}")
            return "REMOVE", reference
        value = self._value(update["Value"])
        kind = type_of(update["Value"])
        if action == "PUT":
            return "SET", f"{reference} = {value}"
        if action == "ADD" and kind == "L":
            return "SET", f"{reference} = list_append(if_not_exists({reference}, {self._value({'L': []})}), {value})"
        refuse_value_if(kind not in SETS and (action, kind) != ("ADD", "N"), f"{action} action is not supported for the type {kind}")
        return action, f"{reference} {value}"


def _refer(given: dict[str, Any], sign: str, content: Any) -> str:
    reference = next(reference for reference in (f"{sign}{number}" for number in count(len(given))) if reference not in given)
    given[reference] = content
    return reference
