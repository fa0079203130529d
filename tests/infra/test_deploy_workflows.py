"""The workflows of GitHub Actions: they parse, run the project's own commands, and let nobody else's code change by itself."""

import json
import re

import pytest
import yaml

from infra.template.stages import deployed_stages
from tests.repository import ROOT

WORKFLOWS = {path.stem: yaml.load(path.read_bytes(), yaml.BaseLoader) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
STEPS = [(name, step) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].values() for step in job["steps"]]

each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)


def test_there_are_two_workflows():
    assert set(WORKFLOWS) == {"ci", "deploy"}


@each_workflow
def test_it_may_do_no_more_than_it_needs(workflow):
    assert workflow["permissions"].pop("id-token", None) in (None, "write")
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert "concurrency" in workflow


@pytest.mark.parametrize("step", [step for _, step in STEPS if "uses" in step], ids=lambda step: step["uses"])
def test_actions_are_pinned_to_a_version(step):
    assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"])
    assert re.match(r"(actions|aws-actions)/", step["uses"])


# What GitHub knows, as far as the workflows use it: another word is a typing error, which GitHub would report only at a run.
KNOWN = {
    "workflow": {"name", "on", "permissions", "concurrency", "jobs"},
    "job": {"runs-on", "timeout-minutes", "environment", "steps"},
    "step": {"uses", "with", "run", "env"},
}
RUNNERS = {"ubuntu-24.04", "ubuntu-24.04-arm"}
TRIGGERS = {"push", "pull_request", "workflow_dispatch"}
INPUTS = {
    "actions/checkout": {"persist-credentials"},
    "actions/setup-python": {"python-version"},
    "aws-actions/configure-aws-credentials": {"role-to-assume", "aws-region"},
}


@each_workflow
def test_it_has_no_word_that_github_does_not_know(workflow):
    assert workflow.keys() == KNOWN["workflow"]
    assert workflow["on"].keys() <= TRIGGERS
    for job in workflow["jobs"].values():
        assert job.keys() <= KNOWN["job"]
        assert job["runs-on"] in RUNNERS
        assert 0 < int(job["timeout-minutes"]) <= 360
        for step in job["steps"]:
            assert step.keys() <= KNOWN["step"]
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert step.get("with", {}).keys() <= INPUTS[step["uses"].partition("@")[0]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_its_expressions_name_what_there_is_and_no_secret(name):
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    inputs = (WORKFLOWS[name]["on"].get("workflow_dispatch") or {}).get("inputs", {})
    known = {"github.ref", "vars.AWS_ROLE", "vars.AWS_REGION", *(f"inputs.{each}" for each in inputs)}
    expressions = re.findall(r"\$\{\{(.*?)\}\}", text)
    assert {expression.strip() for expression in expressions} <= known
    assert text.count("${{") == len(expressions)
    assert "secrets" not in text  # there is none that a step could print: credentials come by OIDC
    assert all(step["with"]["persist-credentials"] == "false" for job, step in STEPS if "checkout" in step.get("uses", ""))


def test_tests_run_before_the_credentials_are_there():
    steps = WORKFLOWS["deploy"]["jobs"]["deploy"]["steps"]
    [credentials] = [number for number, step in enumerate(steps) if "configure-aws-credentials" in step.get("uses", "")]
    commands = [step.get("run", "") for step in steps]
    assert [command for command in commands[:credentials] if command] == ["make check test"]
    assert [command for command in commands[credentials:] if command] == ["make deploy YES=1 SKIP='check test'"]


@pytest.mark.parametrize("command", [step["run"] for _, step in STEPS if "run" in step])
def test_commands_are_those_of_the_project(command):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    program, *words = command.split()
    assert "${{" not in command  # what somebody types is never a part of a command
    if program == "make":
        assert {word for word in words if "=" not in word and not word.endswith("'")} <= set(targets)
    else:
        assert (ROOT / program).exists()


def test_a_deployment_gets_its_credentials_by_oidc_and_asks_for_a_stage():
    workflow = WORKFLOWS["deploy"]
    job = workflow["jobs"]["deploy"]
    (credentials,) = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]
    assert set(credentials) == {"role-to-assume", "aws-region"}
    stage = workflow["on"]["workflow_dispatch"]["inputs"]["stage"]
    assert (stage["type"], stage["default"] in deployed_stages()) == ("environment", True)
    assert job["environment"] == "${{ inputs.stage }}"
    assert workflow["concurrency"]["cancel-in-progress"] == "false"


def test_the_role_lets_in_only_runs_for_one_environment_of_one_repository():
    """https://docs.github.com/en/actions/reference/security/oidc: so the subject begins if the job names an environment, as ours does."""
    (statement,) = json.loads((ROOT / "infra" / "github-trust-policy.json").read_bytes())["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRoleWithWebIdentity")
    issuer = statement["Principal"]["Federated"].partition(":oidc-provider/")[2]
    assert statement["Condition"] == {
        "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": "repo:OWNER/REPOSITORY:environment:STAGE"}
    }
