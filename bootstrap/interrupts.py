"""Exit codes that commands share, and Ctrl-C in a command: report the current state instead of a traceback."""

import sys
from collections.abc import Callable

NOT_CONFIRMED = 3  # nobody confirmed what the command would change
INTERRUPTED = 130  # the exit code that shells use after Ctrl-C


def run(main: Callable[[], int], if_stopped: str) -> int:
    """Run a command and return its exit code. `if_stopped` describes the state after an interruption, and what to do next."""
    try:
        return main()
    except KeyboardInterrupt:
        print(f"\nInterrupted. {if_stopped}", file=sys.stderr, flush=True)
        return INTERRUPTED
