"""The JSON Schemas of the OpenAPI document, from the msgspec types of bodies, query parameters and replies."""

from typing import Any

import msgspec

Schema = dict[str, Any]

REF_TEMPLATE = "#/components/schemas/{name}"


class Components:
    """The named schemas of a document. `schemas` grows with each type that is asked for."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._with_message: set[str] = set()

    def schema_of(self, shape: Any) -> Schema:
        """The schema of a type; Structs become components, to which it refers by name."""
        (schema,), found = msgspec.json.schema_components([shape], ref_template=REF_TEMPLATE)
        for name, component in found.items():
            closed = _closed(portable(component))
            if name in self._with_message:
                _add_message(closed)
            if self.schemas.setdefault(name, closed) != closed:
                raise ValueError(f"two types have the name {name}")
        return dict(portable(schema))

    def repeatable(self, schema: Schema) -> Schema:
        """The schema of a reply that a repeated request gets again, with a `message` that says so."""
        name = schema["$ref"].rpartition("/")[2]
        self._with_message.add(name)
        _add_message(self.schemas[name])
        return schema


def portable(schema: Any) -> Any:
    """The schema without what is Python's alone: patterns with `\\A` and `\\Z`, and decimals, which msgspec also reads from numbers."""
    if isinstance(schema, list):
        return [portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: portable(value) for key, value in schema.items()}
    if result.get("format") == "decimal":
        del result["type"], result["format"]
        result |= {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d{1,9}(\.\d{1,4})?$"}]}
    if isinstance(result.get("pattern"), str):
        result["pattern"] = result["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return result


def _add_message(component: Schema) -> None:
    component["properties"].setdefault("message", {"type": "string", "description": "Of a repeated request: nothing was done again."})


def _closed(component: Schema) -> Schema:
    """A struct has the fields that it names and no others."""
    if component.get("type") != "object":
        return component
    return {**component, "properties": component.get("properties", {}), "additionalProperties": False}
