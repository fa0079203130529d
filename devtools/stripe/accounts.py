"""Connected accounts: creation, onboarding, restriction, and the platform's fees from charges on them.

Callers of the functions about charges act for the connected account.
"""

from collections.abc import Sequence

from devtools.stripe import account_state
from devtools.stripe.account_state import AccountState
from devtools.stripe.balance import create_balance_transaction
from devtools.stripe.rendering import list_page
from devtools.stripe.wire_format import StripeApiError, StripeObject, invalid_request, updated_metadata

APPLICATION = "ca_fairgate_local_fake"
LINK_SECONDS = 300
# What a new account has to provide before it may take payments.
NEEDED = ("business_profile.url", "external_account", "tos_acceptance.date")


def create(state: AccountState, params: StripeObject) -> StripeObject:
    """Create an account that cannot take payments yet."""
    kind = params.get("type", "standard")
    requested = [name for name, wish in params.get("capabilities", {}).items() if wish.get("requested")]
    account = {
        "id": state.new_id("acct_1", 16),
        "object": "account",
        "business_profile": None,
        "business_type": None,
        "capabilities": dict.fromkeys(requested, "inactive"),
        "charges_enabled": False,
        "controller": {"type": "application", "is_controller": kind == "express"},
        "country": params.get("country", "US"),
        "created": state.now(),
        "default_currency": "usd",
        "details_submitted": False,
        "email": params.get("email"),
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "payouts_enabled": False,
        "requirements": _requirements(NEEDED, (), "requirements.past_due"),
        "type": kind,
        "_is_revoked": False,
        "_refused_with": None,
    }
    return state.put("account", account)


def create_link(state: AccountState, params: StripeObject, origin: str) -> StripeObject:
    """Return a link to the page on which the account's owner provides what is missing. It works once, for LINK_SECONDS."""
    account = state.get("account", params["account"], param="account", status=400)
    check_access(state, account["id"])
    if params["type"] == "account_update" and account["type"] != "custom":
        message = "You cannot create `account_update` type Account Links for this account. You can only create `account_onboarding` links."
        raise invalid_request(message, param="type")
    for name in ("refresh_url", "return_url"):
        if name not in params:
            raise invalid_request(f"Missing required param: {name}.", param=name, code="parameter_missing")
    link_id = state.new_id("alink_1", 24)
    urls = {"_refresh_url": params["refresh_url"], "_return_url": params["return_url"]}
    state.put("account_link", {"id": link_id, "account": account["id"], "expires_at": state.now() + LINK_SECONDS, **urls})
    return {
        "object": "account_link",
        "created": state.now(),
        "expires_at": state.now() + LINK_SECONDS,
        "url": f"{origin}/setup/{link_id}",
    }


def complete_onboarding(state: AccountState, account: StripeObject) -> StripeObject:
    """Record that the owner has provided everything: the account may take payments. This also ends a restriction."""
    return _update(state, account, is_enabled=True, requirements=_requirements((), (), None), details_submitted=True)


def restrict(state: AccountState, account: StripeObject, reason: str, due: Sequence[str]) -> StripeObject:
    """Stop payments to the account until its owner provides the fields in `due`."""
    return _update(state, account, is_enabled=False, requirements=_requirements(due, due, reason))


def revoke(state: AccountState, account: StripeObject) -> StripeObject:
    """Record that the account's owner has disconnected it from the platform, which can no longer call it."""
    account["_is_revoked"] = True
    state.put("account", account)
    with state.acting_for(account["id"]):
        application = {"id": APPLICATION, "object": "application", "name": "Fairgate"}
        account_state.emit_event(state, "account.application.deauthorized", application)
    return account


def retrieve(state: AccountState, account_id: str) -> StripeObject:
    """Return an account, unless it does not exist or its owner has disconnected it."""
    check_access(state, account_id)
    return state.get("account", account_id)


def check_access(state: AccountState, account_id: str, key: str = "sk_test_fake") -> None:
    """Raise StripeApiError if the platform may not act for this account."""
    account = state.find("account", account_id)
    if account is not None and account["_refused_with"] is not None:
        message = f"The account {account_id} was rejected, so this call is not permitted (refused by the fake Stripe)."
        raise StripeApiError(account["_refused_with"], "invalid_request_error", message, is_saved=False)
    if account is not None and not account["_is_revoked"]:
        return
    message = f"The provided key '{key[:8]}{'*' * 12}{key[-4:]}' does not have access to account '{account_id}' (or that account does not "
    message += "exist). Application access may have been revoked."
    raise StripeApiError(403, "invalid_request_error", message, code="account_invalid", is_saved=False)


def check_charges_enabled(state: AccountState) -> None:
    """Raise StripeApiError if the current call acts for an account that may not take payments."""
    if state.account is not None and not state.get("account", state.account)["charges_enabled"]:
        raise invalid_request("Your account cannot currently make charges. Complete your account to take payments.")


