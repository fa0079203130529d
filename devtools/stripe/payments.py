"""How a Payment Intent is paid: confirmed, authenticated, settled, declined."""

from devtools.stripe import cards, charges, disputes, events, methods
from devtools.stripe.errors import ApiError, Obj, invalid, unexpected_state
from devtools.stripe.later import plan
from devtools.stripe.state import State

UNAUTHENTICATED = "We are unable to authenticate your payment method. Please choose a different payment method and try again."


def confirm(state: State, intent: Obj, given: Obj, *, by_client: bool, origin: str) -> Obj:
    """Charge it, or ask for authentication. Raises ApiError 402 for declines, after they have been recorded."""
    if intent["_session"] is not None and not given.get("_by_session"):
        raise unexpected_state("You cannot confirm this PaymentIntent because it was created by a Checkout Session.", intent)
    if intent["status"] in ("succeeded", "canceled", "processing"):
        because = (
            "it has already succeeded after being previously confirmed"
            if intent["status"] == "succeeded"
            else f"it has a status of {intent['status']}"
        )
        raise unexpected_state(f"You cannot confirm this PaymentIntent because {because}.", intent)
    method_id = methods.resolve(state, given) or intent["payment_method"]
    if method_id is None:
        told = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent with a payment method "
        )
        raise unexpected_state(f"{told}or provide one in the confirm request.", intent)
    if given.get("return_url"):
        intent["_return_url"] = given["return_url"]
    _check_redirects(intent, by_client=by_client)
    method = state.get("payment_method", method_id)
    if method["type"] not in intent["payment_method_types"]:
        told = f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent."
        raise invalid(told, code="payment_intent_incompatible_payment_method", param="payment_method", payment_intent=intent)
    intent.update(payment_method=method_id, next_action=None, last_payment_error=None)
    if method["type"] == "us_bank_account":
        return _debit(state, intent, method)
    card = cards.by_number(method["_number"])
    assert card is not None
    if card.challenge == "always":
        return _challenge(state, intent, method, given, origin)
    return _charge(state, intent, method, authenticated=False)


def authenticate(state: State, intent: Obj, *, ok: bool) -> Obj:
    """The buyer completed 3D Secure, or failed it. Raises ApiError 402 when the charge is then declined."""
    if intent["status"] != "requires_action":
        raise unexpected_state(f"This PaymentIntent does not wait for authentication: it has a status of {intent['status']}.", intent)
    method = state.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if ok:
        return _charge(state, intent, method, authenticated=True)
    told = "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
    error = {
        "code": "payment_intent_authentication_failure",
        "message": f"{told}PaymentMethod to attempt to fulfill this PaymentIntent again.",
        "type": "invalid_request_error",
    }
    return _fail(state, intent, {**error, "payment_method": events.public(method)})


def settle(state: State, intent: Obj, *, ok: bool) -> Obj:
    """The bank answered a debit."""
    if intent["status"] != "processing":
        return intent
    charge = state.get("charge", intent["latest_charge"])
    intent["processing"] = None
    if ok:
        charges.succeed(state, charge)
        return _succeed(state, intent, charge)
    charges.bounce(state, charge)
    error = {"charge": charge["id"], "code": "payment_method_provider_decline", "message": charge["failure_message"], "type": "card_error"}
    return _fail(state, intent, error)


def _charge(state: State, intent: Obj, method: Obj, *, authenticated: bool) -> Obj:
    charge = charges.attempt(state, intent, method, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if charge["status"] == "succeeded":
        return _succeed(state, intent, charge)
    card = cards.by_number(method["_number"])
    assert card is not None
    raise _declined(state, intent, method, charge, card.error, card.decline)


def _challenge(state: State, intent: Obj, method: Obj, given: Obj, origin: str) -> Obj:
    if given.get("off_session") or given.get("error_on_requires_action"):
        charge = charges.refuse(
            state, intent, method, "authentication_required", "Your card was declined. This transaction requires authentication."
        )
        intent["latest_charge"] = charge["id"]
        raise _declined(state, intent, method, charge, "authentication_required", "authentication_required")
    if given.get("use_stripe_sdk") or not intent["_return_url"]:
        sdk = {"type": "three_d_secure_redirect", "stripe_js": challenge_url(origin, intent), "source": state.new_id("src_1")}
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    else:
        to = {"return_url": intent["_return_url"], "url": challenge_url(origin, intent)}
        intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": to}
    intent["status"] = "requires_action"
    events.emit(state, "payment_intent.requires_action", state.put("payment_intent", intent))
    return intent


def challenge_url(origin: str, intent: Obj) -> str:
    return f"{origin}/3d_secure/{intent['client_secret']}"


def _debit(state: State, intent: Obj, method: Obj) -> Obj:
    charge = charges.pending(state, intent, method)
    intent.update(status="processing", latest_charge=charge["id"])
    bank = cards.by_account(method["_account"])
    plan(state, "debit", intent["id"], fails=bank is not None and bank.settling == "fails")
    events.emit(state, "payment_intent.processing", state.put("payment_intent", intent))
    return intent


def _succeed(state: State, intent: Obj, charge: Obj) -> Obj:
    intent.update(status="succeeded", amount_received=intent["amount"])
    events.emit(state, "payment_intent.succeeded", state.put("payment_intent", intent))
    card = cards.by_number(charge["_number"] or "")
    if card is not None and card.dispute:
        disputes.open_for(state, charge, card.dispute)
    return intent


def _declined(state: State, intent: Obj, method: Obj, charge: Obj, code: str, decline: str) -> ApiError:
    error: Obj = {"charge": charge["id"], "code": code, "message": charge["failure_message"], "type": "card_error"}
    # A code that says all is its own decline code only for `card_declined`, as Stripe has it for expired_card and the like.
    error |= {"decline_code": decline} if decline else {}
    error |= {"advice_code": cards.ADVICE[decline]} if decline in cards.ADVICE else {}
    error |= {"param": {"incorrect_cvc": "cvc", "expired_card": "exp_month"}[code]} if code in ("incorrect_cvc", "expired_card") else {}
    _fail(state, intent, {**error, "payment_method": events.public(method)})
    facts = {name: value for name, value in error.items() if name not in ("type", "message", "code", "param")}
    told, param = error["message"], error.get("param")
    return ApiError(402, "card_error", told, code=code, param=param, **facts, payment_intent=intent, payment_method=events.public(method))


def _fail(state: State, intent: Obj, error: Obj) -> Obj:
    if error.get("code"):
        error = {**error, "doc_url": f"https://stripe.com/docs/error-codes/{error['code'].replace('_', '-')}"}
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_payment_error=error)
    events.emit(state, "payment_intent.payment_failed", state.put("payment_intent", intent))
    return intent


def _check_redirects(intent: Obj, *, by_client: bool) -> None:
    automatic = intent["automatic_payment_methods"]
    redirects = automatic is not None and automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and not by_client and not intent["_return_url"] and intent["_session"] is None:
        told = "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "
        told += "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to "
        told += "accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and "
        raise invalid(f"{told}`automatic_payment_methods[allow_redirects]` to `never`.")
