"""The parameters of each call, as far as this fake goes. Everything else is refused, also what only the real Stripe knows."""

from collections.abc import Mapping

from devtools.stripe.schema import Field, boolean, choice, integer, listing, metadata, moment, need, percent, record, text, url

Fields = Mapping[str, Field]

METHOD_TYPES = ("card", "us_bank_account")
_currency = text(3, "[A-Za-z]{3}")
_expand: Fields = {"expand": listing(text())}
_address = record({name: text(empty=True) for name in ("city", "country", "line1", "line2", "postal_code", "state")})
_billing = record({"address": _address, "email": text(empty=True), "name": text(empty=True), "phone": text(empty=True)})
_card = record(
    {"number": need(text(19, r"[\d ]{12,19}")), "exp_month": need(integer(1)), "exp_year": need(integer(1)), "cvc": text(4, r"\d{3,4}")}
)
_bank = record(
    {
        "account_number": need(text(17, r"\d+")),
        "routing_number": need(text(9, r"\d{9}")),
        "account_holder_type": choice("individual", "company"),
    }
)
METHOD: Fields = {
    "type": need(choice(*METHOD_TYPES)),
    "card": _card,
    "us_bank_account": _bank,
    "billing_details": _billing,
    "metadata": metadata(),
}
_method: Fields = {"payment_method": text(), "payment_method_data": record(METHOD)}
_method_types = listing(choice(*METHOD_TYPES))
_statement: Fields = {"statement_descriptor": text(22), "statement_descriptor_suffix": text(22)}

INTENT_CREATE: Fields = {
    "amount": need(integer(1)),
    "currency": need(_currency),
    "allowed_payment_method_types": _method_types,
    "automatic_payment_methods": record({"enabled": need(boolean()), "allow_redirects": choice("always", "never")}),
    "capture_method": choice("automatic", "automatic_async"),
    "confirm": boolean(),
    "confirmation_method": choice("automatic"),
    "description": text(1000),
    "error_on_requires_action": boolean(),
    "metadata": metadata(),
    "off_session": boolean(),
    "receipt_email": text(512, r"[^@\s]+@[^@\s]+"),
    "return_url": url(),
    "transfer_group": text(),
    "use_stripe_sdk": boolean(),
    **_method,
    **_statement,
    **_expand,
}
INTENT_UPDATE: Fields = {
    "amount": integer(1),
    "currency": _currency,
    "allowed_payment_method_types": _method_types,
    "description": text(1000, empty=True),
    "metadata": metadata(),
    "receipt_email": text(512, r"[^@\s]+@[^@\s]+", empty=True),
    "transfer_group": text(),
    **_method,
    **_statement,
    **_expand,
}
INTENT_CONFIRM: Fields = {
    "error_on_requires_action": boolean(),
    "off_session": boolean(),
    "receipt_email": text(512, r"[^@\s]+@[^@\s]+", empty=True),
    "return_url": url(),
    "use_stripe_sdk": boolean(),
    **_method,
    **_expand,
}
# Stripe.js passes these two as well; with a secret key they are not needed.
CLIENT: Fields = {"client_secret": need(text()), "key": text()}
INTENT_RETRIEVE: Fields = {"client_secret": text(), **_expand}
INTENT_CANCEL: Fields = {"cancellation_reason": choice("duplicate", "fraudulent", "requested_by_customer", "abandoned"), **_expand}

_product = record({"name": need(text()), "description": text(), "metadata": metadata(), "images": listing(url(), most=8)})
_price_data = record({"currency": need(_currency), "unit_amount": integer(), "product_data": _product})
_line = record({"price": text(), "price_data": _price_data, "quantity": integer(1), "metadata": metadata()})
_intent_data = record({name: INTENT_CREATE[name] for name in ("description", "metadata", "receipt_email", "transfer_group", *_statement)})
SESSION_CREATE: Fields = {
    "allowed_payment_method_types": _method_types,
    "cancel_url": url(),
    "client_reference_id": text(200),
    "customer_email": text(800, r"[^@\s]+@[^@\s]+"),
    "discounts": listing(record({"coupon": text()}), most=1),
    "expires_at": integer(),
    "line_items": listing(_line),
    "locale": text(6),
    "metadata": metadata(),
    "mode": choice("payment"),
    "payment_intent_data": _intent_data,
    "submit_type": choice("auto", "book", "donate", "pay"),
    "success_url": url(),
    "ui_mode": choice("hosted_page"),
    **_expand,
}

COUPON_CREATE: Fields = {
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
REFUND_CREATE: Fields = {
    "amount": integer(1),
    "charge": text(),
    "payment_intent": text(),
    "metadata": metadata(),
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
    **_expand,
}
REFUND_UPDATE: Fields = {"metadata": metadata(), **_expand}
DISPUTE_UPDATE: Fields = {
    "evidence": record({"uncategorized_text": text(20000), "product_description": text(20000), "customer_email_address": text()}),
    "metadata": metadata(),
    "submit": boolean(),
    **_expand,
}
RETRIEVE: Fields = _expand

_page: Fields = {"limit": integer(1), "starting_after": text(), "ending_before": text(), "created": moment(), **_expand}
INTENT_LIST: Fields = _page
CHARGE_LIST: Fields = {"payment_intent": text(), "transfer_group": text(), **_page}
REFUND_LIST: Fields = {"payment_intent": text(), "charge": text(), **_page}
DISPUTE_LIST: Fields = REFUND_LIST
SESSION_LIST: Fields = {"payment_intent": text(), "status": choice("open", "complete", "expired"), **_page}
EVENT_LIST: Fields = {"type": text(), "types": listing(text(), most=20), "delivery_success": boolean(), **_page}
BALANCE_LIST: Fields = {"source": text(), "type": text(), "currency": _currency, **_page}
LINE_ITEM_LIST: Fields = {name: one for name, one in _page.items() if name != "created"}
