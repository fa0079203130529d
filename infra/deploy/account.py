"""The AWS account, region and secret of a deployment, the error of a failed deployment, and advice about AWS's errors."""

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

import boto3.session
from botocore import exceptions
from msgspec import Struct

from bootstrap import aws_errors, aws_stage, interrupts
from chalicelib.foundation.secret_settings import MIN_SECRET_LENGTH


class DeploymentFailed(Exception):
    """A step failed, or the operator declined; the message names the reason and the remedy."""

    exit_code = 1


class NotConfirmed(DeploymentFailed):
    """Nobody confirmed the changes."""

    exit_code = interrupts.NOT_CONFIRMED


class Interrupted(DeploymentFailed):
    """The operator stopped the deployment."""

    exit_code = interrupts.INTERRUPTED


_FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class AwsAccount(Struct, frozen=True):
    """The AWS account and region of a deployment. `user` is the ARN of the deployer."""

    session: boto3.session.Session
    region: str
    id: str
    user: str

    def client(self, service: str) -> Any:
        return self.session.client(service, region_name=self.region)  # type: ignore[call-overload]


def open_account() -> AwsAccount:
    """Open the account whose credentials are in the environment. Raises SettingsError, or an AWS error that `explain` can describe."""
    region = aws_stage.check_region(os.environ)
    session = boto3.session.Session(region_name=region)
    identity = session.client("sts", region_name=region).get_caller_identity()
    return AwsAccount(session, region, identity["Account"], identity["Arn"])


def explain(error: exceptions.BotoCoreError | exceptions.ClientError) -> str:
    """Describe an AWS error to the operator: what failed, and what to do."""
    if isinstance(error, exceptions.ClientError) and error.response["Error"]["Code"] in _FORBIDDEN:
        return f"AWS refuses {error.operation_name}: {error}. infra/deployer-policy.json lists the permissions that the deployer needs."
    return f"AWS failed: {str(error).rstrip('.')}. {aws_errors.advice(error)}".rstrip()


RANDOM_BYTES = 48


def secret_name(stage: str) -> str:
    return f"fairgate/{stage}"


def create_missing(account: AwsAccount, stage: str) -> tuple[str, Mapping[str, Any]]:
    """Create the stage's secret, or add the CDN's key to a secret that lacks the key. Returns what was done, and the secret's values.

    Raises DeploymentFailed if CloudFormation or the API could not use the existing secret.
    """
    client, name = account.client("secretsmanager"), secret_name(stage)
    try:
        text = client.get_secret_value(SecretId=name).get("SecretString", "")
    except client.exceptions.ResourceNotFoundException:
        values = {"jwt_secret": _random(), "ticket_keys": f"k1:{_random()}", "edge_key": _random()}
        client.create_secret(Name=name, Description=f"Keys of Fairgate, stage {stage}", SecretString=json.dumps(values))
        return "created", values
    values = _parse(name, text)
    if values.get("edge_key"):
        if len(values["edge_key"]) < MIN_SECRET_LENGTH:
            raise DeploymentFailed(
                f"edge_key in the secret {name} is too short. Replace it with a value of at least {MIN_SECRET_LENGTH} characters."
            )
        return "exists; nothing was changed", values
    client.put_secret_value(SecretId=name, SecretString=json.dumps({**values, "edge_key": _random()}))
    return "exists; edge_key, which CloudFront needs, was added", values


def missing_for_mails(stage: str, secret: Mapping[str, Any], variables: Mapping[str, str]) -> list[str]:
    """Return what a stage lacks to send emails that work, given its secret and the environment variables of its functions."""
    missing = []
    if variables.get("FAIRGATE_MAIL_PROVIDER") != "ses" and not (secret.get("smtp_url") or variables.get("FAIRGATE_SMTP_URL")):
        missing.append(f"smtp_url in the secret {secret_name(stage)}, or FAIRGATE_MAIL_PROVIDER=ses")
    missing += [name for name in ("FAIRGATE_MAIL_FROM", "FAIRGATE_SHOP_URL") if not variables.get(name)]
    return missing


def _random() -> str:
    return secrets.token_urlsafe(RANDOM_BYTES)


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:  # its message would repeat a part of the secret
        values = None
    if not isinstance(values, dict):
        raise DeploymentFailed(f"The secret {name} must be a JSON object. docs/deployment.md lists its keys.")
    return values
