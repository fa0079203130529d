"""The function that passes changes of purchases, tickets and the catalog to every follower."""

from collections.abc import Sequence

from chalice.app import Blueprint

from chalicelib.changes.model import Change
from chalicelib.changes.stream import stream_consumer

bp = Blueprint(__name__)


@bp.lambda_function(name="follow_changes")
@stream_consumer("follow_changes")
def follow_changes(changes: Sequence[Change]) -> None:
    from chalicelib.addons.messages import followers  # every function loads this module, but only this one has followers

    followers.pass_on(changes)
