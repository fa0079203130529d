"""The file `.env`: variables of the environment for `make run` and the bootstrap commands. The environment itself is preferred."""

import os
import sys
from pathlib import Path

from dotenv.parser import parse_stream

DEFAULT_FILE = ".env"


def find() -> Path:
    """The file that ENV_FILE names, else `.env` in the working folder, where there may be none."""
    return Path(os.environ.get("ENV_FILE") or DEFAULT_FILE)


def load() -> None:
    """Set the variables of `.env` in the working folder, or of the file that ENV_FILE names, unless the environment has them.

    Ends the process with exit code 2 if the file that ENV_FILE names cannot be read, or a line of the file sets nothing.
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
    """The variables of a file, with no `$` replaced. Raises OSError, or ValueError that names the line but not what is in it."""
    variables = {}
    with file.open(encoding="utf-8") as text:
        for part in parse_stream(text):
            line = part.original.string
            if part.error or (part.key and part.value is None):
                number = part.original.line + len(line) - len(line.lstrip("\n"))
                raise ValueError(f"line {number} must be NAME=value, or begin with # (docs/settings.md lists the settings)")
            if part.key and part.value is not None:
                variables[part.key] = part.value
    return variables
