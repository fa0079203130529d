"""The definitions of all tables, collected from the features' models, for local runs, tests and deployments."""

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pynamodb.attributes import Attribute
from pynamodb.indexes import Projection

import chalicelib
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra.template.stages import addon_names

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

TableDefinition = dict[str, Any]

STREAM_VIEW = {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def models(addons: Sequence[str] | None = None) -> tuple[type[dynamo.Table], ...]:
    """Return every PynamoDB model of the core and of `addons` (default: this process's add-ons). Other add-ons are not imported."""
    return _models(settings.addons_of_process() if addons is None else tuple(addons))


@cache
def _models(addons: Sequence[str]) -> tuple[type[dynamo.Table], ...]:
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        if _is_wanted(module.name, addons):
            import_module(module.name)
    return tuple(model for model in _descendants(dynamo.Table) if _is_wanted(model.__module__, addons))


def _is_wanted(module: str, addons: Sequence[str]) -> bool:
    top, feature, name = [*module.split("."), "", ""][:3]
    return top == "chalicelib" and (feature != "addons" or not name or name in addons)


def definitions(addons: Sequence[str] | None = None) -> dict[str, TableDefinition]:
    """Return feature -> arguments of CreateTable without the table's name. Models of one feature share its table."""
    by_feature: dict[str, TableDefinition] = {}
    for model in models(addons):
        definition = _definition(model)
        known = by_feature.setdefault(model.feature, definition)
        if known["KeySchema"] != definition["KeySchema"]:
            raise TypeError(f"the models of the table {model.feature!r} have different keys; give them the same hash and range key")
        _add_missing(known["AttributeDefinitions"], definition["AttributeDefinitions"])
        if indexes := definition.get("GlobalSecondaryIndexes"):
            _add_missing(known.setdefault("GlobalSecondaryIndexes", []), indexes)
    return dict(sorted(by_feature.items()))


def contents() -> dict[str, str]:
    """Return feature -> a description of its table. Raises KeyError for a table without a description."""
    described = {model.feature: model.contents for model in models() if "contents" in vars(model)}
    return {feature: described[feature] for feature in definitions()}


def personal_data() -> dict[str, dynamo.PersonalData | None]:
    """Return feature -> the personal data in its table, or None. Raises KeyError for a table that does not declare it."""
    described = {model.feature: model.personal_data for model in models() if "personal_data" in vars(model)}
    return {feature: described[feature] for feature in definitions()}


def ttl_attributes(addons: Sequence[str] = settings.ADDONS) -> dict[str, str]:
    """Return feature -> the attribute by which DynamoDB deletes expired items, for tables that have one."""
    return {model.feature: model.ttl.attr_name for model in models(addons) if hasattr(model, "ttl")}


def streamed(addons: Sequence[str] = settings.ADDONS) -> set[str]:
    """The features whose table has a stream of changes."""
    return {model.feature for model in models(addons) if model.has_stream}


def create_all(client: "DynamoDBClient") -> list[str]:
    """Create the missing tables of a local run or a test and wait for them. Returns the names of the new tables.

    Existing tables of an earlier version get the streams and indexes of this one. On AWS, the stack has the tables
    (`infra/template/stored_tables.py`).
    """
    addons = addon_names(settings.current().stage)
    ttl, streams, created = ttl_attributes(addons), streamed(addons), []
    for feature, definition in definitions(addons).items():
        name = dynamo.table_name(feature)
        stream: Any = {"StreamSpecification": {"StreamEnabled": True, **STREAM_VIEW}} if feature in streams else {}
        try:
            response = client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **definition, **stream)
        except client.exceptions.ResourceInUseException:
            _complete(client, name, definition, stream)
            continue
        created.append(name)
        if response["TableDescription"]["TableStatus"] != "ACTIVE":
            _wait(client, name)
    for feature, attribute in ttl.items():
        if dynamo.table_name(feature) in created:
            client.update_time_to_live(
                TableName=dynamo.table_name(feature), TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
            )
    return created


