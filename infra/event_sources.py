"""Which function gets the changes of which tables: for the deployment, and for the local run."""

from typing import Any

# Function -> the features whose tables it gets the changes of: at most two functions for each table.
CONSUMERS = {
    "follow_changes": ("catalog", "purchases", "tickets"),
    "project_reports": ("payment-transactions", "purchases", "tickets"),
    "send_webhooks": ("webhook-deliveries",),
}

BATCH_SIZE = 500  # Lambda passes fewer if they have more than 6 MB
WINDOW_SECONDS = 2  # that Lambda waits for more changes, so that fewer writes count more of them
MAX_RETRY_ATTEMPTS = 30


def function_id(function: str) -> str:
    """Chalice's logical id of a function: project_reports -> ProjectReports."""
    return "".join(word.capitalize() for word in function.split("_"))


def lambda_record(record: dict[str, Any], stream: str) -> dict[str, Any]:
    """A change record that the SDK has read from `stream`, an ARN, as Lambda passes it on, which encodes binary values in Base64."""
    created_at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return {**record, "eventSourceARN": stream, "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": created_at}}
