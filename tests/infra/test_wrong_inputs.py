"""Whatever is typed wrong for a command is named in one line, with what is allowed, before anything is done. The exit code is 2."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.__main__ import main as bootstrap
from chalicelib.foundation import settings
from devtools.stripe.__main__ import main as fake_stripe
from infra.backup import main as backup
from infra.create_admin import main as create_admin
from infra.dead_letters import main as dead_letters
from infra.deploy.__main__ import main as deploy
from infra.emulation.__main__ import main as emulation
from infra.lint import main as lint
from infra.openapi import main as openapi
from infra.package import main as package
from infra.rebuild_reports import main as rebuild_reports
from infra.reconcile import main as reconcile
from infra.smoke_test import main as smoke_test
from infra.web import main as web
from tests.repository import PAGES, ROOT

TYPO = "the stage must be dev or prod or core, not 'porduction'; the nearest name is prod "
TYPO += "(with make: STAGE=prod; with fairgate: --stage prod)"
NO_STAGE = "the stage must be dev or prod or core, but no stage was given (with make: STAGE=dev; with fairgate: --stage dev)"
NO_REGION = "AWS_REGION is not set; name the region of the stage: AWS_REGION=eu-central-1 (the region of an AWS profile is not used)"
WRONG_REGION = "AWS_REGION must be a region of AWS, not 'eu-centrall-1'; the nearest name is eu-central-1"

# The commands that work on the tables of a stage, each with arguments that are right.
OF_A_STAGE = {
    "create_admin": (create_admin, ["ada@example.com"]),
    "backup": (backup, ["restore", "backups/monday"]),
    "dead_letters": (dead_letters, []),
    "rebuild_reports": (rebuild_reports, []),
    "reconcile": (reconcile, ["--since", "2026-05-01T00:00:00Z", "--until", "2026-05-02T00:00:00Z"]),
    "bootstrap": (bootstrap, ["plan"]),
}
each_command = pytest.mark.parametrize(("command", "arguments"), OF_A_STAGE.values(), ids=OF_A_STAGE)

WRONG_ARGUMENTS = [
    (deploy, ["--stage", "porduction"], TYPO),
    (deploy, ["--stage", ""], NO_STAGE),
    (deploy, ["--stage", "dev"], NO_REGION),
    (deploy, ["--stage", "dev", "--skip", "tests"], "SKIP must be a list of check, test, package; it has tests"),
    (deploy, ["--stage", "dev", "--architecture", "arm"], "ARCH must be arm64 or x86_64, not 'arm'"),
    (deploy, ["--stage", "dev", "--parameters", "Domain"], "PARAMETERS must be `Name=value`, separated by spaces, not 'Domain'"),
    (deploy, ["--stage", "dev", "--files", "none.json"], "FILES names none.json, which is not a file"),
    (deploy, ["--stage", "dev", "--stack", "1st"], "STACK must be letters, digits and `-`, a letter first"),
    (deploy, ["--stage", "dev", "--bucket", "s3://mine"], "BUCKET must be the name of a bucket"),
    (deploy, ["--stage", "dev", "--url", "shop.example.com"], "API_URL must start with https:// or http://"),
    (package, ["--stage", "porduction"], "argument --stage: invalid choice: 'porduction' (choose from"),
    (package, ["--architecture", "arm"], "argument --architecture: invalid choice: 'arm' (choose from"),
    (emulation, ["--stage", "porduction"], TYPO),
    (emulation, ["--from", "--help"], "argument --from: expected one argument"),
    (emulation, ["--from", "none"], "this clone has no revision none. If the clone is shallow, fetch the history (git fetch --unshallow)"),
    (emulation, ["--stage", "prod", "--from", "HEAD"], "FROM needs a stage with simulated payments, and prod has none; use STAGE=dev"),
    (emulation, ["--mixed"], "MIXED=1 needs FROM=revision, which names the other version"),
    (create_admin, [], "the following arguments are required: email"),
    (backup, ["sav", "folder"], "invalid choice: 'sav'"),
    (backup, ["backup"], "the following arguments are required: folder"),
    (dead_letters, ["swep"], "swep has no queue; the queues are sweep, "),
    (rebuild_reports, ["dev"], "unrecognized arguments: dev"),
    (reconcile, ["--since", "monday", "--until", "2026-05-02T00:00:00Z"], "'monday' is not a time like 2026-11-01T00:00:00Z"),
    (smoke_test, ["shop.example.com"], "the address must be a URL such as https://shop.example.com/api/v1, not 'shop.example.com'"),
    (smoke_test, ["https://shop.example.com:99999/api/v1"], "the address must be a URL such as https://shop.example.com/api/v1, not"),
    (fake_stripe, ["--port", "99999"], "argument --port: must be a number from 0 (any free port) to 65535, not '99999'"),
    (
        fake_stripe,
        ["--webhook", "8000"],
        "argument --webhook: must be a URL such as http://127.0.0.1:8000/api/v1/webhooks/stripe, not '8000'",
    ),
    (smoke_test, ["https://shop.example.com/api/v1", "none.json"], "none.json: $: the file cannot be read (No such file or directory)"),
    (lint, ["dev"], "unrecognized arguments: dev"),
    (openapi, ["--chek"], "unrecognized arguments: --chek"),
    (web, ["--chek"], "unrecognized arguments: --chek"),
    (bootstrap, ["aply"], "invalid choice: 'aply' (choose from"),
    (bootstrap, ["rollback", "last"], "argument VERSION: invalid int value: 'last'"),
    (bootstrap, ["import-tickets", "sold.csv"], "the following arguments are required: --event"),
    (bootstrap, ["import-tickets", "sold.csv", "--event", "fest", "--map", "code"], "write it as NAME=VALUE, not 'code'"),
]


@pytest.fixture
def refused(capsys, monkeypatch):
    """`refused(command, arguments)`: the last line that a command prints, which has refused what it was given."""

    for name in settings.REGION_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def call(command, arguments):
        try:
            code = command(arguments)
        except SystemExit as parser_exit:
            code = parser_exit.code
        printed = capsys.readouterr()
        assert (code, printed.out) == (2, "")
        return printed.err.splitlines()[-1]

    return call


@each_command
def test_a_stage_that_is_misspelt_is_named_with_the_nearest_one(refused, command, arguments):
    with settings.override(stage="porduction"):
        assert TYPO in refused(command, arguments)


@pytest.mark.parametrize(("command", "arguments"), [OF_A_STAGE[name] for name in OF_A_STAGE if name != "bootstrap"])
def test_a_stage_has_to_be_named(refused, command, arguments):
    """The bootstrap commands work on the running local run then."""
    with settings.override(stage="local"):
        assert NO_STAGE in refused(command, arguments)


@each_command
def test_the_region_has_to_be_named_and_to_be_one(refused, command, arguments, monkeypatch):
    with settings.override(stage="dev"):
        assert NO_REGION in refused(command, arguments)
        monkeypatch.setenv("AWS_REGION", "eu-centrall-1")
        assert WRONG_REGION in refused(command, arguments)


@each_command
def test_a_failure_is_an_object_with_json(command, arguments, capsys):
    with settings.override(stage="porduction"):
        assert command([*arguments, "--json"]) == 2
    printed = capsys.readouterr()
    failure = json.loads(printed.out)
    assert failure.keys() == {"error"}
    assert TYPO in failure["error"]
    assert failure["error"] in printed.err


@pytest.mark.parametrize(("command", "arguments", "expected"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_named(refused, monkeypatch, command, arguments, expected):
    if command is deploy and expected != NO_REGION:
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert expected in refused(command, arguments)


@pytest.mark.parametrize(
    ("command", "variables", "expected"),
    [
        (package, {"ARCH": "arm"}, "architecture must be arm64 or x86_64, not 'arm'; the nearest name is arm64"),
        (package, {"SNAPSTART": "1"}, "snapstart must be on or off, not '1'"),
        (package, {"STAGE": ""}, "stage must be dev or prod or core, not ''"),
        (emulation, {"STAGE": ""}, NO_STAGE),
        (deploy, {"STAGE": "porduction"}, TYPO),
        (deploy, {"STAGE": "dev", "YES": "yes"}, "YES must be 1 (do not ask) or 0, not 'yes'"),
        (deploy, {"STAGE": "dev", "DRY_RUN": "1", "AWS_REGION": "eu-centrall-1"}, WRONG_REGION),
    ],
)
def test_wrong_variables_are_named(refused, monkeypatch, command, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert expected in refused(command, [])


@pytest.mark.parametrize("email", ["ada", "", "ada@", "ada lovelace@example.com"])
def test_an_invalid_address_is_quoted_in_the_error(refused, monkeypatch, email):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with settings.override(stage="dev"):
        assert f"{email!r} is not an email address such as ada@example.com" in refused(create_admin, [email])


def test_commands_of_the_pages_name_the_region_of_their_stage():
    variables = r"FAIRGATE_STAGE=(?:dev|prod) [^`\n]*|make (?:plan|apply|status|admin) [^`\n]*STAGE=[^`\n]*"
    on_a_stage = re.compile(variables + r"|fairgate --stage (?:dev|prod) [^`\n]*")
    for page in (page for page in PAGES if page.parent.name != "decisions"):
        for command in on_a_stage.findall(page.read_text()):
            assert "AWS_REGION=" in command or "--region " in command or "DRY_RUN=1" in command or "--dry-run" in command, (
                f"{page.name}: {command}"
            )


WITH_MAKE = [
    ("run PORT=web", "PORT must be a number from 0 (any free port) to 65535, not 'web'."),
    ("run RELOAD=yes", "RELOAD must be 1 (restart after each edit of a file) or 0, not 'yes'."),
    ("run PORT=0 FAIRGATE_HOLD_SECOND=9", "FAIRGATE_HOLD_SECOND is not a setting; the nearest name is FAIRGATE_HOLD_SECONDS"),
    ("plan STAGE=porduction", TYPO),
    ("apply YES=yes", "YES must be 1 (do not ask) or 0, not 'yes'"),
    ("status STAGE=dev", NO_REGION),
    ("admin STAGE=dev", "Name the stage and the email address: make admin STAGE=dev AWS_REGION=eu-central-1 EMAIL=ada@example.com"),
    ("admin STAGE=porduction EMAIL=ada@example.com", TYPO),
    ("package STAGE=porduction", "stage must be dev or prod or core, not 'porduction'; the nearest name is prod"),
    ("emulate STAGE=porduction", TYPO),
    ("deploy STAGE=dev DRY_RUN=yes", "DRY_RUN must be 1 (only show the steps) or 0, not 'yes'"),
]


@pytest.mark.parametrize(("words", "expected"), WITH_MAKE, ids=[words for words, _ in WITH_MAKE])
def test_variables_of_make_are_checked_before_anything_is_done(words, expected, tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FAIRGATE_", "AWS_", "COV_", "MAKE", "STRIPE_"))}
    own = Path(sys.prefix)  # the environment of this test, which is no reason to install it again
    prepared = [f"VENV={own}", "-o", str(own / "installed"), "-o", str(own / "installed-to-run")]
    command = ["make", "--no-print-directory", *prepared, *words.split(), f"DATA={tmp_path / 'data'}", f"ENV_FILE={os.devnull}"]
    done = subprocess.run(command, cwd=ROOT, env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    said = [line for line in done.stderr.splitlines() if not line.startswith(("make: ", "usage: "))]
    assert len(said) == 1
    assert expected in said[0]
    assert not (tmp_path / "data").exists()
