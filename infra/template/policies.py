"""The IAM policy of each function. Tests prove that the functions need all these permissions and no others."""

from typing import Any

from infra import event_sources, tables
from infra.template import mails
from infra.template.stages import addon_names, regions_of

Statement = dict[str, Any]

# Function -> table, or `table/index/name` -> actions of DynamoDB.
TABLES: dict[str, dict[str, str]] = {
    "api_handler": {
        "accounts": "BatchGetItem DeleteItem GetItem PutItem UpdateItem",
        "accounts/index/by_lane": "Query",
        "audit": "PutItem Query",
        "audit/index/actor": "Query",
        "audit/index/day": "Query",
        "audit/index/event": "Query",
        "box-office": "GetItem Query UpdateItem",
        "buyers": "GetItem Query UpdateItem",
        "cases": "BatchGetItem DeleteItem PutItem Query",
        "cases/index/due": "Query",
        "cases/index/open": "Query",
        "catalog": "BatchGetItem BatchWriteItem ConditionCheckItem DeleteItem GetItem PutItem Query UpdateItem",
        "checkout-details": "BatchGetItem GetItem PutItem UpdateItem",
        "checkout-details/index/address": "Query",
        "email-notifications": "BatchGetItem GetItem UpdateItem",
        "email-notifications/index/due": "Query",
        "email-notifications/index/event": "Query",
        "email-notifications/index/by_event": "Query",
        "email-notifications/index/problem": "Query",
        "event-cancellations": "GetItem PutItem",
        "event-notices": "DeleteItem GetItem PutItem Query",
        "guests": "BatchGetItem DeleteItem GetItem PutItem UpdateItem",
        "guests/index/code": "Query",
        "idempotency": "DeleteItem PutItem UpdateItem",
        "inventory": "BatchGetItem BatchWriteItem DeleteItem PutItem UpdateItem",
        "invoices": "Query",
        "invoices/index/by_series": "Query",
        "job-runs": "BatchGetItem",
        "listings": "DeleteItem PutItem Query",
        "login-attempts": "DeleteItem PutItem UpdateItem",
        "memberships": "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem",
        "memberships/index/by_email": "Query",
        "payment-transactions": "PutItem Query",
        "promoters": "BatchGetItem ConditionCheckItem DeleteItem GetItem PutItem",
        "promoters/index/by_state": "Query",
        "promotions": "DeleteItem GetItem PutItem Query UpdateItem",
        "purchases": "BatchGetItem GetItem PutItem UpdateItem",
        "rate-limits": "PutItem UpdateItem",
        "reconciliation": "GetItem",
        "reports": "BatchGetItem GetItem Query",
        "sessions": "BatchGetItem DeleteItem GetItem PutItem UpdateItem",
        "sessions/index/user": "Query",
        "stock-display": "BatchGetItem UpdateItem",
        "stock-ledger": "PutItem Query",
        "suppressed-addresses": "DeleteItem GetItem",
        "tickets": "BatchGetItem GetItem PutItem UpdateItem",
        "tickets/index/code": "Query",
        "tickets/index/event": "Query",
        "waiting-room": "BatchGetItem DeleteItem GetItem PutItem UpdateItem",
        "waiting-room/index/entry": "Query",
        "waitlist": "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem",
        "wallet-passes": "BatchGetItem BatchWriteItem DeleteItem GetItem PutItem Query",
        "webhook-deliveries": "GetItem PutItem Query UpdateItem",
        "webhook-endpoints": "DeleteItem GetItem PutItem Query",
    },
    "clean_images": {
        "catalog": "BatchGetItem GetItem Query",
        "job-runs": "UpdateItem",
    },
    "documents": {
        "accounts": "GetItem",
        "catalog": "BatchGetItem GetItem Query",
        "checkout-details": "GetItem",
        "invoices": "Query",
        "memberships": "GetItem UpdateItem",
        "payment-transactions": "Query",
        "promoters": "GetItem",
        "purchases": "GetItem",
        "rate-limits": "UpdateItem",
        "tickets": "BatchGetItem",
    },
    "follow_changes": {
        "accounts": "BatchGetItem GetItem",
        "accounts/index/by_lane": "Query",
        "audit": "PutItem",
        "buyers": "BatchGetItem GetItem UpdateItem",
        "cases": "PutItem",
        "catalog": "BatchGetItem DeleteItem GetItem Query UpdateItem",
        "checkout-details": "GetItem",
        "email-notifications": "PutItem",
        "event-notices": "GetItem PutItem",
        "inventory": "BatchGetItem UpdateItem",
        "invoices": "GetItem PutItem Query",
        "memberships": "Query",
        "payment-transactions": "Query",
        "promoters": "GetItem",
        "purchases": "BatchGetItem PutItem UpdateItem",
        "sessions": "UpdateItem",
        "sessions/index/user": "Query",
        "stock-ledger": "PutItem Query",
        "sweep": "UpdateItem",
        "ticket-numbers": "UpdateItem",
        "tickets": "BatchGetItem UpdateItem",
        "waiting-room": "BatchGetItem GetItem",
        "wallet-passes": "BatchGetItem BatchWriteItem",
        "webhook-deliveries": "PutItem",
        "webhook-endpoints": "Query",
        "waitlist": "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem",
    },
    "offer_tickets": {
        "buyers": "BatchGetItem GetItem UpdateItem",
        "cases": "PutItem",
        "catalog": "BatchGetItem GetItem Query",
        "email-notifications": "PutItem",
        "inventory": "BatchGetItem UpdateItem",
        "job-runs": "UpdateItem",
        "purchases": "BatchGetItem PutItem",
        "stock-display": "BatchGetItem UpdateItem",
        "tickets": "BatchGetItem",
        "waiting-room": "BatchGetItem GetItem PutItem UpdateItem",
        "waiting-room/index/entry": "Query",
        "waitlist": "BatchGetItem DeleteItem GetItem PutItem Query UpdateItem",
    },
    "process_image": {
        "audit": "PutItem",
        "catalog": "BatchGetItem GetItem PutItem Query UpdateItem",
    },
    "project_reports": {
        "accounts": "BatchGetItem",
        "checkout-details": "BatchGetItem",
        "purchases": "BatchGetItem",
        "reports": "BatchGetItem DeleteItem GetItem PutItem Scan UpdateItem",
        "tickets": "BatchGetItem",
    },
    "reconcile": {
        "audit": "PutItem",
        "buyers": "GetItem UpdateItem",
        "cases": "DeleteItem PutItem Query Scan",
        "catalog": "BatchGetItem GetItem PutItem Query UpdateItem",
        "checkout-details": "GetItem UpdateItem",
        "inventory": "BatchGetItem Scan UpdateItem",
        "invoices": "GetItem PutItem Query",
        "job-runs": "UpdateItem",
        "listings": "DeleteItem Query",
        "payment-transactions": "PutItem Query",
        "promoters": "GetItem",
        "promotions": "GetItem",
        "provider-events": "BatchGetItem GetItem PutItem",
        "purchases": "BatchGetItem GetItem PutItem Scan UpdateItem",
        "reconciliation": "BatchGetItem GetItem PutItem",
        "sweep": "BatchGetItem GetItem Scan",
        "tickets": "BatchGetItem PutItem UpdateItem",
        "tickets/index/event": "Query",
    },
    "send_messages": {
        "accounts": "GetItem",
        "buyers": "GetItem",
        "catalog": "BatchGetItem GetItem Query",
        "checkout-details": "GetItem",
        "email-notifications": "BatchGetItem PutItem UpdateItem",
        "email-notifications/index/due": "Query",
        "event-notices": "BatchGetItem DeleteItem GetItem PutItem Query",
        "inventory": "BatchGetItem",
        "invoices": "Query",
        "job-runs": "UpdateItem",
        "memberships": "GetItem",
        "promoters": "GetItem",
        "purchases": "BatchGetItem GetItem",
        "rate-limits": "UpdateItem",
        "stock-display": "BatchGetItem UpdateItem",
        "suppressed-addresses": "GetItem",
        "tickets": "BatchGetItem GetItem",
        "tickets/index/event": "Query",
        "waiting-room": "BatchGetItem GetItem PutItem UpdateItem",
        "waiting-room/index/entry": "Query",
        "waitlist": "BatchGetItem Query",
    },
    "retry_webhooks": {
        "audit": "PutItem",
        "catalog": "GetItem Query",
        "email-notifications": "PutItem",
        "job-runs": "UpdateItem",
        "webhook-deliveries": "UpdateItem",
        "webhook-deliveries/index/due": "Query",
        "webhook-endpoints": "GetItem PutItem Scan UpdateItem",
    },
    "send_webhooks": {
        "audit": "PutItem",
        "catalog": "GetItem Query",
        "email-notifications": "PutItem",
        "webhook-deliveries": "UpdateItem",
        "webhook-endpoints": "GetItem PutItem UpdateItem",
    },
    "sweep": {
        "audit": "PutItem",
        "buyers": "GetItem UpdateItem",
        "cases": "DeleteItem PutItem UpdateItem",
        "cases/index/due": "Query",
        "catalog": "BatchGetItem BatchWriteItem DeleteItem GetItem PutItem Query UpdateItem",
        "checkout-details": "GetItem UpdateItem",
        "event-cancellations": "DeleteItem PutItem Query",
        "inventory": "BatchGetItem DeleteItem Scan UpdateItem",
        "job-runs": "UpdateItem",
        "listings": "DeleteItem Query",
        "payment-transactions": "PutItem Query",
        "promotions": "GetItem",
        "purchases": "BatchGetItem GetItem PutItem UpdateItem",
        "stock-ledger": "PutItem Query",
        "sweep": "BatchGetItem GetItem PutItem Scan UpdateItem",
        "tickets": "BatchGetItem PutItem UpdateItem",
        "tickets/index/event": "Query",
        "waiting-room": "BatchGetItem GetItem",
        "waitlist": "GetItem UpdateItem",
    },
    "update_passes": {
        "catalog": "BatchGetItem GetItem Query",
        "job-runs": "UpdateItem",
        "promoters": "GetItem",
        "tickets": "GetItem",
        "wallet-passes": "BatchWriteItem DeleteItem PutItem Query",
    },
    "webhooks": {
        "audit": "PutItem",
        "buyers": "GetItem UpdateItem",
        "cases": "DeleteItem PutItem",
        "catalog": "BatchGetItem GetItem PutItem Query UpdateItem",
        "checkout-details": "GetItem UpdateItem",
        "email-notifications": "UpdateItem",
        "inventory": "BatchGetItem UpdateItem",
        "listings": "DeleteItem Query",
        "payment-transactions": "PutItem",
        "promotions": "GetItem",
        "provider-events": "GetItem PutItem",
        "purchases": "BatchGetItem GetItem PutItem UpdateItem",
        "suppressed-addresses": "PutItem",
        "tickets": "BatchGetItem PutItem UpdateItem",
    },
}

