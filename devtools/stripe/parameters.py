"""The parameters of each call that the fake supports. All others are refused, also those that the real Stripe supports."""

from collections.abc import Mapping

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
    "automatic_payment_methods": nested_object({"enabled": required(boolean()), "allow_redirects": choice("always", "never")}),
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
# Stripe.js sends these two as well; with a secret key they are not needed.
BROWSER: Parameters = {"client_secret": required(text()), "key": text()}
INTENT_RETRIEVE: Parameters = {"client_secret": text(), **_expand}
INTENT_CANCEL: Parameters = {"cancellation_reason": choice("duplicate", "fraudulent", "requested_by_customer", "abandoned"), **_expand}

_product = nested_object({"name": required(text()), "description": text(), "metadata": metadata(), "images": array(url(), max_elements=8)})
_price_data = nested_object({"currency": required(_currency), "unit_amount": integer(), "product_data": _product})
_line_item = nested_object({"price": text(), "price_data": _price_data, "quantity": integer(1), "metadata": metadata()})
_intent_data = nested_object(
    {name: INTENT_CREATE[name] for name in ("description", "metadata", "receipt_email", "transfer_group", *_statement_descriptors)}
)
SESSION_CREATE: Parameters = {
    "allowed_payment_method_types": _payment_method_types,
    "cancel_url": url(),
    "client_reference_id": text(200),
    "customer_email": text(800, r"[^@\s]+@[^@\s]+"),
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
    **_expand,
}
REFUND_UPDATE: Parameters = {"metadata": metadata(), **_expand}
DISPUTE_UPDATE: Parameters = {
    "evidence": nested_object({"uncategorized_text": text(20000), "product_description": text(20000), "customer_email_address": text()}),
    "metadata": metadata(),
    "submit": boolean(),
    **_expand,
}
RETRIEVE: Parameters = _expand

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
LINE_ITEM_LIST: Parameters = {name: parameter for name, parameter in _page.items() if name != "created"}
