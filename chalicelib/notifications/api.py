"""Email routes: the webhook for reports from Amazon SES, the unsubscribe page, and the release of suppressed addresses."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.edge.error_replies import BodyTooLarge
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.notifications.model import NotSuppressed, SnsRefused, UnsubscribeLinkInvalid

bp = Blueprint(__name__)


class ReportReceiptView(Struct, frozen=True):
    """The receipt of a processed report. `received` is the outcome in one word."""

    received: str


@route(bp, "POST", "/webhooks/ses", access="public", errors=(SnsRefused, BodyTooLarge))
def receive_ses_report(request: RequestContext) -> Reply[ReportReceiptView]:
    """Receive a message from the SNS topic to which SES reports deliveries, bounces and complaints."""
    from chalicelib.notifications import ses_reports

    return Reply(ReportReceiptView(ses_reports.handle_message(request.read_body(), request.now)))


class UnsubscribeQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """`token` is the token from the link in the email."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class SuppressedAddress(Struct, forbid_unknown_fields=True, frozen=True):
    """An address that gets no emails, because an email to it bounced permanently or the recipient complained."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]


@route(bp, "GET", "/unsubscribe", access="public", headers=(ACCEPT_LANGUAGE,), errors=(UnsubscribeLinkInvalid,), media_types=("text/html",))
def show_unsubscribe_page(request: RequestContext, query: UnsubscribeQuery) -> Reply[str]:
    """Return a page with an unsubscribe button. Opening the link changes nothing."""
    from chalicelib.notifications import unsubscription

    unsubscription.read_token(query.token)
    return Reply(unsubscription.question_page(request.language), headers={**unsubscription.HEADERS})


@route(
    bp, "POST", "/unsubscribe", access="public", headers=(ACCEPT_LANGUAGE,), errors=(UnsubscribeLinkInvalid,), media_types=("text/html",)
)
def unsubscribe(request: RequestContext, query: UnsubscribeQuery) -> Reply[Done | str]:
    """Unsubscribe from emails about a waitlist offer, using the link in one of those emails. Email programs call this route (RFC 8058).

    Returns an HTML page if the request accepts HTML, as browsers do, and otherwise a JSON message.
    """
    from chalicelib.notifications import unsubscription

    unsubscription.unsubscribe(query.token, request.now)
    if unsubscription.MEDIA_TYPE in (request.header("accept") or ""):
        return Reply(unsubscription.confirmation_page(request.language), headers={**unsubscription.HEADERS})
    return Reply(Done("You will not receive any more emails about this offer. The offer stays in your account until it expires."))


@route(bp, "POST", "/admin/suppressed-addresses/release", access="admin", errors=(NotSuppressed,))
def release_address(request: RequestContext, body: SuppressedAddress) -> Reply[Done]:
    """Allow emails to a suppressed address again."""
    from chalicelib.notifications import ses_reports

    ses_reports.release_address(body.email, request.require_user().user_id, request.now)
    return Reply(Done("This address receives emails again. You can now resend the emails that it missed."))
