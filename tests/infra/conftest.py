"""Starts `make run` as processes and sends them requests and signals."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import SystemRandom
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.repository import ROOT

COMMAND = (sys.executable, "-m", "infra.local")
DIRECT = build_opener(ProxyHandler({}))


def find_port() -> int:
    """Return a free port below those that the system assigns, so that no other test gets it before the process that is to use it."""
    for port in SystemRandom().sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


_NOT_COPIED = (".git", ".venv", ".data", ".build", "__pycache__", ".*_cache", ".hypothesis", "node_modules", ".coverage*", ".env")


def copy_repository(folder: Path) -> None:
    """Copy what a clone has, with the changes that are not committed yet."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED))


class LocalRun:
    """One `make run` in a process group of its own, as a terminal starts it. It may write files of `limited_to` bytes."""

    def __init__(
        self, data: Path, *, command: Sequence[str] = COMMAND, folder: Path = ROOT, limited_to: int | None = None, **environment: str
    ) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FAIRGATE_", "COV_", "STRIPE_"))}
        self.data = data
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**clean, "PORT": "0", "DATA": str(data), "ENV_FILE": os.devnull, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=None if limited_to is None else partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limited_to, limited_to)),
        )
        self.output = ""

    def wait_for(self, text: str) -> "LocalRun":
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return self
        raise AssertionError(f"it ended before it printed {text!r}: {self.output}")

    @property
    def demo(self) -> dict:
        return json.loads((self.data / "demo.json").read_bytes())

    def request(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict]:
        sent = {
            "X-User-Id": "ada",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = json.dumps(body).encode() if body is not None else None
        try:
            with DIRECT.open(Request(self.demo["base_url"] + path, data, sent, method=method), timeout=60) as response:
                return response.status, json.loads(response.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def wait(self) -> int:
        """Wait until it ends; returns its exit code. What it prints until then is in `output`."""
        self.output += self.process.communicate(timeout=180)[0]
        return self.process.returncode

    def end(self) -> None:
        """Stop it if it runs. Raises TimeoutExpired, and kills it, if it does not stop within a minute and a half."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.communicate(timeout=90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    def ctrl_c(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()


@pytest.fixture
def start():
    runs: list[LocalRun] = []

    def start(data: Path, limited_to: int | None = None, folder: Path = ROOT, **environment: str) -> LocalRun:
        runs.append(LocalRun(data, limited_to=limited_to, folder=folder, **environment))
        return runs[-1]

    yield start
    for run in runs:
        run.end()
