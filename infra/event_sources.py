"""The functions that receive changes of tables, in a deployment and in the local run."""

from typing import Any

# Function -> the features whose tables' changes it receives. A table has at most two functions.
CONSUMERS = {
    "follow_changes": ("catalog", "purchases", "tickets"),
    "project_reports": ("payment-transactions", "purchases", "tickets"),
    "send_webhooks": ("webhook-deliveries",),
    "update_passes": ("wallet-passes",),
}
# Function -> the changes for which Lambda calls it, as a pattern of Lambda's event filtering. The other functions get all changes.
FILTERS: dict[str, dict[str, Any]] = {
    # A ticket or an event has changed. Retries, and updates for which Google had no time, are left to the schedule.
    "update_passes": {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"pk": {"S": ["due"]}, "sk": {"S": [{"prefix": f"{0:011}#0#"}, {"prefix": f"{0:011}#1#"}]}}},
    },
}

BATCH_SIZE = 500  # Lambda passes fewer changes if they exceed 6 MB
WINDOW_SECONDS = 2  # how long Lambda waits for more changes, so that one write can count many changes
MAX_RETRY_ATTEMPTS = 30


def function_id(function: str) -> str:
    """Chalice's logical id of a function: project_reports -> ProjectReports."""
    return "".join(word.capitalize() for word in function.split("_"))


def lambda_record(record: dict[str, Any], stream: str) -> dict[str, Any]:
    """Convert a change record that the SDK read from `stream`, an ARN, to Lambda's format, which encodes binary values in Base64."""
    created_at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return {**record, "eventSourceARN": stream, "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": created_at}}
