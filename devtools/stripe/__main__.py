"""The fake Stripe as a server of its own: `python -m devtools.stripe --port 12111 --webhook http://127.0.0.1:8000/...`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from devtools.stripe.fake import FakeStripe

_SIGNAL_SECONDS = 0.5


def main() -> int:
    """0 after Ctrl-C or SIGTERM, 1 when the port or the journal cannot be used."""
    options = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Explicitly, since a shell starts commands in the background with SIGINT ignored.
        signal.signal(number, signal.default_int_handler)
    try:
        fake = FakeStripe(port=options.port, journal=options.journal, webhook_delivery="automatic")
    except OSError as error:
        if error.filename is not None:
            print(f"fake Stripe: cannot use the journal {error.filename}: {error.strerror}. Choose another file.", file=sys.stderr)
        else:
            print(f"fake Stripe: cannot use port {options.port}: {error.strerror}. Choose another one with --port.", file=sys.stderr)
        return 1
    with fake:
        for url in options.webhook:
            fake.add_webhook_endpoint(url)
        print(f"API             {fake.url}")
        print(f"secret key      {fake.api_key}")
        print(f"publishable key {fake.publishable_key}")
        print(f"webhook secret  {fake.webhook_secret}", flush=True)
        try:
            while True:
                # In short waits: a signal that comes just before an endless wait would never be noticed.
                threading.Event().wait(_SIGNAL_SECONDS)
        except KeyboardInterrupt:
            print("Stopped.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devtools.stripe",
        description="Run a fake Stripe on this machine until Ctrl-C. It prints its address and its keys. docs/fake-stripe.md describes it.",
    )
    parser.add_argument("--port", type=int, default=12111, help="the port to listen on; 0 takes any free port (default: 12111)")
    parser.add_argument("--webhook", action="append", default=[], metavar="URL", help="send webhooks to this URL; may be repeated")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="save all data in this file, and continue from it at the next start")
    return parser


if __name__ == "__main__":
    sys.exit(main())
