"""The fake against what the SDK declares: the fields of objects, the parameters of calls, the types of events."""

import importlib
import inspect
import re
import typing

import pytest
import stripe

from devtools.stripe import routes
from devtools.stripe.routes import ROUTES

PARAMETERS = {
    "POST /v1/payment_intents": "_payment_intent_create_params.PaymentIntentCreateParams",
    "GET /v1/payment_intents": "_payment_intent_list_params.PaymentIntentListParams",
    "GET /v1/payment_intents/:id": "_payment_intent_retrieve_params.PaymentIntentRetrieveParams",
    "POST /v1/payment_intents/:id": "_payment_intent_update_params.PaymentIntentUpdateParams",
    "POST /v1/payment_intents/:id/confirm": "_payment_intent_confirm_params.PaymentIntentConfirmParams",
    "POST /v1/payment_intents/:id/cancel": "_payment_intent_cancel_params.PaymentIntentCancelParams",
    "POST /v1/payment_methods": "_payment_method_create_params.PaymentMethodCreateParams",
    "POST /v1/customers": "_customer_create_params.CustomerCreateParams",
    "POST /v1/setup_intents": "_setup_intent_create_params.SetupIntentCreateParams",
    "POST /v1/checkout/sessions": "checkout._session_create_params.SessionCreateParams",
    "GET /v1/checkout/sessions": "checkout._session_list_params.SessionListParams",
    "GET /v1/checkout/sessions/:id/line_items": "checkout._session_line_item_list_params.SessionLineItemListParams",
    "POST /v1/checkout/sessions/:id/expire": "checkout._session_expire_params.SessionExpireParams",
    "POST /v1/refunds": "_refund_create_params.RefundCreateParams",
    "GET /v1/refunds": "_refund_list_params.RefundListParams",
    "POST /v1/refunds/:id": "_refund_update_params.RefundUpdateParams",
    "GET /v1/charges": "_charge_list_params.ChargeListParams",
    "GET /v1/disputes": "_dispute_list_params.DisputeListParams",
    "POST /v1/disputes/:id": "_dispute_update_params.DisputeUpdateParams",
    "GET /v1/events": "_event_list_params.EventListParams",
    "GET /v1/balance": "_balance_retrieve_params.BalanceRetrieveParams",
    "GET /v1/balance_transactions": "_balance_transaction_list_params.BalanceTransactionListParams",
    "GET /v1/payouts": "_payout_list_params.PayoutListParams",
    "POST /v1/tax/locations": "tax._location_create_params.LocationCreateParams",
    "GET /v1/tax/locations": "tax._location_list_params.LocationListParams",
    "POST /v1/tax/calculations": "tax._calculation_create_params.CalculationCreateParams",
    "GET /v1/tax/associations/find": "tax._association_find_params.AssociationFindParams",
    "GET /v1/tax/transactions/:id/line_items": "tax._transaction_line_item_list_params.TransactionLineItemListParams",
    "POST /v1/coupons": "_coupon_create_params.CouponCreateParams",
    "POST /v1/accounts": "_account_create_params.AccountCreateParams",
    "GET /v1/accounts": "_account_list_params.AccountListParams",
    "POST /v1/account_links": "_account_link_create_params.AccountLinkCreateParams",
    "GET /v1/application_fees": "_application_fee_list_params.ApplicationFeeListParams",
    "GET /v1/application_fees/:id/refunds": "_application_fee_refund_list_params.ApplicationFeeRefundListParams",
    "POST /v1/application_fees/:id/refunds": "_application_fee_refund_create_params.ApplicationFeeRefundCreateParams",
}


