"""What commands print: a result for people or, with `--json`, one JSON object for scripts, and the reason for a failure.

Standard output has only the result, and standard error all messages. docs/command-line.md describes both.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, to_builtins

from chalicelib.bootstrap_file.findings import printable


class Output(Struct, frozen=True):
    """The output of a command. Messages about failures begin with the name of the `command`, unless it is empty."""

    command: str
    is_json: bool

    def print_result(self, details: Any, lines: Iterable[str]) -> None:
        """Print the `lines` or, with `--json`, the `details`: a dict or a Struct."""
        print(_json(details) if self.is_json else terminal_text(lines), flush=True)

    def print_failure(self, error: str, code: int, lines: Iterable[str] = (), **details: Any) -> int:
        """Print the `lines` and then why the command failed. With `--json`, also print an object with `error` and the `details`.

        Returns the exit code `code`.
        """
        message = f"{self.command}: {error}" if self.command else error
        print(terminal_text([*lines, message]), file=sys.stderr, flush=True)
        if self.is_json:
            print(_json({"error": error, **details}), flush=True)
        return code


def add_json_option(parser: ArgumentParser) -> None:
    """Add `--json`, which every command with a result has."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def terminal_text(lines: Iterable[str]) -> str:
    """Return lines for a terminal, without the control characters that names in files and events may have."""
    return "\n".join(map(printable, lines))


def _json(details: Any) -> str:
    """Return one line of ASCII, which no terminal and no encoding changes."""
    return json.dumps(to_builtins(details, str_keys=True))
