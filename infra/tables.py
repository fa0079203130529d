"""All tables, collected from the features' models: the one source of the local, the tests' and the deployed ones."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import chalicelib
from chalicelib import dynamo

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Description = dict[str, Any]

# Tables that boto3 writes without a PynamoDB model: their feature and the name of their (string) hash key.
_WITHOUT_MODEL = {"inventory": "id"}


@cache
def models() -> tuple[type[dynamo.Table], ...]:
    """Every model of every feature."""
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        import_module(module.name)
    return tuple(model for model in _descendants(dynamo.Table) if model.__module__.startswith("chalicelib."))


def descriptions() -> dict[str, Description]:
    """Feature -> the arguments of CreateTable without the table's name; models that share a table are put together."""
    found = {feature: _plain(key) for feature, key in _WITHOUT_MODEL.items()}
    for model in models():
        description = _description(model)
        known = found.setdefault(model.feature, description)
        if known["KeySchema"] != description["KeySchema"]:
            raise TypeError(f"the models of the table {model.feature!r} disagree about its keys")
        _add_missing(known["AttributeDefinitions"], description["AttributeDefinitions"])
        if indexes := description.get("GlobalSecondaryIndexes"):
            _add_missing(known.setdefault("GlobalSecondaryIndexes", []), indexes)
    return dict(sorted(found.items()))


def ttl_attributes() -> dict[str, str]:
    """Feature -> the attribute by which DynamoDB deletes items, for the tables that have one."""
    return {model.feature: model.ttl.attr_name for model in models() if hasattr(model, "ttl")}


def create_all(client: "DynamoDBClient") -> list[str]:
    """Create what is missing in the current stage, wait for it, and answer the names of the tables that are new."""
    ttl, created = ttl_attributes(), []
    for feature, description in descriptions().items():
        name = dynamo.table_name(feature)
        try:
            answer = client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **description)
        except client.exceptions.ResourceInUseException:
            continue
        created.append(name)
        if answer["TableDescription"]["TableStatus"] != "ACTIVE":
            client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    for feature, attribute in ttl.items():
        if dynamo.table_name(feature) in created:
            client.update_time_to_live(
                TableName=dynamo.table_name(feature), TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
            )
    return created


def cloudformation(stage: str) -> dict[str, Description]:
    """Logical id -> AWS::DynamoDB::Table. Retained when the stack goes: tables hold what people have paid for."""
    ttl = ttl_attributes()
    return {
        f"Table{feature.title().replace('-', '').replace('_', '')}": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "TableName": f"fairgate-{stage}-{feature}",
                "BillingMode": "PAY_PER_REQUEST",
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True},
                **description,
                **({"TimeToLiveSpecification": {"Enabled": True, "AttributeName": ttl[feature]}} if feature in ttl else {}),
            },
        }
        for feature, description in descriptions().items()
    }


def _descendants(model: type[dynamo.Table]) -> Iterator[type[dynamo.Table]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)


def _plain(key: str) -> Description:
    return {
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
    }


def _description(model: type[dynamo.Table]) -> Description:
    schema = model._get_schema()
    description: Description = {
        "KeySchema": _keys(schema["key_schema"]),
        "AttributeDefinitions": [
            {"AttributeName": one["AttributeName"], "AttributeType": one["AttributeType"]} for one in schema["attribute_definitions"]
        ],
    }
    if schema["global_secondary_indexes"]:
        description["GlobalSecondaryIndexes"] = [
            {"IndexName": index["index_name"], "KeySchema": _keys(index["key_schema"]), "Projection": index["projection"]}
            for index in schema["global_secondary_indexes"]
        ]
    return description


def _keys(key_schema: list[Any]) -> list[dict[str, str]]:
    """The hash key first, as DynamoDB wants it."""
    return sorted(
        ({"AttributeName": key["AttributeName"], "KeyType": key["KeyType"]} for key in key_schema), key=lambda key: key["KeyType"]
    )


def _add_missing(known: list[Any], more: list[Any]) -> None:
    known.extend(one for one in more if one not in known)
