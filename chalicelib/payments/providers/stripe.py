"""Stripe: calls to its API, verification of its webhook signatures, and the SDK's client, whose errors are converted to our errors.

Every call that creates something carries an idempotency key derived from its purpose, so a call that we or the SDK repeat creates nothing
new, even after a crash. Each function that calls Stripe raises ProviderUnavailable when Stripe cannot be reached or is overloaded.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from chalicelib.foundation import log, memory, parallel, secret_settings, settings
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.log import logger
from chalicelib.foundation.money import TaxAddress
from chalicelib.payments.model import (
    COMPARISON_SHARE,
    PATIENT_SECONDS,
    UNREACHABLE,
    AccountLink,
    AccountRefused,
    AccountUnreachable,
    AmountNotPayable,
    CardCheck,
    CheckoutPage,
    CheckoutPageItem,
    OwnPage,
    Payment,
    PaymentMetadata,
    PayoutPage,
    PriceMismatch,
    ProviderAccount,
    ProviderBalance,
    ProviderDescription,
    ProviderDispute,
    ProviderEvent,
    ProviderPayment,
    ProviderRefund,
    ProviderUnavailable,
    ReturnedFee,
    TaxCalculation,
    TaxNotCalculated,
    TaxPlace,
    TooManyCalls,
    repeat_refused,
)
from chalicelib.payments.providers import stripe_mapping as mapping

if TYPE_CHECKING:
    import stripe

DESCRIPTION = ProviderDescription(
    name="stripe",
    title="Stripe",
    signature_header="stripe-signature",
    event_types=tuple(mapping.EVENT_TYPES),
    own_page=OwnPage(
        "stripe_publishable_key",
        {  # Stripe.js needs these: https://docs.stripe.com/security/guide#content-security-policy
            "script-src": "https://js.stripe.com https://*.js.stripe.com",
            "frame-src": "https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com",
            "connect-src": "https://api.stripe.com",
        },
    ),
    has_accounts=True,
    checks_cards=True,
    calculates_taxes=True,
)
TICKETS = "txcd_50010001"  # Stripe's tax code for admission to events
SIGNATURE_TOLERANCE_SECONDS = 300
MAX_PAGE_SIZE = 100  # Stripe's maximum

_SIGNED_AT = re.compile(r"t=([0-9]{1,12})", re.ASCII)

# Disputes and refunds made in the dashboard do not carry our metadata; only their payment does, so the payment is expanded.
_EXPAND_PAYMENT = {"expand": ["payment_intent"]}
_EXPAND_IN_LISTS = {"expand": ["data.payment_intent"]}

ListName = Literal["payment_intents", "refunds", "disputes", "events", "payouts"]


def is_offered() -> bool:
    """Whether a Stripe API key is set up."""
    return bool(secret_settings.optional_secret("stripe_api_key"))


def call_rate() -> int:
    return settings.current().stripe_call_rate


def endpoint_rate() -> int:
    return settings.current().stripe_endpoint_rate


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment:
    """Open a Payment Intent or, with a `page`, a Checkout Session. Raises AmountNotPayable and PriceMismatch."""
    if page is None:
        return _create_payment_intent(metadata, payment)
    session = _create_checkout_session(metadata, payment, page)
    if (session.amount, session.currency) != (payment.amount_cents, payment.currency):
        _cancel(session.id, payment.account)
        raise PriceMismatch(expected_cents=payment.amount_cents, provider_cents=session.amount)
    return session


def cancel_payment(payment: Payment) -> ProviderPayment | None:
    """Cancel the Payment Intent or Checkout Session. Returns None on success, or the payment if it was paid or may still be paid.

    If the promoter has disconnected the payment's account, returns an unreachable payment. Our page can no longer take the payment, but the
    buyer or a bank may already have been completing it.
    """
    if payment.provider_id is None:
        return None
    try:
        provider_payment = _cancel(payment.provider_id, payment.account)
    except AccountUnreachable:
        logger.warning("stripe.payment_unreachable", payment=payment.provider_id, account=payment.account)
        return ProviderPayment(
            provider="stripe",
            id=payment.provider_id,
            status=UNREACHABLE,
            amount=payment.amount_cents,
            amount_received=0,
            amount_refunded=0,
            currency=payment.currency,
            created=0,
            account=payment.account,
        )
    return None if provider_payment.is_closed else provider_payment


def _create_payment_intent(metadata: PaymentMetadata, payment: Payment) -> ProviderPayment:
    params: Any = {
        "amount": mapping.to_stripe(payment.amount_cents, payment.currency),
        "currency": payment.currency.lower(),
        "automatic_payment_methods": {"enabled": True},
        "metadata": _stripe_metadata(metadata),
        **_fee(payment),
        **({"customer": payment.customer_id} if payment.customer_id is not None else {}),
        **_tax_hook(payment),
    }
    options = _opening_options("intent", metadata, payment, params)
    return mapping.convert_payment_intent(
        _call_to_open(lambda api: api.v1.payment_intents.create(params, options), payment.account), payment.account
    )


def _tax_hook(payment: Payment) -> dict[str, Any]:
    """Return the parameter with which Stripe enters the calculated taxes in its reports once the payment succeeds, less refunds."""
    calculation_id = payment.tax_place.calculation_id if payment.tax_place is not None else None
    return {"hooks": {"inputs": {"tax": {"calculation": calculation_id}}}} if calculation_id is not None else {}


def create_tax_location(address: TaxAddress, account: str | None) -> str:
    """Create a Tax Location for events at this address. Within a day, a repeated call returns the same id. Raises TaxNotCalculated."""
    params: Any = {"type": "performance", "address": _tax_address(address)}
    options: Any = {**_idempotency_key("tax-location", account or "operator", params), **_on(account)}
    return str(_call_for_tax(lambda api: api.v1.tax.locations.create(params, options), account)["id"])


def calculate_taxes(payment: Payment, metadata: PaymentMetadata, place: TaxPlace, amounts: Sequence[int]) -> TaxCalculation:
    """Create a Tax Calculation of amounts that include their taxes. Repeated calls return the same calculation. Raises TaxNotCalculated.

    Stripe asks for the buyer's address, although it does not need the address for consumers' tickets. We do not know the address, so we
    send the venue's address.
    """
    items = [
        {
            "amount": mapping.to_stripe(amount, payment.currency),
            "reference": str(number),
            "performance_location": place.location_id,
            "tax_behavior": "inclusive",
            "tax_code": TICKETS,
        }
        for number, amount in enumerate(amounts)
    ]
    params: Any = {
        "currency": payment.currency.lower(),
        "customer_details": {"address": _tax_address(place.address), "address_source": "billing"},
        "line_items": items,
        "expand": ["line_items.data.tax_breakdown"],
    }
    options = _opening_options("tax", metadata, payment, params)
    found = _call_for_tax(lambda api: api.v1.tax.calculations.create(params, options), payment.account)
    return mapping.convert_tax_calculation(found)


def _tax_address(address: TaxAddress) -> dict[str, str]:
    state = {"state": address.state} if address.state is not None else {}
    return {"line1": address.line, "city": address.city, "postal_code": address.postal_code, "country": address.country, **state}


def _call_for_tax(operation: Callable[["stripe.StripeClient"], Any], account: str | None) -> dict[str, Any]:
    """Call Stripe Tax. Raises TaxNotCalculated if Stripe refuses, for example because the account has not set up Stripe Tax."""
    import stripe

    try:
        return call(operation, account)
    except stripe.InvalidRequestError as error:
        logger.exception("stripe.tax_refused", code=error.code, param=error.param)
        raise TaxNotCalculated() from error


def _product(item: CheckoutPageItem) -> dict[str, str]:
    return {"name": item.name, **({"description": item.note} if item.note is not None else {})}


def _create_checkout_session(metadata: PaymentMetadata, payment: Payment, page: CheckoutPage) -> ProviderPayment:
    items = [
        {"quantity": item.quantity, "price": item.price_id}
        if item.price_id is not None
        else {
            "quantity": item.quantity,
            "price_data": {
                "currency": payment.currency.lower(),
                "unit_amount": mapping.to_stripe(item.price_cents, payment.currency),
                "product_data": _product(item),
            },
        }
        for item in page.items
    ]
    params: Any = {
        "mode": "payment",
        "line_items": items,
        "success_url": page.success_url,
        "client_reference_id": metadata.purchase_id,
        "metadata": _stripe_metadata(metadata),
        "payment_intent_data": {"metadata": _stripe_metadata(metadata), **_fee(payment)},
        **({"cancel_url": page.cancel_url} if page.cancel_url else {}),
        **({"expires_at": page.expires_at} if page.expires_at else {}),
        **({"customer_email": page.email} if page.email else {}),
    }

    def create(api: "stripe.StripeClient") -> Any:
        return api.v1.checkout.sessions.create(params, _opening_options("session", metadata, payment, params))

    try:
        return mapping.convert_checkout_session(_call_to_open(create, payment.account), payment.account)
    except PriceMismatch as refusal:
        if getattr(refusal.__cause__, "param", None) != "customer_email":
            raise
        del params["customer_email"]  # Stripe's rules for addresses are stricter than ours; the buyer types it again on Stripe's page
        return mapping.convert_checkout_session(_call_to_open(create, payment.account), payment.account)


def fetch_payment_by_id(provider_id: str, account: str | None) -> ProviderPayment:
    """Fetch a Payment Intent or a Checkout Session in its current state."""
    on = _on(account)
    if _is_checkout_session(provider_id):
        params: Any = {"expand": ["payment_intent.latest_charge"]}
        return mapping.convert_checkout_session(
            call(lambda api: api.v1.checkout.sessions.retrieve(provider_id, params, on), account), account
        )
    intent = call(lambda api: api.v1.payment_intents.retrieve(provider_id, {"expand": ["latest_charge"]}, on), account)
    return mapping.convert_payment_intent(intent, account)


def find_payment_by_id(provider_id: str, account: str | None) -> ProviderPayment | None:
    """Like `fetch_payment_by_id`, but return None if Stripe has no such payment, or its account was disconnected."""
    import stripe

    try:
        return fetch_payment_by_id(provider_id, account)
    except AccountUnreachable:
        return None
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return None


def _cancel(provider_id: str, account: str | None) -> ProviderPayment:
    """Cancel a Payment Intent or expire a Checkout Session, if still possible. Returns the resulting state, which may be paid."""
    import stripe

    try:
        if _is_checkout_session(provider_id):
            return mapping.convert_checkout_session(
                call(lambda api: api.v1.checkout.sessions.expire(provider_id, {}, _on(account)), account), account
            )
        return mapping.convert_payment_intent(
            call(lambda api: api.v1.payment_intents.cancel(provider_id, {}, _on(account)), account), account
        )
    except stripe.InvalidRequestError:
        return fetch_payment_by_id(provider_id, account)  # too late: already paid or cancelled


def create_refund(
    purchase_id: str,
    refund_id: str,
    attempt: int,
    payment_intent_id: str,
    amount: int,
    currency: str,
    account: str | None,
    *,
    returns_fee: bool,
) -> ProviderRefund:
    """Refund an amount of a payment, once per attempt. If Stripe refuses, the refund is `failed` and has no id.

    Stripe also refuses refunds on an account that its owner has disconnected.
    """
    import stripe

    metadata = {
        "purchase_id": purchase_id,
        "refund_id": refund_id,
        "attempt": str(attempt),
        "namespace": settings.current().provider_namespace,
    }
    params: Any = {"payment_intent": payment_intent_id, "amount": mapping.to_stripe(amount, currency), "metadata": metadata}
    if returns_fee:
        params |= {"refund_application_fee": True, "expand": ["balance_transaction"]}  # the movement says how much of the fee came back
    options: Any = {**_idempotency_key("refund", purchase_id, params), **_on(account)}
    try:
        return mapping.convert_refund(call(lambda api: api.v1.refunds.create(params, options), account), account)
    except (stripe.InvalidRequestError, AccountUnreachable) as error:
        logger.warning("stripe.refund_refused", purchase_id=purchase_id, refund_id=refund_id, code=error.code)
        return ProviderRefund.refused("stripe", refund_id, attempt, payment_intent_id, amount, account, error.code or "refused")


def list_refunds_of_payment(payment_intent_id: str, account: str | None) -> list[ProviderRefund]:
    """Return all refunds of one payment, newest first. Returns an empty list if its account was disconnected.

    One page of 100 is enough, because a purchase has at most 50 tickets.
    """
    params: Any = {"payment_intent": payment_intent_id, "limit": MAX_PAGE_SIZE, **_expand_refunds(account, "data.")}
    try:
        found = call(lambda api: api.v1.refunds.list(params, _on(account)), account)["data"]
    except AccountUnreachable:
        return []
    return [mapping.convert_refund(refund, account) for refund in found]


def find_refund(provider_id: str, account: str | None) -> ProviderRefund:
    params: Any = _expand_refunds(account)
    return mapping.convert_refund(call(lambda api: api.v1.refunds.retrieve(provider_id, params, _on(account)), account), account)


def fetch_dispute(provider_id: str, account: str | None) -> ProviderDispute:
    params: Any = _EXPAND_PAYMENT
    return mapping.convert_dispute(call(lambda api: api.v1.disputes.retrieve(provider_id, params, _on(account)), account), account)


def list_payments(since: int, until: int, account: str | None) -> Iterator[ProviderPayment]:
    """Yield the Payment Intents that were created in [since, until), in epoch seconds."""
    found = _list_created("payment_intents", since, until, account, expand=["data.latest_charge"])
    return (mapping.convert_payment_intent(intent, account) for intent in found)


def list_refunds(since: int, until: int, account: str | None) -> Iterator[ProviderRefund]:
    found = _list_created("refunds", since, until, account, **_expand_refunds(account, "data."))
    return (mapping.convert_refund(refund, account) for refund in found)


def list_disputes(since: int, until: int, account: str | None) -> Iterator[ProviderDispute]:
    found = _list_created("disputes", since, until, account, **_EXPAND_IN_LISTS)
    return (mapping.convert_dispute(dispute, account) for dispute in found)


def list_payouts(limit: int, after: str | None, account: str | None) -> PayoutPage:
    """Return a page of the account's payouts after the payout `after`, newest first. Raises InvalidInput if `after` does not exist."""
    import stripe

    params: dict[str, Any] = {"limit": limit} if after is None else {"limit": limit, "starting_after": after}
    try:
        page = _fetch_page("payouts", params, account)
    except stripe.InvalidRequestError:
        raise InvalidInput(
            "This cursor does not belong to this list. Send the `next_cursor` of the previous page.", path="cursor"
        ) from None
    payouts = [mapping.convert_payout(payout) for payout in page["data"]]
    return PayoutPage(payouts, payouts[-1].id if page["has_more"] else None)


