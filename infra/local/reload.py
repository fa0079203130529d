"""RELOAD=1: restart a local run after each edit of the code or the bootstrap file. The data, including sold tickets, stays."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from watchfiles import Change, watch

from bootstrap import env_file
from infra.local.server import HOST

ROOT = Path(__file__).parents[2]
WATCHED = ("app.py", "bootstrap", "chalicelib", "devtools", "infra")
SUFFIXES = (".py", ".json", ".txt", ".html", ".j2")
CHECK_MILLISECONDS = 300  # how often to check whether the run has ended


def run_again_after_edits(port: int, variables: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run `make run` in a process of its own, and restart it after each edit. Returns its exit code when it is stopped.

    A run that cannot start, because the edited code has a fault, is tried again after the next edit. Port 0 becomes one free port for all.
    `variables` is the environment without the file `.env`, which each run reads itself; `arguments` are passed to each run.
    """
    environment = {**variables, "RELOAD": "0", "PORT": str(port or _free_port())}
    settings_file = _WatchedFile(env_file.find())
    run = _Run(environment, arguments)
    environment["RESET"] = "0"  # only the first run deletes the data
    watched = [ROOT / name for name in WATCHED]
    for changes in watch(*watched, watch_filter=_is_source, yield_on_timeout=True, rust_timeout=CHECK_MILLISECONDS):
        if run.is_stopping or run.process.poll() == 0:
            return run.process.wait()
        edited = {path for _, path in changes} | ({str(settings_file.path)} if settings_file.has_changed() else set())
        if edited:
            print(f"\nEdited: {_names(edited)}. Restarting ...", flush=True)
            run.start_again(environment)
    return run.process.wait()


class _Run:
    """The process of the run. Ctrl-C in a terminal reaches both processes, which share a group; SIGTERM is passed on."""

    def __init__(self, environment: dict[str, str], arguments: Sequence[str]) -> None:
        self.is_stopping = False
        self._command = [sys.executable, "-m", "infra.local", *arguments]
        self._start(environment)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)

    def start_again(self, environment: dict[str, str]) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        if not self.is_stopping:
            self._start(environment)

    def _start(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(self._command, env=environment)

    def _stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.is_stopping = True
        if signum == signal.SIGTERM:
            self.process.terminate()


class _WatchedFile:
    """A file that may not exist, which watchfiles cannot watch."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._seen = self._state()

    def has_changed(self) -> bool:
        """Whether the file was created, edited or deleted since the last call."""
        before, self._seen = self._seen, self._state()
        return self._seen != before

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _is_source(change: Change, path: str) -> bool:  # noqa: ARG001
    return "__pycache__" not in path and path.endswith(SUFFIXES)


def _names(paths: Iterable[str]) -> str:
    names = sorted({os.path.relpath(path, ROOT) for path in paths})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])
