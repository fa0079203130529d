"""The additions to the CloudFormation template that `chalice package` writes. Chalice merges maps deeply and replaces lists."""

from typing import Any

from infra import event_sources, tables
from infra.template import api, functions
from infra.template.functions import Template


def template_additions(stage: str, routes: dict[str, Any], *, snapstart: bool = False) -> Template:
    """The additions for a stage; `routes` are those of the app: path -> method -> route.

    With `snapstart` API Gateway calls an alias of the last published version, whose instances start from a snapshot (decision 28).
    """
    return {
        "Resources": {
            **tables.cloudformation(stage),
            **event_sources.cloudformation(stage),
            **functions.resources(stage, snapstart=snapstart),
            **api.resources(routes, snapstart=snapstart),
        }
    }
