"""List the served versions of the file, plan a rollback to a version, and apply that version once an admin has seen the plan.

This module uses the same planner and rollout as the `rollback` command. A plan's name is a digest of its changes. The admin sends the name
of the plan that they have seen, and the apply is refused if the plan has changed. Sales in the meantime do not change the name.
"""

import json
from hashlib import sha256

import msgspec

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.findings import InvalidDocument, PlanOutdated, VersionRefused, VersionUnusable
from chalicelib.bootstrap_file.plan import Plan
from chalicelib.bootstrap_file.rollout import ApplyRefused
from chalicelib.bootstrap_file.validation import ValidDocument, validate_tree
from chalicelib.bootstrap_file.views import AppliedView, CatalogPlanView, VersionsView, VersionView, change_view, refusal_view, warning_view
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import CatalogHead
from chalicelib.edge import cursors
from chalicelib.foundation import clock
from chalicelib.foundation.errors import NotFound

MAX_SHOWN = 500  # changes that one reply lists


def list_versions(limit: int, cursor: str | None) -> VersionsView:
    """Return a page of the versions that were ever served, newest first. Raises InvalidInput for an invalid cursor."""
    before = None if cursor is None else int(cursors.decode(cursor, r"\d{1,10}"))
    found = catalog.list_versions(limit + 1, before)
    served = found[0].version if before is None and found else catalog.load_head().version
    shown = found[:limit]
    next_cursor = cursors.encode(str(shown[-1].version)) if len(found) > limit else None
    return VersionsView(versions=[_version_view(head, served) for head in shown], next_cursor=next_cursor)


def plan_version(version: int) -> CatalogPlanView:
    """Return what applying a version again would change now. For the served version, this is the drift.

    Raises NotFound and VersionUnusable.
    """
    valid = _load(version)
    planned = rollout.plan_apply(valid)
    return CatalogPlanView(
        version=version,
        served=planned.head.version,
        plan=_name(planned),
        is_empty=planned.is_empty,
        changes=[change_view(change) for change in planned.entries[:MAX_SHOWN]],
        more=max(0, len(planned.entries) - MAX_SHOWN),
        refusals=[refusal_view(refusal) for refusal in planned.refusals],
        warnings=[warning_view(warning) for warning in valid.warnings],
    )


def apply_version(version: int, seen: str, actor: str, now: int) -> AppliedView:
    """Apply a version again if its plan still has the name `seen`.

    Raises NotFound, VersionUnusable, PlanOutdated, or VersionRefused with the reasons. If only a promo code could not be written,
    VersionRefused is raised although the version is already served.
    """

    def approve(planned: Plan) -> None:
        if _name(planned) != seen:
            raise PlanOutdated(version=version)

    valid = _load(version)
    details = {"rolled_back_to": version}
    try:
        applied = rollout.apply(valid, actor, now, action="catalog.rolled_back", details=details, approve=approve)
    except ApplyRefused as refused:
        raise VersionRefused(version=version, reasons=refused.reasons) from None
    return AppliedView(result=applied.result, version=applied.version)


def _load(version: int) -> ValidDocument:
    document = catalog.load_document(version)
    if document is None:
        raise NotFound("The catalog has no version with this number.", version=version)
    try:
        return validate_tree(msgspec.json.decode(document))
    except InvalidDocument as error:
        raise VersionUnusable(version=version, reasons=[str(fault) for fault in error.faults[:MAX_SHOWN]]) from None


def _name(planned: Plan) -> str:
    """Return the plan's name. Plans with equal changes to the same version share a name, regardless of sold and held tickets."""
    changes = [[change.sign, change.kind, change.name, [str(field) for field in change.fields]] for change in planned.entries]
    content = json.dumps([planned.head.version, planned.checksum, changes, bool(planned.refusals)])
    return sha256(content.encode()).hexdigest()


def _version_view(head: CatalogHead, served: int) -> VersionView:
    return VersionView(
        version=head.version,
        applied_at=clock.iso(head.applied_at),
        applied_by=head.applied_by,
        checksum=head.checksum,
        is_served=head.version == served,
    )
