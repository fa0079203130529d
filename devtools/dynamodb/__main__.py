"""`python -m devtools.dynamodb --port 8000 --folder DIR` serves DynamoDB and DynamoDB Streams on this machine."""

import argparse
import gc
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import StoreDamaged, StoreInUse, StoreTooNew, StoreTooOld, open_journal
from devtools.dynamodb.server import Server

_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.dynamodb", description="Serve DynamoDB on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000); 0 takes any free port")
    parser.add_argument("--folder", type=Path, help="keep the data in this folder (default: in memory until the process ends)")
    parser.add_argument("--region", default="us-east-1", help="the region in ARNs (default: us-east-1)")
    options = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)  # in all threads: this one waits for them
    with ExitStack() as on_exit:
        engine = Engine(region=options.region)
        try:
            if options.folder is not None:
                on_exit.enter_context(open_journal(options.folder, engine))
            gc.freeze()  # the loaded state is not garbage
            server = on_exit.enter_context(Server(engine, options.port))
        except (OSError, StoreDamaged, StoreInUse, StoreTooNew, StoreTooOld) as fault:
            print(f"DynamoDB cannot be served: {fault}", file=sys.stderr)
            return 1
        print(f"DynamoDB is at {server.url} and keeps its data in {options.folder or 'memory'}. Press Ctrl+C to stop it.", flush=True)
        signal.sigwait(_STOP_SIGNALS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
