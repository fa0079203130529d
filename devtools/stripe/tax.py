"""Stripe Tax: locations of events, calculations of taxes in prices, and the transactions that follow from payments and refunds.

The rates are a few samples. The tax of each jurisdiction is rounded separately, so a sum can differ from that of a single rate.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from devtools.stripe.account_state import AccountState
from devtools.stripe.rendering import list_page
from devtools.stripe.wire_format import StripeObject, invalid_request, no_such_object, updated_metadata

ADMISSION = "txcd_50010001"
CALCULATION_SECONDS = 90 * 86_400
TICKET_CODES = (ADMISSION,)
COUNTRIES_BY_STATE = ("CA", "US")
# Country, or country and state -> the level of each jurisdiction, the percentage, and the kind and name of its tax.
Rate = tuple[str, str, str, str]
RATES: dict[str, tuple[Rate, ...]] = {
    "DE": (("country", "19", "vat", "VAT"),),
    "ES": (("country", "21", "vat", "VAT"),),
    "ES-CN": (("state", "7", "igic", "IGIC"),),
    "GB": (("country", "20", "vat", "VAT"),),
    "US-CO": (
        ("state", "2.9", "sales_tax", "Sales Tax"),
        ("city", "4.81", "sales_tax", "Sales Tax"),
        ("city", "10", "admissions_tax", "Admissions Tax"),
    ),
}


def create_location(state: AccountState, params: StripeObject) -> StripeObject:
    location = {
        "id": state.new_id("taxloc_1"),
        "object": "tax.location",
        "address": _address(params["address"], "address"),
        "description": params.get("description"),
        "livemode": False,
        "type": params["type"],
    }
    return state.put("tax.location", location)


def create_calculation(state: AccountState, params: StripeObject) -> StripeObject:
    """Return the taxes that the amounts of the line items include, at the performance locations."""
    if state.find("tax.settings", _settings_id(state)) is not None:
        message = "Stripe Tax has not been activated on your account. Please visit your dashboard to get started."
        raise invalid_request(message, code="stripe_tax_inactive")
    if "customer_details" not in params or "address" not in params["customer_details"]:
        message = "You must provide either `customer` or `customer_details` with an address or an IP address."
        raise invalid_request(message, param="customer_details", code="customer_tax_location_invalid")
    customer = params["customer_details"]
    calculation_id, address = state.new_id("taxcalc_1"), _address(customer["address"], "customer_details[address]")
    lines = [_line_item(state, item, f"line_items[{number}]") for number, item in enumerate(params["line_items"])]
    references = [line["reference"] for line in lines]
    if len(set(references)) < len(references):
        raise invalid_request("Each line item must have a unique reference.", param="line_items")
    total_tax = sum(line["amount_tax"] for line in lines)
    calculation = {
        "id": calculation_id,
        "object": "tax.calculation",
        "amount_total": sum(line["amount"] for line in lines),
        "currency": params["currency"].lower(),
        "customer": None,
        "customer_details": {
            "address": address,
            "address_source": customer.get("address_source"),
            "ip_address": None,
            "tax_ids": [],
            "taxability_override": "none",
        },
        "expires_at": state.now() + CALCULATION_SECONDS,
        "livemode": False,
        "ship_from_details": None,
        "shipping_cost": None,
        "tax_amount_exclusive": 0,
        "tax_amount_inclusive": total_tax,
        "tax_breakdown": [_without_place(part) for line in lines for part in line["_parts"]],
        "tax_date": state.now(),
        "_lines": lines,
    }
    return state.put("tax.calculation", calculation)


def _line_item(state: AccountState, item: StripeObject, where: str) -> StripeObject:
    code = item.get("tax_code", ADMISSION)
    if item.get("tax_behavior", "exclusive") != "inclusive":
        raise invalid_request("The fake Stripe calculates only inclusive taxes.", param=f"{where}[tax_behavior]")
    if "performance_location" not in item and code in TICKET_CODES:
        message = f"The tax code {code} requires a performance location."
        raise invalid_request(message, param=f"{where}[performance_location]", code="parameter_missing")
    name = f"{where}[performance_location]"
    address = state.get("tax.location", item["performance_location"], param=name, status=400)["address"]
    parts = _breakdown(item["amount"], address)
    line = {
        "id": state.new_id("tax_li"),
        "object": "tax.calculation_line_item",
        "amount": item["amount"],
        "amount_tax": sum(part["amount"] for part in parts),
        "livemode": False,
        "metadata": None,
        "performance_location": item["performance_location"],
        "product": None,
        "quantity": item.get("quantity", 1),
        "reference": item.get("reference") or state.new_id("L", 8),
        "tax_behavior": "inclusive",
        "tax_code": code,
        "_parts": parts,
    }
    return state.put("tax.calculation_line_item", line)


def _breakdown(amount: int, address: StripeObject) -> list[StripeObject]:
    """Return the tax of each jurisdiction in an amount. Where the seller has no registration, no tax is collected."""
    place = f"{address['country']}-{address['state']}"
    rates = RATES.get(place) or RATES.get(address["country"], ())
    net = Decimal(amount) / (1 + sum((Decimal(percent) for _, percent, _, _ in rates), Decimal(0)) / 100)
    taxable = int(net.quantize(Decimal(1), ROUND_HALF_UP))
    found = [
        {
            "amount": int((net * Decimal(percent) / 100).quantize(Decimal(1), ROUND_HALF_UP)),
            "jurisdiction": _jurisdiction(level, address),
            "sourcing": "performance",
            "tax_rate_details": {"display_name": name, "percentage_decimal": percent, "tax_type": kind},
            "taxability_reason": "standard_rated",
            "taxable_amount": taxable,
        }
        for level, percent, kind, name in rates
    ]
    uncollected = {
        "amount": 0,
        "jurisdiction": _jurisdiction("country", address),
        "sourcing": "performance",
        "tax_rate_details": None,
        "taxability_reason": "not_collecting",
        "taxable_amount": 0,
    }
    return found or [uncollected]


def _jurisdiction(level: str, address: StripeObject) -> StripeObject:
    name = address["city"] if level == "city" else address["state"] if level == "state" else address["country"]
    return {"country": address["country"], "display_name": name, "level": level, "state": None if level == "country" else address["state"]}


def _without_place(part: StripeObject) -> StripeObject:
    """Return a part of a line item's breakdown as the breakdown of the whole calculation has it."""
    jurisdiction, rate = part["jurisdiction"], part["tax_rate_details"] or {}
    details = {
        "country": jurisdiction["country"],
        "flat_amount": None,
        "percentage_decimal": rate.get("percentage_decimal", "0.0"),
        "rate_type": "percentage" if rate else None,
        "state": jurisdiction["state"],
        "tax_type": rate.get("tax_type"),
    }
    shared = {name: part[name] for name in ("amount", "taxability_reason", "taxable_amount")}
    return {**shared, "inclusive": True, "tax_rate_details": details}