def list_events(since: int, until: int, account: str | None) -> Iterator[ProviderEvent]:
    """Yield the events that Stripe sent, or tried to send, to our webhook. Stripe keeps events for 30 days."""
    found = _list_created("events", since, until, account, types=list(mapping.EVENT_TYPES))
    return (mapping.convert_event(event, account) for event in found)


def create_account(promoter_id: str, number: int) -> str:
    """Create a Stripe account for a promoter, of the kind that the settings choose. Returns its id."""
    current = settings.current()
    kind = current.connected_accounts
    params: Any = {"type": kind, "metadata": {"promoter_id": promoter_id, "namespace": current.provider_namespace}}
    if kind == "express":
        params["capabilities"] = {name: {"requested": True} for name in ("card_payments", "transfers")}
    options = _idempotency_key("account", f"{promoter_id}-{number}", params)
    return str(call(lambda api: api.v1.accounts.create(params, options))["id"])


def create_account_link(account: str, return_url: str) -> AccountLink:
    """Return a link to Stripe's page for the account's owner. It works once, for a few minutes. The page leads to the `return_url`."""
    params: Any = {"account": account, "type": "account_onboarding", "refresh_url": return_url, "return_url": return_url}
    link = call(lambda api: api.v1.account_links.create(params), account)
    return AccountLink(link["url"], link["expires_at"])


