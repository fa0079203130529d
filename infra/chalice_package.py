"""Run `chalice package` for a stage: the template with Fairgate's additions, and the zip of the functions.

`python -m infra.chalice_package` writes the policies of all deployed stages into .chalice, so that plain `chalice package` finds them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import app
from chalicelib.catalog import pages
from chalicelib.foundation import settings
from infra.release import describe_build
from infra.template import functions
from infra.template.additions import template_additions
from infra.template.stages import ROOT, Template, deployed_stages

# The program that builds the folder. The functions get the Python version that runs it.
_CHALICE = "from chalice.cli import main; main()"
_EMPTY_ZIP = """
import pathlib
from chalice.deploy.packager import LambdaDeploymentPackager

def write_empty_zip(packager, folder, *_):
    file = pathlib.Path(folder) / "empty.zip"
    file.write_bytes(b"PK" + bytes([5, 6]) + bytes(18))
    return str(file)

LambdaDeploymentPackager.create_deployment_package = write_empty_zip
"""
POLICIES = "policies"  # the folder in .chalice: <stage>/<function>.json


def main() -> None:
    for file, text in chalice_files().items():
        if not file.exists() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            print(f"Wrote {file.relative_to(ROOT)}.")
    for file in _unneeded_policies():
        file.unlink()
        print(f"Removed {file.relative_to(ROOT)}.")


def stale_files() -> list[str]:
    """Return the problems of the policies and of .chalice/config.json, which names them."""
    stale = [file for file, text in chalice_files().items() if not file.exists() or file.read_text() != text]
    names = [str(file.relative_to(ROOT)) for file in (*stale, *_unneeded_policies())]
    return [f"{name} is not fresh; run `make docs` (python -m infra.chalice_package)" for name in names]


def chalice_files() -> dict[Path, str]:
    """Return the policies of all functions of the deployed stages, and the configuration that names them, as they should be."""
    folder, config = ROOT / ".chalice", json.loads((ROOT / ".chalice" / "config.json").read_bytes())
    files = {folder / name: text for stage in deployed_stages() for name, text in _policies(stage, config)}
    return {**files, folder / "config.json": json.dumps(config, indent=2) + "\n"}


def _policies(stage: str, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each function's policy, and put the names into `config`."""
    present = functions.functions_of(stage)
    configured = config["stages"][stage].setdefault("lambda_functions", {})
    for function in (name for name in functions.MADE_BY_CHALICE if name in present):
        name = f"{POLICIES}/{stage}/{function}.json"
        configured.setdefault(function, {})["iam_policy_file"] = name
        policy = functions.policy(stage, function)
        statements = ",\n".join(json.dumps(statement) for statement in policy["Statement"])
        yield name, f'{{"Version": "{policy["Version"]}", "Statement": [\n{statements}\n]}}\n'


def _unneeded_policies() -> list[Path]:
    return sorted(set((ROOT / ".chalice" / POLICIES).glob("*/*")) - chalice_files().keys())


def write(
    stage: str, architecture: str, target: Path, *, shell: Path | None = None, snapstart: bool = False, template_alone: bool = False
) -> None:
    """Run `chalice package` on a clean copy, so that the zip holds only the code of the repository, and the `shell` of the built pages.

    The version and commit are in the zip and in the output `Build` of the stack.

    With `template_alone` the zip is empty, which takes two seconds instead of a minute. Exits if FAIRGATE_ADDONS leaves an add-on out of
    this process, because the template would lack its routes.
    """
    if settings.addons_of_process() != settings.ADDONS:
        sys.exit("Unset FAIRGATE_ADDONS in this shell: the package takes the add-ons of its stage from .chalice/config.json.")
    with tempfile.TemporaryDirectory() as scratch:
        clean = Path(scratch) / "fairgate"
        clean.mkdir()
        for name in ("app.py", "constraints.txt"):
            shutil.copy(ROOT / name, clean)
        shutil.copytree(ROOT / "chalicelib", clean / "chalicelib", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        if shell is not None:
            shutil.copy(shell, clean / "chalicelib" / pages.PACKAGED_SHELL)
        build = describe_build()
        (clean / "chalicelib" / settings.BUILD_FILE).write_text(build)
        (clean / "requirements.txt").write_text(_requirements())
        _write_config(clean / ".chalice", stage, architecture)
        additions = Path(scratch) / "additions.json"
        additions.write_text(json.dumps(template_additions(stage, app.app.routes, architecture, snapstart=snapstart)))
        program = _EMPTY_ZIP + _CHALICE if template_alone else _CHALICE
        command = [sys.executable, "-c", program, "package", "--stage", stage, "--merge-template", str(additions), str(target)]
        # Chalice requires a region, although the template names none.
        subprocess.run(command, cwd=clean, env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}, check=True, stdout=subprocess.DEVNULL)
    written = target / "sam.json"
    template = json.loads(written.read_bytes())
    template["Outputs"]["Build"] = {"Value": build}
    _describe_versions(template, build)
    written.write_text(json.dumps(template, separators=(",", ":")))  # half the length of Chalice's format


def _describe_versions(template: Template, build: str) -> None:
    """Describe each function by the build and a digest of its properties.

    Lambda publishes no version if only tags or reserved instances change, and the change of the stack would fail.
    """
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if "AutoPublishAlias" in properties:
            digest = sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:12]
            properties["Description"] = f"Build {build}, properties {digest}"


def _write_config(folder: Path, stage: str, architecture: str) -> None:
    """Write Chalice's configuration with the architecture, and the policies of the stage, which may be newer than the committed ones."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_bytes())
    config["lambda_architecture"] = architecture
    (folder / POLICIES / stage).mkdir(parents=True)
    for name, text in _policies(stage, config):
        (folder / name).write_text(text)
    (folder / "config.json").write_text(json.dumps(config))


def _requirements() -> str:
    """Return the pinned requirements without Chalice, whose packager adds the few files that run on Lambda."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return "\n".join(["-c constraints.txt", *(line for line in lines if not line.startswith("chalice=="))]) + "\n"


if __name__ == "__main__":
    main()
