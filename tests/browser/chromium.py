"""A real Chromium for the tests: the machine's if it has one, else the one inside npm's `@sparticuz/chromium`, which runs as it is."""

import os
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from infra import web

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FOLDER = Path(__file__).parent
UNPACKED = web.BUILT.parent / "chromium"
# The package unpacks itself into the folder for temporary files. The libraries of its second archive are for machines that lack them.
UNPACK = """
import { join } from "node:path";
import chromium, { inflate } from "@sparticuz/chromium";
await chromium.executablePath();
await inflate(join("node_modules", "@sparticuz", "chromium", "bin", "al2023.tar.br"));
"""


class Chromium(Struct, frozen=True):
    """Its binary, and the environment that it needs."""

    binary: Path
    environment: dict[str, str]


def find_chromium() -> Chromium:
    """Raises an error that says what is missing: a test without a browser fails, it is never skipped."""
    with web.locked("chromium"):
        web.install_packages(FOLDER, web.find_node())
    installed = next((path for name in NAMES if (path := shutil.which(name))), None)
    if installed is not None:
        return Chromium(Path(installed), dict(os.environ))
    binary, libraries = UNPACKED / "chromium", UNPACKED / "al2023" / "lib"
    with web.locked("chromium"):
        _unpack(binary)
    missing = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout.count("not found")
    return Chromium(binary, {**os.environ, "LD_LIBRARY_PATH": str(libraries)} if missing else dict(os.environ))


def _unpack(binary: Path) -> None:
    node = web.find_node()
    done = UNPACKED / "unpacked"
    if done.exists() and binary.exists():
        return
    shutil.rmtree(UNPACKED, ignore_errors=True)
    UNPACKED.mkdir(parents=True)
    command = [str(node.binary), "--input-type=module", "--eval", UNPACK]
    finished = subprocess.run(command, cwd=FOLDER, env={**os.environ, "TMPDIR": str(UNPACKED)}, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"The Chromium of tests/browser/package.json could not be unpacked:\n{finished.stderr}"
    done.touch()
