"""The file `.env` sets what the environment does not have."""

import os
import re

import pytest

from bootstrap import env_file
from chalicelib.foundation import secret_settings, settings
from infra.local import environment
from tests.repository import ROOT

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
    (empty_environment / ".env").write_text('PORT=9000\nexport DATA="/some where"\n# RESET=1\n\nMONEY=$PORT\n')
    os.environ["PORT"] = "7000"
    env_file.load()
    assert variables() == {"PORT": "7000", "DATA": "/some where", "MONEY": "$PORT"}


def test_the_file_is_optional_and_can_be_another_one(empty_environment):
    env_file.load()
    assert variables() == {}
    (empty_environment / "other").write_text("PORT=1\n")
    os.environ["ENV_FILE"] = "other"
    env_file.load()
    assert os.environ["PORT"] == "1"


@pytest.mark.parametrize(
    ("text", "line"),
    [("PORT=1\n\nFAIRGATE_HOLD_SECONDS 30\n", 3), ("# a\nRELOAD\n", 2), ("STRIPE_API_KEY='sk_test_secret\nPORT=1\n", 1)],
)
def test_a_line_that_sets_nothing_is_named_without_what_is_in_it(empty_environment, capsys, text, line):
    (empty_environment / ".env").write_text(text)
    with pytest.raises(SystemExit) as ended:
        env_file.load()
    assert (ended.value.code, variables()) == (2, {})
    printed = capsys.readouterr().err
    assert printed.startswith(f"fairgate: .env cannot be used: line {line} must be NAME=value or start with #")
    assert "sk_test" not in printed


@pytest.mark.parametrize(("name", "reason"), [("typo.env", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_is_named_has_to_be_there(empty_environment, capsys, name, reason):
    os.environ["ENV_FILE"] = name
    with pytest.raises(SystemExit) as ended:
        env_file.load()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"ENV_FILE: {name} cannot be used: {reason}\n"


def test_the_example_sets_nothing_and_names_only_settings_that_exist(empty_environment):
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
    known = {"ENV_FILE", "PORT", "DATA", "RELOAD", "BOOTSTRAP_FILE_PATH", *environment.STRIPE_VARIABLES}
    assert {name for name in variables() if not name.startswith("FAIRGATE_")} == known
    read = settings.read(variables())
    with settings.override(**{name: getattr(read, name) for name in ("stripe_api_key", "stripe_webhook_secrets", "smtp_url")}):
        secret_settings.check_secrets()
