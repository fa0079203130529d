"""Schemathesis calls every operation of the OpenAPI document at a local server, with made-up data, as an admin, a user and nobody."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edge.openapi.test_document import OPERATIONS
from tests.infra.conftest import LocalRun

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
OPERATION_COUNT = len(OPERATIONS) - 1  # it does not call the address that it has the document from
OPTIONS = ["--phases=fuzzing", "--max-examples=1", f"--checks={CHECKS}", "--seed=1", "--generation-database=none", "--no-shrink"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    run = LocalRun(tmp_path_factory.mktemp("run") / "data", FAIRGATE_RATE_LIMITS="off").wait_for("Ctrl-C stops it")
    yield run
    run.ctrl_c()


@pytest.mark.parametrize("caller", ["admin", "user", "nobody"])
def test_no_made_up_request_gets_a_5xx_or_a_reply_that_is_not_documented(server, caller, tmp_path):
    headers = [f"--header=Authorization: Bearer {server.demo[caller]['token']}"] if caller != "nobody" else []
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.demo['base_url']}/openapi.json", "--no-color"]
    command += ["--warnings=off", *OPTIONS, *headers]
    (tmp_path / "schemathesis.toml").write_text("[auth]\nauto-signup = false\n")  # nobody stays nobody
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert finished.returncode == 0, finished.stdout
    counts = {name: int(count) for name, count in re.findall(r"(Selected|Tested): (\d+)", finished.stdout)}
    assert counts["Tested"] == counts["Selected"] == OPERATION_COUNT, finished.stdout
