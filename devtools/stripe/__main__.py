"""The fake as a server of its own: `python -m devtools.stripe --port 12111 --webhook http://127.0.0.1:8000/...`."""

import argparse
import sys
import threading
from pathlib import Path

from devtools.stripe.fake import FakeStripe


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.stripe", description="A local stand-in for Stripe; see docs/fake-stripe.md.")
    parser.add_argument("--port", type=int, default=12111, help="0: any (default: 12111)")
    parser.add_argument("--webhook", action="append", default=[], metavar="URL", help="where webhooks go; may be repeated")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="keep everything there, and go on with it at the next start")
    chosen = parser.parse_args()
    try:
        fake = FakeStripe(port=chosen.port, journal=chosen.journal, webhook_delivery="automatic")
    except OSError as error:
        print(f"fake Stripe: port {chosen.port}: {error.strerror}", file=sys.stderr)
        return 1
    with fake:
        for url in chosen.webhook:
            fake.add_webhook_endpoint(url)
        print(f"API             {fake.url}")
        print(f"secret key      {fake.api_key}")
        print(f"publishable key {fake.publishable_key}")
        print(f"webhook secret  {fake.webhook_secret}", flush=True)
        try:
            while True:
                threading.Event().wait(0.5)  # without an end, a signal that comes just before it is never heard
        except KeyboardInterrupt:
            print("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