def fetch_account(account: str) -> ProviderAccount:
    """Fetch a connected account in its current state. Raises AccountUnreachable if its owner has disconnected it."""
    return mapping.convert_account(call(lambda api: api.v1.accounts.retrieve(account), account))


def fetch_balances(account: str) -> list[ProviderBalance]:
    """Fetch the balance of a connected account in each currency. Raises AccountUnreachable if its owner has disconnected it."""
    return mapping.convert_balance(call(lambda api: api.v1.balance.retrieve({}, _on(account)), account))


def list_returned_fees(fee_id: str) -> list[ReturnedFee]:
    """Return the parts of a payment's fee that the operator gave back by hand. Empty if the payment's account was disconnected.

    Takes two calls, or three if there are more than 10 parts, because a fee contains only the newest 10. Takes one more call if the
    operator gave any part back by hand. One page of 100 is enough, because a purchase has at most 50 tickets.
    """
    page: Any = {"limit": MAX_PAGE_SIZE}
    with_payment: Any = _EXPAND_PAYMENT
    fee = call(lambda api: api.v1.application_fees.retrieve(fee_id))
    returned = fee["refunds"]
    if returned["has_more"]:
        returned = call(lambda api: api.v1.application_fees.refunds.list(fee_id, page))
    account, charge_id = fee["account"], fee["charge"]
    of_charge: Any = {"charge": charge_id, **page, "expand": ["data.balance_transaction"]}
    try:
        refunds = call(lambda api: api.v1.refunds.list(of_charge, _on(account)), account)
        by_hand = mapping.select_returned_by_hand(returned["data"], refunds["data"])
        if not by_hand:
            return []
        charge = call(lambda api: api.v1.charges.retrieve(charge_id, with_payment, _on(account)), account)
    except AccountUnreachable:
        return []
    return mapping.convert_returned_fees(by_hand, charge, account)