def _address(params: StripeObject, where: str) -> StripeObject:
    """Return an address. Raises StripeApiError if the taxes of its country need more than was given."""
    address = {name: params.get(name) or None for name in ("city", "country", "line1", "line2", "postal_code", "state")}
    needed = ("postal_code", "state") if address["country"] in COUNTRIES_BY_STATE else ()
    if address["country"] is None or not all(address[name] for name in needed):
        message = "We could not determine the tax location from this address. Provide a complete address."
        raise invalid_request(message, param=where, code="customer_tax_location_invalid")
    return address


# Transactions: the entries of Stripe's tax reports.


def check_hook(state: AccountState, hooks: StripeObject | None) -> str | None:
    """Return the id of the calculation in the hooks of a payment intent, if any. Raises StripeApiError if there is no such calculation."""
    found: str | None = (hooks or {}).get("inputs", {}).get("tax", {}).get("calculation")
    if found is not None:
        state.get("tax.calculation", found, param="hooks[inputs][tax][calculation]", status=400)
    return found


def commit(state: AccountState, intent: StripeObject) -> None:
    """Enter the calculation of a payment that has succeeded, if it has one."""
    calculation_id = check_hook(state, intent.get("hooks"))
    if calculation_id is None:
        return
    calculation = state.get("tax.calculation", calculation_id)
    reason = None
    if any(found["calculation"] == calculation_id for found in state.oldest_first("tax.association")):
        reason = "another_payment_associated_with_calculation"
    elif calculation["expires_at"] <= state.now():
        reason = "calculation_expired"
    elif calculation["currency"] != intent["currency"]:
        reason = "currency_mismatch"
    attempt = {"source": intent["id"], "status": "errored", "errored": {"reason": reason}}
    if reason is None:
        lines = [_transaction_line(state, line, line["amount"], line["amount_tax"], None) for line in calculation["_lines"]]
        attempt = _committed(intent["id"], _transaction(state, calculation, intent["id"], lines, None))
    association = {
        "id": state.new_id("taxa_1"),
        "object": "tax.association",
        "calculation": calculation_id,
        "payment_intent": intent["id"],
        "tax_transaction_attempts": [attempt],
    }
    state.put("tax.association", association)


