"""Payment Intents: creation, update, cancellation, and payment: confirmation, authentication, and the outcome of the charge."""

from devtools.stripe import account_state, accounts, charges, customers, disputes, payment_methods, tax
from devtools.stripe.account_state import AccountState, schedule_outcome
from devtools.stripe.prices import check_amount
from devtools.stripe.wire_format import (
    StripeApiError,
    StripeObject,
    card_error,
    invalid_request,
    public_copy,
    unexpected_intent_state,
    updated_metadata,
)

OPEN_STATUSES = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE_STATUSES = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")


def create(state: AccountState, params: StripeObject) -> StripeObject:
    currency = check_amount(params["amount"], params["currency"])
    accounts.check_charges_enabled(state)
    accounts.check_fee(state, params.get("application_fee_amount"), params["amount"])
    if "customer" in params:
        state.get("customer", params["customer"], param="customer", status=400)
    calculation_id = tax.check_hook(state, params.get("hooks"))
    method_id = payment_methods.resolve_payment_method(state, params)
    intent_id = state.new_id("pi_3")
    empty = (
        "application canceled_at cancellation_reason customer_account last_payment_error latest_charge "
        "next_action on_behalf_of payment_method_configuration_details processing review setup_future_usage shipping source transfer_data"
    )
    descriptors = ("statement_descriptor", "statement_descriptor_suffix")
    optional = ("application_fee_amount", "description", "receipt_email", *descriptors, "transfer_group")
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
        "customer": params.get("customer"),
        "excluded_payment_method_types": None,
        "livemode": False,
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "payment_method": method_id,
        "payment_method_options": {
            "card": {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": params.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "status": "requires_confirmation" if method_id else "requires_payment_method",
        **({"hooks": {"inputs": {"tax": {"calculation": calculation_id}}}} if calculation_id is not None else {}),
        "_return_url": params.get("return_url"),
        "_session": params.get("_session"),
    }
    state.put("payment_intent", intent)
    account_state.emit_event(state, "payment_intent.created", intent)
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
    """Cancel an intent that does not belong to a Checkout Session. Such a session is expired instead."""
    if intent["_session"] is not None:
        message = "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire the Checkout Session "
        raise unexpected_intent_state(f"{message}{intent['_session']} instead.", intent)
    return cancel(state, intent, reason)


def cancel(state: AccountState, intent: StripeObject, reason: str | None) -> StripeObject:
    """Cancel any intent, even one that belongs to a Checkout Session."""
    if intent["status"] not in CANCELABLE_STATUSES or intent["status"] == "processing":
        message = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent with one "
        raise unexpected_intent_state(f"{message}of the following statuses may be canceled: {', '.join(CANCELABLE_STATUSES)}.", intent)
    intent.update(status="canceled", canceled_at=state.now(), cancellation_reason=reason, next_action=None)
    account_state.emit_event(state, "payment_intent.canceled", state.put("payment_intent", intent))
    return intent


def _automatic_payment_methods(params: StripeObject) -> StripeObject | None:
    if "allowed_payment_method_types" in params and "automatic_payment_methods" not in params:
        return None
    requested = params.get("automatic_payment_methods", {"enabled": True})
    return {"allow_redirects": requested.get("allow_redirects", "always"), "enabled": requested["enabled"]}


def confirm(state: AccountState, intent: StripeObject, params: StripeObject, *, from_browser: bool, origin: str) -> StripeObject:
    """Charge the payment method, or request authentication. Raises StripeApiError 402 for a decline, which is recorded first."""
    accounts.check_charges_enabled(state)
    if intent["_session"] is not None and not params.get("_by_session"):
        raise unexpected_intent_state("You cannot confirm this PaymentIntent because it was created by a Checkout Session.", intent)
    if intent["status"] in ("succeeded", "canceled", "processing"):
        reason = (
            "it has already succeeded after being previously confirmed"
            if intent["status"] == "succeeded"
            else f"it has a status of {intent['status']}"
        )
        raise unexpected_intent_state(f"You cannot confirm this PaymentIntent because {reason}.", intent)
    method_id = payment_methods.resolve_payment_method(state, params) or intent["payment_method"]
    if method_id is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent with a payment method "
        )
        raise unexpected_intent_state(f"{message}or provide one in the confirm request.", intent)
    if params.get("return_url"):
        intent["_return_url"] = params["return_url"]
    _check_redirects(intent, from_browser=from_browser)
    method = state.get("payment_method", method_id)
    if method["type"] not in intent["payment_method_types"]:
        message = f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent."
        raise invalid_request(message, code="payment_intent_incompatible_payment_method", param="payment_method", payment_intent=intent)
    if intent["customer"] is not None:
        state.get("customer", intent["customer"], param="customer", status=400)
    customers.check_use(method, intent["customer"])
    intent.update(payment_method=method_id, next_action=None, last_payment_error=None)
    if method["type"] == "us_bank_account":
        return _debit(state, intent, method)
    card = payment_methods.card_by_number(method["_number"])
    assert card is not None
    if card.requires_authentication and not (card.authenticates_once and params.get("off_session") and method.get("_is_set_up")):
        return _request_authentication(state, intent, method, params, origin)
    return _charge(state, intent, method, authenticated=False)


