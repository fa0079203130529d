"""Fairgate's additions to the CloudFormation template of `chalice package`, which merges maps deeply and replaces lists."""

from typing import Any

from infra.template import alarms, api, cdn, dashboard, functions, images, mails, stored_tables, web_acl
from infra.template.stages import Template


def template_additions(stage: str, routes: dict[str, Any], architecture: str = "arm64", *, snapstart: bool = False) -> Template:
    """Return the additions for a stage; `routes` are the app's: path -> method -> route.

    With `snapstart` API Gateway calls an alias of the last published version, whose instances start from a snapshot (decision 28).
    Raises ValueError if the stage's settings name an unknown function or table.
    """
    return {
        "Resources": {
            **stored_tables.resources(stage),
            **functions.resources(stage, architecture, snapstart=snapstart),
            **images.resources(stage),
            **mails.resources(stage),
            **functions.event_source_mappings(),
            **api.resources(stage, routes, snapstart=snapstart),
            **cdn.resources(stage, routes),
            **web_acl.resources(stage),
            **stored_tables.archive_resources(stage),
            **alarms.resources(stage),
            **dashboard.resources(stage),
        },
        "Outputs": {**cdn.outputs(stage), **mails.outputs(stage)},
    }