def check_card(card: str, owner: str, account: str | None, customer_id: str | None = None) -> CardCheck:
    """Confirm a Setup Intent with a payment method that Stripe.js has made from a card. A repeated call returns the same check.

    Without a `customer_id`, the payment method belongs to no Customer. Stripe then lets nobody use it again, so there is nothing to
    detach. The server, not the browser, confirms the Setup Intent, so that each attempt with a card counts toward our limits.
    """
    import stripe

    params: Any = {
        "payment_method": card,
        "allowed_payment_method_types": ["card"],
        "confirm": True,
        "use_stripe_sdk": True,
        **({"usage": "on_session"} if customer_id is None else {"usage": "off_session", "customer": customer_id}),
        "metadata": {"owner": owner, "namespace": settings.current().provider_namespace},
        "expand": ["payment_method"],
    }
    options: Any = {**_idempotency_key("card", owner, params), **_on(account)}
    try:
        return mapping.convert_setup_intent(call(lambda api: api.v1.setup_intents.create(params, options), account))
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        logger.warning("stripe.card_refused", code=error.code, param=error.param)
        return CardCheck(id="", status="declined", owner=owner)


def find_card_check(check_id: str, account: str | None) -> CardCheck | None:
    """Fetch a Setup Intent in its current state. Returns None if Stripe has no such Setup Intent."""
    import stripe

    params: Any = {"expand": ["payment_method"]}
    try:
        return mapping.convert_setup_intent(call(lambda api: api.v1.setup_intents.retrieve(check_id, params, _on(account)), account))
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise
        return None


