"""The fake Stripe as a server of its own: `python -m devtools.stripe --port 12111 --webhook http://127.0.0.1:8000/...`."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from devtools.stripe.fake import FakeStripe

_SIGNAL_SECONDS = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal. Returns 0 after Ctrl-C or SIGTERM, 1 if the port or the journal cannot be used."""
    options = _parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Set explicitly, because shells start background commands with SIGINT ignored.
        signal.signal(number, signal.default_int_handler)
    try:
        fake = FakeStripe(port=options.port, journal=options.journal, webhook_delivery="automatic")
    except OSError as error:
        if error.filename is not None:
            print(f"fake Stripe: cannot use the journal {error.filename}: {error.strerror}. Choose another file.", file=sys.stderr)
        else:
            print(f"fake Stripe: cannot use port {options.port}: {error.strerror}. Choose another port with --port.", file=sys.stderr)
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
                # Short waits, because a signal just before an endless wait would never be noticed.
                threading.Event().wait(_SIGNAL_SECONDS)
        except KeyboardInterrupt:
            print("Stopped.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devtools.stripe",
        description="Run a fake Stripe on this machine until Ctrl-C. It prints its address and its keys. docs/fake-stripe.md describes it.",
    )
    parser.add_argument("--port", type=_port, default=12111, help="the port to listen on; 0 takes any free port (default: 12111)")
    parser.add_argument(
        "--webhook", type=_url, action="append", default=[], metavar="URL", help="send webhooks to this URL; may be repeated"
    )
    parser.add_argument("--journal", type=Path, metavar="FILE", help="save all data in this file, and continue from it at the next start")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 (any free port) to 65535, not {text!r}")
    return int(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"must be a URL such as http://127.0.0.1:8000/api/v1/webhooks/stripe, not {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())
