"""The file `.env`: environment variables for `make run` and the commands. The environment itself takes precedence."""

import os
import sys
from pathlib import Path

from dotenv.parser import parse_stream

DEFAULT_FILE = ".env"


def find() -> Path:
    """Return the file that ENV_FILE names, or `.env` in the working folder, which may not exist."""
    return Path(os.environ.get("ENV_FILE") or DEFAULT_FILE)


def load() -> None:
    """Set the variables of `.env`, or of the file that ENV_FILE names, unless the environment already has them.

    Ends the process with exit code 2 if the file that ENV_FILE names cannot be read, or if a line is not valid.
    """
    named, file = bool(os.environ.get("ENV_FILE")), find()
    if not named and not file.exists():
        return
    try:
        variables = _read(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"{'ENV_FILE' if named else 'fairgate'}: {file} cannot be used: {reason}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _read(file: Path) -> dict[str, str]:
    """Read the variables of a file without expanding `$`. Raises OSError, or a ValueError that names the line but not its content."""
    variables = {}
    with file.open(encoding="utf-8") as text:
        for part in parse_stream(text):
            line = part.original.string
            if part.error or (part.key and part.value is None):
                number = part.original.line + len(line) - len(line.lstrip("\n"))
                raise ValueError(f"line {number} must be NAME=value or start with # (docs/settings.md lists the settings)")
            if part.key and part.value is not None:
                variables[part.key] = part.value
    return variables