def create_customer(owner: str, account: str | None) -> str:
    """Create a Customer for one saved card. A repeated call within a day returns the same Customer's id."""
    params: Any = {"metadata": {"owner": owner, "namespace": settings.current().provider_namespace}}
    options: Any = {**_idempotency_key("customer", owner, params), **_on(account)}
    return str(call(lambda api: api.v1.customers.create(params, options), account)["id"])


def delete_customer(customer_id: str, account: str | None) -> None:
    """Delete a Customer, if it still exists, and with it all payment methods. Payments and refunds of the Customer remain."""
    import stripe

    try:
        call(lambda api: api.v1.customers.delete(customer_id, {}, _on(account)), account)
    except AccountUnreachable:
        logger.warning("stripe.customer_unreachable", account=account)
    except stripe.InvalidRequestError as error:
        if error.code != "resource_missing":
            raise


def charge_card(payment: Payment, method_id: str) -> ProviderPayment:
    """Confirm the Payment Intent with a saved payment method, off-session. Returns it in its current state.

    A Payment Intent takes money at most once, so a repeated call is safe even after Stripe has forgotten the idempotency key.
    """
    import stripe

    provider_id, account = payment.provider_id, payment.account
    assert provider_id is not None  # the caller has saved it
    # Stripe requires a `return_url`, because other payment methods of the intent send the buyer to a page.
    params: Any = {"payment_method": method_id, "off_session": True, "return_url": settings.current().page_url("tickets")}
    params["expand"] = ["latest_charge"]
    options: Any = {**_idempotency_key("charge", provider_id, params), **_on(account)}
    try:
        intent = call(lambda api: api.v1.payment_intents.confirm(provider_id, params, options), account)
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        logger.info("stripe.card_not_charged", payment=provider_id, code=error.code)
        return fetch_payment_by_id(provider_id, account)
    return mapping.convert_payment_intent(intent, account)


