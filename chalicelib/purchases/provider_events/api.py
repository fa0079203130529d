"""The payment provider's webhook over HTTP."""

from chalice.app import Blueprint

from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.purchases.provider_events import webhook

bp = Blueprint(__name__)


@route(bp, "POST", "/webhooks/stripe")
def receive_stripe_event(request: RequestContext) -> Reply:
    signature = request.header("stripe-signature") or ""
    return Reply({"received": webhook.handle_webhook(request.read_body(), signature, request.now)})
