"""Fairgate's additions to the CloudFormation template of `chalice package`, which merges maps deeply and replaces lists."""

from typing import Any

from chalicelib.foundation import addons
from infra.template import alarms, api, canary, cdn, dashboard, functions, images, mails, stored_tables, web_acl
from infra.template.stages import Template, addon_names


def template_additions(stage: str, routes: dict[str, Any], architecture: str = "arm64", *, snapstart: bool = False) -> Template:
    """Return the additions for a stage; `routes` are the app's: path -> method -> route.

    With `snapstart`, the instances of the API's function start from a snapshot (decision 28).
    Disabled add-ons add nothing. Raises ValueError if the stage's settings name a function or table that the stage does not have.
    """
    routes, made = _routes_of(stage, routes), functions.resources(stage, architecture, snapstart=snapstart)
    for logical_id, preference in canary.preferences(stage).items():
        made[logical_id]["Properties"]["DeploymentPreference"] = preference
    return {
        "Resources": {
            **stored_tables.resources(stage),
            **made,
            **canary.resources(stage),
            **images.resources(stage),
            **mails.resources(stage),
            **functions.event_source_mappings(stage),
            **api.resources(stage, routes),
            **cdn.resources(stage, routes),
            **web_acl.resources(stage),
            **stored_tables.archive_resources(stage),
            **alarms.resources(stage),
            **dashboard.resources(stage),
        },
        "Outputs": {**cdn.outputs(stage), **mails.outputs(stage)},
    }


def _routes_of(stage: str, routes: dict[str, Any]) -> dict[str, Any]:
    """Return the routes of the core and of the stage's add-ons."""
    wanted = set(addons.route_module_names(addons.declared(addon_names(stage))))

    def is_served(route: Any) -> bool:
        module = route.view_function.__module__
        return module in wanted or not module.startswith(f"{addons.PACKAGE}.")

    served = {path: {method: route for method, route in methods.items() if is_served(route)} for path, methods in routes.items()}
    return {path: methods for path, methods in served.items() if methods}