# Function -> table of the core -> the add-ons without which the function does not use the table.
ONLY_FOR: dict[str, dict[str, set[str]]] = {
    "follow_changes": {
        "accounts/index/by_lane": {"messages"},
        "cases": {"waitlist"},
        "checkout-details": {"documents"},
        "email-notifications": {"messages"},
        "memberships": {"messages"},
        "payment-transactions": {"documents"},
        "promoters": {"documents"},
    },
    "reconcile": {"promoters": {"documents"}},
}

# Function -> prefix in the bucket for images -> actions of S3. S3 reports a missing file only to callers that may list the bucket.
FILES: dict[str, dict[str, str]] = {
    "api_handler": {"": "ListBucket", "media": "DeleteObject GetObject PutObject", "outcomes": "GetObject", "uploads": "PutObject"},
    "clean_images": {"": "ListBucket", "media": "DeleteObject"},
    "process_image": {
        "": "ListBucket",
        "media": "DeleteObject PutObject",
        "outcomes": "GetObject PutObject",
        "uploads": "DeleteObject GetObject",
    },
}

SENDS_MAILS = ("api_handler", "send_messages")
READS_SECRETS = ("api_handler", "webhooks", "documents", "sweep", "reconcile", "send_messages", "update_passes")
READS_METRICS = ("sweep",)
_APPEND_ONLY = ("audit", "invoices", "payment-transactions", "stock-ledger")
_CHANGES = ("BatchWriteItem", "DeleteItem", "PartiQLDelete", "PartiQLUpdate", "UpdateItem")
_READS_OF_STREAMS = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")