def verify_event(body: bytes, signature: str, now: int) -> ProviderEvent | None:
    """Return the event of a webhook if it was signed with one of our secrets within the last five minutes. Otherwise returns None."""
    import stripe

    signed_at = _signed_at(signature)
    if signed_at is None or abs(now - signed_at) > SIGNATURE_TOLERANCE_SECONDS:
        return None
    for secret in filter(None, (part.strip() for part in secret_settings.optional_secret("stripe_webhook_secrets").split(","))):
        try:
            # The age was checked above against `now`; the SDK would use the system clock.
            stripe.WebhookSignature.verify_header(body.decode(), signature, secret, tolerance=None)
            event: dict[str, Any] = memory.decoder(dict[str, Any]).decode(body)
        except (stripe.SignatureVerificationError, UnicodeDecodeError, msgspec.DecodeError):
            continue
        return mapping.convert_event(event)
    return None


def _signed_at(signature: str) -> int | None:
    """Return the time in a `Stripe-Signature` header, in epoch seconds.

    Returns None if the header is not ASCII or does not have exactly one time. If there were several times, the SDK might verify a different
    time from the one that we compare with the clock, so an old delivery could pass as a new one.
    """
    times = [element for element in signature.split(",") if element.partition("=")[0].strip() == "t"]
    match = _SIGNED_AT.fullmatch(times[0]) if len(times) == 1 else None
    return int(match[1]) if match and signature.isascii() else None  # the SDK compares only ASCII text and fails on anything else


def _is_checkout_session(provider_id: str) -> bool:
    return provider_id.startswith("cs_")


