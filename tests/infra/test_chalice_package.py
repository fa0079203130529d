"""Chalice's own `chalice package` in a clone, and the policies that it finds there."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from chalice.config import Config

from infra import chalice_package
from infra.template import functions
from infra.template.stages import deployed_stages
from tests.infra.conftest import copy_repository
from tests.repository import ROOT


@pytest.fixture
def clone(tmp_path, monkeypatch):
    folder = tmp_path / "clone"
    copy_repository(folder)
    monkeypatch.setattr(chalice_package, "ROOT", folder)
    return folder


def test_the_committed_policies_are_fresh():
    assert chalice_package.stale_files() == []


def test_a_policy_that_is_not_fresh_is_named_and_written_again(clone, capsys):
    policies = clone / ".chalice" / "policies"
    before = (policies / "dev" / "sweep.json").read_text()
    (policies / "dev" / "sweep.json").write_text("{}")
    (policies / "prod" / "webhooks.json").write_text("{}")  # not a function of Chalice's
    assert [problem.partition(" is ")[0] for problem in chalice_package.stale_files()] == [
        ".chalice/policies/dev/sweep.json",
        ".chalice/policies/prod/webhooks.json",
    ]
    chalice_package.main()
    assert (policies / "dev" / "sweep.json").read_text() == before
    assert chalice_package.stale_files() == []
    assert "Removed .chalice/policies/prod/webhooks.json." in capsys.readouterr().out


@pytest.mark.parametrize("stage", deployed_stages())
def test_chalice_finds_the_policy_of_each_function(stage):
    config = Config(stage, config_from_disk=json.loads((ROOT / ".chalice" / "config.json").read_bytes()))
    for function in functions.MADE_BY_CHALICE:
        name = config.scope(stage, function).iam_policy_file
        if function in functions.functions_of(stage):
            assert json.loads((ROOT / ".chalice" / name).read_bytes()) == functions.policy(stage, function)
        else:
            assert name is None


def test_the_configuration_has_only_keys_that_chalice_knows():
    def unknown(block):
        return [key for key in block if not hasattr(Config, key) and key not in ("version", "stages", "lambda_functions")]

    config = json.loads((ROOT / ".chalice" / "config.json").read_bytes())
    blocks = [config, *config["lambda_functions"].values(), *config["stages"].values()]
    blocks += [function for stage in config["stages"].values() for function in stage.get("lambda_functions", {}).values()]
    assert [key for block in blocks for key in unknown(block)] == []


@pytest.mark.slow
def test_chalice_packages_a_clone(clone, tmp_path):
    command = [sys.executable, "-c", "from chalice.cli import main; main()", "package", "--stage", "dev", str(tmp_path / "out")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAIRGATE_")}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    resources = json.loads((tmp_path / "out" / "sam.json").read_bytes())["Resources"]
    assert resources["SweepRole"]["Properties"]["Policies"][0]["PolicyDocument"] == functions.policy("dev", "sweep")
    with zipfile.ZipFile(tmp_path / "out" / "deployment.zip") as zipped:
        assert {"app.py", "chalicelib/purchases/api.py", "msgspec/__init__.py"} <= set(zipped.namelist())
