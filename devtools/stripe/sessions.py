"""Checkout Sessions: a hosted page that sells line items until it is paid or expires."""

from devtools.stripe import events, intents, methods, payments, pricing
from devtools.stripe.errors import Obj, invalid
from devtools.stripe.state import State

SHORTEST_SECONDS = 30 * 60
LONGEST_SECONDS = 24 * 3600


def create(state: State, given: Obj, origin: str) -> Obj:
    _check(state, given)
    session_id = state.new_id("cs_test_a1", 56)
    lines = pricing.lines(state, given["line_items"])
    subtotal = sum(line["amount_subtotal"] for line in lines)
    currency = lines[0]["currency"]
    discount = pricing.discount(state, given.get("discounts", []), subtotal, currency)
    pricing.spread(lines, discount)
    if subtotal > discount:
        intents.check_amount(subtotal - discount, currency)
    empty = (
        "adaptive_pricing after_expiration allow_promotion_codes billing_address_collection branding_settings client_secret "
        "collected_information consent consent_collection currency_conversion customer customer_account customer_details "
        "integration_identifier invoice origin_context payment_intent payment_link payment_method_configuration_details permissions "
        "recovered_from return_url saved_payment_method_options setup_intent shipping_address_collection shipping_cost "
        "subscription wallet_options"
    )
    session = {
        "id": session_id,
        "object": "checkout.session",
        **dict.fromkeys(empty.split()),
        **{
            name: given.get(name)
            for name in ("cancel_url", "client_reference_id", "customer_email", "locale", "submit_type", "success_url")
        },
        "allowed_payment_method_types": given.get("allowed_payment_method_types"),
        "amount_subtotal": subtotal,
        "amount_total": subtotal - discount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": state.now(),
        "currency": currency,
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "customer_creation": "if_required",
        "discounts": [{"coupon": one["coupon"], "promotion_code": None} for one in given.get("discounts", []) if "coupon" in one],
        "excluded_payment_method_types": None,
        "expires_at": given.get("expires_at", state.now() + LONGEST_SECONDS),
        "invoice_creation": {"enabled": False, "invoice_data": {}},
        "livemode": False,
        "metadata": intents.merged({}, given.get("metadata", {})),
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": given.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "payment_status": "no_payment_required" if subtotal == discount else "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": discount, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "_lines": lines,
        "_intent_data": given.get("payment_intent_data", {}),
    }
    session["url"] = _url(session, origin)
    return state.put("checkout.session", session)


def pay(state: State, session: Obj, given: Obj, email: str | None, origin: str) -> Obj:
    """What the hosted page does with a payment method. Raises ApiError when it is declined; the session stays open."""
    _check_open(session, "paid")
    session["customer_details"] = _customer(email or session["customer_email"], given)
    if session["amount_total"] == 0:
        return _complete(state, session, "no_payment_required")
    intent = _intent(state, session)
    target = f"{_url(session, origin)}/done"
    payments.confirm(state, intent, {**given, "return_url": target, "_by_session": True}, by_client=True, origin=origin)
    return follow(state, intent)


def follow(state: State, intent: Obj) -> Obj:
    """Bring the session of a payment intent to where its payment is."""
    session = state.get("checkout.session", intent["_session"])
    if session["status"] == "open" and intent["status"] == "succeeded":
        return _complete(state, session, "paid")
    if session["status"] == "open" and intent["status"] == "processing":
        return _complete(state, session, "unpaid")
    if session["status"] == "complete" and session["payment_status"] == "unpaid" and intent["status"] != "processing":
        paid = intent["status"] == "succeeded"
        session["payment_status"] = "paid" if paid else "unpaid"
        state.put("checkout.session", session)
        events.emit(state, f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)
    return session


def expire(state: State, session: Obj) -> Obj:
    """By a call or by time; a payment that has been begun is canceled."""
    _check_open(session, "expired")
    session.update(status="expired", url=None)
    intent = state.find("payment_intent", session["payment_intent"] or "")
    if intent is not None and intent["status"] in intents.OPEN:
        intents.void(state, intent, "expired")
    events.emit(state, "checkout.session.expired", state.put("checkout.session", session))
    return session


def move(state: State, origin: str) -> None:
    """Open pages are at `origin` from now on: a journal may have been written at another port."""
    for session in state.all("checkout.session"):
        if session["status"] == "open" and session["url"] != _url(session, origin):
            state.put("checkout.session", {**session, "url": _url(session, origin)})


def expire_due(state: State) -> None:
    now = state.now()
    for session in state.all("checkout.session"):
        if session["status"] == "open" and session["expires_at"] <= now:
            expire(state, session)


def _url(session: Obj, origin: str) -> str:
    return f"{origin}/c/pay/{session['id']}"


def _complete(state: State, session: Obj, payment_status: str) -> Obj:
    session.update(status="complete", payment_status=payment_status, url=None)
    events.emit(state, "checkout.session.completed", state.put("checkout.session", session))
    return session


def _intent(state: State, session: Obj) -> Obj:
    if session["payment_intent"] is not None:
        return state.get("payment_intent", session["payment_intent"])
    given = {**session["_intent_data"], "amount": session["amount_total"], "currency": session["currency"], "_session": session["id"]}
    given["allowed_payment_method_types"] = session["payment_method_types"]
    intent = intents.create(state, given)
    session["payment_intent"] = intent["id"]
    state.put("checkout.session", session)
    return intent


def _customer(email: str | None, given: Obj) -> Obj:
    billing = methods.billing_details(given.get("payment_method_data", {}).get("billing_details", {}))
    kept = {"address": billing["address"], "name": billing["name"], "phone": None}
    return {**kept, "business_name": None, "email": email, "individual_name": None, "tax_exempt": "none", "tax_ids": []}


def _check_open(session: Obj, what: str) -> None:
    if session["status"] != "open":
        told = (
            f'Only Checkout Sessions with a status in ["open"] can be {what}. This Checkout Session has a status of `{session["status"]}`.'
        )
        raise invalid(told)


def _check(state: State, given: Obj) -> None:
    for name in ("mode", "line_items", "success_url"):
        if not given.get(name):
            raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    expires_at = given.get("expires_at")
    if expires_at is None:
        return
    if expires_at < state.now() + SHORTEST_SECONDS:
        raise invalid("The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at")
    if expires_at > state.now() + LONGEST_SECONDS:
        raise invalid("The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at")
