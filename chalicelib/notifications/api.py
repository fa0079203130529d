"""The webhook for what Amazon SES reports about mails."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.http_errors import BodyTooLarge
from chalicelib.notifications.model import SnsRefused

bp = Blueprint(__name__)


class ReportReceiptView(Struct, frozen=True):
    """A report was processed; `received` is the outcome in a word."""

    received: str


@route(bp, "POST", "/webhooks/ses", access="public", errors=(SnsRefused, BodyTooLarge))
def receive_ses_report(request: RequestContext) -> Reply[ReportReceiptView]:
    """Receive a message of the SNS topic to which SES reports deliveries, bounces and complaints."""
    from chalicelib.notifications import ses_reports

    return Reply(ReportReceiptView(ses_reports.handle(request.read_body(), request.now)))
