"""The function that keeps the reports up to date."""

from collections.abc import Sequence

from chalice.app import Blueprint

from chalicelib.changes.model import Change
from chalicelib.changes.stream import stream_consumer

bp = Blueprint(__name__)


@bp.lambda_function(name="project_reports")
@stream_consumer("project_reports")
def project_reports(changes: Sequence[Change]) -> None:
    from chalicelib.addons.reports import projection  # imported here, because other functions load this module too

    projection.project(changes)
