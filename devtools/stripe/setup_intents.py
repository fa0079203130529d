"""Setup Intents: a bank confirms a card without a charge. Browsers cannot confirm one here, but its owner can authenticate the card."""

from devtools.stripe import account_state, customers, payment_methods
from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeApiError, StripeObject, card_error, invalid_request, public_copy, updated_metadata

_AUTHENTICATION_FAILURE = (
    "The provided PaymentMethod has failed authentication. Provide a new PaymentMethod to attempt this SetupIntent again."
)


def create(state: AccountState, params: StripeObject, origin: str) -> StripeObject:
    """Create an intent, and confirm its payment method if the parameters say so. Raises StripeApiError 402 for a declined card."""
    if "customer" in params:
        state.get("customer", params["customer"], param="customer", status=400)
    method_id, intent_id = payment_methods.resolve_payment_method(state, params), state.new_id("seti_1")
    empty = (
        "application attach_to_self automatic_payment_methods cancellation_reason customer_account excluded_payment_method_types "
        "flow_directions last_setup_error latest_attempt managed_payments mandate next_action on_behalf_of "
        "payment_method_configuration_details single_use_mandate"
    )
    intent: StripeObject = {
        "id": intent_id,
        "object": "setup_intent",
        **dict.fromkeys(empty.split()),
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "client_secret": f"{intent_id}_{state.new_id('secret')}",
        "created": state.now(),
        "customer": params.get("customer"),
        "description": params.get("description"),
        "livemode": False,
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "payment_method": method_id,
        "payment_method_options": {"card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": params.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "status": "requires_confirmation" if method_id else "requires_payment_method",
        "usage": params.get("usage", "off_session"),
        "_return_url": params.get("return_url"),
        "_session": None,
    }
    account_state.emit_event(state, "setup_intent.created", state.put("setup_intent", intent))
    if not params.get("confirm"):
        return intent
    if method_id is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise invalid_request(message, code="setup_intent_unexpected_state", setup_intent=intent)
    method = state.get("payment_method", method_id)
    if method["type"] not in intent["payment_method_types"] or method["type"] != "card":
        message = f"The PaymentMethod provided ({method['type']}) is not allowed for this SetupIntent."
        raise invalid_request(message, param="payment_method", setup_intent=intent)
    customers.check_use(method, intent["customer"])
    card = payment_methods.card_by_number(method["_number"])
    assert card is not None
    if card.requires_authentication:
        sdk = {
            "type": "three_d_secure_redirect",
            "stripe_js": f"{origin}/3d_secure/{intent['client_secret']}",
            "source": state.new_id("src_1"),
        }
        intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": sdk})
        account_state.emit_event(state, "setup_intent.requires_action", state.put("setup_intent", intent))
        return intent
    return _finish(state, intent)


def authenticate(state: AccountState, intent: StripeObject, *, ok: bool) -> StripeObject:
    """Continue after the owner completed or failed 3D Secure. Raises StripeApiError 402 if the bank then declines the card."""
    if intent["status"] != "requires_action":
        message = f"This SetupIntent does not wait for authentication: it has a status of {intent['status']}."
        raise invalid_request(message, code="setup_intent_unexpected_state", setup_intent=intent)
    if ok:
        return _finish(state, intent)
    error = {"code": "setup_intent_authentication_failure", "message": _AUTHENTICATION_FAILURE, "type": "invalid_request_error"}
    return _fail(state, intent, error)


def _finish(state: AccountState, intent: StripeObject) -> StripeObject:
    method = state.get("payment_method", intent["payment_method"])
    card = payment_methods.card_by_number(method["_number"])
    assert card is not None
    if not card.error_code or card.is_declined_off_session:
        method.update(customer=intent["customer"], _is_set_up=intent["usage"] == "off_session")
        state.put("payment_method", method)
        intent.update(status="succeeded", next_action=None)
        account_state.emit_event(state, "setup_intent.succeeded", state.put("setup_intent", intent))
        return intent
    raise _decline(state, intent, method, card)


def _decline(state: AccountState, intent: StripeObject, method: StripeObject, card: payment_methods.Card) -> StripeApiError:
    message = payment_methods.DECLINE_MESSAGES[card.decline_code]
    details = {"decline_code": card.decline_code, "payment_method": public_copy(method)}
    _fail(state, intent, {"code": card.error_code, "message": message, "type": "card_error", **details})
    return card_error(message, code=card.error_code, **details, setup_intent=intent)


def _fail(state: AccountState, intent: StripeObject, error: StripeObject) -> StripeObject:
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error=error)
    account_state.emit_event(state, "setup_intent.setup_failed", state.put("setup_intent", intent))
    return intent
