"""The commands in the documentation work as printed.

Commands that use a local run are executed unchanged in a copy of the repository: the README's commands in bash and sh, other pages'
commands in sh. The remaining commands need an AWS account or many minutes, so sh executes them with stand-ins for `aws`, `make`, Python
and `fairgate`, which check that the operation, the options, the target or the module exists.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.conftest import LocalRun, copy_repository
from tests.repository import PAGES, ROOT
from tests.test_docs import shell_blocks

STAND_INS = ROOT / "tests" / "stand_ins"
# _LOCAL marks pages with commands for the local run; _OTHER marks the blocks on such pages that do not use the local run.
_LOCAL = re.compile(r"\$API|\.data/|^make (plan|apply|status)$", re.MULTILINE)
_OTHER = re.compile(r"STAGE=|--stage |^make run$|^aws ", re.MULTILINE)
_STARTS_RUN = "make run\n"


def local_blocks(page: Path) -> list[str]:
    """Return the blocks of a page that use a local run, in the order of the page, because later blocks use variables of earlier blocks."""
    blocks = [block for block in shell_blocks(page) if not _OTHER.search(block)]
    return blocks if any(_LOCAL.search(block) for block in blocks) else []


LOCAL_PAGES = [page for page in PAGES if local_blocks(page)]
RUN_IN = [
    (page, shell) for page in LOCAL_PAGES for shell in ("bash", "sh") if shell == "sh" or (page.name == "README.md" and shutil.which(shell))
]
OTHER_BLOCKS = [(page, block) for page in PAGES for block in shell_blocks(page) if block not in local_blocks(page) and block != _STARTS_RUN]


def run_script(shell: str, script: str, folder: Path, *first_on_path: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FAIRGATE_", "AWS_", "COV_", "STRIPE_", "MAKE"))}
    path = ":".join([*map(str, first_on_path), clean["PATH"]])
    command = [shell, "-c", f"set -eu\n{script}"]
    environment = {**clean, "PATH": path, "HOME": str(folder), "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the repository with its own Python environment, as `make` prepares it."""
    folder = tmp_path_factory.mktemp("clone") / "fairgate"
    copy_repository(folder)
    environment = folder / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name in ("bin", "lib", "include", "lib64", "pyvenv.cfg"):
            (environment / part.name).symlink_to(part)
    for stamp in ("installed-to-run", "installed"):
        (environment / stamp).touch()
    return folder


@pytest.fixture(scope="module")
def local_run(copy):
    """The local run that the README starts first, with the README's data folder, but on a free port."""
    run = LocalRun(copy / ".data", command=["make", "--no-print-directory", "run"], folder=copy, DATA="").wait_for("Ctrl-C stops it")
    yield run
    run.end()


@pytest.fixture(scope="module")
def curl(tmp_path_factory):
    """A folder with a fake curl."""
    folder = tmp_path_factory.mktemp("bin")
    shutil.copy(STAND_INS / "curl", folder)
    return folder


@pytest.mark.parametrize(
    ("page", "shell"),
    [
        pytest.param(page, shell, marks=[] if (page.name, shell) == ("README.md", "sh") else pytest.mark.slow, id=f"{page.stem}-{shell}")
        for page, shell in RUN_IN
    ],
)
def test_commands_that_use_a_local_run_work_as_printed(page, shell, copy, local_run, curl):
    script = "".join(local_blocks(page)).replace("http://127.0.0.1:8000", local_run.demo["web_url"].rstrip("/"))
    result = run_script(shell, script, copy, *([] if shutil.which("curl") else [curl]))
    assert result.returncode == 0, result.stdout + result.stderr
    assert '"error"' not in result.stdout
    if page.name == "README.md":
        check_the_readme(result, copy)


@pytest.mark.slow
def test_a_machine_without_curl_gets_the_same_output(copy, local_run, curl):
    page = ROOT / "README.md"
    script = "".join(local_blocks(page)).replace("http://127.0.0.1:8000", local_run.demo["web_url"].rstrip("/"))
    check_the_readme(run_script("sh", script, copy, curl), copy)


def check_the_readme(result: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert result.returncode == 0, result.stdout + result.stderr
    assert '"count":2' in result.stdout
    assert '"paused":true' in result.stdout
    assert re.search(r'"total_sold":[1-9]', result.stdout)
    assert (folder / "ticket.svg").read_text().startswith("<svg")
    assert result.stderr.count(f"store: the local run in {folder / '.data'}\n") == 3
    assert "no change that buyers can see" in result.stdout
    assert "is already served; nothing to do" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("page", "block"), OTHER_BLOCKS, ids=[f"{page.stem}-{block.split()[0]}" for page, block in OTHER_BLOCKS])
def test_other_commands_exist(page, block, copy, tmp_path):
    stand_ins = tmp_path / "bin"
    shutil.copytree(STAND_INS, stand_ins)
    make = stand_ins / "make"
    make.write_text(f'#!/bin/sh\nexec {shutil.which("make")} -n "$@"\n')
    make.chmod(0o755)
    script = block.replace(".venv/bin/", "")
    result = run_script("sh", script, copy, stand_ins, Path(sys.executable).parent)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_a_stand_in_refuses_what_does_not_exist(copy, tmp_path):
    for wrong in (
        "aws dynamodb update-tabel --table-name x",
        "aws dynamodb update-table --tabel-name x",
        "python -m bench.nothing",
        "python -m bootstrap aply",
        "fairgate aply",
        "fairgate --stage dev plan --jsn",
        "python -m pytest tests/nothing",
        "curl --no-such-option http://127.0.0.1:9",
    ):
        assert run_script("sh", wrong, copy, STAND_INS, Path(sys.executable).parent).returncode != 0, wrong
