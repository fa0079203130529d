"""Schemathesis calls every operation of the OpenAPI document at a local server, with made-up data, as admin, as user and anonymously."""

import re

import pytest

from tests.clients.fuzzing import run_schemathesis, start_run
from tests.edge.openapi.test_document import OPERATIONS

OPERATION_COUNT = len(OPERATIONS) - 1  # it does not call the address that it has the document from

# Valid and invalid data; for admins also requests with ids of earlier replies. The long run also tries boundary values of each field.
ADMIN = ("--phases=fuzzing,stateful", "--max-examples=3")
OTHERS = ("--phases=fuzzing", "--max-examples=2")
SHORT = "[phases.stateful]\nmax-steps = 3\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    run = start_run(tmp_path_factory.mktemp("run"))
    yield run
    run.ctrl_c()


@pytest.mark.parametrize(("caller", "options"), [("admin", ADMIN), ("user", OTHERS), ("nobody", OTHERS)])
def test_no_made_up_request_gets_a_5xx_or_a_reply_that_is_not_documented(server, caller, options, tmp_path):
    finished = run_schemathesis(server, caller, tmp_path, "--seed=1", *options, configuration=SHORT)
    assert finished.returncode == 0, finished.stdout
    counts = {name: int(count) for name, count in re.findall(r"(Selected|Tested): (\d+)", finished.stdout)}
    assert counts["Tested"] == counts["Selected"] == OPERATION_COUNT, finished.stdout