def policy(stage: str, function: str, logs: str, dead_letters: str | None) -> Statement:
    """Return the policy of a function. `logs` and `dead_letters` are the logical ids of its log group and its queue."""
    statements = [
        *_use_tables(stage, tables_of(stage, function)),
        {
            "Sid": "NeverChangeRecords",
            "Effect": "Deny",
            "Action": [f"dynamodb:{action}" for action in _CHANGES],
            "Resource": [_table(stage, feature) for feature in append_only(stage)],
        },
        *_use_files(FILES.get(function, {}) if "images" in addon_names(stage) else {}),
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [{"Fn::GetAtt": [logs, "Arn"]}]),
        # X-Ray does not support resources.
        _allow("Trace", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
    ]
    if function in READS_SECRETS:
        secret = f"secret:fairgate/{stage}-??????"  # AWS adds six characters; `-*` would include a stage `{stage}-eu`
        statements.append(_allow("ReadSecrets", ["secretsmanager:GetSecretValue"], [_arn("secretsmanager", secret)]))
    if regions := regions_of(stage):
        # Each function learns from the catalog's table whether its region sells. The sweep also asks the other regions.
        asked = regions if function == "sweep" else ["${AWS::Region}"]
        statements.append(_allow("ReadRegions", ["dynamodb:Query"], [_table(stage, "catalog", region) for region in asked]))
    if function in READS_METRICS:  # GetMetricData does not support resources
        statements.append(_allow("ReadMetrics", ["cloudwatch:GetMetricData"], ["*"]))
    if function in SENDS_MAILS and mails.uses_ses(stage):
        # A raw message needs both actions. SES identifies the sender by domain or by address.
        domain = mails.sender_domain(stage)
        names = (f"identity/{domain}", f"identity/*@{domain}", f"configuration-set/fairgate-{stage}")
        resources = [_arn("ses", name) for name in names]
        statements.append(_allow("SendMails", ["ses:SendEmail", "ses:SendRawEmail"], resources))
    if function in event_sources.CONSUMERS:
        streams = [_table(stage, f"{feature}/stream/*") for feature in event_sources.CONSUMERS[function]]
        statements.append(_allow("ReadChanges", [f"dynamodb:{action}" for action in _READS_OF_STREAMS], streams))
    if dead_letters is not None:
        statements.append(_allow("SendDeadLetters", ["sqs:SendMessage"], [{"Fn::GetAtt": [dead_letters, "Arn"]}]))
    return {"Version": "2012-10-17", "Statement": statements}


