"""The command that runs the public suite, on a small suite of the same shape."""

import subprocess
import sys

import pytest

from devtools import dynamodb_conformance
from devtools.dynamodb.server import Server

CONFTEST = """
import boto3, pytest
def pytest_addoption(parser):
    parser.addoption("--url")
@pytest.fixture
def client(request):
    url = request.config.getoption("url")
    return boto3.client("dynamodb", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
@pytest.fixture
def scylla_only(): pass
"""
TESTS = """
import subprocess
import sys

import pytest
from test.alternator.util import is_aws
def test_passes(client): assert client.list_tables()["TableNames"] == [] and is_aws(client)
def test_fails(client): assert client.list_tables()["TableNames"] == ["a"]
def test_of_its_own(scylla_only): assert False
@pytest.mark.xfail
def test_fails_elsewhere(): pass
"""


@pytest.mark.slow
def test_results_and_reasons(tmp_path, engine):

    folder = tmp_path / "test" / "alternator"
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "util.py").write_text("is_aws = None\n")
    (folder / "test_item.py").write_text(TESTS)
    for package in (folder, folder.parent):
        (package / "__init__.py").write_text("")
    with Server(engine) as server:
        command = [sys.executable, "-m", dynamodb_conformance.__name__, str(tmp_path), "--url", server.url, "--files", "item"]
        result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert "item                               2       1         1" in result.stdout
    assert "test_item.py::test_fails\n" in result.stdout
    assert "expects what AWS does not have\n    test_item.py::test_of_its_own" in result.stdout
