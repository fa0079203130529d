"""What the compilers of conditions and of updates share: a cursor over MiniStack's tokens, paths, and the values at paths."""

from collections.abc import Callable, Sequence
from typing import Any

from devtools.dynamodb.changes import Item
from devtools.dynamodb.pure_functions import ddb

Names = dict[str, str]
Values = dict[str, Any]
Path = tuple[Any, ...]  # names, and positions in lists
Token = tuple[str, str]

get_at_path: Callable[[Item, Path], Any] = ddb._get_at_path


class NotCompilable(Exception):
    """The expression, or what it meets in an item, is left to MiniStack: it has a fault, or is rare."""


class Cursor:
    """Reads tokens from left to right."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._position][0]

    @property
    def keyword(self) -> str:
        """The identifier at the cursor in capitals, an empty string for other tokens."""
        kind, text = self._tokens[self._position]
        return text.upper() if kind == "IDENT" else ""

    @property
    def function(self) -> str:
        """The name of the function that is called at the cursor, in lower case, or an empty string."""
        if self.kind == "IDENT" and self._tokens[self._position + 1][0] == "LPAREN":
            return self._tokens[self._position][1].lower()
        return ""

    def take(self, *kinds: str) -> str:
        """The text of the token at the cursor, which must be of one of these kinds."""
        kind, text = self._tokens[self._position]
        if kind not in kinds:
            raise NotCompilable
        self._position += 1
        return text

    def take_if(self, *kinds: str) -> str | None:
        return self.take(*kinds) if self.kind in kinds else None

    def take_path(self) -> Callable[[Names], Path]:
        """A function that returns the path, with its placeholders replaced by names."""
        parts: list[tuple[Any, bool]] = [self._take_name()]
        while True:
            if self.take_if("DOT"):
                parts.append(self._take_name())
            elif self.take_if("LBRACKET"):
                number = self.take("NUMBER")
                if not number.isdecimal():
                    raise NotCompilable
                self.take("RBRACKET")
                parts.append((int(number), False))
            else:
                return _path_function(parts)

    def _take_name(self) -> tuple[str, bool]:
        is_placeholder = self.kind == "NAME_REF"
        return self.take("NAME_REF", "IDENT"), is_placeholder


def _path_function(parts: list[tuple[Any, bool]]) -> Callable[[Names], Path]:
    if not any(is_placeholder for _, is_placeholder in parts):
        path = tuple(part for part, _ in parts)
        return lambda _names: path
    if len(parts) == 1:
        placeholder = str(parts[0][0])
        return lambda names: (names.get(placeholder, placeholder),)
    return lambda names: tuple(names.get(part, part) if is_placeholder else part for part, is_placeholder in parts)
