"""Payment Intents: creation, update and cancellation. `confirmation.py` is how they are paid."""

from devtools.stripe import events, payment_methods
from devtools.stripe.account_state import AccountState
from devtools.stripe.currencies import check_amount
from devtools.stripe.errors import unexpected_intent_state
from devtools.stripe.metadata import updated_metadata
from devtools.stripe.objects import StripeObject

OPEN_STATUSES = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE_STATUSES = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")


def create(state: AccountState, params: StripeObject) -> StripeObject:
    currency = check_amount(params["amount"], params["currency"])
    method_id = payment_methods.resolve_payment_method(state, params)
    intent_id = state.new_id("pi_3")
    empty = (
        "application application_fee_amount canceled_at cancellation_reason customer customer_account last_payment_error latest_charge "
        "next_action on_behalf_of payment_method_configuration_details processing review setup_future_usage shipping source transfer_data"
    )
    optional = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
    intent: StripeObject = {
        "id": intent_id,
        "object": "payment_intent",
        **dict.fromkeys(empty.split()),
        **{name: params.get(name) for name in optional},
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": _automatic_payment_methods(params),
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_{state.new_id('secret')}",
        "confirmation_method": "automatic",
        "created": state.now(),
        "currency": currency,
        "excluded_payment_method_types": None,
        "livemode": False,
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "payment_method": method_id,
        "payment_method_options": {
            "card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": params.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "status": "requires_confirmation" if method_id else "requires_payment_method",
        "_return_url": params.get("return_url"),
        "_session": params.get("_session"),
    }
    state.put("payment_intent", intent)
    events.emit(state, "payment_intent.created", intent)
    return intent


def update(state: AccountState, intent: StripeObject, params: StripeObject) -> StripeObject:
    """Amount, currency and method can change while the intent is open; descriptions and metadata always."""
    locked_names = [name for name in ("amount", "currency", "payment_method", "payment_method_data") if name in params]
    if locked_names and intent["status"] not in OPEN_STATUSES:
        locked = locked_names[0]
        message = f"This PaymentIntent's {locked} could not be updated because it has a status of {intent['status']}. You may only update "
        message += f"the {locked} of a PaymentIntent with one of the following statuses: {', '.join(OPEN_STATUSES)}."
        raise unexpected_intent_state(message, intent)
    if "amount" in params or "currency" in params:
        intent["currency"] = check_amount(params.get("amount") or intent["amount"], params.get("currency") or intent["currency"])
        intent["amount"] = params.get("amount", intent["amount"])
    method_id = payment_methods.resolve_payment_method(state, params)
    if method_id is not None:
        intent.update(payment_method=method_id, status="requires_confirmation", next_action=None)
    if "metadata" in params:
        intent["metadata"] = updated_metadata(intent["metadata"], params["metadata"])
    if "allowed_payment_method_types" in params:
        intent["allowed_payment_method_types"] = intent["payment_method_types"] = params["allowed_payment_method_types"]
    for name in ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group"):
        if name in params:
            intent[name] = params[name] or None
    return state.put("payment_intent", intent)


def cancel_by_request(state: AccountState, intent: StripeObject, reason: str | None) -> StripeObject:
    """Cancel, unless the intent belongs to a Checkout Session, which is expired instead."""
    if intent["_session"] is not None:
        message = "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire the Checkout Session "
        raise unexpected_intent_state(f"{message}{intent['_session']} instead.", intent)
    return cancel(state, intent, reason)


def cancel(state: AccountState, intent: StripeObject, reason: str | None) -> StripeObject:
    """Cancel, whether the intent belongs to a Checkout Session or not."""
    if intent["status"] not in CANCELABLE_STATUSES or intent["status"] == "processing":
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent with one "
        raise unexpected_intent_state(f"{message}of the following statuses may be canceled: {', '.join(CANCELABLE_STATUSES)}.", intent)
    intent.update(status="canceled", canceled_at=state.now(), cancellation_reason=reason, next_action=None)
    events.emit(state, "payment_intent.canceled", state.put("payment_intent", intent))
    return intent


def _automatic_payment_methods(params: StripeObject) -> StripeObject | None:
    if "allowed_payment_method_types" in params and "automatic_payment_methods" not in params:
        return None
    requested = params.get("automatic_payment_methods", {"enabled": True})
    return {"allow_redirects": requested.get("allow_redirects", "always"), "enabled": requested["enabled"]}
