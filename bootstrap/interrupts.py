"""Ctrl-C in a command: it says what is so now instead of showing a traceback."""

import sys
from collections.abc import Callable

STOPPED = 130  # the exit code of what a shell's Ctrl-C has ended


def run(main: Callable[[], int], if_stopped: str) -> int:
    """Run a command; returns its exit code. `if_stopped` says what is so, and what to do next, when somebody stops it half-way."""
    try:
        return main()
    except KeyboardInterrupt:
        print(f"\nStopped. {if_stopped}", file=sys.stderr, flush=True)
        return STOPPED
