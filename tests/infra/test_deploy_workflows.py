"""The workflows of GitHub Actions have no more rights than they need, and run no code that others can change."""

import json
import re
import subprocess
import tomllib

import pytest
import yaml

from infra.template.functions import PRODUCTION_PYTHON
from infra.template.stages import deployed_stages
from tests.repository import ROOT

WORKFLOWS = {path.stem: yaml.load(path.read_bytes(), yaml.BaseLoader) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
STEPS = [(name, step) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].values() for step in job["steps"]]

each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)


@each_workflow
def test_it_may_do_no_more_than_it_needs(workflow):
    assert workflow["permissions"].pop("id-token", None) in (None, "write")
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert "concurrency" in workflow


@pytest.mark.parametrize("step", [step for _, step in STEPS if "uses" in step], ids=lambda step: step["uses"])
def test_actions_are_pinned_to_a_commit(step):
    assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    assert re.match(r"(actions|aws-actions)/", step["uses"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_its_expressions_name_what_there_is_and_no_secret(name):
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    inputs = (WORKFLOWS[name]["on"].get("workflow_dispatch") or {}).get("inputs", {})
    known = {"!cancelled()", "failure()", "github.ref", "vars.AWS_ROLE", "vars.AWS_REGION", "matrix.python"}
    known |= {f"inputs.{each}" for each in inputs}
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


def test_no_command_contains_what_somebody_typed():
    assert not [step["run"] for _, step in STEPS if "${{" in step.get("run", "")]


def test_tests_run_on_the_lowest_supported_python_and_on_that_of_production():
    production = ".".join(map(str, PRODUCTION_PYTHON))
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert WORKFLOWS["ci"]["jobs"]["ci"]["strategy"]["matrix"]["python"] == [lowest, production]
    (setup,) = [step for step in WORKFLOWS["deploy"]["jobs"]["deploy"]["steps"] if "setup-python" in step.get("uses", "")]
    assert setup["with"]["python-version"] == production


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


def test_the_code_owners_own_folders_that_exist():
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    patterns = [line.split()[0] for line in lines if line and line[0] != "#"]
    assert patterns[0] == "*"
    assert [pattern for pattern in patterns[1:] if not (ROOT / pattern.strip("/")).is_dir()] == []


def test_every_night_all_packages_are_audited():
    assert "schedule" in WORKFLOWS["audit"]["on"]
    assert "make audit" in [step.get("run") for name, step in STEPS if name == "audit"]
    audit = subprocess.run(["make", "--dry-run", "audit-python", "audit-npm"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "pip-audit" in audit
    assert sorted(re.search(r"for folder in ([^;]+);", audit)[1].split()) == npm_folders()


def test_a_change_of_packages_is_audited_before_it_is_merged():
    patterns = WORKFLOWS["audit"]["on"]["pull_request"]["paths"]
    files = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    (installed,) = re.findall(r"^\$\(STAMP\): (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(files) == sorted([*installed.split(), *(f"{folder}/package-lock.json" for folder in npm_folders())])


def test_dependabot_knows_all_packages():
    updates = yaml.load((ROOT / ".github" / "dependabot.yml").read_bytes(), yaml.BaseLoader)["updates"]
    folders = {update["package-ecosystem"]: update.get("directories") or [update["directory"]] for update in updates}
    assert folders.keys() == {"pip", "npm", "github-actions"}
    assert (folders["pip"], folders["github-actions"]) == (["/"], ["/"])
    assert sorted(folder.strip("/") for folder in folders["npm"]) == npm_folders()


def npm_folders():
    """Return the folders with a lock of npm packages."""
    locks = subprocess.run(["git", "ls-files", "*package-lock.json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(lock.rpartition("/")[0] for lock in locks.split())
