"""The secret of a stage: made with random values at the first deployment, never changed afterwards."""

import json
import secrets

from infra.deploy.account import AwsAccount

RANDOM_BYTES = 48


def secret_name(stage: str) -> str:
    return f"fairgate/{stage}"


def create_missing(account: AwsAccount, stage: str) -> bool:
    """Create the stage's secret unless there is one; returns whether it was created."""
    client, name = account.client("secretsmanager"), secret_name(stage)
    try:
        client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        values = {"jwt_secret": secrets.token_urlsafe(RANDOM_BYTES), "ticket_keys": f"k1:{secrets.token_urlsafe(RANDOM_BYTES)}"}
        client.create_secret(Name=name, Description=f"Keys of Fairgate, stage {stage}", SecretString=json.dumps(values))
        return True
    return False