def check_fee(state: AccountState, fee: int | None, amount: int) -> None:
    """Raise StripeApiError if a payment cannot have this application fee."""
    if fee is not None and state.account is None:
        message = "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an OAuth key or "
        message += "Stripe-Account header) or destination payment (using `transfer_data[destination]`)."
        raise invalid_request(message, param="application_fee_amount")
    if fee is not None and fee > amount:
        raise invalid_request("Your application fee may not exceed the amount of the payment.", param="application_fee_amount")


def take_fee(state: AccountState, charge: StripeObject) -> None:
    """Move the application fee of a charge from the connected account to the platform."""
    amount, account_id = charge["application_fee_amount"], state.account
    if not amount:
        return
    with state.acting_for(None):
        fee_id = state.new_id("fee_1")
        moved = create_balance_transaction(state, "application_fee", fee_id, amount, charge["currency"])
        fee = {
            "id": fee_id,
            "object": "application_fee",
            "account": account_id,
            "amount": amount,
            "amount_refunded": 0,
            "application": APPLICATION,
            "balance_transaction": moved["id"],
            "charge": charge["id"],
            "created": state.now(),
            "currency": charge["currency"],
            "fee_source": {"charge": charge["id"], "type": "charge"},
            "livemode": False,
            "originating_transaction": None,
            "refunded": False,
            "refunds": list_page([], f"/v1/application_fees/{fee_id}/refunds", {}),
        }
        account_state.emit_event(state, "application_fee.created", state.put("application_fee", fee))
    charge.update(application=APPLICATION, application_fee=fee_id)


def return_fee(state: AccountState, charge: StripeObject, refunded: int) -> int:
    """Return the fee's share of a refund to the connected account. `refunded` is what the charge has refunded, with this refund.

    Returns the amount.
    """
    if charge["application_fee"] is None:
        raise invalid_request(f"Charge {charge['id']} has no application fee to refund.", param="refund_application_fee")
    with state.acting_for(None):
        fee = state.get("application_fee", charge["application_fee"])
        amount: int = round(fee["amount"] * refunded / charge["amount_captured"]) - fee["amount_refunded"]
        if amount <= 0:
            return 0
        _refund_fee(state, fee, amount, {})
    return amount


def return_fee_by_hand(state: AccountState, fee: StripeObject, params: StripeObject) -> StripeObject:
    """Give a part of the fee, by default the rest, back to the connected account without refunding its charge."""
    left = fee["amount"] - fee["amount_refunded"]
    amount = params.get("amount", left)
    if amount > left or left == 0:
        raise invalid_request(f"Refund amount ({amount}) is greater than the fee that is left ({left}).", param="amount")
    refund = _refund_fee(state, fee, amount, updated_metadata({}, params.get("metadata", {})))
    with state.acting_for(fee["account"]):
        create_balance_transaction(state, "application_fee_refund", refund["id"], amount, fee["currency"])
    return refund


def _refund_fee(state: AccountState, fee: StripeObject, amount: int, metadata: StripeObject) -> StripeObject:
    refund_id = state.new_id("fr_1")
    moved = create_balance_transaction(state, "application_fee_refund", refund_id, -amount, fee["currency"])
    refund = {
        "id": refund_id,
        "object": "fee_refund",
        "amount": amount,
        "balance_transaction": moved["id"],
        "created": state.now(),
        "currency": fee["currency"],
        "fee": fee["id"],
        "metadata": metadata,
    }
    fee.setdefault("_all_refunds", list(fee["refunds"]["data"])).insert(0, refund)
    fee["refunds"] = list_page(fee["_all_refunds"], fee["refunds"]["url"], {})  # the newest 10
    fee["amount_refunded"] += amount
    fee["refunded"] = fee["amount_refunded"] == fee["amount"]
    account_state.emit_event(state, "application_fee.refunded", state.put("application_fee", fee))
    return refund


def _update(state: AccountState, account: StripeObject, *, is_enabled: bool, **fields: object) -> StripeObject:
    capabilities = dict.fromkeys(account["capabilities"], "active" if is_enabled else "inactive")
    changes = {"charges_enabled": is_enabled, "payouts_enabled": is_enabled, "capabilities": capabilities, **fields}
    before = {name: account[name] for name, value in changes.items() if account[name] != value}
    account.update(changes)
    state.put("account", account)
    with state.acting_for(account["id"]):
        account_state.emit_event(state, "account.updated", account, before)
    return account


def _requirements(due: Sequence[str], past_due: Sequence[str], disabled_reason: str | None) -> StripeObject:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": list(due),
        "disabled_reason": disabled_reason,
        "errors": [],
        "eventually_due": list(due),
        "past_due": list(past_due),
        "pending_verification": [],
    }
