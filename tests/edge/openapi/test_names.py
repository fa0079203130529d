"""The names in the OpenAPI document: snake_case and one spelling of `cancelled`, except for names that are deprecated."""

import re
from collections.abc import Iterator
from typing import Any

from chalicelib.edge import deprecations
from tests.documented import document

DOCUMENT = document()

SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def _named(tree: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield place, name and schema of the properties and parameters that are not deprecated."""
    if isinstance(tree, list):
        for item in tree:
            yield from _named(item, place)
    elif isinstance(tree, dict):
        found = dict(tree.get("properties", {}))
        if tree.get("in") in ("path", "query"):
            found[tree["name"]] = tree["schema"]
        for name, schema in found.items():
            if not schema.get("deprecated"):
                yield place, name, schema
        for key, item in tree.items():
            yield from _named(item, f"{place}/{key}")


APPLES_NAMES = {"pushToken", "passesUpdatedSince", "serialNumbers", "lastUpdated"}  # in the protocol of its phones


def test_names_are_in_snake_case():
    found = list(_named(DOCUMENT))
    assert [(place, name) for place, name, _ in found if not SNAKE_CASE.fullmatch(name) and name not in APPLES_NAMES] == []
    assert len(found) > 1000


def test_cancelled_has_one_spelling():
    assert [(place, name) for place, name, schema in _named(DOCUMENT) if "canceled" in f"{name} {schema}"] == []
    operations = {path: operation for path, methods in DOCUMENT["paths"].items() for operation in methods.values()}
    texts = {path: f"{operation['summary']} {operation.get('description', '')}" for path, operation in operations.items()}
    assert [path for path, text in texts.items() if "canceled" in text] == []


def test_each_deprecated_name_stands_beside_its_new_name():
    for view, names in deprecations.VIEWS.items():
        schema = DOCUMENT["components"]["schemas"][view]
        for new, old in names.items():
            assert schema["properties"][old]["deprecated"], (view, old)
            assert (new in schema["required"]) == (old in schema["required"]), (view, old)
