"""A CloudFormation stack: its change sets, and their execution with progress."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import sleep
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from infra.deploy.account import AwsAccount, DeploymentFailed

# Outputs of a stack.
API_URL, SHOP_URL, PAGES_BUCKET, DISTRIBUTION, BUILD = "EndpointURL", "ShopURL", "WebBucketName", "DistributionId", "Build"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
POLL_SECONDS = 2.0
_NOTHING_CHANGES = ("didn't contain changes", "No updates are to be performed")
_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "+", "Dynamic": "~"}
_TABLE = "AWS::DynamoDB::Table"


class ChangeSet(Struct, frozen=True):
    """`lines` describe the changes to the operator. A line that starts with `!` replaces or removes a resource that holds data."""

    name: str
    lines: list[str]


class Stack:
    """One CloudFormation stack. `report` prints a line of progress."""

    def __init__(self, account: AwsAccount, name: str, report: Callable[[str], None]) -> None:
        self.name = name
        self._client, self._report = account.client("cloudformation"), report

    def describe(self) -> Any:
        """Return CloudFormation's description; None if the stack does not exist, or exists only as change sets."""
        try:
            (stack,) = self._client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack

    def require_ready(self) -> None:
        """Raise DeploymentFailed if CloudFormation would reject a change set now."""
        stack = self.describe()
        status = stack["StackStatus"] if stack else ""
        if status == "ROLLBACK_COMPLETE":
            raise DeploymentFailed(
                f"The first deployment of {self.name} failed and left an empty stack. Delete the stack, then run the command again "
                f"(tables stay): aws cloudformation delete-stack --stack-name {self.name}"
            )
        if status.endswith("_IN_PROGRESS"):
            raise DeploymentFailed(
                f"Another deployment of {self.name} is in progress ({status}). Wait until it has finished, then run the command again."
            )
        if status.endswith("_FAILED"):
            raise DeploymentFailed(
                f"{self.name} is in the state {status}: {stack.get('StackStatusReason', 'no reason given')}. Fix the cause, then run: "
                f"aws cloudformation continue-update-rollback --stack-name {self.name}"
            )

    def outputs(self) -> dict[str, str]:
        stack = self.describe()
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])} if stack else {}

    def parameters(self) -> dict[str, str]:
        stack = self.describe()
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])} if stack else {}

    def template(self) -> str | None:
        """Return the template of the last deployment; None if there is no stack."""
        if self.describe() is None:
            return None
        body = self._client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        return body if isinstance(body, str) else json.dumps(body)

    def create_change_set(self, template_url: str, parameters: Mapping[str, str]) -> ChangeSet | None:
        """Create a change set, ready to be executed. Returns None if nothing changes. Parameters that are not given keep their values.

        Tables that outlived an earlier, deleted stack become part of this stack. Raises DeploymentFailed.
        """
        is_new = self.describe() is None
        name = f"fairgate-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        wanted = self._client.get_template_summary(TemplateURL=template_url).get("Parameters", [])
        known = {} if is_new else self.parameters()
        self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=template_url,
            Capabilities=CAPABILITIES,
            ImportExistingResources=True,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": parameters[key]}
                if key in parameters
                else {"ParameterKey": key, "UsePreviousValue": True}
                for key in (parameter["ParameterKey"] for parameter in wanted)
                if key in parameters or key in known
            ],
            Tags=[{"Key": "service", "Value": "fairgate"}],
        )
        created = self._wait_for_change_set(name)
        if created["Status"] == "CREATE_COMPLETE":
            return ChangeSet(name, [_change_line(change["ResourceChange"]) for change in created["Changes"]])
        self._client.delete_change_set(StackName=self.name, ChangeSetName=name)
        reason = created.get("StatusReason", "")
        if any(text in reason for text in _NOTHING_CHANGES):
            return None
        raise DeploymentFailed(f"CloudFormation rejected the template: {reason}")

    def delete_change_set(self, change_set: ChangeSet) -> None:
        self._client.delete_change_set(StackName=self.name, ChangeSetName=change_set.name)

    def execute(self, change_set: ChangeSet) -> None:
        """Execute a change set and report its progress. Raises DeploymentFailed if CloudFormation rolls it back."""
        latest = self._client.describe_stack_events(StackName=self.name)["StackEvents"][:1]
        last: str = latest[0]["EventId"] if latest else ""
        self._client.execute_change_set(StackName=self.name, ChangeSetName=change_set.name)
        failures: list[str] = []
        while True:
            stack = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
            for event in self._events_since(last):
                last = event["EventId"]
                self._report_event(event, failures)
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                break
            sleep(POLL_SECONDS)
        if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            reasons = "; ".join(failures[:3]) or stack.get("StackStatusReason", "no reason given")
            raise DeploymentFailed(f"CloudFormation rolled {self.name} back ({stack['StackStatus']}): {reasons}")

    def _wait_for_change_set(self, name: str) -> Any:
        while True:
            pages = self._client.get_paginator("describe_change_set").paginate(StackName=self.name, ChangeSetName=name)
            first, *others = pages
            if first["Status"] in ("CREATE_COMPLETE", "FAILED"):
                first["Changes"] += [change for page in others for change in page["Changes"]]
                return first
            sleep(POLL_SECONDS)

    def _events_since(self, last: str) -> list[Any]:
        """Return the events after the event with this id, oldest first; all events if no event has the id."""
        events: list[Any] = []
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=self.name):
            for event in page["StackEvents"]:
                if event["EventId"] == last:
                    return events[::-1]
                events.append(event)
        return events[::-1]

    def _report_event(self, event: Any, failures: list[str]) -> None:
        status, name = event["ResourceStatus"], event["LogicalResourceId"]
        if status.endswith("_IN_PROGRESS"):
            return
        reason = event.get("ResourceStatusReason", "")
        if status.endswith("_FAILED") and "cancelled" not in reason:
            failures.append(f"{name}: {reason}")
        self._report(f"  {status:<24} {event['ResourceType']:<34} {name} {reason}".rstrip())


def _change_line(change: Any) -> str:
    replaced = change.get("Replacement") in ("True", "Conditional")
    loses_data = change["ResourceType"] == _TABLE and (replaced or change["Action"] == "Remove")
    note = f", replaced: {change['Replacement'].lower()}" if replaced else ""
    imported = ", which exists already" if change["Action"] == "Import" else ""
    return f"{'!' if loses_data else _SIGNS[change['Action']]} {change['ResourceType']} {change['LogicalResourceId']}{note}{imported}"
