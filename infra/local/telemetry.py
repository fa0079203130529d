"""Log lines and metrics go to a file, so that the terminal stays readable."""

import io
import sys
import threading
from pathlib import Path
from typing import TextIO

MAX_BYTES = 50 * 1024 * 1024


class WholeLines(io.TextIOBase):
    """Writes whole lines only, whichever thread they come from: `print` writes a line and its end separately."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._of_thread = threading.local()
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        lines, end, rest = (getattr(self._of_thread, "begun", "") + text).rpartition("\n")
        self._of_thread.begun = rest
        if end:
            with self._lock:
                self._file.write(lines + end)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            self._file.flush()


def route_to(file: Path) -> TextIO:
    """From now on what is written to stdout goes to `file`; the answer is the terminal. A file that has grown large is set aside."""
    if file.exists() and file.stat().st_size > MAX_BYTES:
        file.replace(file.with_suffix(file.suffix + ".1"))
    terminal, sys.stdout = sys.stdout, WholeLines(file.open("a", buffering=1, encoding="utf-8"))
    return terminal
