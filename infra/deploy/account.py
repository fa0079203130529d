"""The AWS account and region of a deployment, and advice about AWS's errors."""

import os
from typing import Any

import boto3.session
from botocore import exceptions
from msgspec import Struct

from bootstrap import aws_errors, aws_stage

_FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class AwsAccount(Struct, frozen=True):
    """`user` is the ARN of the deployer."""

    session: boto3.session.Session
    region: str
    id: str
    user: str

    def client(self, service: str) -> Any:
        return self.session.client(service, region_name=self.region)  # type: ignore[call-overload]


def open_account() -> AwsAccount:
    """Open the account whose credentials are in the environment. Raises SettingsError or an error of AWS for `explain`."""
    region = aws_stage.check_region(os.environ)
    session = boto3.session.Session(region_name=region)
    identity = session.client("sts", region_name=region).get_caller_identity()
    return AwsAccount(session, region, identity["Account"], identity["Arn"])


def explain(error: exceptions.BotoCoreError | exceptions.ClientError) -> str:
    """Describe an error of AWS to the operator: what failed, and what to do."""
    if isinstance(error, exceptions.ClientError) and error.response["Error"]["Code"] in _FORBIDDEN:
        return f"AWS refuses {error.operation_name}: {error}. infra/deployer-policy.json lists the permissions that the deployer needs."
    return f"AWS failed: {str(error).rstrip('.')}. {aws_errors.advice(error)}".rstrip()
