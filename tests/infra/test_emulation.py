"""The package for the processors of this machine, deployed to an emulated AWS on this machine. Needs a package index."""

import shutil
from pathlib import Path

import pytest

from infra import chalice_package, package
from infra.emulation import upgrade
from infra.emulation.__main__ import deploy_and_try
from infra.emulation.aws import EmulationFailed
from tests.repository import ROOT

pytestmark = pytest.mark.slow

RELEASE_BEFORE = "586d679"  # docs/backup.md says when another takes its place
ARCHITECTURE = package.own_architecture()


@pytest.fixture(scope="module")
def built() -> Path:
    return package.build("dev", ARCHITECTURE, ROOT / ".build" / "emulated")


def test_a_deployed_package_upgrades_the_release_before_and_sells_a_ticket(built, tmp_path):
    try:
        earlier = upgrade.find_revision(RELEASE_BEFORE)
    except EmulationFailed:  # a shallow clone; the rest can be tried
        earlier = ""
    assert package.package_problems(built, ARCHITECTURE) == []
    deploy_and_try("dev", built, tmp_path, earlier)
    if not earlier:
        pytest.skip(f"all but the upgrade was tried, because this clone has no {RELEASE_BEFORE}: git fetch --unshallow")


def test_a_stage_with_the_core_alone_sells_a_ticket(built, tmp_path):
    """Stages differ in their templates and pages alone, so the zip is that of the other stage."""
    folder = tmp_path / "core"
    shutil.copytree(built, folder)
    chalice_package.write("core", ARCHITECTURE, tmp_path / "template", template_alone=True)
    shutil.copy(tmp_path / "template" / "sam.json", folder)
    deploy_and_try("core", folder, tmp_path, "")
