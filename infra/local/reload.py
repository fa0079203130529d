"""RELOAD=1: a local run that starts again when the code or the bootstrap file was edited. The data stays, so nothing sold is lost."""

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
CHECK_MILLISECONDS = 300  # between two looks at whether the run has ended


def run_again_after_edits(port: int, variables: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run `make run` in a process of its own, and again after each edit; returns its exit code when it was stopped.

    A run that cannot start, because the edited code has a fault, is tried again after the next edit. Port 0 becomes one free port for all.
    `variables` is the environment without those of the file `.env`, which each run reads for itself; `arguments` are those of each run.
    """
    environment = {**variables, "RELOAD": "0", "PORT": str(port or _free_port())}
    settings_file = _WatchedFile(env_file.find())
    run = _Run(environment, arguments)
    environment["RESET"] = "0"  # deletes the data once
    watched = [ROOT / name for name in WATCHED]
    for changes in watch(*watched, watch_filter=_is_source, yield_on_timeout=True, rust_timeout=CHECK_MILLISECONDS):
        if run.is_stopping or run.process.poll() == 0:
            return run.process.wait()
        edited = {path for _, path in changes} | ({str(settings_file.path)} if settings_file.has_changed() else set())
        if edited:
            print(f"\nEdited: {_names(edited)}. Starting again ...", flush=True)
            run.start_again(environment)
    return run.process.wait()


class _Run:
    """The process of the run. It is in this process's group, so Ctrl-C in a terminal reaches both; SIGTERM is passed on."""

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
    """A file that may not be there: watchfiles can only watch what is."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._seen = self._state()

    def has_changed(self) -> bool:
        """Whether it was made, edited or deleted since this was asked last."""
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