def reverse(state: AccountState, refund: StripeObject, refunded_before: int) -> None:
    """Enter the reversal of a refund. It takes the same share of each line item, rounded so that all reversals add up."""
    association = _association_of(state, refund["payment_intent"])
    attempts = association["tax_transaction_attempts"] if association is not None else []
    if association is None or attempts[0]["status"] != "committed":
        return
    sale = state.get("tax.transaction", attempts[0]["committed"]["transaction"])
    total = sum(line["amount"] for line in sale["_lines"])
    lines = [_reversed_line(state, line, refunded_before, refunded_before + refund["amount"], total) for line in sale["_lines"]]
    attempts.append(_committed(refund["id"], _transaction(state, sale, refund["id"], lines, sale["id"])))
    state.put("tax.association", association)


def find_association(state: AccountState, payment_intent_id: str) -> StripeObject:
    association = _association_of(state, payment_intent_id)
    if association is None:
        raise no_such_object("tax association", payment_intent_id, param="payment_intent")
    return association


def transaction_line_items(transaction: StripeObject) -> StripeObject:
    return list_page(transaction["_lines"], f"/v1/tax/transactions/{transaction['id']}/line_items", {})


def deactivate(state: AccountState, *, is_active: bool) -> None:
    """Turn Stripe Tax off for the account, as if it had no tax settings, or on again."""
    if is_active:
        state.remove("tax.settings", _settings_id(state))
    else:
        state.put("tax.settings", {"id": _settings_id(state), "object": "tax.settings", "status": "pending"})


def _settings_id(state: AccountState) -> str:
    return f"taxsettings_{state.account or 'platform'}"


def _association_of(state: AccountState, payment_intent_id: str) -> StripeObject | None:
    return next((found for found in state.oldest_first("tax.association") if found["payment_intent"] == payment_intent_id), None)


def _committed(source: str, transaction: StripeObject) -> StripeObject:
    return {"source": source, "status": "committed", "committed": {"transaction": transaction["id"]}}


def _transaction(state: AccountState, about: StripeObject, reference: str, lines: list[StripeObject], original: str | None) -> StripeObject:
    transaction: dict[str, Any] = {
        "id": state.new_id("tax_1"),
        "object": "tax.transaction",
        "created": state.now(),
        "currency": about["currency"],
        "customer": None,
        "customer_details": about["customer_details"],
        "livemode": False,
        "metadata": updated_metadata({}, {}),
        "posted_at": state.now(),
        "reference": reference,
        "reversal": None if original is None else {"original_transaction": original},
        "ship_from_details": None,
        "shipping_cost": None,
        "tax_date": about["tax_date"],
        "type": "transaction" if original is None else "reversal",
        "_lines": lines,
    }
    return state.put("tax.transaction", transaction)


def _transaction_line(state: AccountState, line: StripeObject, amount: int, tax: int, original: str | None) -> StripeObject:
    return {
        "id": state.new_id("tax_li"),
        "object": "tax.transaction_line_item",
        "amount": amount,
        "amount_tax": tax,
        "livemode": False,
        "metadata": None,
        "product": None,
        "quantity": line["quantity"],
        "reference": line["reference"],
        "reversal": None if original is None else {"original_line_item": original},
        "tax_behavior": "inclusive",
        "tax_code": line["tax_code"],
        "type": "transaction" if original is None else "reversal",
    }


def _reversed_line(state: AccountState, line: StripeObject, before: int, after: int, total: int) -> StripeObject:
    amount, tax = (-(line[name] * after // total - line[name] * before // total) for name in ("amount", "amount_tax"))
    return _transaction_line(state, line, amount, tax, line["id"])
