"""Write log lines and metrics to a file, so that the terminal stays readable."""

import io
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TextIO

MAX_BYTES = 50 * 1024 * 1024


class WholeLines(io.TextIOBase):
    """A text file for several threads. It writes only whole lines, although `print` writes a line and its end separately.

    On a full disk it drops lines, because no request may fail for lack of its log line.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._thread_state = threading.local()
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        lines, end, rest = (getattr(self._thread_state, "unfinished", "") + text).rpartition("\n")
        self._thread_state.unfinished = rest
        if end:
            with self._lock, suppress(OSError):
                self._file.write(lines + end)
        return len(text)

    def flush(self) -> None:
        with self._lock, suppress(OSError):
            self._file.flush()


def redirect_stdout(file: Path) -> TextIO:
    """Append everything written to stdout to `file` from now on, and return the terminal. Renames a file above 50 MB first."""
    if file.exists() and file.stat().st_size > MAX_BYTES:
        file.replace(file.with_suffix(file.suffix + ".1"))
    terminal, sys.stdout = sys.stdout, WholeLines(file.open("a", buffering=1, encoding="utf-8"))
    return terminal
