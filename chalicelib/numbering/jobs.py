"""The function that numbers the seats of tickets that were sold."""

from collections.abc import Sequence

from chalice.app import Blueprint

from chalicelib.changes.model import Change, TicketIssued
from chalicelib.changes.stream import stream_consumer
from chalicelib.numbering import service

bp = Blueprint(__name__)


@bp.lambda_function(name="number_tickets")
@stream_consumer("number_tickets")
def number_tickets(changes: Sequence[Change]) -> None:
    service.number_tickets([change.ticket for change in changes if isinstance(change, TicketIssued)])
