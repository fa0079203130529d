"""The file `.env`: variables of the environment for `make run` and the bootstrap commands. The environment itself is preferred."""

import os
from pathlib import Path

from dotenv import dotenv_values

DEFAULT_FILE = ".env"


def load() -> None:
    """Set the variables of `.env` in the working folder, or of the file that ENV_FILE names, unless the environment has them."""
    file = Path(os.environ.get("ENV_FILE") or DEFAULT_FILE)
    for name, value in dotenv_values(file, interpolate=False).items():
        if value is not None:
            os.environ.setdefault(name, value)