def append_only(stage: str) -> list[str]:
    """Return the tables whose items no function may update or delete, and that the archive keeps."""
    present = tables.definitions(addon_names(stage))
    return [feature for feature in _APPEND_ONLY if feature in present]


def tables_of(stage: str, function: str) -> dict[str, str]:
    """Return the tables and actions of a function from TABLES, without those that only disabled add-ons need."""
    wanted = set(addon_names(stage))
    present, only_for = tables.definitions(addon_names(stage)), ONLY_FOR.get(function, {})
    return {
        table: actions
        for table, actions in TABLES[function].items()
        if table.partition("/")[0] in present and (table not in only_for or only_for[table] & wanted)
    }


def _use_tables(stage: str, used: dict[str, str]) -> list[Statement]:
    """Return one statement for all tables with the same actions, because a role's policies may have at most 10,240 characters.

    The statements have no `Sid`, which would take some hundred of these. `table/index/*` names all indexes of a table if the function may
    use them all, with the same actions.
    """
    by_actions: dict[str, set[str]] = {}
    for table, actions in used.items():
        by_actions.setdefault(actions, set()).add(table)
    for table, definition in tables.definitions(addon_names(stage)).items():
        indexes = {f"{table}/index/{index['IndexName']}" for index in definition.get("GlobalSecondaryIndexes", ())}
        for same_actions in by_actions.values():
            if len(indexes) > 1 and indexes <= same_actions:
                same_actions.difference_update(indexes)
                same_actions.add(f"{table}/index/*")
    return [
        _allow(None, [f"dynamodb:{action}" for action in actions.split()], [_table(stage, table) for table in sorted(same_actions)])
        for actions, same_actions in by_actions.items()
    ]


def _use_files(prefixes: dict[str, str]) -> list[Statement]:
    return [
        _allow(
            f"UseFiles{prefix.title()}",
            [f"s3:{action}" for action in actions.split()],
            [{"Fn::Sub": f"${{ImagesBucket.Arn}}/{prefix}/*" if prefix else "${ImagesBucket.Arn}"}],
        )
        for prefix, actions in prefixes.items()
    ]


def _allow(sid: str | None, actions: list[str], resources: list[Any]) -> Statement:
    return {**({"Sid": sid} if sid is not None else {}), "Effect": "Allow", "Action": actions, "Resource": resources}


def _table(stage: str, feature: str, region: str = "${AWS::Region}") -> Statement:
    return _arn("dynamodb", f"table/fairgate-{stage}-{feature}", region)


def _arn(service: str, resource: str, region: str = "${AWS::Region}") -> Statement:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:{service}:{region}:${{AWS::AccountId}}:{resource}"}
