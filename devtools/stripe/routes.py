"""Which call does what. The work itself is in the rooms of the objects."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from devtools.stripe import disputes, events, intents, methods, params, payments, pricing, refunds, sessions
from devtools.stripe.errors import Obj, invalid
from devtools.stripe.listing import page
from devtools.stripe.schema import Field
from devtools.stripe.state import State


@dataclass(frozen=True)
class Ask:
    """A call after its parameters were read. `target`: the id in the path, or ""."""

    target: str
    given: Obj
    by_client: bool
    origin: str


Work = Callable[[State, Ask], Obj]


@dataclass(frozen=True)
class Route:
    """`client`: a browser may call it with a publishable key; None: it may not."""

    method: str
    path: str
    fields: params.Fields
    work: Work
    client: params.Fields | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.path.replace(":id", r"(?P<id>[\w-]+)"))


def _create_intent(state: State, ask: Ask) -> Obj:
    intent = intents.create(state, ask.given)
    return (
        payments.confirm(state, intent, _without_method(ask.given), by_client=False, origin=ask.origin)
        if ask.given.get("confirm")
        else intent
    )


def _confirm(state: State, ask: Ask) -> Obj:
    return payments.confirm(state, _own_intent(state, ask), ask.given, by_client=ask.by_client, origin=ask.origin)


def _own_intent(state: State, ask: Ask) -> Obj:
    """The payment intent of the path; a browser must know its client secret."""
    intent = state.get("payment_intent", ask.target, param="intent")
    if "client_secret" in ask.given and ask.given["client_secret"] != intent["client_secret"]:
        told = "The client_secret provided does not match the client_secret associated with the PaymentIntent."
        raise invalid(told, param="client_secret", code="payment_intent_invalid_parameter")
    return intent


def _without_method(given: Obj) -> Obj:
    """Creating has already attached the method."""
    return {name: value for name, value in given.items() if name not in ("payment_method", "payment_method_data")}


def _retrieve(table: str, param: str = "id") -> Work:
    return lambda state, ask: state.get(table, ask.target, param=param)


def _list(table: str, path: str) -> Work:
    return lambda state, ask: page(state.newest_first(table), path, ask.given)


def _list_events(state: State, ask: Ask) -> Obj:
    wanted = [*ask.given.get("types", []), *([ask.given["type"]] if "type" in ask.given else [])]
    rest = {name: value for name, value in ask.given.items() if name not in ("type", "types", "delivery_success")}
    return page(_events(state, wanted, ask.given.get("delivery_success")), "/v1/events", rest)


def _events(state: State, wanted: list[str], delivered: bool | None) -> Iterable[Obj]:
    oldest = state.now() - events.KEPT_SECONDS
    for event in state.newest_first("event"):
        fits = not wanted or any(fnmatchcase(event["type"], pattern) for pattern in wanted)
        if fits and event["created"] > oldest and delivered in (None, event["_delivered"]):
            yield event


def _line_items(state: State, ask: Ask) -> Obj:
    session = state.get("checkout.session", ask.target)
    return page(session["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items", ask.given)


def _payment_method(state: State, ask: Ask) -> Obj:
    return methods.create(state, ask.given)


_METHOD: dict[str, Field] = {**params.METHOD, **params.RETRIEVE}
_PI, _CS, _RE, _DU = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds", "/v1/disputes"
_CONFIRM = {**params.INTENT_CONFIRM, **params.CLIENT}

ROUTES = (
    Route("POST", _PI, params.INTENT_CREATE, _create_intent),
    Route("GET", _PI, params.INTENT_LIST, _list("payment_intent", _PI)),
    Route("GET", f"{_PI}/:id", params.INTENT_RETRIEVE, _own_intent, {**params.RETRIEVE, **params.CLIENT}),
    Route("POST", f"{_PI}/:id", params.INTENT_UPDATE, lambda state, ask: intents.update(state, _own_intent(state, ask), ask.given)),
    Route("POST", f"{_PI}/:id/confirm", params.INTENT_CONFIRM, _confirm, _CONFIRM),
    Route(
        "POST",
        f"{_PI}/:id/cancel",
        params.INTENT_CANCEL,
        lambda state, ask: intents.cancel(state, _own_intent(state, ask), ask.given.get("cancellation_reason")),
    ),
    Route("POST", "/v1/payment_methods", _METHOD, _payment_method, {**_METHOD, "key": params.CLIENT["key"]}),
    Route("GET", "/v1/payment_methods/:id", params.RETRIEVE, _retrieve("payment_method")),
    Route("POST", _CS, params.SESSION_CREATE, lambda state, ask: sessions.create(state, ask.given, ask.origin)),
    Route("GET", _CS, params.SESSION_LIST, _list("checkout.session", _CS)),
    Route("GET", f"{_CS}/:id", params.RETRIEVE, _retrieve("checkout.session", "session")),
    Route("GET", f"{_CS}/:id/line_items", params.LINE_ITEM_LIST, _line_items),
    Route(
        "POST", f"{_CS}/:id/expire", params.RETRIEVE, lambda state, ask: sessions.expire(state, state.get("checkout.session", ask.target))
    ),
    Route("POST", _RE, params.REFUND_CREATE, lambda state, ask: refunds.create(state, ask.given)),
    Route("GET", _RE, params.REFUND_LIST, _list("refund", _RE)),
    Route("GET", f"{_RE}/:id", params.RETRIEVE, _retrieve("refund")),
    Route("POST", f"{_RE}/:id", params.REFUND_UPDATE, lambda state, ask: refunds.update(state, state.get("refund", ask.target), ask.given)),
    Route("GET", "/v1/charges", params.CHARGE_LIST, _list("charge", "/v1/charges")),
    Route("GET", "/v1/charges/:id", params.RETRIEVE, _retrieve("charge")),
    Route("GET", _DU, params.DISPUTE_LIST, _list("dispute", _DU)),
    Route("GET", f"{_DU}/:id", params.RETRIEVE, _retrieve("dispute")),
    Route(
        "POST", f"{_DU}/:id", params.DISPUTE_UPDATE, lambda state, ask: disputes.update(state, state.get("dispute", ask.target), ask.given)
    ),
    Route(
        "POST", f"{_DU}/:id/close", params.RETRIEVE, lambda state, ask: disputes.close(state, state.get("dispute", ask.target), won=False)
    ),
    Route("GET", "/v1/events", params.EVENT_LIST, _list_events),
    Route("GET", "/v1/events/:id", params.RETRIEVE, _retrieve("event")),
    Route("GET", "/v1/balance_transactions", params.BALANCE_LIST, _list("balance_transaction", "/v1/balance_transactions")),
    Route("GET", "/v1/balance_transactions/:id", params.RETRIEVE, _retrieve("balance_transaction")),
    Route("POST", "/v1/coupons", params.COUPON_CREATE, lambda state, ask: pricing.new_coupon(state, ask.given)),
    Route("GET", "/v1/coupons/:id", params.RETRIEVE, _retrieve("coupon")),
    Route("GET", "/v1/prices/:id", params.RETRIEVE, _retrieve("price")),
)