def _stripe_metadata(metadata: PaymentMetadata) -> dict[str, str]:
    # The namespace identifies the shop: several shops may share one Stripe account, and each shop receives the webhooks for all of them.
    # The region identifies the store, because a shop that moved to another region has left a store behind.
    current = settings.current()
    return {**msgspec.to_builtins(metadata), "namespace": current.provider_namespace, "region": current.region}


def _on(account: str | None) -> Any:
    """Return the options of a call that acts for a connected account, or for the operator's own account."""
    return {} if account is None else {"stripe_account": account}


def _expand_refunds(account: str | None, prefix: str = "") -> dict[str, list[str]]:
    """Return the parameter that expands a refund's payment and, on a connected account, the balance transaction with the returned fee."""
    return {"expand": [f"{prefix}{field}" for field in ("payment_intent", *(["balance_transaction"] if account is not None else []))]}


def _fee(payment: Payment) -> dict[str, int]:
    """Return the parameter with the operator's fee, if there is one."""
    fee = payment.connected.fee_cents if payment.connected is not None else 0
    return {"application_fee_amount": mapping.to_stripe(fee, payment.currency)} if fee else {}


def _opening_options(purpose: str, metadata: PaymentMetadata, payment: Payment, params: dict[str, Any]) -> Any:
    """Return the options of a call that opens a payment on its account.

    The idempotency key differs for each payment of a purchase, so that a new payment never gets a replaced payment's key.
    """
    purpose = purpose if payment.number == 1 else f"{purpose}{payment.number}"
    return {**_idempotency_key(purpose, metadata.purchase_id, params), **_on(payment.account)}


def _idempotency_key(purpose: str, purchase_id: str, params: dict[str, Any]) -> Any:
    digest = sha256(msgspec.json.encode(params, order="deterministic")).hexdigest()[:16]
    return {"idempotency_key": f"{purpose}-{purchase_id}-{digest}"}


