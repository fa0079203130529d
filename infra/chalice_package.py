"""Run `chalice package` for a stage: the template with Fairgate's additions, and the zip of the functions."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import app
from chalicelib.catalog import pages
from chalicelib.foundation import settings
from infra.release import describe_build
from infra.template import functions
from infra.template.additions import template_additions
from infra.template.stages import ROOT

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
        for name in ("chalicelib", ".chalice"):
            shutil.copytree(ROOT / name, clean / name, ignore=shutil.ignore_patterns("__pycache__", "deployments", "deployed", "*.pyc"))
        if shell is not None:
            shutil.copy(shell, clean / "chalicelib" / pages.PACKAGED_SHELL)
        build = describe_build()
        (clean / "chalicelib" / settings.BUILD_FILE).write_text(build)
        (clean / "requirements.txt").write_text(_requirements())
        _complete_config(clean / ".chalice", stage, architecture)
        additions = Path(scratch) / "additions.json"
        additions.write_text(json.dumps(template_additions(stage, app.app.routes, architecture, snapstart=snapstart)))
        program = _EMPTY_ZIP + _CHALICE if template_alone else _CHALICE
        command = [sys.executable, "-c", program, "package", "--stage", stage, "--merge-template", str(additions), str(target)]
        # Chalice requires a region, although the template names none.
        subprocess.run(command, cwd=clean, env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}, check=True, stdout=subprocess.DEVNULL)
    written = target / "sam.json"
    template = json.loads(written.read_bytes())
    template["Outputs"]["Build"] = {"Value": build}
    written.write_text(json.dumps(template, separators=(",", ":")))  # half the length of Chalice's format


def _complete_config(folder: Path, stage: str, architecture: str) -> None:
    """Add the architecture, and the policy of each function in a file of its own, as Chalice expects."""
    file = folder / "config.json"
    config = json.loads(file.read_bytes())
    config["lambda_architecture"] = architecture
    present = functions.functions_of(stage)
    for function in (name for name in functions.MADE_BY_CHALICE if name in present):
        name = f"policy-{function}.json"
        (folder / name).write_text(json.dumps(functions.policy(stage, function)))
        config["lambda_functions"].setdefault(function, {})["iam_policy_file"] = name
    file.write_text(json.dumps(config))


def _requirements() -> str:
    """Return the pinned requirements without Chalice, whose packager adds the few files that run on Lambda."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return "\n".join(["-c constraints.txt", *(line for line in lines if not line.startswith("chalice=="))]) + "\n"
