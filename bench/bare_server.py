"""`python -m bench.bare_server`: the HTTP server of the local run with a bare Chalice app behind it, the floor of everything over HTTP.

It listens on any free port, prints that port, and ends when its input ends.
"""

import sys
import tempfile
from pathlib import Path

from bench.bare_chalice import create_app
from infra.local.gateway import Gateway
from infra.local.server import LocalServer


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = LocalServer(0)
        server.start(Gateway(create_app()), Path(folder))
        print(server.port, flush=True)
        sys.stdin.read()
        server.stop()


if __name__ == "__main__":
    main()
