"""The tables of a stage. They hold what people have paid for, so no change of the stack deletes a table."""

from infra import tables
from infra.template.stages import Template, Throughput, stack_settings


def resources(stage: str) -> Template:
    """Return logical id -> AWS::DynamoDB::Table."""
    throughput = stack_settings(stage).warm_throughput
    definitions = tables.definitions()
    if unknown := throughput.keys() - definitions:
        raise ValueError(
            f"warm_throughput of stage {stage} names {min(unknown)}, which is not a table; the tables are {', '.join(definitions)}"
        )
    return {tables.logical_id(feature): _table(stage, feature, throughput.get(feature)) for feature in definitions}


def _table(stage: str, feature: str, throughput: Throughput | None) -> Template:
    properties: Template = {
        "TableName": f"fairgate-{stage}-{feature}",
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        **tables.definitions()[feature],
    }
    if feature in tables.streamed():
        properties["StreamSpecification"] = tables.STREAM_VIEW
    if (attribute := tables.ttl_attributes().get(feature)) is not None:
        properties["TimeToLiveSpecification"] = {"Enabled": True, "AttributeName": attribute}
    if throughput is not None:
        properties["WarmThroughput"] = {"ReadUnitsPerSecond": throughput.reads, "WriteUnitsPerSecond": throughput.writes}
    return {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties}
