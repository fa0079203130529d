"""The secret of a stage. The first deployment creates it with random values; later ones add missing keys and change none."""

import json
import secrets
from typing import Any

from chalicelib.foundation.secret_settings import MIN_SECRET_LENGTH
from infra.deploy.account import AwsAccount
from infra.deploy.errors import DeploymentFailed

RANDOM_BYTES = 48


def secret_name(stage: str) -> str:
    return f"fairgate/{stage}"


def create_missing(account: AwsAccount, stage: str) -> str:
    """Create the stage's secret, or add the CDN's key to a secret that lacks it; returns what was done.

    Raises DeploymentFailed if CloudFormation or the API could not use the existing secret.
    """
    client, name = account.client("secretsmanager"), secret_name(stage)
    try:
        text = client.get_secret_value(SecretId=name).get("SecretString", "")
    except client.exceptions.ResourceNotFoundException:
        values = {"jwt_secret": _random(), "ticket_keys": f"k1:{_random()}", "edge_key": _random()}
        client.create_secret(Name=name, Description=f"Keys of Fairgate, stage {stage}", SecretString=json.dumps(values))
        return "created"
    values = _parse(name, text)
    if values.get("edge_key"):
        if len(values["edge_key"]) < MIN_SECRET_LENGTH:
            raise DeploymentFailed(
                f"edge_key in the secret {name} is too short. Replace it with a value of at least {MIN_SECRET_LENGTH} characters."
            )
        return "exists; nothing was changed"
    client.put_secret_value(SecretId=name, SecretString=json.dumps({**values, "edge_key": _random()}))
    return "exists; edge_key, which CloudFront needs, was added"


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
