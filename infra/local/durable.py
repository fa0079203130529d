"""A store that survives restarts, and says so when it did not.

MiniStack writes its state only when it ends in order. A marker beside the state says that a run is under way; one that is
found at a start belongs to a run that ended in disorder, and then the age of the state tells whether anything was lost.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec

from infra.local.ministack import STOP_SECONDS, MiniStack, StoreFailed


class Run(msgspec.Struct):
    """The marker: which process keeps the state, and since when (epoch seconds)."""

    pid: int
    started_at: float


class DurableStore:
    def __init__(self, folder: Path, log: Path) -> None:
        self._state, self._marker = folder / "state", folder / "running.json"
        self._state.mkdir(parents=True, exist_ok=True)
        self.lost_since = self._what_was_lost()
        self._process = MiniStack(log, self._state)
        self._marker.write_bytes(msgspec.json.encode(Run(self._process.pid, time.time())))
        self.endpoint = self._process.endpoint
        try:
            self._process.wait_until_ready()
        except BaseException:
            # It has loaded at most what is on disk; nothing can be lost, so no marker must say so.
            self.kill()
            self._marker.unlink()
            raise

    @property
    def running(self) -> bool:
        return self._process.running

    def stop(self) -> None:
        """Save and end; raises StoreFailed when the state is not on disk afterwards."""
        asked_at = time.time()
        if not self._process.stop() or self._saved_at() < asked_at - 1:
            raise StoreFailed("The store did not save its data. What this run has changed is lost; the data is as it was at its start.")
        self._marker.unlink()

    def kill(self) -> None:
        self._process.kill()

    def _saved_at(self) -> float:
        file = self._state / "dynamodb.json"
        return file.stat().st_mtime if file.exists() else 0

    def _what_was_lost(self) -> float | None:
        """When the run began whose changes are lost, or None. Ends a store that outlived its run, so that it saves."""
        try:
            run = msgspec.json.decode(self._marker.read_bytes(), type=Run)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        _wait_for_end(run)
        return None if self._saved_at() >= run.started_at else run.started_at


def _wait_for_end(run: Run) -> None:
    """Where the system does not end the store with its run, it is still there, with all data: ask it to save."""
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        asked = False
        while time.monotonic() < deadline and _is_ministack(run.pid):
            if not asked:
                os.kill(run.pid, signal.SIGTERM)
                asked = True
            time.sleep(0.1)


def _is_ministack(pid: int) -> bool:
    """Whether the process with this id is (still) a MiniStack: ids are used again."""
    import subprocess

    answer = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "ministack" in answer.stdout