def _list_created(list_name: ListName, since: int, until: int, account: str | None, **extra_params: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a list that were created in [since, until), in any order. Makes one call per page of 100.

    The rest of a list after its first page is split into time spans, so that several pages are fetched at once.
    Raises AccountRefused if Stripe refuses the list of a connected account for any reason, such as its state.
    """
    import stripe

    def fetch(span: _Span) -> dict[str, Any]:
        created = {"gte": span.since, "lt": span.until}
        params = {"created": created, "limit": MAX_PAGE_SIZE, **span.after, **extra_params}
        try:
            return repeat_refused(PATIENT_SECONDS, _fetch_page, list_name, params, account)
        except stripe.InvalidRequestError as error:
            if account is None:
                raise
            logger.warning("stripe.account_refused", account=account, error=str(error))
            raise AccountRefused() from error

    rate = endpoint_rate() * COMPARISON_SHARE
    spans, max_spans = deque([_Span(since, until)]), parallel.calls_at_once(rate, seconds=1)
    for span, page in parallel.call_in_rounds(fetch, spans, rate):
        yield from page["data"]
        if page["has_more"]:
            spans.extend(span.after_page(page["data"][-1], splits=len(spans) < max_spans))


class _Span(NamedTuple):
    """A part of a list: the objects that were created in [since, until), in epoch seconds, from a position on."""

    since: int
    until: int
    after: dict[str, str] = {}

    def after_page(self, last: dict[str, Any], *, splits: bool) -> list["_Span"]:
        """Return what remains after a page with the object `last`, newest first: one span or, if it `splits`, two halves."""
        after = {"starting_after": last["id"]}
        middle = (self.since + last["created"] + 1) // 2
        if not splits or middle == self.since:
            return [self._replace(after=after)]
        return [_Span(middle, self.until, after), _Span(self.since, middle)]


def _fetch_page(list_name: ListName, params: dict[str, Any], account: str | None) -> dict[str, Any]:
    return call(lambda api: getattr(api.v1, list_name).list(params, _on(account)), account)


def _call_to_open(operation: Callable[["stripe.StripeClient"], Any], account: str | None) -> dict[str, Any]:
    """Call Stripe to open a payment. Raises AmountNotPayable, or PriceMismatch if Stripe refuses because of, say, an unknown price."""
    import stripe

    try:
        return call(operation, account)
    except stripe.InvalidRequestError as error:
        if error.code in ("amount_too_small", "amount_too_large"):
            logger.warning("stripe.amount_refused", code=error.code)
            raise AmountNotPayable(reason=error.code) from error
        logger.exception("stripe.opening_refused", code=error.code, param=error.param)
        raise PriceMismatch() from error


# The SDK's client and its errors. The SDK is imported at the first call, to keep it out of cold starts.

API_VERSION = "2026-10-28.endive"
RETRIES = 2  # by the SDK, with its own jittered backoff and the same idempotency key, while there is time


def call(operation: Callable[["stripe.StripeClient"], Any], account: str | None = None) -> dict[str, Any]:
    """Call Stripe: run `operation` with the SDK's client and return the resulting object as JSON.

    Raises TooManyCalls above Stripe's rate limits, and ProviderUnavailable when Stripe cannot be reached, is overloaded or refuses our
    key, or when too little time is left for the call. If the call is for a connected `account`, also raises AccountUnreachable if we may
    no longer act for it, and AccountRefused if Stripe does not permit the call. Does not catch stripe.InvalidRequestError and
    stripe.CardError.
    """
    import stripe

    log.count("stripe_calls")
    log.gauge("stripe_call_budget", call_rate())
    try:
        stripe_object = operation(_client(secret_settings.optional_secret("stripe_api_key"), settings.current().stripe_api_base))
    except stripe.InvalidRequestError:
        raise
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        if error.error is not None and error.error.code == "account_invalid":
            logger.warning("stripe.account_unreachable")
            raise AccountUnreachable() from error
        if account is not None and isinstance(error, stripe.PermissionError):
            logger.warning("stripe.account_refused", account=account, error=str(error))
            raise AccountRefused() from error
        # Nobody can pay until the key is replaced.
        logger.exception("stripe.key_refused")
        raise ProviderUnavailable(setup_error=type(error).__name__) from error
    except stripe.RateLimitError as error:
        logger.warning("stripe.too_many_calls")
        raise TooManyCalls() from error
    except (stripe.APIConnectionError, stripe.APIError) as error:
        # APIError: a 5xx, or an idempotency key that another of our calls is using right now.
        logger.warning("stripe.unavailable", error=type(error).__name__)
        raise ProviderUnavailable() from error
    except DeadlineExceeded as error:
        logger.warning("stripe.no_time_left")
        raise ProviderUnavailable() from error
    as_json: dict[str, Any] = stripe_object.to_dict()
    return as_json


def check_setup() -> None:
    check_key(secret_settings.optional_secret("stripe_api_key"))


def check_key(key: str) -> None:
    """Refuse a live key outside production and a test key in production. Raises SettingsError."""
    live = key.startswith(("sk_live_", "rk_live_"))
    stage = settings.current().stage
    if live and stage != settings.PRODUCTION:
        raise settings.SettingsError(f"FAIRGATE_STRIPE_API_KEY: a live key takes real money; stage {stage} needs a test key (sk_test_...).")
    if not live and stage == settings.PRODUCTION:
        raise settings.SettingsError(f"FAIRGATE_STRIPE_API_KEY: a test key takes no money; stage {stage} needs a live key (sk_live_...).")


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> "stripe.StripeClient":
    import stripe

    from chalicelib.payments.providers.stripe_http import DeadlineClient

    check_key(key)
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        max_network_retries=RETRIES,
        base_addresses={"api": base} if base else {},
        http_client=DeadlineClient(),
    )
