"""`make run` as processes, and what is said to them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.test_tidy import ROOT

DIRECT = build_opener(ProxyHandler({}))


class Run:
    """One local runtime in a process group of its own, as a terminal would start it."""

    def __init__(self, data: Path, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FAIRGATE_", "COV_", "STRIPE_"))}
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "infra.local"],
            cwd=ROOT,
            env={**clean, "PORT": "0", "DATA": str(data), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def until(self, text: str) -> "Run":
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return self
        raise AssertionError(f"it ended before it said {text!r}: {self.said}")

    @property
    def demo(self) -> dict:
        return json.loads((self.data / "demo.json").read_bytes())

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict]:
        sent = {
            "X-User-Id": "ada",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = json.dumps(body).encode() if body is not None else None
        try:
            with DIRECT.open(Request(self.demo["base_url"] + path, data, sent, method=method), timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def end(self) -> int:
        """Wait for it; what it says until then is in `said`."""
        self.said += self.process.communicate(timeout=60)[0]
        return self.process.returncode

    def ctrl_c(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        return self.end()


@pytest.fixture
def start():
    runs: list[Run] = []

    def start(data: Path, **environment: str) -> Run:
        runs.append(Run(data, **environment))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            try:
                run.process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                run.process.kill()
                raise
