"""Operations of tables: create, describe, list, update, delete; time to live, tags, limits and backups' settings."""

import uuid
from datetime import UTC, datetime
from re import fullmatch
from typing import Any

from devtools.dynamodb_engine.tables import Table, key_names
from devtools.dynamodb_engine.values import ApiError, invalid, invalid_parameter

ACCOUNT = "000000000000"
_MAX_GLOBAL_INDEXES, _MAX_LOCAL_INDEXES, _MAX_TAGS, _MAX_PROJECTED = 20, 5, 50, 100
_NO_THROUGHPUT = {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}

Request = dict[str, Any]
Response = dict[str, Any]


def create_table(engine: Any, request: Request) -> Response:
    name = request["TableName"]
    check_name("TableName", name)
    description: dict[str, Any] = {
        "AttributeDefinitions": _attribute_definitions(request.get("AttributeDefinitions") or []),
        "TableName": name,
        "KeySchema": request.get("KeySchema") or [],
        "TableStatus": "ACTIVE",
        "CreationDateTime": round(engine.clock(), 3),
        "TableArn": _table_arn(engine, name),
        "TableId": str(uuid.uuid4()),
        "DeletionProtectionEnabled": bool(request.get("DeletionProtectionEnabled")),
        "TableClassSummary": {"TableClass": request.get("TableClass", "STANDARD")},
    }
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in description["AttributeDefinitions"]}
    _check_key_schema(description["KeySchema"], types)
    _set_billing(engine, description, request)
    used = {element["AttributeName"] for element in description["KeySchema"]}
    for kind, limit in (("LocalSecondaryIndexes", _MAX_LOCAL_INDEXES), ("GlobalSecondaryIndexes", _MAX_GLOBAL_INDEXES)):
        wanted = request.get(kind)
        if wanted is None:
            continue
        if not wanted:
            raise invalid_parameter(f"List of {kind} is empty")
        if len(wanted) > limit:
            raise invalid_parameter(f"{kind} count exceeds the per-table limit of {limit}")
        description[kind] = [_new_index(description, index, types, kind) for index in wanted]
        used |= {element["AttributeName"] for index in wanted for element in index["KeySchema"]}
    _check_index_names(description)
    if types.keys() - used:
        raise invalid_parameter(
            f"Some AttributeDefinitions are not used. AttributeDefinitions: [{', '.join(sorted(types))}], keys used: [{', '.join(sorted(used))}]"
        )
    tags = _tags(request.get("Tags") or [])
    definition = {"description": description, "ttl": None, "tags": tags, "pitr": False}
    with engine.lock:
        if name in engine.tables:
            raise ApiError("ResourceInUseException", f"Table already exists: {name}")
        _set_stream(engine, definition, request.get("StreamSpecification"))
        pending = engine.define(name, definition)
    engine.settle(pending)
    return {"TableDescription": {**description, "TableStatus": "CREATING", "ItemCount": 0, "TableSizeBytes": 0}}


def check_name(parameter: str, name: Any) -> None:
    if not 3 <= len(name) <= 255:
        raise invalid(f"{parameter} must be at least 3 characters long and at most 255 characters long")
    if not fullmatch(r"[a-zA-Z0-9_.-]+", name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at '{parameter[0].lower()}{parameter[1:]}' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )


def _table_arn(engine: Any, name: str) -> str:
    return f"arn:aws:dynamodb:{engine.region}:{ACCOUNT}:table/{name}"


def _attribute_definitions(attributes: list[dict[str, str]]) -> list[dict[str, str]]:
    names = [attribute["AttributeName"] for attribute in attributes]
    for name in names:
        if not 1 <= len(name) <= 255:
            raise invalid(f"AttributeName must have a length between 1 and 255 in AttributeDefinitions, not {len(name)}")
        if names.count(name) > 1:
            raise invalid_parameter(f"Duplicate AttributeName in AttributeDefinitions: {name}")
    return attributes


