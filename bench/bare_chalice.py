"""A Chalice app with one handler that does nothing: the floor of every measure of the API.

`python -m bench.bare_chalice` runs it behind the HTTP server of the local run, on any free port. It prints the port and ends when its
input ends.
"""

import sys
import tempfile
from pathlib import Path

from chalice.app import Chalice

from infra.local.gateway import Gateway
from infra.local.server import LocalServer

PATH = "/v1/bare/x"


def create_app() -> Chalice:
    app = Chalice(app_name="bare", configure_logs=False)

    @app.route("/v1/bare/{name}")
    def bare(name: str) -> dict[str, str]:
        return {"name": name}

    return app


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = LocalServer(0)
        server.start(Gateway(create_app()), Path(folder))
        print(server.port, flush=True)
        sys.stdin.read()
        server.stop()


if __name__ == "__main__":
    main()