def index_conflicts(client: "DynamoDBClient", planned: Mapping[str, TableDefinition]) -> list[str]:
    """Return the changes of indexes that CloudFormation cannot make at once; `planned` maps names of tables to their definitions."""
    found = []
    for name, definition in planned.items():
        try:
            before = _indexes(client.describe_table(TableName=name)["Table"])
        except client.exceptions.ResourceNotFoundException:  # a new table
            continue
        after = _indexes(definition)
        if len(changed := sorted(before.keys() ^ after.keys())) > 1:
            signs = [f"{'+' if index in after else '-'}{index}" for index in changed]
            found.append(f"{name} changes {len(changed)} indexes ({', '.join(signs)})")
        found += [
            f"{name} gives its index {index} other keys or attributes"
            for index in sorted(before.keys() & after.keys())
            if before[index] != after[index]
        ]
    return found


def _indexes(table: Any) -> dict[str, Any]:
    """Return index name -> its keys and attributes, of a definition or a description of a table."""
    return {
        index["IndexName"]: (
            [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]],
            index["Projection"]["ProjectionType"],
            sorted(index["Projection"].get("NonKeyAttributes", [])),
        )
        for index in table.get("GlobalSecondaryIndexes", [])
    }


def _complete(client: "DynamoDBClient", name: str, definition: TableDefinition, stream: Any) -> None:
    """Add missing indexes and a missing stream to an existing table, and replace indexes that have other keys or attributes."""
    table = client.describe_table(TableName=name)["Table"]
    if stream and not table.get("StreamSpecification", {}).get("StreamEnabled"):
        client.update_table(TableName=name, **stream)
        _wait(client, name)
    known, wanted = _indexes(table), _indexes(definition)
    types = {attribute["AttributeName"]: attribute for attribute in definition["AttributeDefinitions"]}
    for index in definition.get("GlobalSecondaryIndexes", []):
        index_name = index["IndexName"]
        updates: list[Any] = (
            [{"Delete": {"IndexName": index_name}}] if known.get(index_name, wanted[index_name]) != wanted[index_name] else []
        )
        if index_name not in known or updates:
            updates.append({"Create": index})
        for update in updates:  # DynamoDB changes one at a time
            attributes = [types[key["AttributeName"]] for key in update.get("Create", {}).get("KeySchema", ())]
            client.update_table(TableName=name, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=[update])
            _wait(client, name)


def _wait(client: "DynamoDBClient", name: str) -> None:
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def logical_id(feature: str) -> str:
    """Return the logical id of a feature's table in the template."""
    return f"Table{feature.title().replace('-', '').replace('_', '')}"


def _descendants(model: type[dynamo.Table]) -> Iterator[type[dynamo.Table]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)


def _definition(model: type[dynamo.Table]) -> TableDefinition:
    keys, indexes = _key_attributes(model.get_attributes()), model.indexes()
    definition: TableDefinition = {"KeySchema": _key_schema(keys), "AttributeDefinitions": []}
    for attributes in (keys, *(_key_attributes(index.Meta.attributes) for index in indexes)):
        _add_missing(
            definition["AttributeDefinitions"], [{"AttributeName": key.attr_name, "AttributeType": key.attr_type} for key in attributes]
        )
    if indexes:
        definition["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.Meta.index_name,
                "KeySchema": _key_schema(_key_attributes(index.Meta.attributes)),
                "Projection": _projection(index.Meta.projection),
            }
            for index in indexes
        ]
    return definition


def _projection(projection: Projection) -> dict[str, Any]:
    others = {"NonKeyAttributes": projection.non_key_attributes} if projection.non_key_attributes else {}
    return {"ProjectionType": projection.projection_type, **others}


def _key_attributes(attributes: Mapping[str, Attribute[Any]]) -> list[Attribute[Any]]:
    """Return the attributes of a key in DynamoDB's order, the hash key first."""
    keys = [attribute for attribute in attributes.values() if attribute.is_hash_key or attribute.is_range_key]
    return sorted(keys, key=lambda attribute: attribute.is_range_key)


def _key_schema(keys: Sequence[Attribute[Any]]) -> list[dict[str, str]]:
    return [{"AttributeName": key.attr_name, "KeyType": "HASH" if key.is_hash_key else "RANGE"} for key in keys]


def _add_missing(known: list[Any], more: list[Any]) -> None:
    known.extend(item for item in more if item not in known)
