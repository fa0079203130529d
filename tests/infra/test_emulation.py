"""The package for the processors of this machine, deployed to an emulated AWS on this machine. Needs a package index."""

import pytest

from infra import package
from infra.emulation import upgrade
from infra.emulation.__main__ import deploy_and_try
from infra.emulation.aws import EmulationFailed
from tests.repository import ROOT

RELEASE_BEFORE = "586d679"  # docs/backup.md says when another takes its place


@pytest.mark.slow
def test_a_deployed_package_upgrades_the_release_before_and_sells_a_ticket(tmp_path):
    try:
        earlier = upgrade.find_revision(RELEASE_BEFORE)
    except EmulationFailed:  # a shallow clone; the rest can be tried
        earlier = ""
    architecture = package.own_architecture()
    folder = package.build("dev", architecture, ROOT / ".build" / "emulated")
    assert package.package_problems(folder, architecture) == []
    deploy_and_try("dev", folder, tmp_path, earlier)
    if not earlier:
        pytest.skip(f"all but the upgrade was tried, because this clone has no {RELEASE_BEFORE}: git fetch --unshallow")
