"""The package for the processors of this machine, deployed to an emulated AWS on this machine. Needs a package index."""

import platform

import pytest

from infra import package
from infra.emulation.__main__ import deploy_and_try
from tests.repository import ROOT


@pytest.mark.slow
def test_a_deployed_package_sells_a_ticket(tmp_path):
    architecture = next(name for name, machines in package.ARCHITECTURES.items() if platform.machine() in machines)
    folder = package.build("dev", architecture, ROOT / ".build" / "emulated")
    assert package.package_problems(folder, architecture) == []
    deploy_and_try("dev", folder, tmp_path)