def authenticate(state: AccountState, intent: StripeObject, *, ok: bool) -> StripeObject:
    """Continue after the buyer completed or failed 3D Secure. Raises StripeApiError 402 if the charge is then declined."""
    if intent["status"] != "requires_action":
        raise unexpected_intent_state(
            f"This PaymentIntent does not wait for authentication: it has a status of {intent['status']}.", intent
        )
    method = state.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if ok:
        return _charge(state, intent, method, authenticated=True)
    message = "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
    error = {
        "code": "payment_intent_authentication_failure",
        "message": f"{message}PaymentMethod to attempt to fulfill this PaymentIntent again.",
        "type": "invalid_request_error",
    }
    return _fail(state, intent, {**error, "payment_method": public_copy(method)})


def complete_debit(state: AccountState, intent: StripeObject, *, ok: bool) -> StripeObject:
    """Record the outcome of a pending bank debit."""
    if intent["status"] != "processing":
        return intent
    charge = state.get("charge", intent["latest_charge"])
    intent["processing"] = None
    if ok:
        charges.mark_succeeded(state, charge)
        return _succeed(state, intent, charge)
    charges.mark_debit_failed(state, charge)
    error = {"charge": charge["id"], "code": "payment_method_provider_decline", "message": charge["failure_message"], "type": "card_error"}
    return _fail(state, intent, error)


def _charge(state: AccountState, intent: StripeObject, method: StripeObject, *, authenticated: bool) -> StripeObject:
    charge = charges.create_card_charge(state, intent, method, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if charge["status"] == "succeeded":
        return _succeed(state, intent, charge)
    card = payment_methods.card_by_number(method["_number"])
    assert card is not None
    raise _decline(state, intent, method, charge, card.error_code, card.decline_code)


def _request_authentication(
    state: AccountState, intent: StripeObject, method: StripeObject, params: StripeObject, origin: str
) -> StripeObject:
    if params.get("off_session") or params.get("error_on_requires_action"):
        charge = charges.create_unauthenticated_charge(
            state, intent, method, "authentication_required", "Your card was declined. This transaction requires authentication."
        )
        intent["latest_charge"] = charge["id"]
        raise _decline(state, intent, method, charge, "authentication_required", "authentication_required")
    if params.get("use_stripe_sdk") or not intent["_return_url"]:
        sdk = {"type": "three_d_secure_redirect", "stripe_js": _authentication_url(origin, intent), "source": state.new_id("src_1")}
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    else:
        redirect = {"return_url": intent["_return_url"], "url": _authentication_url(origin, intent)}
        intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": redirect}
    intent["status"] = "requires_action"
    account_state.emit_event(state, "payment_intent.requires_action", state.put("payment_intent", intent))
    return intent


def _authentication_url(origin: str, intent: StripeObject) -> str:
    return f"{origin}/3d_secure/{intent['client_secret']}"


def _debit(state: AccountState, intent: StripeObject, method: StripeObject) -> StripeObject:
    charge = charges.create_pending_debit(state, intent, method)
    intent.update(status="processing", latest_charge=charge["id"])
    account = payment_methods.bank_account_by_number(method["_account"])
    schedule_outcome(state, "debit", intent["id"], fails=account is not None and account.debits == "fails")
    account_state.emit_event(state, "payment_intent.processing", state.put("payment_intent", intent))
    return intent


def _succeed(state: AccountState, intent: StripeObject, charge: StripeObject) -> StripeObject:
    intent.update(status="succeeded", amount_received=intent["amount"])
    tax.commit(state, intent)
    account_state.emit_event(state, "payment_intent.succeeded", state.put("payment_intent", intent))
    card = payment_methods.card_by_number(charge["_number"] or "")
    if card is not None and card.dispute_reason:
        disputes.create(state, charge, card.dispute_reason)
    return intent


def _decline(
    state: AccountState, intent: StripeObject, method: StripeObject, charge: StripeObject, code: str, decline_code: str
) -> StripeApiError:
    error: StripeObject = {"charge": charge["id"], "code": code, "message": charge["failure_message"], "type": "card_error"}
    error |= {"decline_code": decline_code} if decline_code else {}
    error |= {"advice_code": payment_methods.ADVICE_CODES[decline_code]} if decline_code in payment_methods.ADVICE_CODES else {}
    error |= {"param": {"incorrect_cvc": "cvc", "expired_card": "exp_month"}[code]} if code in ("incorrect_cvc", "expired_card") else {}
    _fail(state, intent, {**error, "payment_method": public_copy(method)})
    details = {name: value for name, value in error.items() if name not in ("type", "message", "code")}
    return card_error(error["message"], code=code, **details, payment_intent=intent, payment_method=public_copy(method))


def _fail(state: AccountState, intent: StripeObject, error: StripeObject) -> StripeObject:
    if error.get("code"):
        error = {**error, "doc_url": f"https://stripe.com/docs/error-codes/{error['code'].replace('_', '-')}"}
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_payment_error=error)
    account_state.emit_event(state, "payment_intent.payment_failed", state.put("payment_intent", intent))
    return intent


def _check_redirects(intent: StripeObject, *, from_browser: bool) -> None:
    automatic = intent["automatic_payment_methods"]
    redirects = automatic is not None and automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and not from_browser and not intent["_return_url"] and intent["_session"] is None:
        message = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "
        message += "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to "
        message += "accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
        raise invalid_request(f"{message}`automatic_payment_methods[allow_redirects]` to `never`.")
