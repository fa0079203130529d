"""The routes of the API: for each call its parameters and its handler, which calls the module of the object."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from devtools.stripe import (
    checkout_sessions,
    confirmation,
    coupons,
    disputes,
    events,
    parameters,
    payment_intents,
    payment_methods,
    refunds,
)
from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import invalid_request
from devtools.stripe.objects import StripeObject
from devtools.stripe.pagination import list_page
from devtools.stripe.parameters import Parameters
from devtools.stripe.schema import Parameter


@dataclass(frozen=True)
class ApiCall:
    """A call with validated parameters. `object_id`: the id in the path, or ""; `origin`: the address of the server."""

    object_id: str
    params: StripeObject
    from_browser: bool
    origin: str


Handler = Callable[[AccountState, ApiCall], StripeObject]


@dataclass(frozen=True)
class Route:
    """`browser_parameters`: those of a browser with a publishable key; None: such a browser may not call it."""

    method: str
    path: str
    parameters: Parameters
    handler: Handler
    browser_parameters: Parameters | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.path.replace(":id", r"(?P<id>[\w-]+)"))


def _create_intent(state: AccountState, call: ApiCall) -> StripeObject:
    intent = payment_intents.create(state, call.params)
    if not call.params.get("confirm"):
        return intent
    return confirmation.confirm(state, intent, _without_method(call.params), from_browser=False, origin=call.origin)


def _confirm(state: AccountState, call: ApiCall) -> StripeObject:
    return confirmation.confirm(state, _payment_intent(state, call), call.params, from_browser=call.from_browser, origin=call.origin)


def _payment_intent(state: AccountState, call: ApiCall) -> StripeObject:
    """The payment intent in the path. Raises StripeApiError when a client secret is sent that is not its own."""
    intent = state.get("payment_intent", call.object_id, param="intent")
    if "client_secret" in call.params and call.params["client_secret"] != intent["client_secret"]:
        message = "The client_secret provided does not match the client_secret associated with the PaymentIntent."
        raise invalid_request(message, param="client_secret", code="payment_intent_invalid_parameter")
    return intent


def _without_method(params: StripeObject) -> StripeObject:
    """The parameters of the confirmation: creating the intent has already attached the method."""
    return {name: value for name, value in params.items() if name not in ("payment_method", "payment_method_data")}


def _retrieve(table: str, param: str = "id") -> Handler:
    return lambda state, call: state.get(table, call.object_id, param=param)


def _list(table: str, path: str) -> Handler:
    return lambda state, call: list_page(state.newest_first(table), path, call.params)


def _list_events(state: AccountState, call: ApiCall) -> StripeObject:
    types = [*call.params.get("types", []), *([call.params["type"]] if "type" in call.params else [])]
    page_params = {name: value for name, value in call.params.items() if name not in ("type", "types", "delivery_success")}
    return list_page(_matching_events(state, types, call.params.get("delivery_success")), "/v1/events", page_params)


def _matching_events(state: AccountState, types: list[str], is_delivered: bool | None) -> Iterable[StripeObject]:
    oldest = state.now() - events.RETENTION_SECONDS
    for event in state.newest_first("event"):
        matches = not types or any(fnmatchcase(event["type"], pattern) for pattern in types)
        if matches and event["created"] > oldest and is_delivered in (None, event["_delivered"]):
            yield event


def _line_items(state: AccountState, call: ApiCall) -> StripeObject:
    session = state.get("checkout.session", call.object_id)
    return list_page(session["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items", call.params)


def _create_payment_method(state: AccountState, call: ApiCall) -> StripeObject:
    return payment_methods.create(state, call.params)


_PAYMENT_METHOD: dict[str, Parameter] = {**parameters.PAYMENT_METHOD, **parameters.RETRIEVE}
_INTENTS, _SESSIONS, _REFUNDS, _DISPUTES = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds", "/v1/disputes"
_CONFIRM = {**parameters.INTENT_CONFIRM, **parameters.BROWSER}

ROUTES = (
    Route("POST", _INTENTS, parameters.INTENT_CREATE, _create_intent),
    Route("GET", _INTENTS, parameters.INTENT_LIST, _list("payment_intent", _INTENTS)),
    Route("GET", f"{_INTENTS}/:id", parameters.INTENT_RETRIEVE, _payment_intent, {**parameters.RETRIEVE, **parameters.BROWSER}),
    Route(
        "POST",
        f"{_INTENTS}/:id",
        parameters.INTENT_UPDATE,
        lambda state, call: payment_intents.update(state, _payment_intent(state, call), call.params),
    ),
    Route("POST", f"{_INTENTS}/:id/confirm", parameters.INTENT_CONFIRM, _confirm, _CONFIRM),
    Route(
        "POST",
        f"{_INTENTS}/:id/cancel",
        parameters.INTENT_CANCEL,
        lambda state, call: payment_intents.cancel_by_request(state, _payment_intent(state, call), call.params.get("cancellation_reason")),
    ),
    Route("POST", "/v1/payment_methods", _PAYMENT_METHOD, _create_payment_method, {**_PAYMENT_METHOD, "key": parameters.BROWSER["key"]}),
    Route("GET", "/v1/payment_methods/:id", parameters.RETRIEVE, _retrieve("payment_method")),
    Route("POST", _SESSIONS, parameters.SESSION_CREATE, lambda state, call: checkout_sessions.create(state, call.params, call.origin)),
    Route("GET", _SESSIONS, parameters.SESSION_LIST, _list("checkout.session", _SESSIONS)),
    Route("GET", f"{_SESSIONS}/:id", parameters.RETRIEVE, _retrieve("checkout.session", "session")),
    Route("GET", f"{_SESSIONS}/:id/line_items", parameters.LINE_ITEM_LIST, _line_items),
    Route(
        "POST",
        f"{_SESSIONS}/:id/expire",
        parameters.RETRIEVE,
        lambda state, call: checkout_sessions.expire(state, state.get("checkout.session", call.object_id)),
    ),
    Route("POST", _REFUNDS, parameters.REFUND_CREATE, lambda state, call: refunds.create(state, call.params)),
    Route("GET", _REFUNDS, parameters.REFUND_LIST, _list("refund", _REFUNDS)),
    Route("GET", f"{_REFUNDS}/:id", parameters.RETRIEVE, _retrieve("refund")),
    Route(
        "POST",
        f"{_REFUNDS}/:id",
        parameters.REFUND_UPDATE,
        lambda state, call: refunds.update(state, state.get("refund", call.object_id), call.params),
    ),
    Route("GET", "/v1/charges", parameters.CHARGE_LIST, _list("charge", "/v1/charges")),
    Route("GET", "/v1/charges/:id", parameters.RETRIEVE, _retrieve("charge")),
    Route("GET", _DISPUTES, parameters.DISPUTE_LIST, _list("dispute", _DISPUTES)),
    Route("GET", f"{_DISPUTES}/:id", parameters.RETRIEVE, _retrieve("dispute")),
    Route(
        "POST",
        f"{_DISPUTES}/:id",
        parameters.DISPUTE_UPDATE,
        lambda state, call: disputes.update(state, state.get("dispute", call.object_id), call.params),
    ),
    Route(
        "POST",
        f"{_DISPUTES}/:id/close",
        parameters.RETRIEVE,
        lambda state, call: disputes.close(state, state.get("dispute", call.object_id), won=False),
    ),
    Route("GET", "/v1/events", parameters.EVENT_LIST, _list_events),
    Route("GET", "/v1/events/:id", parameters.RETRIEVE, _retrieve("event")),
    Route("GET", "/v1/balance_transactions", parameters.BALANCE_TRANSACTION_LIST, _list("balance_transaction", "/v1/balance_transactions")),
    Route("GET", "/v1/balance_transactions/:id", parameters.RETRIEVE, _retrieve("balance_transaction")),
    Route("GET", "/v1/payouts", parameters.PAYOUT_LIST, _list("payout", "/v1/payouts")),
    Route("GET", "/v1/payouts/:id", parameters.RETRIEVE, _retrieve("payout")),
    Route("POST", "/v1/coupons", parameters.COUPON_CREATE, lambda state, call: coupons.create_coupon(state, call.params)),
    Route("GET", "/v1/coupons/:id", parameters.RETRIEVE, _retrieve("coupon")),
    Route("GET", "/v1/prices", parameters.PRICE_LIST, _list("price", "/v1/prices")),
    Route("GET", "/v1/prices/:id", parameters.RETRIEVE, _retrieve("price")),
    Route("GET", "/v1/products/:id", parameters.RETRIEVE, _retrieve("product")),
)
