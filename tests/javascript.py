"""JavaScript in the tests, run by the Node that builds the pages."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infra.web import find_node

WEB = Path(__file__).parents[1] / "web"
TYPESCRIPT = ("--experimental-strip-types", "--disable-warning=ExperimentalWarning")  # Node 24 needs no option for it, 22 does


def run_module(script: str, cases: Iterable[Any]) -> list[Any]:
    """Run a module once, in one process: it reads a line of JSON for each case and prints one as its result.

    It can import from $WEB, also TypeScript.
    """
    finished = subprocess.run(
        [str(find_node().binary), *TYPESCRIPT, "--input-type=module", "--eval", script.replace("$WEB", WEB.as_uri())],
        input="\n".join(json.dumps(case) for case in cases),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]
