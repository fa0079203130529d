"""The emulated AWS: functions under the interface of Lambda's runtime. `make emulate` deploys the whole package to it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import urllib3

from infra.emulation.__main__ import copy_package
from infra.emulation.aws import EmulatedAws, EmulationFailed
from infra.emulation.deployed import ApiFront, DeployedStack
from infra.emulation.lambda_runtime import FunctionFailed, LambdaFunction, runtime_environment

ARN = "arn:aws:lambda:eu-central-1:000000000000:function:f"
CODE = """
import os, sys

def echo(event, context):
    remaining = context.get_remaining_time_in_millis()
    return {"event": event, "region": os.environ["AWS_REGION"], "arn": context.invoked_function_arn, "in_time": 0 < remaining <= 5000}

def fail(event, context):
    raise ValueError("no such " + event["name"])

def end(event, context):
    os._exit(3)

def import_module(event, context):
    __import__(event["name"])

def show_path(event, context):
    return sys.path
"""


@pytest.fixture
def start(tmp_path) -> Iterator:
    """`start(name)`: a running function of the code above."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "functions.py").write_text(CODE)

    def call(name: str) -> LambdaFunction:
        environment = runtime_environment("f", "eu-central-1", 256, folder)
        return running.enter_context(LambdaFunction("f", f"functions.{name}", folder, ARN, 5, environment, tmp_path / "log"))

    with ExitStack() as running:
        yield call


def test_a_function_gets_its_events_and_what_aws_says_of_them(start):
    function = start("echo")
    for event in ({"n": 1}, {"text": "é" * 100_000}):
        assert function.call(event) == {"event": event, "region": "eu-central-1", "arn": ARN, "in_time": True}


def test_a_function_that_raises_continues_with_the_next_event(start):
    function = start("fail")
    for name in ("event", "tier"):
        with pytest.raises(FunctionFailed, match=f"no such {name}"):
            function.call({"name": name})


def test_a_function_whose_process_ends_says_so_now_and_later(start):
    function = start("end")
    for _ in range(2):
        with pytest.raises(FunctionFailed, match="exit code 3"):
            function.call({})


def test_a_handler_that_does_not_exist_is_reported(start):
    with pytest.raises(FunctionFailed, match="nothing"):
        start("nothing").call({})


@pytest.mark.parametrize("name", ["pytest", "msgspec", "app", "chalicelib", "boto3"])
def test_a_function_sees_no_package_that_is_not_in_its_zip(start, name):
    with pytest.raises(FunctionFailed, match="ModuleNotFoundError"):
        start("import_module").call({"name": name})


def test_the_files_of_the_function_come_first(start, tmp_path):
    assert start("show_path").call({})[0] == str(tmp_path / "code")


def test_resources_that_cannot_be_emulated_are_left_out_and_reported(tmp_path, capsys):
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": [{"Id": "rate", "Expression": "errors / calls"}]}}
    plain = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}
    domain = {"Type": "AWS::SES::EmailIdentity", "Properties": {"EmailIdentity": "shop.example"}}
    records, address = {"Value": {"Fn::Sub": "${MailDomain.DkimDNSTokenName1}"}}, {"Value": "https://shop.example"}
    template = {"Resources": {"Rate": alarm, "Errors": plain, "MailDomain": domain}, "Outputs": {"Records": records, "Shop": address}}
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "sam.json").write_text(json.dumps(template))
    copied = copy_package(tmp_path / "package", tmp_path / "copy")
    assert json.loads((copied / "sam.json").read_bytes()) == {"Resources": {"Errors": plain}, "Outputs": {"Shop": address}}
    assert "MailDomain, Rate" in capsys.readouterr().out


def test_a_package_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EmulationFailed, match="make package"):
        copy_package(tmp_path / "none", tmp_path / "copy")


def test_an_api_that_is_not_deployed_fails_and_names_the_stack(tmp_path):
    with EmulatedAws(tmp_path) as aws, DeployedStack(aws, "fairgate-none", tmp_path) as stack, ApiFront(stack) as front:
        reply = urllib3.request("GET", f"{front.url}/health")
    assert reply.status == 502
    assert "fairgate-none" in reply.data.decode()
