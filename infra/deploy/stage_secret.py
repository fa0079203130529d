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
        jwt_secret, ticket_key, edge_key = (secrets.token_urlsafe(RANDOM_BYTES) for _ in range(3))
        values = {"jwt_secret": jwt_secret, "ticket_keys": f"k1:{ticket_key}", "edge_key": edge_key}
        client.create_secret(Name=name, Description=f"Keys of Fairgate, stage {stage}", SecretString=json.dumps(values))
        return True
    return False
