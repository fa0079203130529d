"""The file `.env` sets what the environment does not have."""

import os
import re

import pytest

from bootstrap import env_file
from chalicelib import secret_settings, settings
from infra.local import environment
from tests.test_tidy import ROOT

EXAMPLE = ROOT / ".env.example"


@pytest.fixture
def empty_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def variables() -> dict[str, str]:
    """The environment without what pytest sets while a test runs."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def test_the_environment_is_preferred(empty_environment):
    (empty_environment / ".env").write_text('PORT=9000\nexport DATA="/some where"\n# RESET=1\nEMPTY\nMONEY=$PORT\n')
    os.environ["PORT"] = "7000"
    env_file.load()
    assert variables() == {"PORT": "7000", "DATA": "/some where", "MONEY": "$PORT"}


def test_no_file_is_no_fault_and_another_one_can_be_named(empty_environment):
    env_file.load()
    assert variables() == {}
    (empty_environment / "other").write_text("PORT=1\n")
    os.environ["ENV_FILE"] = "other"
    env_file.load()
    assert os.environ["PORT"] == "1"


def test_the_example_sets_nothing_as_it_is_and_only_what_exists_without_its_marks(empty_environment):
    os.environ["ENV_FILE"] = str(EXAMPLE)
    env_file.load()
    assert variables() == {"ENV_FILE": str(EXAMPLE)}
    lines = re.findall(r"^# ([A-Z_]+=.*)$", EXAMPLE.read_text(), flags=re.MULTILINE)
    assert len(lines) > 10
    (empty_environment / "all").write_text("\n".join(lines))
    os.environ["ENV_FILE"] = "all"
    env_file.load()
    os.environ["DATA"] = "data"
    options = environment.read_options()
    assert (options.port, options.reload) == (9000, True)
    known = {"ENV_FILE", "PORT", "DATA", "RELOAD", *environment.STRIPE_VARIABLES}
    assert {name for name in variables() if not name.startswith("FAIRGATE_")} == known
    read = settings.read(variables())
    with settings.override(**{name: getattr(read, name) for name in ("stripe_api_key", "stripe_webhook_secrets", "smtp_url")}):
        secret_settings.check_secrets()
