"""Processes that serve the app to their own clients. They share a store, which they reach over HTTP, and a clock.

`python -m tests.proof.processes STORE CLOCK` reads commands from its standard input, one line of JSON each, and answers with the notes of
its clients and a last line. It may be killed at any moment, as Lambda may end an instance.
"""

import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, memory, settings
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.server import Server
from infra import tables
from infra.local.environment import LOCAL_CREDENTIALS
from tests import invariants
from tests.client import Client
from tests.proof.clients import FIRST_PROCESS, Plan, run_clients
from tests.proof.shared import SHARED
from tests.repository import ROOT
from tests.simulation.threads import run_in_threads

# What differs from the defaults. A request may take long, because a client moves the clock.
SETTINGS = {
    "stage": "proof",
    "identity": "demo",
    "payment_simulation": "on",
    "rate_limits": "off",
    "publishing": "all",
    "jwt_secret": "a-secret-of-the-proof-that-signs-access-tokens",
    "ticket_keys": "k1:a-secret-of-the-proof-that-signs-tickets",
    "request_seconds": 100_000,
}


class FileClock:
    """A clock in a file, which all processes read. Only one of them advances it."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    @property
    def now(self) -> int:
        return int(struct.unpack("<q", self._map[:8])[0])

    def advance(self, seconds: int) -> int:
        now = self.now + seconds
        self._map[:8] = struct.pack("<q", now)
        return now


class Process:
    """A process that was started, and the name of its clients' prefix."""

    def __init__(self, prefix: str, endpoint: str, clock_file: Path, errors: Path) -> None:
        self.prefix, self._errors = prefix, errors
        environment = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)} | LOCAL_CREDENTIALS
        command = [sys.executable, "-m", "tests.proof.processes", endpoint, str(clock_file)]
        with errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )

    def ask(self, name: str, *arguments: Any, kill_after: int | None = None) -> tuple[list[Any], Any]:
        """Give a command. Returns the notes of its clients and its result. Kills the process after so many notes, if a number is given."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode([name, *arguments]) + b"\n")
        self._process.stdin.flush()
        notes: list[Any] = []
        for line in self._process.stdout:
            answer = json.loads(line)
            if isinstance(answer, dict):
                return notes, answer["result"]
            notes.append(answer)
            if len(notes) == kill_after:
                self.kill()
                return notes + [json.loads(rest) for rest in self._process.stdout if rest.endswith(b"\n")], None
        raise AssertionError(f"process {self.prefix} ended: {self._errors.read_text()[-4000:]}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Processes:
    """Processes with a new store and a new clock."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder, self._server, self._started = folder, server, list[Process]()
        self._clock_file = folder / "clock"
        self._clock_file.write_bytes(struct.pack("<q", int(time.time())))

    def start(self, prefix: str) -> Process:
        errors = self._folder / f"errors-{len(self._started)}"
        self._started.append(process := Process(prefix, self._server.url, self._clock_file, errors))
        return process

    def stop(self) -> None:
        for process in self._started:
            process.kill()


@contextmanager
def open_processes() -> Iterator[Processes]:
    with tempfile.TemporaryDirectory() as folder, Server(Engine()) as server:
        processes = Processes(Path(folder), server)
        try:
            yield processes
        finally:
            processes.stop()


def run_processes(processes: Mapping[str, Process], name: str, plan: Plan, *, killed: str = "", kill_after: int = 0) -> int:
    """Let the clients of all processes use something at once, and linearize their history. Returns the number of operations.

    The process with the prefix `killed` is killed after so many notes of its clients.
    """
    first = processes[FIRST_PROCESS]
    _, shop = first.ask("open", name)

    def run(process: Process) -> list[Any]:
        return process.ask("run", name, shop, plan, process.prefix, kill_after=kill_after if process.prefix == killed else None)[0]

    notes = run_in_threads(len(processes), run, processes.values())
    count = SHARED[name].check(shop, [note for each in notes for note in each])
    first.ask("check")
    return count


# In a process.


def main(endpoint: str, clock_file: str) -> None:
    """Obey the commands of the standard input."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what the product prints does not go among the answers
    lock, shared_clock = threading.Lock(), FileClock(Path(clock_file))

    def send(answer: Any) -> None:
        with lock:
            os.write(answers, msgspec.json.encode(answer) + b"\n")

    with ExitStack() as stack:
        stack.enter_context(settings.override(store_endpoint=endpoint, **SETTINGS))
        stack.enter_context(clock.override(lambda: float(shared_clock.now)))
        commands = _Commands(shared_clock, send)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            send({"result": getattr(commands, name)(*arguments)})


class _Commands:
    def __init__(self, shared_clock: FileClock, send: Any) -> None:
        import app
        from infra.local.gateway import Gateway

        self._api, self._clock, self._send = Client(Gateway(app.app)), shared_clock, send

    def create_tables(self) -> None:
        tables.create_all(dynamo.client())

    def open(self, name: str) -> Any:
        return SHARED[name].open(self._api, self._clock)

    def run(self, name: str, shop: Any, plan: dict[str, Any], prefix: str) -> None:
        """Let the clients act as a new instance, which must read what others have written."""
        memory.forget_everything()
        run_clients(SHARED[name], self._api, self._clock, shop, Plan(**plan), self._send, prefix)

    def check(self) -> None:
        """Check the invariants, also after recovery."""
        invariants.check_recovery(self._clock)


if __name__ == "__main__":
    main(*sys.argv[1:])
