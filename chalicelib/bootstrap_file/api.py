"""Admin routes for catalog versions: list them, show what applying a version again would change, and apply it."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.bootstrap_file.findings import PlanOutdated, VersionRefused, VersionUnusable
from chalicelib.bootstrap_file.views import AppliedView, CatalogPlanView, VersionsView
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation.errors import NotFound

bp = Blueprint(__name__)

MAX_DIGITS = 10
_VERSION = "/admin/catalog/versions/{version}"


class VersionsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The page of versions to return."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class SeenPlan(Struct, forbid_unknown_fields=True):
    """The plan that the caller has seen: the value of `plan` in the reply that shows the plan."""

    plan: Annotated[str, Meta(min_length=1, max_length=100)]


@route(bp, "GET", "/admin/catalog/versions", access="admin")
def list_catalog_versions(request: RequestContext, query: VersionsQuery) -> Reply[VersionsView]:  # noqa: ARG001
    """List the versions of the bootstrap file that were served, newest first."""
    from chalicelib.bootstrap_file import rollout  # imports the plan, which few requests need

    return Reply(rollout.list_versions(query.limit, query.cursor))


@route(bp, "GET", f"{_VERSION}/plan", access="admin", errors=(NotFound, VersionUnusable))
def show_catalog_plan(request: RequestContext, version: str) -> Reply[CatalogPlanView]:  # noqa: ARG001
    """Show the changes that applying the file of a version again would make now, with sold and held tickets. Changes nothing.

    For the served version, the changes are the drift: the differences between the shop and the file.
    """
    from chalicelib.bootstrap_file import rollout

    return Reply(rollout.plan_version(_number(version)))


@route(bp, "POST", f"{_VERSION}/apply", access="admin", errors=(NotFound, VersionUnusable, PlanOutdated, VersionRefused))
def apply_catalog_version(request: RequestContext, version: str, body: SeenPlan) -> Reply[AppliedView]:
    """Apply the file of an earlier version as a new version, if its plan has not changed since the caller saw it."""
    from chalicelib.bootstrap_file import rollout

    return Reply(rollout.apply_version(_number(version), body.plan, request.require_user().user_id, request.now))


def _number(version: str) -> int:
    """Return the version number in a path. Raises NotFound if `version` is not a valid number."""
    if not (version.isascii() and version.isdecimal()) or len(version) > MAX_DIGITS:
        raise NotFound("The catalog has no version with this number.")
    return int(version)
