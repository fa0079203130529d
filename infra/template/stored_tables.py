"""The tables of a stage, and daily copies of the append-only tables that nobody can change.

Tables hold what people have paid for, so no change of the stack deletes a table. IAM lets a function put an entry into the ledger, but
cannot forbid replacing an existing entry. The previous day's copy reveals such a replacement.
"""

import json

from infra import tables
from infra.template.policies import append_only
from infra.template.stages import Template, Throughput, addon_names, stack_settings


def resources(stage: str) -> Template:
    """Return logical id -> AWS::DynamoDB::Table."""
    throughput = stack_settings(stage).warm_throughput
    definitions = tables.definitions(addon_names(stage))
    if unknown := throughput.keys() - definitions:
        raise ValueError(
            f"warm_throughput of stage {stage} names {min(unknown)}, which is not a table of this stage and its add-ons; "
            f"the tables are {', '.join(definitions)}"
        )
    return {
        tables.logical_id(feature): _table(stage, feature, definition, throughput.get(feature))
        for feature, definition in definitions.items()
    }


def _table(stage: str, feature: str, definition: Template, throughput: Throughput | None) -> Template:
    properties: Template = {
        "TableName": f"fairgate-{stage}-{feature}",
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        **definition,
    }
    if feature in tables.streamed():
        properties["StreamSpecification"] = tables.STREAM_VIEW
    if (attribute := tables.ttl_attributes().get(feature)) is not None:
        properties["TimeToLiveSpecification"] = {"Enabled": True, "AttributeName": attribute}
    if throughput is not None:
        # An index that is written more slowly than its table throttles the table's writes.
        warm = {"WarmThroughput": {"ReadUnitsPerSecond": throughput.reads, "WriteUnitsPerSecond": throughput.writes}}
        properties |= warm
        if indexes := definition.get("GlobalSecondaryIndexes"):
            properties["GlobalSecondaryIndexes"] = [{**index, **warm} for index in indexes]
    return {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties}


def archive_resources(stage: str) -> Template:
    """Return the resources of the archive; none if the stage keeps no archive."""
    days = stack_settings(stage).archive_days
    if days is None:
        return {}
    return {
        "Archive": _bucket(days),
        "ArchivePolicy": _bucket_policy(),
        "ArchiveRole": _role(stage),
        **{f"Archive{tables.logical_id(feature).removeprefix('Table')}": _schedule(stage, feature) for feature in append_only(stage)},
    }


def _bucket(days: int) -> Template:
    """Return a bucket whose objects cannot be changed or deleted for this number of days, and are deleted afterwards."""
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}
    expiry = {"Id": "expire", "Status": "Enabled", "ExpirationInDays": days + 1, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "ObjectLockEnabled": True,
            "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": retention},
            "VersioningConfiguration": {"Status": "Enabled"},
            "LifecycleConfiguration": {"Rules": [expiry]},
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        },
    }


def _bucket_policy() -> Template:
    statement = {
        "Sid": "EncryptedConnectionsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": ["Archive", "Arn"]}, {"Fn::Sub": "${Archive.Arn}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "Archive"}, "PolicyDocument": document}}


def _role(stage: str) -> Template:
    """Return the schedule's role, which may export whole tables to the bucket. No function has this role."""
    exported = [{"Fn::GetAtt": [tables.logical_id(feature), "Arn"]} for feature in append_only(stage)]
    statements = [
        {"Effect": "Allow", "Action": "dynamodb:ExportTableToPointInTime", "Resource": exported},
        {"Effect": "Allow", "Action": ["s3:AbortMultipartUpload", "s3:PutObject"], "Resource": {"Fn::Sub": "${Archive.Arn}/*"}},
    ]
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "archive", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}],
        },
    }


def _schedule(stage: str, feature: str) -> Template:
    request = {"TableArn": f"${{{tables.logical_id(feature)}.Arn}}", "S3Bucket": "${Archive}", "S3Prefix": feature}
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": f"fairgate-{stage}-archive-{feature}",
            "ScheduleExpression": "rate(1 days)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": {"Fn::Sub": "arn:${AWS::Partition}:scheduler:::aws-sdk:dynamodb:exportTableToPointInTime"},
                "RoleArn": {"Fn::GetAtt": ["ArchiveRole", "Arn"]},
                "Input": {"Fn::Sub": json.dumps(request)},
            },
        },
    }
