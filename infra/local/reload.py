"""RELOAD=1: a local run that starts again when the code or the bootstrap file was edited. The data stays, so nothing sold is lost."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType

from watchfiles import Change, watch

from infra.local.server import HOST

ROOT = Path(__file__).parents[2]
WATCHED = ("app.py", "bootstrap", "chalicelib", "devtools", "infra")
SUFFIXES = (".py", ".json", ".txt", ".html", ".j2")
CHECK_MILLISECONDS = 300  # between two looks at whether the run has ended


def run_again_after_edits(port: int, variables: Mapping[str, str]) -> int:
    """Run `make run` in a process of its own, and again after each edit; returns its exit code when it was stopped.

    A run that cannot start, because the edited code has a fault, is tried again after the next edit. Port 0 becomes one free port for all.
    `variables` is the environment without those of the file `.env`, which each run reads for itself.
    """
    environment = {**variables, "RELOAD": "0", "PORT": str(port or _free_port())}
    run = _Run(environment)
    environment["RESET"] = "0"  # deletes the data once
    for changes in watch(*_watched(), watch_filter=_is_source, yield_on_timeout=True, rust_timeout=CHECK_MILLISECONDS):
        if run.is_stopping or run.process.poll() == 0:
            return run.process.wait()
        if changes:
            print(f"\nEdited: {_names(changes)}. Starting again ...", flush=True)
            run.start_again(environment)
    return run.process.wait()


class _Run:
    """The process of the run. It is in this process's group, so Ctrl-C in a terminal reaches both; SIGTERM is passed on."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.is_stopping = False
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
        self.process = subprocess.Popen([sys.executable, "-m", "infra.local"], env=environment)

    def _stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.is_stopping = True
        if signum == signal.SIGTERM:
            self.process.terminate()


def _watched() -> list[Path]:
    env_file = Path(os.environ.get("ENV_FILE") or ".env")
    return [path for path in (*(ROOT / name for name in WATCHED), env_file) if path.exists()]


def _is_source(change: Change, path: str) -> bool:  # noqa: ARG001
    return "__pycache__" not in path and (path.endswith(SUFFIXES) or Path(path).name.startswith(".env"))


def _names(changes: Iterable[tuple[Change, str]]) -> str:
    names = sorted({os.path.relpath(path, ROOT) for _, path in changes})
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])