# Parameters that the API accepts though the SDK does not declare them here.
UNDECLARED = {
    "PaymentIntentConfirmParams": {"client_secret", "key"},
    "PaymentIntentRetrieveParams": {"key"},
    "PaymentMethodCreateParams": {"key"},
    **{f"PaymentIntent{call}ParamsPaymentMethodData": {"card"} for call in ("Create", "Update", "Confirm")},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_declared_for_its_call(name):
    route = next(route for route in ROUTES if f"{route.method} {route.path}" == name)
    module, _, cls = PARAMETERS[name].rpartition(".")
    module = importlib.import_module(f"stripe.params.{module}")
    _check_names(module, cls, {**route.parameters, **(route.browser_parameters or {})})


def _check_names(module, cls, fields):
    hints = getattr(module, cls).__annotations__
    assert set(fields) <= set(hints) | UNDECLARED.get(cls, set()), cls
    for name, field in fields.items():
        inner = re.findall(rf"\b{cls[: cls.index('Params') + 6]}\w+", str(hints.get(name, "")))
        if field.nested and inner:
            _check_names(module, inner[0], field.nested)


def test_required_parameters():
    for cls, fields in ((stripe.params.PaymentIntentCreateParams, routes.INTENT_CREATE),):
        required = {name for name, kind in cls.__annotations__.items() if "NotRequired" not in str(kind) and name in fields}
        assert required == {name for name, field in fields.items() if field.is_required}


@pytest.fixture
def objects(shop, fake):
    """One object of each kind, after calls that fill most fields."""
    session = fake.pay_session(shop.create_session().id, "4000000000000259")
    session = shop.sessions.retrieve(session["id"], {"expand": ["payment_intent.payment_method", "line_items"]})
    intent = shop.pay(metadata={"a": "b"})
    shop.refunds.create({"payment_intent": intent.id, "amount": 100})
    with pytest.raises(stripe.CardError) as declined:
        shop.pay("pm_card_visa_chargeDeclined")
    waiting = shop.pay("pm_card_threeDSecure2Required", return_url="https://shop.test")
    setups, saved = (
        shop.client.v1.setup_intents,
        {"payment_method": "pm_card_visa", "confirm": True, "allowed_payment_method_types": ["card"]},
    )
    with pytest.raises(stripe.CardError) as unsaved:
        setups.create({**saved, "payment_method": "pm_card_visa_chargeDeclined"})
    dispute = shop.disputes.list().data[0]
    shop.pay()
    fake.finish_payout(fake.create_payout()["id"], arrives=False)
    accounts = shop.client.v1.accounts
    account_id = accounts.create({"type": "express", "capabilities": {"card_payments": {"requested": True}}}).id
    urls = {"refresh_url": "https://shop.test", "return_url": "https://shop.test"}
    link = shop.client.v1.account_links.create({"account": account_id, "type": "account_onboarding", **urls})
    fake.complete_onboarding(account_id)
    on_account = {"stripe_account": account_id}
    paid = {"amount": 5000, "currency": "usd", "application_fee_amount": 500, "confirm": True, "payment_method": "pm_card_visa"}
    paid |= {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    on_account_intent = shop.intents.create(paid, on_account)
    shop.refunds.create({"payment_intent": on_account_intent.id, "amount": 100, "refund_application_fee": True}, on_account)
    fake.restrict_account(account_id)
    tax, address = shop.client.v1.tax, {"line1": "1 Main Street", "city": "Denver", "postal_code": "80202", "state": "CO", "country": "US"}
    location = tax.locations.create({"type": "performance", "address": address})
    item = {"amount": 5000, "tax_behavior": "inclusive", "tax_code": "txcd_50010001", "performance_location": location.id}
    taxed = {"currency": "usd", "customer_details": {"address": address}, "line_items": [item], "expand": ["line_items.data.tax_breakdown"]}
    calculation = tax.calculations.create(taxed)
    hooked = shop.pay(hooks={"inputs": {"tax": {"calculation": calculation.id}}})
    association = tax.associations.find({"payment_intent": hooked.id})
    transaction = tax.transactions.retrieve(association.tax_transaction_attempts[0].committed.transaction)
    return {
        "tax location": location,
        "tax calculation": calculation,
        "calculated line": calculation.line_items.data[0],
        "payment with taxes": hooked,
        "tax association": association,
        "tax transaction": transaction,
        "reported line": tax.transactions.line_items.list(transaction.id).data[0],
        "account": accounts.retrieve(account_id),
        "account link": link,
        "customer": shop.client.v1.customers.create({"email": "ann@example.com"}),
        "account's event": shop.events.list({}, on_account).data[0],
        "account's charge": shop.charges.retrieve(on_account_intent.latest_charge, {"expand": ["balance_transaction"]}, on_account),
        "fee": (fee := shop.client.v1.application_fees.list().data[0]),
        "fee's refund": shop.client.v1.application_fees.refunds.list(fee.id).data[0],
        "session": session,
        "line item": session.line_items.data[0],
        "price": session.line_items.data[0].price,
        "intent": shop.intents.retrieve(intent.id),
        "declined": shop.intents.retrieve(declined.value.error.payment_intent.id),
        "waiting": waiting,
        "setup": setups.create({**saved, "expand": ["payment_method"]}),
        "declined setup": setups.retrieve(unsaved.value.error.setup_intent.id),
        "waiting setup": setups.create({**saved, "payment_method": "pm_card_threeDSecure2Required"}),
        "method": session.payment_intent.payment_method,
        "charge": shop.charges.retrieve(intent.latest_charge),
        "refund": shop.refunds.list().data[0],
        "dispute": dispute,
        "payout": shop.client.v1.payouts.list().data[0],
        "moved": dispute.balance_transactions[0],
        "balance": shop.client.v1.balance.retrieve(),
        "event": shop.events.list().data[0],
        "coupon": shop.client.v1.coupons.create({"percent_off": 10}),
    }


# Left out by the API when they have no value, though the SDK declares them without Optional.
OPTIONAL = {"deleted", "OBJECT_NAME"}


def test_objects_have_the_declared_fields(objects):
    assert [deviation for name, obj in objects.items() for deviation in _deviations(obj, type(obj), name)] == []


def _deviations(obj, cls, where):
    hints = {name: str(kind) for name, kind in _annotations(cls).items()}
    fields = obj.to_dict() if hasattr(obj, "to_dict") else dict(obj)
    yield from (f"{where}.{name}: Stripe has no such field" for name in set(fields) - set(hints))
    always_set = {name for name, kind in hints.items() if not re.search(r"\b(Optional|None|NoneType)\b", kind)} - OPTIONAL
    yield from (f"{where}.{name}: must be there" for name in always_set if fields.get(name) is None)
    for name in fields:
        value = getattr(obj, name)
        for index, inner in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(inner, stripe.StripeObject) and type(inner) is not stripe.ListObject and _annotations(type(inner)):
                yield from _deviations(inner, type(inner), f"{where}.{name}[{index}]")


def _annotations(cls):
    found = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, stripe.StripeObject) and base is not stripe.StripeObject:
            found |= {name: kind for name, kind in inspect.get_annotations(base).items() if not name.startswith("_")}
    return found


def test_every_event_type_is_declared(shop, fake, objects, clock):
    intent = shop.intents.retrieve(objects["intent"].id)
    fake.fail_refund(objects["refund"].id)
    fake.close_dispute(objects["dispute"].id, won=True)
    shop.intents.cancel(objects["waiting"].id)
    shop.refunds.create({"payment_intent": intent.id})
    for fails in (False, True):
        fake.pay_session_by_bank(shop.create_session().id, fails=fails)
    fake.complete_pending()
    shop.sessions.expire(shop.create_session().id)
    known = set(typing.get_args(inspect.get_annotations(stripe.Event, eval_str=True)["type"]))
    emitted = set(shop.event_types())
    assert emitted <= known
    assert {kind.partition(".")[0] for kind in emitted} == {
        *("payment_intent", "setup_intent", "customer", "charge", "checkout", "refund", "payout", "application_fee")
    }
    assert len(emitted) >= 20, emitted
