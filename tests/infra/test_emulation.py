"""The package for the processors of this machine, deployed to an emulated AWS on this machine. Needs a package index."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from chalicelib.foundation import settings
from infra import chalice_package, package
from infra.emulation import upgrade
from infra.emulation.__main__ import deploy_and_try
from infra.emulation.aws import EmulationFailed
from tests.repository import ROOT

pytestmark = pytest.mark.slow

FIRST_REVISION = "586d679"  # the first that can be upgraded
ARCHITECTURE = package.own_architecture()


def _release_before() -> str:
    """Return the tag of the release before this revision, which is not that of this revision itself."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "HEAD^"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or FIRST_REVISION


@pytest.fixture(scope="module")
def built(worker_id: str) -> Path:
    return package.build("dev", ARCHITECTURE, ROOT / ".build" / f"emulated-{worker_id}")  # tests of two workers may build at once


def test_the_code_in_the_package_and_the_stack_name_the_same_build(built):
    outputs = json.loads((built / "sam.json").read_bytes())["Outputs"]
    with zipfile.ZipFile(built / "deployment.zip") as zipped:
        assert zipped.read(f"chalicelib/{settings.BUILD_FILE}").decode() == outputs["Build"]["Value"]


def test_a_deployed_package_upgrades_the_release_before_and_sells_a_ticket(built, tmp_path):
    try:
        earlier = upgrade.find_revision(_release_before())
    except EmulationFailed:  # a shallow clone; the rest can be tried
        earlier = ""
    assert package.package_problems(built, ARCHITECTURE) == []
    deploy_and_try("dev", built, tmp_path, earlier)
    if not earlier:
        pytest.skip(f"all but the upgrade was tried, because this clone has no {FIRST_REVISION}: git fetch --unshallow")


def test_a_stage_with_the_core_alone_sells_a_ticket(built, tmp_path):
    """Stages differ in their templates and pages alone, so the zip is that of the other stage."""
    folder = tmp_path / "core"
    shutil.copytree(built, folder)
    chalice_package.write("core", ARCHITECTURE, tmp_path / "template", template_alone=True)
    shutil.copy(tmp_path / "template" / "sam.json", folder)
    deploy_and_try("core", folder, tmp_path, "")
