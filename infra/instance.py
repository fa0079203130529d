"""A Lambda function in a process of its own, and the modules that it loads."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from msgspec import Struct


class InstanceFailed(Exception):
    """The process of a function ended; its error is on stderr."""


class FunctionReply(Struct, frozen=True):
    """The reply of a function, and the modules loaded and the CPU seconds used until then."""

    reply: Any
    modules: list[str]
    cpu_seconds: float

    @property
    def packages(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.modules)

    def json_body(self) -> Any:
        """Return the body of an HTTP reply. Raises ValueError unless the request succeeded."""
        if self.reply["statusCode"] >= 300:
            raise ValueError(f"status {self.reply['statusCode']}: {self.reply['body']}")
        return json.loads(self.reply["body"])


class Instance:
    """A function that runs in a process of its own, from the code in `folder`. With `alone` it can import nothing outside that folder."""

    def __init__(self, folder: Path, handler: str, environment: dict[str, str], *, alone: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *(["-I", "-S"] if alone else []), Path(__file__).with_name("instance_process.py"), folder, handler],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.start = self._read()

    def call(self, event: Any) -> FunctionReply:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> FunctionReply:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InstanceFailed(f"the function ended with exit code {self._process.wait()}; its error is above")
        return FunctionReply(**json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
