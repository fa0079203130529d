"""Checkout Sessions: hosted pages that sell line items until they are paid or expire."""

from devtools.stripe import account_state, accounts, payment_intents, prices
from devtools.stripe.account_state import AccountState
from devtools.stripe.payment_methods import billing_details
from devtools.stripe.prices import check_amount, create_line_items, spread_discount
from devtools.stripe.wire_format import StripeObject, invalid_request, updated_metadata

MIN_LIFETIME_SECONDS = 30 * 60
MAX_LIFETIME_SECONDS = 24 * 3600


def create(state: AccountState, params: StripeObject, origin: str) -> StripeObject:
    _check_parameters(state, params)
    accounts.check_charges_enabled(state)
    session_id = state.new_id("cs_test_a1", 56)
    lines = create_line_items(state, params["line_items"])
    subtotal = sum(line["amount_subtotal"] for line in lines)
    currency = lines[0]["currency"]
    discount = prices.redeem(state, params.get("discounts", []), subtotal, currency)
    spread_discount(lines, discount)
    accounts.check_fee(state, params.get("payment_intent_data", {}).get("application_fee_amount"), subtotal - discount)
    if subtotal > discount:
        check_amount(subtotal - discount, currency)
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
            name: params.get(name)
            for name in ("cancel_url", "client_reference_id", "customer_email", "locale", "submit_type", "success_url")
        },
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": subtotal,
        "amount_total": subtotal - discount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "created": state.now(),
        "currency": currency,
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "customer_creation": "if_required",
        "discounts": [
            {"coupon": requested["coupon"], "promotion_code": None} for requested in params.get("discounts", []) if "coupon" in requested
        ],
        "excluded_payment_method_types": None,
        "expires_at": params.get("expires_at", state.now() + MAX_LIFETIME_SECONDS),
        "invoice_creation": {"enabled": False, "invoice_data": {}},
        "livemode": False,
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": params.get("allowed_payment_method_types") or ["card", "us_bank_account"],
        "payment_status": "no_payment_required" if subtotal == discount else "unpaid",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": discount, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "_lines": lines,
        "_intent_data": params.get("payment_intent_data", {}),
    }
    session["url"] = _page_url(session, origin)
    return state.put("checkout.session", session)


def pay(state: AccountState, session: StripeObject, params: StripeObject, email: str | None, origin: str) -> StripeObject:
    """Pay on the hosted page. Raises StripeApiError when the payment is declined; the session then stays open."""
    _check_open(session, "paid")
    session["customer_details"] = _customer_details(email or session["customer_email"], params)
    if session["amount_total"] == 0:
        return _complete(state, session, "no_payment_required")
    intent = _payment_intent(state, session)
    return_url = f"{_page_url(session, origin)}/done"
    payment_intents.confirm(state, intent, {**params, "return_url": return_url, "_by_session": True}, from_browser=True, origin=origin)
    return update_from_intent(state, intent)


def update_from_intent(state: AccountState, intent: StripeObject) -> StripeObject:
    """Update the session of a payment intent after the intent's status has changed."""
    session = state.get("checkout.session", intent["_session"])
    if session["status"] == "open" and intent["status"] == "succeeded":
        return _complete(state, session, "paid")
    if session["status"] == "open" and intent["status"] == "processing":
        return _complete(state, session, "unpaid")
    if session["status"] == "complete" and session["payment_status"] == "unpaid" and intent["status"] != "processing":
        paid = intent["status"] == "succeeded"
        session["payment_status"] = "paid" if paid else "unpaid"
        state.put("checkout.session", session)
        account_state.emit_event(state, f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)
    return session


def expire(state: AccountState, session: StripeObject) -> StripeObject:
    """Close the page, and cancel the payment if it was started."""
    _check_open(session, "expired")
    session.update(status="expired", url=None)
    intent = state.find("payment_intent", session["payment_intent"] or "")
    if intent is not None and intent["status"] in payment_intents.OPEN_STATUSES:
        payment_intents.cancel(state, intent, "expired")
    account_state.emit_event(state, "checkout.session.expired", state.put("checkout.session", session))
    return session


def update_page_urls(state: AccountState, origin: str) -> None:
    """Move the pages of open sessions to `origin`, because the journal may come from a run on another port."""
    for session in state.oldest_first("checkout.session"):
        if session["status"] == "open" and session["url"] != _page_url(session, origin):
            state.put("checkout.session", {**session, "url": _page_url(session, origin)})


def expire_overdue(state: AccountState) -> None:
    now = state.now()
    for session in state.oldest_first("checkout.session"):
        if session["status"] == "open" and session["expires_at"] <= now:
            expire(state, session)


def _page_url(session: StripeObject, origin: str) -> str:
    return f"{origin}/c/pay/{session['id']}"


def _complete(state: AccountState, session: StripeObject, payment_status: str) -> StripeObject:
    session.update(status="complete", payment_status=payment_status, url=None)
    account_state.emit_event(state, "checkout.session.completed", state.put("checkout.session", session))
    return session


def _payment_intent(state: AccountState, session: StripeObject) -> StripeObject:
    """Return the session's payment intent, created at the first attempt to pay."""
    if session["payment_intent"] is not None:
        return state.get("payment_intent", session["payment_intent"])
    params = {**session["_intent_data"], "amount": session["amount_total"], "currency": session["currency"], "_session": session["id"]}
    params["allowed_payment_method_types"] = session["payment_method_types"]
    intent = payment_intents.create(state, params)
    session["payment_intent"] = intent["id"]
    state.put("checkout.session", session)
    return intent


def _customer_details(email: str | None, params: StripeObject) -> StripeObject:
    billing = billing_details(params.get("payment_method_data", {}).get("billing_details", {}))
    details = {"address": billing["address"], "name": billing["name"], "phone": None}
    return {**details, "business_name": None, "email": email, "individual_name": None, "tax_exempt": "none", "tax_ids": []}


def _check_open(session: StripeObject, action: str) -> None:
    if session["status"] != "open":
        message = f'Only Checkout Sessions with a status in ["open"] can be {action}. '
        raise invalid_request(f"{message}This Checkout Session has a status of `{session['status']}`.")


def _check_parameters(state: AccountState, params: StripeObject) -> None:
    for name in ("mode", "line_items", "success_url"):
        if not params.get(name):
            raise invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")
    expires_at = params.get("expires_at")
    if expires_at is None:
        return
    if expires_at < state.now() + MIN_LIFETIME_SECONDS:
        raise invalid_request("The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at")
    if expires_at > state.now() + MAX_LIFETIME_SECONDS:
        raise invalid_request("The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at")
