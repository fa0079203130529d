"""Payment Intents: the objects, and the parameters that change them."""

from devtools.stripe import events, methods
from devtools.stripe.errors import Obj, invalid, unexpected_state
from devtools.stripe.state import State

# The least that can be charged, in the smallest unit of the currency.
SMALLEST = {
    **dict.fromkeys("usd eur chf aud cad nzd sgd brl".split(), 50),  # noqa: SIM905
    "jpy": 50,
    "gbp": 30,
    "dkk": 250,
    "sek": 300,
    "nok": 300,
    "pln": 200,
    "czk": 1500,
    "huf": 17500,
    "mxn": 1000,
    "hkd": 400,
    "inr": 50,
}
LARGEST = 99_999_999
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")


def create(state: State, given: Obj) -> Obj:
    currency = check_amount(given["amount"], given["currency"])
    method = methods.resolve(state, given)
    intent_id = state.new_id("pi_3")
    empty = (
        "application application_fee_amount canceled_at cancellation_reason customer customer_account last_payment_error latest_charge "
        "next_action on_behalf_of payment_method_configuration_details processing review setup_future_usage shipping source transfer_data"
    )
    optional = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
    intent: Obj = {
        "id": intent_id,
        "object": "payment_intent",
        **dict.fromkeys(empty.split()),
        **{name: given.get(name) for name in optional},
        "allowed_payment_method_types": given.get("allowed_payment_method_types"),
        "amount": given["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": _automatic(given),
        "capture_method": given.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_{state.new_id('secret')}",
        "confirmation_method": "automatic",
        "created": state.now(),
        "currency": currency,
        "excluded_payment_method_types": None,
        "livemode": False,
        "metadata": merged({}, given.get("metadata", {})),
        "payment_method": method,
        "payment_method_options": {
            "card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": given.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "status": "requires_confirmation" if method else "requires_payment_method",
        "_return_url": given.get("return_url"),
        "_session": given.get("_session"),
    }
    state.put("payment_intent", intent)
    events.emit(state, "payment_intent.created", intent)
    return intent


def update(state: State, intent: Obj, given: Obj) -> Obj:
    """Amount, currency and method only while nobody is paying; descriptions and metadata always."""
    guarded = [name for name in ("amount", "currency", "payment_method", "payment_method_data") if name in given]
    if guarded and intent["status"] not in OPEN:
        told = f"This PaymentIntent's {guarded[0]} could not be updated because it has a status of {intent['status']}. You may only update "
        told += f"the {guarded[0]} of a PaymentIntent with one of the following statuses: {', '.join(OPEN)}."
        raise unexpected_state(told, intent)
    if "amount" in given or "currency" in given:
        intent["currency"] = check_amount(given.get("amount") or intent["amount"], given.get("currency") or intent["currency"])
        intent["amount"] = given.get("amount", intent["amount"])
    method = methods.resolve(state, given)
    if method is not None:
        intent.update(payment_method=method, status="requires_confirmation", next_action=None)
    if "metadata" in given:
        intent["metadata"] = merged(intent["metadata"], given["metadata"])
    if "allowed_payment_method_types" in given:
        intent["allowed_payment_method_types"] = intent["payment_method_types"] = given["allowed_payment_method_types"]
    for name in ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group"):
        if name in given:
            intent[name] = given[name] or None
    return state.put("payment_intent", intent)


def cancel(state: State, intent: Obj, reason: str | None) -> Obj:
    if intent["_session"] is not None:
        told = "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire the Checkout Session "
        raise unexpected_state(f"{told}{intent['_session']} instead.", intent)
    return void(state, intent, reason)


def void(state: State, intent: Obj, reason: str | None) -> Obj:
    """Cancel, whoever made it."""
    if intent["status"] not in CANCELABLE or intent["status"] == "processing":
        told = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent with one "
        raise unexpected_state(f"{told}of the following statuses may be canceled: {', '.join(CANCELABLE)}.", intent)
    intent.update(status="canceled", canceled_at=state.now(), cancellation_reason=reason, next_action=None)
    events.emit(state, "payment_intent.canceled", state.put("payment_intent", intent))
    return intent


def check_amount(amount: int, currency: str) -> str:
    """The currency in lower case. Raises for amounts and currencies that can't be charged."""
    currency = currency.lower()
    if currency not in SMALLEST:
        known = ", ".join(sorted(SMALLEST))
        raise invalid(f"Invalid currency: {currency}. Stripe currently supports these currencies: {known}", param="currency")
    if amount < SMALLEST[currency]:
        least = _written(SMALLEST[currency], currency)
        raise invalid(f"Amount must be at least {least}", param="amount", code="amount_too_small")
    if amount > LARGEST:
        raise invalid(f"Amount must be no more than {_written(LARGEST, currency)}", param="amount", code="amount_too_large")
    return currency


def merged(before: Obj, given: Obj) -> Obj:
    """Metadata: an empty value unsets its key, and {"": ""} unsets all."""
    if given == {"": ""}:
        return {}
    return {name: value for name, value in {**before, **given}.items() if value != ""}


def _automatic(given: Obj) -> Obj | None:
    if "allowed_payment_method_types" in given and "automatic_payment_methods" not in given:
        return None
    asked = given.get("automatic_payment_methods", {"enabled": True})
    return {"allow_redirects": asked.get("allow_redirects", "always"), "enabled": asked["enabled"]}


def _written(amount: int, currency: str) -> str:
    return f"{amount} {currency}" if currency == "jpy" else f"{amount / 100:,.2f} {currency}"
