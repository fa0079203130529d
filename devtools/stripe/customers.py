"""Customers: they own the payment methods that were saved for later payments."""

from devtools.stripe import account_state
from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeObject, invalid_request, updated_metadata


def create(state: AccountState, params: StripeObject) -> StripeObject:
    empty = "address currency default_source delinquent description discount email invoice_prefix name phone shipping"
    customer: StripeObject = {
        "id": state.new_id("cus", 14),
        "object": "customer",
        **dict.fromkeys(empty.split()),
        "balance": 0,
        "created": state.now(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
        "livemode": False,
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "preferred_locales": [],
        "tax_exempt": "none",
        "test_clock": None,
        "delinquent": False,
    }
    account_state.emit_event(state, "customer.created", state.put("customer", customer))
    return customer


def delete(state: AccountState, customer: StripeObject) -> StripeObject:
    """Delete a customer, and detach the payment methods. Payments of the customer stay."""
    for method in list(state.oldest_first("payment_method")):
        if method["customer"] == customer["id"]:
            method.update(customer=None, _used=True)
            state.put("payment_method", method)
    state.remove("customer", customer["id"])
    account_state.emit_event(state, "customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def check_use(method: StripeObject, customer_id: str | None) -> None:
    """Raise StripeApiError if the payment method belongs to another customer, or was detached from one."""
    if method["customer"] is not None and method["customer"] != customer_id:
        message = f"The provided PaymentMethod cannot be attached or used: it belongs to the Customer {method['customer']}. "
        raise invalid_request(f"{message}Include the Customer in the `customer` parameter.", param="payment_method")
    if method.get("_used"):
        message = "The provided PaymentMethod was previously used with a PaymentIntent or SetupIntent without Customer attachment, "
        message += "shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again."
        raise invalid_request(message, param="payment_method")
