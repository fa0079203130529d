"""Which function gets the changes of which tables: for the deployment, and for the local run."""

from typing import Any

from infra import tables

# Function -> the features whose tables it gets the changes of.
CONSUMERS = {"project_reports": ("payment-transactions", "purchases", "tickets")}

BATCH_SIZE = 500  # Lambda passes fewer if they have more than 6 MB
WINDOW_SECONDS = 2  # that Lambda waits for more changes, so that fewer writes count more of them
MAX_RETRY_ATTEMPTS = 30
DEAD_LETTER_SECONDS = 14 * 86_400


def cloudformation(stage: str) -> dict[str, dict[str, Any]]:
    """Logical id -> resource: a queue of dead letters for each function, and a mapping for each of its tables."""
    resources = {}
    for function, features in CONSUMERS.items():
        queue = f"{function_id(function)}DeadLetters"
        resources[queue] = {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": f"fairgate-{stage}-{function.replace('_', '-')}-dead-letters",
                "MessageRetentionPeriod": DEAD_LETTER_SECONDS,
                "SqsManagedSseEnabled": True,
            },
        }
        for feature in features:
            table = tables.logical_id(feature)
            resources[f"{function_id(function)}{table.removeprefix('Table')}Changes"] = {
                "Type": "AWS::Lambda::EventSourceMapping",
                "DependsOn": f"{function_id(function)}Role",
                "Properties": {
                    "FunctionName": {"Ref": function_id(function)},
                    "EventSourceArn": {"Fn::GetAtt": [table, "StreamArn"]},
                    "StartingPosition": "TRIM_HORIZON",
                    "BatchSize": BATCH_SIZE,
                    "MaximumBatchingWindowInSeconds": WINDOW_SECONDS,
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                    "BisectBatchOnFunctionError": True,
                    "MaximumRetryAttempts": MAX_RETRY_ATTEMPTS,
                    "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [queue, "Arn"]}}},
                },
            }
    return resources


def function_id(function: str) -> str:
    """Chalice's logical id of a function: project_reports -> ProjectReports."""
    return "".join(word.capitalize() for word in function.split("_"))
