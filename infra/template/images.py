"""The bucket for images: CloudFront's access, expiry of uploads, and the function that checks the files that browsers upload.

The bucket notifies EventBridge, which calls the function, so CloudFormation can create the bucket and the function in either order.
"""

from infra.template.functions import BUCKET, FUNCTIONS, alias
from infra.template.stages import Template, addon_names, stack_settings

_PERMISSION = "ImageStoredInvokePermission"
# Days for which uploads and their outcomes are kept.
_DAYS_KEPT = {"uploads/": 1, "outcomes/": 1}


def resources(stage: str) -> Template:
    """Return the bucket and the resources that check its files; nothing for a stage without the add-on."""
    if "images" not in addon_names(stage):
        return {}
    return {
        BUCKET: _bucket(),
        "ImagesBucketPolicy": _policy(),
        "ImageStored": _rule(stage),
        _PERMISSION: _invoke_permission(stage),
    }


def origin() -> Template:
    """Return the bucket as an origin of CloudFront. Files have the same names as in their addresses."""
    return {
        "Id": "images",
        "DomainName": {"Fn::GetAtt": [BUCKET, "RegionalDomainName"]},
        "S3OriginConfig": {"OriginAccessIdentity": ""},
        "OriginAccessControlId": {"Ref": "WebAccess"},
    }


def _bucket() -> Template:
    rules = [
        {"Id": prefix.strip("/"), "Status": "Enabled", "Prefix": prefix, "ExpirationInDays": days} for prefix, days in _DAYS_KEPT.items()
    ]
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            "LifecycleConfiguration": {"Rules": rules},
            # Any page may send a form, but the bucket accepts only forms that were issued to managers.
            "CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["POST"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}]},
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


def _policy() -> Template:
    shop = {"Fn::Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Shop}"}
    statements = [
        {
            "Sid": "ShowImages",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": {"Fn::Sub": f"${{{BUCKET}.Arn}}/media/*"},
            "Condition": {"StringEquals": {"AWS:SourceArn": shop}},
        },
        {
            "Sid": "EncryptedConnectionsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [{"Fn::GetAtt": [BUCKET, "Arn"]}, {"Fn::Sub": f"${{{BUCKET}.Arn}}/*"}],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": BUCKET}, "PolicyDocument": document}}


def _rule(stage: str) -> Template:
    """Return the rule that calls the function for each file under `uploads/` after it is stored, or after GuardDuty has scanned it."""
    in_uploads = [{"prefix": "uploads/"}]
    pattern: Template = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [{"Ref": BUCKET}]}, "object": {"key": in_uploads}},
    }
    if stack_settings(stage).scan_uploads:
        pattern = {
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Malware Protection Object Scan Result"],
            "detail": {"s3ObjectDetails": {"bucketName": [{"Ref": BUCKET}], "objectKey": in_uploads}},
        }
    target = {"Id": "process-image", "Arn": alias(FUNCTIONS["process_image"])}
    return {
        "Type": "AWS::Events::Rule",
        "DependsOn": _PERMISSION,  # EventBridge does not repeat a call that is forbidden
        "Properties": {"Name": _rule_name(stage), "EventPattern": pattern, "Targets": [target]},
    }


def _rule_name(stage: str) -> str:
    return f"fairgate-{stage}-image-stored"


def _invoke_permission(stage: str) -> Template:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": alias(FUNCTIONS["process_image"]),
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/{_rule_name(stage)}"},
        },
    }