def _check_key_schema(schema: list[dict[str, str]], types: dict[str, str], *, is_global_index: bool = False) -> None:
    kinds = [element["KeyType"] for element in schema]
    names = [element["AttributeName"] for element in schema]
    if not kinds or kinds[0] != "HASH":
        raise invalid_parameter("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if is_global_index:
        if kinds.count("HASH") > 4 or kinds.count("RANGE") > 4 or kinds != sorted(kinds):
            raise invalid_parameter(
                "Invalid KeySchema: HASH key attributes must precede RANGE key attributes, and there are at most 4 of each"
            )
    elif len(kinds) > 2:
        raise invalid(
            "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length at most two (2)"
        )
    elif len(kinds) == 2 and kinds[1] != "RANGE":
        raise invalid_parameter("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    if len(set(names)) < len(names):
        raise invalid_parameter("Both the Hash Key and the Range Key element in the KeySchema have the same name")
    missing = [name for name in names if name not in types]
    if missing:
        raise invalid_parameter(
            "Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(missing)}], AttributeDefinitions: [{', '.join(types)}]"
        )


def _set_billing(engine: Any, description: dict[str, Any], request: Request) -> None:
    throughput = request.get("ProvisionedThroughput")
    mode = request.get("BillingMode") or "PROVISIONED"
    if mode == "PAY_PER_REQUEST":
        if throughput is not None:
            raise invalid_parameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
        summary = {"BillingMode": mode, "LastUpdateToPayPerRequestDateTime": round(engine.clock(), 3)}
        description["BillingModeSummary"] = summary
    else:
        if throughput is None:
            raise invalid("No provisioned throughput specified for the table")
        description.pop("BillingModeSummary", None)
    description["ProvisionedThroughput"] = {**_NO_THROUGHPUT, **(throughput or {})}


def _new_index(description: dict[str, Any], wanted: dict[str, Any], types: dict[str, str], kind: str) -> dict[str, Any]:
    name, projection, is_global = wanted["IndexName"], wanted["Projection"], kind[0] == "G"
    check_name("IndexName", name)
    if not is_global:
        table_hash, table_range = key_names(description["KeySchema"])
        if not table_range:
            raise invalid_parameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
        schema = wanted["KeySchema"]
        if not schema or schema[0]["AttributeName"] != table_hash[0]:
            raise invalid_parameter(f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}")
        if len(schema) < 2:
            raise invalid_parameter(f"Index KeySchema does not have a range key for index: {name}")
    _check_key_schema(wanted["KeySchema"], types, is_global_index=is_global)
    projected, others = projection.get("ProjectionType"), projection.get("NonKeyAttributes")
    if projected is None:
        raise invalid_parameter("Unknown ProjectionType: null")
    if projected == "INCLUDE" and not others:
        raise invalid_parameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
    if projected != "INCLUDE" and others is not None:
        raise invalid_parameter(f"ProjectionType is {projected}, but NonKeyAttributes is specified")
    for attribute in others or ():
        if not 1 <= len(attribute) <= 255:
            raise invalid(f"NonKeyAttributes must have lengths between 1 and 255, not {len(attribute)}: the limit is 255")
        if others.count(attribute) > 1:
            raise invalid_parameter(f"Duplicate value in NonKeyAttributes: {attribute}")
    index = {"IndexName": name, "KeySchema": wanted["KeySchema"], "Projection": projection}
    index["IndexArn"] = f"{description['TableArn']}/index/{name}"
    if is_global:
        index["IndexStatus"] = "ACTIVE"
        _set_billing_of_index(description, index, wanted)
    return index


def _set_billing_of_index(description: dict[str, Any], index: dict[str, Any], wanted: dict[str, Any]) -> None:
    throughput = wanted.get("ProvisionedThroughput")
    if "BillingModeSummary" in description and throughput is not None:
        raise invalid_parameter("ProvisionedThroughput should not be specified for an index when BillingMode is PAY_PER_REQUEST")
    if "BillingModeSummary" not in description and throughput is None:
        raise invalid_parameter(f"No provisioned throughput specified for the global secondary index {wanted['IndexName']}")
    index["ProvisionedThroughput"] = {**_NO_THROUGHPUT, **(throughput or {})}


def _check_index_names(description: dict[str, Any]) -> None:
    indexes = [*description.get("LocalSecondaryIndexes", ()), *description.get("GlobalSecondaryIndexes", ())]
    names = [index["IndexName"] for index in indexes]
    for name in names:
        if names.count(name) > 1:
            raise invalid_parameter(f"Duplicate index name: {name}")
    total = sum(len(index["Projection"].get("NonKeyAttributes", ())) for index in indexes)
    if total > _MAX_PROJECTED:
        raise invalid_parameter(f"Aggregated number of attributes in NonKeyAttributes exceeds the limit of {_MAX_PROJECTED}")


def _set_stream(engine: Any, definition: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    """Switch the stream of a table on or off; called under the lock."""
    if wanted is None:
        return
    description = definition["description"]
    is_enabled = description.get("StreamSpecification", {}).get("StreamEnabled", False)
    if not wanted["StreamEnabled"]:
        if wanted.get("StreamViewType"):
            raise invalid_parameter("Table is not enabled for a stream: StreamViewType must not be specified when StreamEnabled is false")
        if not is_enabled and "TableStatus" in description and description["TableName"] in engine.tables:
            raise invalid("Table has no stream to disable")
        description.pop("StreamSpecification", None)
        definition.pop("stream", None)
        return
    if is_enabled:
        raise invalid_parameter(f"Table already has an enabled stream: TableName: {description['TableName']}")
    if not wanted.get("StreamViewType"):
        raise invalid_parameter("StreamViewType must be specified when StreamEnabled is true")
    engine.last_label = max(engine.last_label + 1, int(engine.clock() * 1000))
    label = datetime.fromtimestamp(engine.last_label / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    description["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": wanted["StreamViewType"]}
    description["LatestStreamLabel"] = label
    description["LatestStreamArn"] = f"{description['TableArn']}/stream/{label}"
    definition["stream"] = {
        "table": description["TableName"],
        "label": label,
        "view": wanted["StreamViewType"],
        "created": engine.clock(),
        "sequence": engine.sequence,
        "key_schema": description["KeySchema"],
    }


def described_table(table: Table) -> dict[str, Any]:
    """The table as DescribeTable returns it."""
    size, count = sum(map(len, table.items.values())), len(table.items)
    description: dict[str, Any] = {**table.description, "TableSizeBytes": size, "ItemCount": count}
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        if kind in description:
            description[kind] = [{**index, "IndexSizeBytes": size, "ItemCount": count} for index in description[kind]]
    return description


def describe_table(engine: Any, request: Request) -> Response:
    with engine.lock:
        return {"Table": described_table(engine.table(request["TableName"], is_admin=True))}


def delete_table(engine: Any, request: Request) -> Response:
    with engine.lock:
        table = engine.table(request["TableName"], is_admin=True)
        if table.description["DeletionProtectionEnabled"]:
            raise invalid(
                f"Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first: {table.name}"
            )
        description = described_table(table)
        pending = engine.define(table.name, None)
    engine.settle(pending)
    return {"TableDescription": {**description, "TableStatus": "DELETING"}}


def list_tables(engine: Any, request: Request) -> Response:
    start, limit = request.get("ExclusiveStartTableName", ""), request.get("Limit", 100)
    with engine.lock:
        names = sorted(name for name in engine.tables if name > start)
    return {"TableNames": names[:limit], **({"LastEvaluatedTableName": names[limit - 1]} if len(names) > limit else {})}


def update_table(engine: Any, request: Request) -> Response:
    with engine.lock:
        table = engine.table(request["TableName"], is_admin=True)
        definition = {**table.definition, "description": dict(table.description)}
        description = definition["description"]
        changes = [name for name in request if name not in ("TableName", "AttributeDefinitions")]
        if not any(request[name] for name in changes):
            raise invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates must be given to UpdateTable"
            )
        if "BillingMode" in request or "ProvisionedThroughput" in request:
            if "BillingMode" not in request and "BillingModeSummary" in description:
                raise invalid_parameter(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
                )
            _set_billing(engine, description, request)
        if "DeletionProtectionEnabled" in request:
            description["DeletionProtectionEnabled"] = request["DeletionProtectionEnabled"]
        if "TableClass" in request:
            description["TableClassSummary"] = {"TableClass": request["TableClass"]}
        _set_stream(engine, definition, request.get("StreamSpecification"))
        updates = request.get("GlobalSecondaryIndexUpdates") or []
        if updates:
            _update_indexes(description, request, updates)
        pending = engine.define(table.name, definition)
        response = {"TableDescription": {**described_table(table), "TableStatus": "UPDATING"}}
    engine.settle(pending)
    return response


def _update_indexes(description: dict[str, Any], request: Request, updates: list[dict[str, Any]]) -> None:
    if any(type(update) is not dict or len(update) != 1 for update in updates):
        raise invalid_parameter("One GlobalSecondaryIndexUpdate must have exactly one of Create, Update and Delete")
    if len([update for update in updates if "Update" not in update]) > 1:
        raise ApiError(
            "LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
        )
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in description["AttributeDefinitions"]}
    for attribute in _attribute_definitions(request.get("AttributeDefinitions") or []):
        if types.setdefault(attribute["AttributeName"], attribute["AttributeType"]) != attribute["AttributeType"]:
            raise invalid_parameter(
                f"Attributes cannot be redefined. Please check that your attribute has the same type as previously defined: {attribute}"
            )
    indexes = {index["IndexName"]: index for index in description.get("GlobalSecondaryIndexes", ())}
    local = {index["IndexName"] for index in description.get("LocalSecondaryIndexes", ())}
    for update in updates:
        ((kind, wanted),) = update.items()
        name = wanted["IndexName"]
        if kind == "Create":
            if name in indexes or name in local:
                raise invalid(f"Attempting to create an index which already exists: Index with name {name} already exists")
            indexes[name] = _new_index(description, wanted, types, "GlobalSecondaryIndexes")
        elif name not in indexes:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: index {name} of table {description['TableName']}")
        elif kind == "Delete":
            del indexes[name]
        else:
            indexes[name] = dict(indexes[name])
            _set_billing_of_index(description, indexes[name], wanted)
    description["GlobalSecondaryIndexes"] = list(indexes.values())
    if not indexes:
        del description["GlobalSecondaryIndexes"]
    _check_index_names(description)
    if len(indexes) > _MAX_GLOBAL_INDEXES:
        raise ApiError("LimitExceededException", f"GlobalSecondaryIndexes count exceeds the per-table limit of {_MAX_GLOBAL_INDEXES}")
    all_indexes = [*indexes.values(), *description.get("LocalSecondaryIndexes", ())]
    schemas = [description["KeySchema"], *(index["KeySchema"] for index in all_indexes)]
    used = {element["AttributeName"] for schema in schemas for element in schema}
    unused = [
        attribute["AttributeName"] for attribute in request.get("AttributeDefinitions") or () if attribute["AttributeName"] not in used
    ]
    if unused:
        raise invalid_parameter(f"Some AttributeDefinitions are not used. AttributeDefinitions: [{', '.join(unused)}]")
    description["AttributeDefinitions"] = [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items() if name in used]


# Time to live


def update_time_to_live(engine: Any, request: Request) -> Response:
    wanted = request["TimeToLiveSpecification"]
    attribute = wanted["AttributeName"]
    if not 1 <= len(attribute) <= 255:
        raise invalid("TimeToLiveSpecification.AttributeName must have a length between 1 and 255")
    with engine.lock:
        table = engine.table(request["TableName"])
        present = table.ttl_attribute
        if wanted["Enabled"] and present is not None:
            raise invalid(
                "TimeToLive is already enabled"
                if attribute == present
                else f"TimeToLive is active on a different AttributeName: current AttributeName is {present}"
            )
        if not wanted["Enabled"] and present is None:
            raise invalid("TimeToLive is already disabled")
        if not wanted["Enabled"] and attribute != present:
            raise invalid(f"TimeToLive is enabled on a different AttributeName: current AttributeName is {present}")
        pending = engine.define(table.name, {**table.definition, "ttl": attribute if wanted["Enabled"] else None})
    engine.settle(pending)
    return {"TimeToLiveSpecification": wanted}


def describe_time_to_live(engine: Any, request: Request) -> Response:
    attribute = engine.table(request["TableName"]).ttl_attribute
    status = {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute} if attribute else {"TimeToLiveStatus": "DISABLED"}
    return {"TimeToLiveDescription": status}


# Tags


def _tags(tags: list[dict[str, str]]) -> dict[str, str]:
    found = {}
    for tag in tags:
        key, value = tag.get("Key", ""), tag.get("Value", "")
        if not 1 <= len(key) <= 128 or len(value) > 256 or not fullmatch(r"[\w\s_.:/=+@-]*", key + value):
            raise invalid(f"The tag with the key {key!r} is not valid: keys have 1 to 128 characters, values at most 256")
        if key in found:
            raise invalid(f"Duplicate tag key: {key}")
        found[key] = value
    if len(found) > _MAX_TAGS:
        raise invalid(f"Too many tags: the limit is {_MAX_TAGS}")
    return found


def _tagged_table(engine: Any, request: Request) -> Table:
    arn = request["ResourceArn"]
    matched = fullmatch(r"arn:aws:dynamodb:[a-z0-9-]+:\d*:table/([^/]+)", arn)
    if matched is None:
        raise invalid(f"Invalid TableArn: Invalid ResourceArn provided as input {arn}")
    table = engine.tables.get(matched[1])
    if table is None:
        raise ApiError("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found")
    return table  # type: ignore[no-any-return]


def _change_tags(engine: Any, request: Request, change: Any) -> Response:
    with engine.lock:
        table = _tagged_table(engine, request)
        tags = dict(table.definition["tags"])
        change(tags)
        if len(tags) > _MAX_TAGS:
            raise invalid(f"One or more tags could not be added: the limit is {_MAX_TAGS} tags")
        pending = engine.define(table.name, {**table.definition, "tags": tags})
    engine.settle(pending)
    return {}


def tag_resource(engine: Any, request: Request) -> Response:
    if not request["Tags"]:
        raise invalid("Atleast one Tag needs to be provided as Input.")
    wanted = _tags(request["Tags"])
    return _change_tags(engine, request, lambda tags: tags.update(wanted))


def untag_resource(engine: Any, request: Request) -> Response:
    if not request["TagKeys"]:
        raise invalid("Atleast one Tag Key needs to be provided as Input.")
    return _change_tags(engine, request, lambda tags: [tags.pop(key, None) for key in request["TagKeys"]])


def list_tags(engine: Any, request: Request) -> Response:
    tags = _tagged_table(engine, request).definition["tags"]
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


# The account, and backups


def describe_limits(engine: Any, request: Request) -> Response:  # noqa: ARG001
    account, table = 80_000, 40_000
    return {
        "AccountMaxReadCapacityUnits": account,
        "AccountMaxWriteCapacityUnits": account,
        "TableMaxReadCapacityUnits": table,
        "TableMaxWriteCapacityUnits": table,
    }


def describe_endpoints(engine: Any, request: Request) -> Response:  # noqa: ARG001
    return {"Endpoints": [{"Address": f"dynamodb.{engine.region}.amazonaws.com", "CachePeriodInMinutes": 1440}]}


def update_continuous_backups(engine: Any, request: Request) -> Response:
    with engine.lock:
        table = engine.table(request["TableName"])
        is_enabled = bool(request["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"])
        pending = engine.define(table.name, {**table.definition, "pitr": is_enabled})
    engine.settle(pending)
    return describe_continuous_backups(engine, request)


def describe_continuous_backups(engine: Any, request: Request) -> Response:
    status = "ENABLED" if engine.table(request["TableName"]).definition["pitr"] else "DISABLED"
    return {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status},
        }
    }
