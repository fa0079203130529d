"""The routes of the API: the parameters of each call, and its handler, which calls the module of the object.

The fake refuses all other parameters, even if the real Stripe supports them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from devtools.stripe import (
    account_state,
    accounts,
    balance,
    checkout_sessions,
    customers,
    disputes,
    payment_intents,
    payment_methods,
    prices,
    refunds,
    setup_intents,
    tax,
)
from devtools.stripe.account_state import AccountState
from devtools.stripe.rendering import list_page
from devtools.stripe.schema import (
    Parameter,
    array,
    boolean,
    choice,
    integer,
    metadata,
    nested_object,
    percent,
    required,
    text,
    time_filter,
    url,
)
from devtools.stripe.wire_format import StripeObject, invalid_request

Parameters = Mapping[str, Parameter]

PAYMENT_METHOD_TYPES = ("card", "us_bank_account")
_currency = text(3, "[A-Za-z]{3}")
_expand: Parameters = {"expand": array(text())}
_address = nested_object({name: text(may_be_empty=True) for name in ("city", "country", "line1", "line2", "postal_code", "state")})
_billing_details = nested_object(
    {"address": _address, "email": text(may_be_empty=True), "name": text(may_be_empty=True), "phone": text(may_be_empty=True)}
)
_card = nested_object(
    {
        "number": required(text(19, r"[\d ]{12,19}")),
        "exp_month": required(integer(1)),
        "exp_year": required(integer(1)),
        "cvc": text(4, r"\d{3,4}"),
    }
)
_bank_account = nested_object(
    {
        "account_number": required(text(17, r"\d+")),
        "routing_number": required(text(9, r"\d{9}")),
        "account_holder_type": choice("individual", "company"),
    }
)
PAYMENT_METHOD: Parameters = {
    "type": required(choice(*PAYMENT_METHOD_TYPES)),
    "card": _card,
    "us_bank_account": _bank_account,
    "billing_details": _billing_details,
    "metadata": metadata(),
}
_payment_method: Parameters = {"payment_method": text(), "payment_method_data": nested_object(PAYMENT_METHOD)}
_payment_method_types = array(choice(*PAYMENT_METHOD_TYPES))
_statement_descriptors: Parameters = {"statement_descriptor": text(22), "statement_descriptor_suffix": text(22)}

INTENT_CREATE: Parameters = {
    "amount": required(integer(1)),
    "currency": required(_currency),
    "allowed_payment_method_types": _payment_method_types,
    "application_fee_amount": integer(),
    "automatic_payment_methods": nested_object({"enabled": required(boolean()), "allow_redirects": choice("always", "never")}),
    "capture_method": choice("automatic", "automatic_async"),
    "confirm": boolean(),
    "confirmation_method": choice("automatic"),
    "customer": text(),
    "description": text(1000),
    "error_on_requires_action": boolean(),
    "hooks": nested_object({"inputs": nested_object({"tax": nested_object({"calculation": text()})})}),
    "metadata": metadata(),
    "off_session": boolean(),
    "receipt_email": text(512, r"[^@\s]+@[^@\s]+"),
    "return_url": url(),
    "transfer_group": text(),
    "use_stripe_sdk": boolean(),
    **_payment_method,
    **_statement_descriptors,
    **_expand,
}
INTENT_UPDATE: Parameters = {
    "amount": integer(1),
    "currency": _currency,
    "allowed_payment_method_types": _payment_method_types,
    "description": text(1000, may_be_empty=True),
    "metadata": metadata(),
    "receipt_email": text(512, r"[^@\s]+@[^@\s]+", may_be_empty=True),
    "transfer_group": text(),
    **_payment_method,
    **_statement_descriptors,
    **_expand,
}
INTENT_CONFIRM: Parameters = {
    "error_on_requires_action": boolean(),
    "off_session": boolean(),
    "receipt_email": text(512, r"[^@\s]+@[^@\s]+", may_be_empty=True),
    "return_url": url(),
    "use_stripe_sdk": boolean(),
    **_payment_method,
    **_expand,
}
CUSTOMER_CREATE: Parameters = {
    "description": text(350, may_be_empty=True),
    "email": text(512, r"[^@\s]+@[^@\s]+"),
    "metadata": metadata(),
    "name": text(256),
    **_expand,
}
SETUP_CREATE: Parameters = {
    "allowed_payment_method_types": _payment_method_types,
    "confirm": boolean(),
    "customer": text(),
    "description": text(1000),
    "metadata": metadata(),
    "payment_method": text(),
    "return_url": url(),
    "usage": choice("off_session", "on_session"),
    "use_stripe_sdk": boolean(),
    **_expand,
}
# Stripe.js also sends these two; calls with a secret key do not need them.
BROWSER: Parameters = {"client_secret": required(text()), "key": text()}
INTENT_RETRIEVE: Parameters = {"client_secret": text(), **_expand}
INTENT_CANCEL: Parameters = {"cancellation_reason": choice("duplicate", "fraudulent", "requested_by_customer", "abandoned"), **_expand}

_product = nested_object({"name": required(text()), "description": text(), "metadata": metadata(), "images": array(url(), max_elements=8)})
_price_data = nested_object({"currency": required(_currency), "unit_amount": integer(), "product_data": _product})
_line_item = nested_object({"price": text(), "price_data": _price_data, "quantity": integer(1), "metadata": metadata()})
_intent_data = nested_object(
    {
        name: INTENT_CREATE[name]
        for name in ("application_fee_amount", "description", "metadata", "receipt_email", "transfer_group", *_statement_descriptors)
    }
)
SESSION_CREATE: Parameters = {
    "allowed_payment_method_types": _payment_method_types,
    "cancel_url": url(),
    "client_reference_id": text(200),
    "customer_email": text(800, r"[^@\s]+@[^@\s]+\.[^@\s\d]+"),
    "discounts": array(nested_object({"coupon": text()}), max_elements=1),
    "expires_at": integer(),
    "line_items": array(_line_item),
    "locale": text(6),
    "metadata": metadata(),
    "mode": choice("payment"),
    "payment_intent_data": _intent_data,
    "submit_type": choice("auto", "book", "donate", "pay"),
    "success_url": url(),
    "ui_mode": choice("hosted_page"),
    **_expand,
}

COUPON_CREATE: Parameters = {
    "id": text(200, r"[\w-]+"),
    "amount_off": integer(1),
    "percent_off": percent(),
    "currency": _currency,
    "duration": choice("once", "forever"),
    "max_redemptions": integer(1),
    "metadata": metadata(),
    "name": text(40),
    "redeem_by": integer(),
    **_expand,
}
REFUND_CREATE: Parameters = {
    "amount": integer(1),
    "charge": text(),
    "payment_intent": text(),
    "metadata": metadata(),
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
    "refund_application_fee": boolean(),
    **_expand,
}
REFUND_UPDATE: Parameters = {"metadata": metadata(), **_expand}
DISPUTE_UPDATE: Parameters = {
    "evidence": nested_object({"uncategorized_text": text(20000), "product_description": text(20000), "customer_email_address": text()}),
    "metadata": metadata(),
    "submit": boolean(),
    **_expand,
}
_capability = nested_object({"requested": boolean()})
ACCOUNT_CREATE: Parameters = {
    "capabilities": nested_object({"card_payments": _capability, "transfers": _capability}),
    "country": text(2, "[A-Z]{2}"),
    "email": text(512, r"[^@\s]+@[^@\s]+"),
    "metadata": metadata(),
    "type": choice("standard", "express"),
    **_expand,
}
ACCOUNT_LINK_CREATE: Parameters = {
    "account": required(text()),
    "refresh_url": url(),
    "return_url": url(),
    "type": required(choice("account_onboarding", "account_update")),
    **_expand,
}
RETRIEVE: Parameters = _expand

_tax_line = nested_object(
    {
        "amount": required(integer()),
        "performance_location": text(),
        "quantity": integer(1),
        "reference": text(500),
        "tax_behavior": choice("inclusive", "exclusive"),
        "tax_code": text(pattern=r"txcd_\d{8}"),
    }
)
TAX_LOCATION_CREATE: Parameters = {
    "address": required(_address),
    "description": text(),
    "type": required(choice("performance")),
    **_expand,
}
TAX_CALCULATION_CREATE: Parameters = {
    "currency": required(_currency),
    "customer_details": nested_object({"address": _address, "address_source": choice("billing", "shipping")}),
    "line_items": required(array(_tax_line)),
    **_expand,
}
TAX_ASSOCIATION_FIND: Parameters = {"payment_intent": required(text()), **_expand}

_page: Parameters = {"limit": integer(1), "starting_after": text(), "ending_before": text(), "created": time_filter(), **_expand}
INTENT_LIST: Parameters = _page
CHARGE_LIST: Parameters = {"payment_intent": text(), "transfer_group": text(), **_page}
REFUND_LIST: Parameters = {"payment_intent": text(), "charge": text(), **_page}
DISPUTE_LIST: Parameters = REFUND_LIST
SESSION_LIST: Parameters = {"payment_intent": text(), "status": choice("open", "complete", "expired"), **_page}
EVENT_LIST: Parameters = {"type": text(), "types": array(text(), max_elements=20), "delivery_success": boolean(), **_page}
BALANCE_TRANSACTION_LIST: Parameters = {"source": text(), "type": text(), "currency": _currency, **_page}
PAYOUT_LIST: Parameters = {"status": choice("paid", "pending", "in_transit", "canceled", "failed"), "destination": text(), **_page}
PRICE_LIST: Parameters = {
    "active": boolean(),
    "currency": _currency,
    "product": text(),
    "type": choice("one_time", "recurring"),
    **_page,
}
ACCOUNT_LIST: Parameters = _page
FEE_LIST: Parameters = {"charge": text(), **_page}
FEE_REFUND_CREATE: Parameters = {"amount": integer(1), "metadata": metadata(), **_expand}
TAX_LOCATION_LIST: Parameters = {name: parameter for name, parameter in _page.items() if name != "created"}
LINE_ITEM_LIST: Parameters = {name: parameter for name, parameter in _page.items() if name != "created"}


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
    """`browser_parameters`: the parameters for browsers with a publishable key; None if browsers may not call the route."""

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
    return payment_intents.confirm(state, intent, _without_method(call.params), from_browser=False, origin=call.origin)


def _confirm(state: AccountState, call: ApiCall) -> StripeObject:
    return payment_intents.confirm(state, _payment_intent(state, call), call.params, from_browser=call.from_browser, origin=call.origin)


def _payment_intent(state: AccountState, call: ApiCall) -> StripeObject:
    """Return the payment intent in the path. Raises StripeApiError for a client secret that is not its own."""
    intent = state.get("payment_intent", call.object_id, param="intent")
    if "client_secret" in call.params and call.params["client_secret"] != intent["client_secret"]:
        message = "The client_secret provided does not match the client_secret associated with the PaymentIntent."
        raise invalid_request(message, param="client_secret", code="payment_intent_invalid_parameter")
    return intent


def _without_method(params: StripeObject) -> StripeObject:
    """Return the parameters of the confirmation, without the method, which creating the intent has already attached."""
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
    oldest, names = state.now() - account_state.EVENT_RETENTION_SECONDS, frozenset(types)
    patterns = [pattern for pattern in types if "*" in pattern]
    for event in state.newest_first("event"):
        matches = not types or event["type"] in names or any(fnmatchcase(event["type"], pattern) for pattern in patterns)
        if matches and event["created"] > oldest and is_delivered in (None, event["_delivered"]):
            yield event


def _line_items(state: AccountState, call: ApiCall) -> StripeObject:
    session = state.get("checkout.session", call.object_id)
    return list_page(session["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items", call.params)


def _fee_refunds(state: AccountState, call: ApiCall) -> StripeObject:
    fee = state.get("application_fee", call.object_id)
    return list_page(fee.get("_all_refunds", fee["refunds"]["data"]), fee["refunds"]["url"], call.params)


def _create_payment_method(state: AccountState, call: ApiCall) -> StripeObject:
    return payment_methods.create(state, call.params)


_PAYMENT_METHOD: dict[str, Parameter] = {**PAYMENT_METHOD, **RETRIEVE}
_INTENTS, _SESSIONS, _REFUNDS, _DISPUTES = "/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds", "/v1/disputes"
_SETUPS = "/v1/setup_intents"
_TAX_LOCATIONS = "/v1/tax/locations"
_CONFIRM = {**INTENT_CONFIRM, **BROWSER}

ROUTES = (
    Route("POST", _INTENTS, INTENT_CREATE, _create_intent),
    Route("GET", _INTENTS, INTENT_LIST, _list("payment_intent", _INTENTS)),
    Route("GET", f"{_INTENTS}/:id", INTENT_RETRIEVE, _payment_intent, {**RETRIEVE, **BROWSER}),
    Route(
        "POST",
        f"{_INTENTS}/:id",
        INTENT_UPDATE,
        lambda state, call: payment_intents.update(state, _payment_intent(state, call), call.params),
    ),
    Route("POST", f"{_INTENTS}/:id/confirm", INTENT_CONFIRM, _confirm, _CONFIRM),
    Route(
        "POST",
        f"{_INTENTS}/:id/cancel",
        INTENT_CANCEL,
        lambda state, call: payment_intents.cancel_by_request(state, _payment_intent(state, call), call.params.get("cancellation_reason")),
    ),
    Route("POST", "/v1/payment_methods", _PAYMENT_METHOD, _create_payment_method, {**_PAYMENT_METHOD, "key": BROWSER["key"]}),
    Route("GET", "/v1/payment_methods/:id", RETRIEVE, _retrieve("payment_method")),
    Route("POST", "/v1/customers", CUSTOMER_CREATE, lambda state, call: customers.create(state, call.params)),
    Route("GET", "/v1/customers/:id", RETRIEVE, _retrieve("customer")),
    Route("DELETE", "/v1/customers/:id", {}, lambda state, call: customers.delete(state, state.get("customer", call.object_id))),
    Route("POST", _TAX_LOCATIONS, TAX_LOCATION_CREATE, lambda state, call: tax.create_location(state, call.params)),
    Route("GET", _TAX_LOCATIONS, TAX_LOCATION_LIST, _list("tax.location", _TAX_LOCATIONS)),
    Route("GET", f"{_TAX_LOCATIONS}/:id", RETRIEVE, _retrieve("tax.location", "location")),
    Route("POST", "/v1/tax/calculations", TAX_CALCULATION_CREATE, lambda state, call: tax.create_calculation(state, call.params)),
    Route("GET", "/v1/tax/calculations/:id", RETRIEVE, _retrieve("tax.calculation", "calculation")),
    Route(
        "GET",
        "/v1/tax/associations/find",
        TAX_ASSOCIATION_FIND,
        lambda state, call: tax.find_association(state, call.params["payment_intent"]),
    ),
    Route("GET", "/v1/tax/transactions/:id", RETRIEVE, _retrieve("tax.transaction", "transaction")),
    Route(
        "GET",
        "/v1/tax/transactions/:id/line_items",
        LINE_ITEM_LIST,
        lambda state, call: tax.transaction_line_items(state.get("tax.transaction", call.object_id)),
    ),
    Route("POST", _SETUPS, SETUP_CREATE, lambda state, call: setup_intents.create(state, call.params, call.origin)),
    Route("GET", f"{_SETUPS}/:id", RETRIEVE, _retrieve("setup_intent", "intent")),
    Route("POST", _SESSIONS, SESSION_CREATE, lambda state, call: checkout_sessions.create(state, call.params, call.origin)),
    Route("GET", _SESSIONS, SESSION_LIST, _list("checkout.session", _SESSIONS)),
    Route("GET", f"{_SESSIONS}/:id", RETRIEVE, _retrieve("checkout.session", "session")),
    Route("GET", f"{_SESSIONS}/:id/line_items", LINE_ITEM_LIST, _line_items),
    Route(
        "POST",
        f"{_SESSIONS}/:id/expire",
        RETRIEVE,
        lambda state, call: checkout_sessions.expire(state, state.get("checkout.session", call.object_id)),
    ),
    Route("POST", _REFUNDS, REFUND_CREATE, lambda state, call: refunds.create(state, call.params)),
    Route("GET", _REFUNDS, REFUND_LIST, _list("refund", _REFUNDS)),
    Route("GET", f"{_REFUNDS}/:id", RETRIEVE, _retrieve("refund")),
    Route(
        "POST",
        f"{_REFUNDS}/:id",
        REFUND_UPDATE,
        lambda state, call: refunds.update(state, state.get("refund", call.object_id), call.params),
    ),
    Route("GET", "/v1/charges", CHARGE_LIST, _list("charge", "/v1/charges")),
    Route("GET", "/v1/charges/:id", RETRIEVE, _retrieve("charge")),
    Route("GET", _DISPUTES, DISPUTE_LIST, _list("dispute", _DISPUTES)),
    Route("GET", f"{_DISPUTES}/:id", RETRIEVE, _retrieve("dispute")),
    Route(
        "POST",
        f"{_DISPUTES}/:id",
        DISPUTE_UPDATE,
        lambda state, call: disputes.update(state, state.get("dispute", call.object_id), call.params),
    ),
    Route(
        "POST",
        f"{_DISPUTES}/:id/close",
        RETRIEVE,
        lambda state, call: disputes.close(state, state.get("dispute", call.object_id), won=False),
    ),
    Route("GET", "/v1/events", EVENT_LIST, _list_events),
    Route("GET", "/v1/events/:id", RETRIEVE, _retrieve("event")),
    Route("GET", "/v1/balance", RETRIEVE, lambda state, _: balance.current(state)),
    Route("GET", "/v1/balance_transactions", BALANCE_TRANSACTION_LIST, _list("balance_transaction", "/v1/balance_transactions")),
    Route("GET", "/v1/balance_transactions/:id", RETRIEVE, _retrieve("balance_transaction")),
    Route("GET", "/v1/payouts", PAYOUT_LIST, _list("payout", "/v1/payouts")),
    Route("GET", "/v1/payouts/:id", RETRIEVE, _retrieve("payout")),
    Route("POST", "/v1/accounts", ACCOUNT_CREATE, lambda state, call: accounts.create(state, call.params)),
    Route("GET", "/v1/accounts", ACCOUNT_LIST, _list("account", "/v1/accounts")),
    Route("GET", "/v1/accounts/:id", RETRIEVE, lambda state, call: accounts.retrieve(state, call.object_id)),
    Route("POST", "/v1/account_links", ACCOUNT_LINK_CREATE, lambda state, call: accounts.create_link(state, call.params, call.origin)),
    Route("GET", "/v1/application_fees", FEE_LIST, _list("application_fee", "/v1/application_fees")),
    Route("GET", "/v1/application_fees/:id", RETRIEVE, _retrieve("application_fee")),
    Route("GET", "/v1/application_fees/:id/refunds", LINE_ITEM_LIST, _fee_refunds),
    Route(
        "POST",
        "/v1/application_fees/:id/refunds",
        FEE_REFUND_CREATE,
        lambda state, call: accounts.return_fee_by_hand(state, state.get("application_fee", call.object_id), call.params),
    ),
    Route("POST", "/v1/coupons", COUPON_CREATE, lambda state, call: prices.create_coupon(state, call.params)),
    Route("GET", "/v1/coupons/:id", RETRIEVE, _retrieve("coupon")),
    Route("GET", "/v1/prices", PRICE_LIST, _list("price", "/v1/prices")),
    Route("GET", "/v1/prices/:id", RETRIEVE, _retrieve("price")),
    Route("GET", "/v1/products/:id", RETRIEVE, _retrieve("product")),
)
