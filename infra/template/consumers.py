"""The event source mappings that pass changes of tables to the functions that consume them."""

from infra import event_sources, tables
from infra.template.functions import FUNCTIONS, dead_letters_id
from infra.template.stages import Template


def resources() -> Template:
    """Return a mapping for each function and each of its tables. Changes that fail all attempts go to the function's dead letters."""
    return {
        f"{FUNCTIONS[function]}{tables.logical_id(feature).removeprefix('Table')}Changes": _mapping(function, feature)
        for function, features in event_sources.CONSUMERS.items()
        for feature in features
    }


def _mapping(function: str, feature: str) -> Template:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "DependsOn": f"{FUNCTIONS[function]}Role",
        "Properties": {
            "FunctionName": {"Ref": FUNCTIONS[function]},
            "EventSourceArn": {"Fn::GetAtt": [tables.logical_id(feature), "StreamArn"]},
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": event_sources.BATCH_SIZE,
            "MaximumBatchingWindowInSeconds": event_sources.WINDOW_SECONDS,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": event_sources.MAX_RETRY_ATTEMPTS,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [dead_letters_id(function), "Arn"]}}},
        },
    }
