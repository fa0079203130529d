"""The payment provider's webhook over HTTP."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.http_errors import BodyTooLarge
from chalicelib.payments.model import PROVIDER_ERRORS
from chalicelib.purchases.provider_events import webhook
from chalicelib.purchases.provider_events.webhook import SignatureRefused

bp = Blueprint(__name__)


class ReceiptView(Struct, frozen=True):
    """An event of the provider was processed; `received` is the result in a word."""

    received: str


@route(bp, "POST", "/webhooks/stripe", access="public", errors=(SignatureRefused, BodyTooLarge, *PROVIDER_ERRORS))
def receive_stripe_event(request: RequestContext) -> Reply[ReceiptView]:
    """Receive an event from Stripe's webhook."""
    signature = request.header("stripe-signature") or ""
    return Reply(ReceiptView(webhook.handle_webhook("stripe", request.read_body(), signature, request.now)))
