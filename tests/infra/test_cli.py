"""`fairgate`: each command is found, explained, completed and interrupted, and passes on what was typed."""

import json
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from bootstrap.interrupts import INTERRUPTED
from chalicelib.foundation.log import logger
from chalicelib.waiting_room import verify
from infra import cli, completion
from infra.cli import COMMANDS, load_parser
from infra.deploy import stages
from infra.template.stages import deployed_stages
from tests.bootstrap.conftest import event as bootstrap_event
from tests.bootstrap.conftest import ticket as bootstrap_ticket
from tests.ledger.test_money_cases import open_case
from tests.repository import ROOT
from tests.waiting_room.test_verify import proof as draw_proof

SHELLS = completion.SHELLS
EXAMPLES = [(name, example) for name, command in COMMANDS.items() for example in command.examples]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No file `.env`, and the variables and the level of the log as they were."""
    monkeypatch.setenv("ENV_FILE", os.devnull)
    for name in ("STAGE", "FAIRGATE_STAGE", "FAIRGATE_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(logger, "setLevel", lambda _: None)


@pytest.fixture
def started(monkeypatch):
    """Replaces the `main` of a command; what it was called with, and the stages and the region that it saw."""

    def replace(name, result=lambda: 0):
        calls = []

        def main(argv):
            calls.append((argv, *map(os.environ.get, ("STAGE", "FAIRGATE_STAGE", "AWS_REGION"))))
            return result()

        monkeypatch.setattr(import_module(COMMANDS[name].module), "main", main)
        return calls

    return replace


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_examples(name, capsys):
    for words in ([name, "--help"], ["help", name], [name, "-h"]):
        assert cli.main(words) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"usage: fairgate {name} ")
        assert all(f"\n  fairgate {example}\n" in text for example in COMMANDS[name].examples)


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_examples_have_only_options_that_exist(name, example):
    chosen = cli.root_parser().parse_args(shlex.split(example))
    assert chosen.command == name
    parser = load_parser(name)
    parser.parse_intermixed_args(chosen.arguments)
    assert chosen.stage in (None, *deployed_stages())


def test_the_overview_lists_all_commands_by_what_operators_do(capsys):
    for words in ([], ["help"], ["--help"], ["-h"]):
        assert cli.main(words) == 0
        text = capsys.readouterr().out
        assert [line.split()[0] for line in text.splitlines() if line.startswith("  ")] == list(COMMANDS)
        assert "\nThe data of a stage:\n  replay " in text


def test_an_unknown_command_is_refused_with_the_nearest(capsys):
    assert cli.main(["reconcil", "--records"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "there is no command 'reconcil'; the nearest is 'reconcile'" in printed.err


@pytest.mark.parametrize("name", COMMANDS)
def test_arguments_and_exit_codes_are_passed_on(name, started):
    calls = started(name, lambda: 7)
    assert cli.main(["--region", "eu-west-1", "--stage", "dev", name, "--some", "word"]) == 7
    ((argv, *variables),) = calls
    assert argv == [*COMMANDS[name].first, "--some", "word"]
    assert variables == (["dev", "", "eu-west-1"] if name in ("deploy", "domain") else ["", "dev", "eu-west-1"])


@pytest.mark.parametrize(
    ("file", "typed", "expected"),
    [
        ("bootstrap/__main__.py", ["plan", "a.json"], ["plan", "a.json"]),
        ("infra/backup.py", ["save", "load"], ["backup", "load"]),
        ("infra/backup.py", ["load", "monday", "--create-tables"], ["restore", "monday", "--create-tables"]),
        ("infra/create_admin.py", ["ada@example.com"], ["admin", "ada@example.com"]),
        ("infra/dead_letters.py", ["--replay"], ["replay", "--replay"]),
        ("infra/deploy/__main__.py", [], ["deploy"]),
        ("infra/rebuild_reports.py", [], ["rebuild"]),
        ("infra/reconcile.py", ["--records"], ["reconcile", "--records"]),
        ("infra/smoke_test.py", ["https://shop.example.com/api/v1"], ["smoke-test", "https://shop.example.com/api/v1"]),
    ],
)
def test_modules_of_commands_can_still_be_started(file, typed, expected, monkeypatch):
    """As scripts of operators do since before `fairgate`."""
    monkeypatch.setattr(sys, "argv", [file, *typed])
    monkeypatch.setattr(cli, "main", lambda argv=None: sys.exit(json.dumps(sys.argv[1:] if argv is None else argv)))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / file), run_name="__main__")
    assert json.loads(ended.value.code) == expected


def test_a_region_on_the_command_line_wins(started, monkeypatch):
    monkeypatch.setenv("FAIRGATE_REGION", "eu-central-1")
    started("status")
    assert cli.main(["--region", "eu-west-1", "status"]) == 0
    assert "FAIRGATE_REGION" not in os.environ


@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_reports_the_state(name, started, capsys):
    def press_ctrl_c():
        raise KeyboardInterrupt

    started(name, press_ctrl_c)
    assert cli.main([name]) == 130
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"\nInterrupted. {COMMANDS[name].if_stopped}\n")


def test_the_overview_loads_no_command():
    """It appears at once, although the commands load AWS's SDK and all of the shop."""
    code = (
        "import sys; from infra import cli; cli.main([]); print([name for name in ('boto3', 'chalicelib', 'shtab') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed.endswith("\n[]\n")


def test_the_program_runs_the_code_of_its_clone_from_any_folder(tmp_path):
    programs = tmp_path / "a clone" / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "a clone" / "infra").mkdir()
    (tmp_path / "a clone" / "infra" / "cli.py").write_text("import sys\n\ndef main():\n    print(sys.argv)\n    return 3\n")
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python").chmod(0o755)
    shutil.copy(ROOT / "infra" / "fairgate", programs)
    done = subprocess.run([programs / "fairgate", "help", "a b"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, "['-c', 'help', 'a b']\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_script_has_each_command_and_its_options(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in COMMANDS:
        assert name in script
        options = {option for action in load_parser(name)._actions for option in action.option_strings if option.startswith("--")}
        assert all(option.removeprefix("--") in script for option in options)


def test_bash_completes_commands_and_options(capsys, tmp_path):
    cli.main(["completion", "bash"])
    script = f"""{capsys.readouterr().out}
    COMP_WORDS=(fairgate re) COMP_CWORD=1; _shtab_fairgate fairgate re fairgate; echo "${{COMPREPLY[@]}}"
    COMP_WORDS=(fairgate --stage dev reconcile --r) COMP_CWORD=4; _shtab_fairgate fairgate --r reconcile; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["rehearse replay rebuild reconcile restore", "--records"]


def commands_without_json():
    """The commands that have no --json, as docs/command-line.md lists them."""
    rows = (ROOT / "docs" / "command-line.md").read_text().partition("| command | why |\n| --- | --- |\n")[2].partition("\n\n")[0]
    return {name for row in rows.splitlines() for name in re.findall("`([^`]+)`", row.split(" | ")[0])}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_json_unless_the_page_says_why_not(name):
    options = {option: action.help for action in load_parser(name)._actions for option in action.option_strings}
    assert ("--json" in options) == (name not in commands_without_json())
    assert options.get("--json", "").startswith("print JSON, for scripts") == ("--json" in options)


def exit_code_of(*words):
    """The exit code of a command in this process."""
    try:
        return cli.main([*map(str, words)])
    except SystemExit as ended:
        return ended.code


def documented_exit_codes():
    """The table of exit codes in docs/command-line.md: each code with its meaning."""
    rows = (ROOT / "docs" / "command-line.md").read_text().partition("| ---: | --- |\n")[2].partition("\n\n")[0].splitlines()
    return {int(code): meaning for code, meaning in (row.strip("| ").split(" | ", 1) for row in rows)}


def catalog_file(tmp_path, name="sale.json", **fields):
    """A bootstrap file with one event and one ticket type of 10 with these fields; without `name`, the ticket type has a fault."""
    content = {"version": "1", "events": {"fest": bootstrap_event("fest")}, "ticket_types": {"pass": bootstrap_ticket("pass", **fields)}}
    file = tmp_path / name
    file.write_text(json.dumps(content))
    return file


def apply_sale(tmp_path):
    file = catalog_file(tmp_path)
    assert exit_code_of("apply", file, "--yes") == 0
    return file


def find_nothing_to_do(tmp_path):
    return ("apply", apply_sale(tmp_path))


def change_the_file(tmp_path):
    apply_sale(tmp_path)
    return ("drift", catalog_file(tmp_path, price_cents=9900))


def close_without_confirming(tmp_path):
    apply_sale(tmp_path)
    return ("apply", catalog_file(tmp_path, status="closed"))


def ask_for_an_unknown_version(tmp_path):
    apply_sale(tmp_path)
    return ("rollback", 7)


def find_an_open_case(tmp_path):
    apply_sale(tmp_path)
    open_case(kind="finding")
    return ("reconcile", "--records")


def write_proof(tmp_path, **changes):
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(draw_proof(**changes)))
    return ("verify", file)


def unused_address():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


# Commands for the meanings in docs/command-line.md: the code, words of its meaning, and what prepares the command. The tests of `replay`,
# `rehearse`, `deploy` and `failover` have the other meanings.
EXIT_CODES = [
    (0, "the command succeeded", lambda tmp_path: ("validate", catalog_file(tmp_path))),
    (0, "nothing to do", find_nothing_to_do),
    (1, "was refused", ask_for_an_unknown_version),
    (1, "faults in a file", lambda tmp_path: ("validate", catalog_file(tmp_path, price_cents="dear"))),
    (1, "drift", change_the_file),
    (1, "open cases", find_an_open_case),
    (1, "a failed check", lambda tmp_path: (*write_proof(tmp_path), "--commitment", "0" * 64)),
    (2, "arguments", lambda _: ("reconcil",)),
    (2, "arguments", lambda _: ("rollback", "the last one")),
    (2, "settings are wrong", lambda _: ("--stage", "porduction", "deploy")),
    (2, "does not respond", lambda _: ("verify", f"{unused_address()}/api/v1/events/fest/waiting-room/proof")),
    (3, "nobody confirmed the changes of `apply`", close_without_confirming),
    (
        3,
        "option that you left out",
        lambda tmp_path: write_proof(tmp_path, entry="verified_address", entries={"root": "0" * 64, "pages": 16}),
    ),
]


@pytest.mark.usefixtures("store", "time")
@pytest.mark.parametrize(("code", "meaning", "prepare"), EXIT_CODES, ids=[f"{code}-{meaning}" for code, meaning, _ in EXIT_CODES])
def test_a_command_ends_with_the_code_that_the_page_names(code, meaning, prepare, tmp_path):
    assert exit_code_of(*prepare(tmp_path)) == code
    assert meaning in documented_exit_codes()[code]


def test_the_page_has_each_exit_code_once():
    tested = {code for code, *_ in EXIT_CODES} | {INTERRUPTED, cli.CLOSED_PIPE}
    assert list(documented_exit_codes()) == sorted(tested)
    assert "Ctrl-C" in documented_exit_codes()[INTERRUPTED]
    assert "the program that reads the output has ended" in documented_exit_codes()[cli.CLOSED_PIPE]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_refuses_an_unknown_option_with_2_and_says_nothing_on_the_standard_output(name, capsys):
    assert exit_code_of(name, "--no-such-option") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: ")


class _Stacks:
    """CloudFormation with a stack of stage `dev` only."""

    def describe_stacks(self, StackName):
        if StackName != "fairgate-dev":
            raise ClientError({"Error": {"Code": "ValidationError", "Message": f"Stack {StackName} does not exist"}}, "DescribeStacks")
        outputs = {"Build": "1.2.0+3f9c2ab41d07", "ShopURL": "https://shop.example.com"}
        return {
            "Stacks": [
                {
                    "StackStatus": "UPDATE_COMPLETE",
                    "CreationTime": datetime(2026, 5, 1, tzinfo=UTC),
                    "LastUpdatedTime": datetime(2026, 6, 1, 9, tzinfo=UTC),
                    "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
                }
            ]
        }


def test_stages_are_listed_with_what_is_deployed(monkeypatch, capsys):
    monkeypatch.setattr(stages, "open_account", lambda: SimpleNamespace(client=lambda _: _Stacks()))
    assert cli.main(["--region", "eu-central-1", "stages"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == deployed_stages()
    assert lines[0].split() == ["dev", "1.2.0+3f9c2ab41d07", "UPDATE_COMPLETE", "2026-06-01T09:00:00+00:00", "https://shop.example.com"]
    assert lines[1].split() == ["prod", "not", "deployed"]
    assert cli.main(["--region", "eu-central-1", "stages", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["stages"]
    assert [stage["deployed"] for stage in found] == [True, False, False]
    assert (found[0]["build"], found[0]["shop_url"]) == ("1.2.0+3f9c2ab41d07", "https://shop.example.com")


def test_without_credentials_stages_are_only_named(monkeypatch, capsys):
    def fail():
        raise NoCredentialsError

    monkeypatch.setattr(stages, "open_account", fail)
    for words, code, message in ((["stages"], 0, "Name a region"), (["--region", "eu-central-1", "stages"], 1, "Log in to AWS")):
        assert cli.main([*words, "--json"]) == code
        printed = capsys.readouterr()
        result = json.loads(printed.out)
        assert result["stages"] == [{"stage": stage, "deployed": None} for stage in deployed_stages()]
        assert ("error" in result, message in printed.err) == (code == 1, True)


def test_stages_of_an_unknown_region_are_refused(capsys):
    assert cli.main(["--region", "eu-centrall-1", "stages"]) == 2
    assert "AWS_REGION must be a region of AWS" in capsys.readouterr().err


def test_options_of_a_local_run_are_its_variables(monkeypatch, capsys):
    for name in ("PORT", "DATA", "RESET", "RELOAD"):
        monkeypatch.setenv(name, "")
    run = import_module("infra.local.__main__")
    monkeypatch.setattr(run, "Signals", lambda _: None)
    assert cli.main(["run", "--port", "web", "--reset"]) == 2
    assert "PORT must be a number" in capsys.readouterr().err
    assert (os.environ["PORT"], os.environ["RESET"], os.environ["RELOAD"]) == ("web", "1", "")


def test_parsers_are_those_of_the_modules():
    assert isinstance(verify.parser(), ArgumentParser)
    assert verify.parser().prog == "python verify.pyz", "outside the source code, it has another name"


def test_a_reader_that_has_seen_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "help"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (cli.CLOSED_PIPE, b"")
