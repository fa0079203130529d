"""Runs JavaScript and TypeScript modules in tests, with the Node that builds the pages."""

import json
import os
import subprocess
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from infra.web import find_node
from tests.repository import ROOT

WEB = ROOT / "web"
# The sources import each other without an extension, which bundlers add. Node needs a hook for that. `register` would start a thread for
# the hook, which takes longer.
_HOOK = r"""
import { registerHooks } from "node:module";
registerHooks({ resolve: (name, context, next) => next(/^(\.\.?\/)+[^.]+$/.test(name) ? `${name}.ts` : name, context) });
"""
_COMPILED = ROOT / ".build" / "node"  # compiled modules by their content: to compile them again took most of the time
TYPESCRIPT = ("--experimental-strip-types", "--disable-warning=ExperimentalWarning")  # Node 22 needs these options, Node 24 does not


def run_module(script: str, cases: Iterable[Any]) -> list[Any]:
    """Run a module in one process and return its results. The module reads one line of JSON per case and prints one line per result.

    The module can import JavaScript and TypeScript files from $WEB.
    """
    finished = subprocess.run(
        [
            str(find_node().binary),
            *TYPESCRIPT,
            "--import",
            f"data:text/javascript,{quote(_HOOK)}",
            "--input-type=module",
            "--eval",
            script.replace("$WEB", WEB.as_uri()),
        ],
        input="\n".join(json.dumps(case) for case in cases),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | {"NODE_COMPILE_CACHE": str(_COMPILED)},
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]
