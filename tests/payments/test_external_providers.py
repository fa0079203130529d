"""Two external providers side by side: each is asked about what is its own, and lists are of both."""

from typing import get_args

import pytest

from chalicelib.foundation import settings
from chalicelib.foundation.settings import ExternalProviderName
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, ProviderDescription, ProviderNotOffered, ProviderPayment, ProviderRefund
from chalicelib.payments.providers import protocol
from chalicelib.purchases import checkout_page
from chalicelib.purchases.checkout_page import CheckoutOptions
from chalicelib.purchases.provider_events import SignatureRefused, handle_webhook


class PayBook:
    """An invented provider, as a module of `payments/providers` would be one. It has one payment, with one refund."""

    DESCRIPTION = ProviderDescription(
        name="paybook",  # type: ignore[arg-type]
        title="PayBook",
        signature_header="paybook-signature",
        event_types=(),
    )
    payment = ProviderPayment(
        provider="paybook",  # type: ignore[arg-type]
        id="pb_1",
        status="succeeded",
        amount=5000,
        amount_received=5000,
        amount_refunded=0,
        currency="USD",
        created=1000,
        payment_intent_id="pb_1",
    )
    refund = ProviderRefund(
        provider="paybook",  # type: ignore[arg-type]
        id="pbr_1",
        status="succeeded",
        amount_cents=5000,
        currency="USD",
        payment_intent_id="pb_1",
        refund_id="r1",
        attempt=1,
    )

    def __init__(self):
        self.is_set_up = True
        self.refunded = []

    def is_offered(self):
        return self.is_set_up

    def call_rate(self):
        return 30

    def endpoint_rate(self):
        return 20

    def fetch_payment_by_id(self, provider_id, account):
        assert provider_id == "pb_1"
        return self.payment

    def find_payment_by_id(self, provider_id, account):
        return self.payment if provider_id == "pb_1" else None

    def find_refund(self, provider_id, account):
        assert provider_id == "pbr_1"
        return self.refund

    def list_refunds_of_payment(self, payment_intent_id, account):
        return [self.refund] if payment_intent_id == "pb_1" else []

    def create_refund(self, *refund, returns_fee):
        self.refunded.append(refund)
        return self.refund

    def list_payments(self, since, until, account):
        assert account is None, "no promoter can have an account here"
        yield from [self.payment] if since <= 1000 < until else []

    def verify_event(self, body, signature, now):
        return "an event" if signature == "of PayBook" else None


@pytest.fixture
def paybook(monkeypatch):
    provider = PayBook()
    monkeypatch.setitem(protocol.EXTERNAL, "paybook", provider)
    return provider


def test_every_name_of_a_provider_has_its_module():
    assert [provider.name for provider in payments.descriptions()] == list(get_args(ExternalProviderName))


def test_each_provider_is_asked_about_its_own(shop, paybook):
    order = shop.load_purchase(shop.buy())
    assert payments.fetch_payment(order.payment).provider == "stripe"
    assert payments.fetch_payment(Payment("paybook", "open", 5000, "USD", "pb_1")) is paybook.payment
    assert payments.external_provider("paybook").find_payment_by_id(order.payment.payment_intent_id, None) is None
    assert payments.external_provider("paybook").find_refund("pbr_1", None) is paybook.refund


def test_a_webhook_is_verified_by_the_provider_whose_address_it_came_to(shop, paybook):
    assert payments.external_provider("paybook").verify_event(b"{}", "of PayBook", shop.time.now) == "an event"
    assert payments.external_provider("stripe").verify_event(b"{}", "of PayBook", shop.time.now) is None


def test_a_refused_webhook_names_the_setting_of_its_own_provider(shop, paybook):
    with pytest.raises(SignatureRefused, match=r"Check FAIRGATE_PAYBOOK_WEBHOOK_SECRETS\."):
        handle_webhook("paybook", b"{}", "of Stripe", shop.time.now)


@pytest.mark.parametrize("page", [None, "own", "either", "hosted"])
def test_a_provider_without_our_own_page_takes_the_money_on_its_hosted_one(shop, paybook, page):
    purchase = shop.load_purchase(shop.open_checkout()["id"])
    payment = Payment("paybook", "open", 5000, "USD")
    with settings.override(checkout_page="own", stripe_publishable_key="pk_test_of_another_provider"):
        chosen = checkout_page.choose_page(purchase, payment, CheckoutOptions(page=page))
    assert chosen.success_url == f"https://shop.test/?checkout_id={purchase.id}"
    assert checkout_page.page_content(purchase, chosen, None) is not None


def test_a_refund_is_made_where_the_money_is(shop, paybook):
    arguments = ("paybook", "p1", "r2", 1, "pb_1", 5000, "USD", None)
    assert payments.create_refund(*arguments, returns_fee=False, check_existing=True) is paybook.refund
    assert paybook.refunded == [("p1", "r2", 1, "pb_1", 5000, "USD", None)]
    known = payments.create_refund("paybook", "p1", "r1", 1, "pb_1", 5000, "USD", None, returns_fee=False, check_existing=True)
    assert known == paybook.refund
    assert len(paybook.refunded) == 1


def test_the_rate_of_calls_is_the_lowest_of_those_that_are_set_up(shop, paybook):
    assert (payments.call_rate(), payments.endpoint_rate()) == (30, 20)
    with settings.override(stripe_call_rate=25, stripe_endpoint_rate=10):
        assert (payments.call_rate(), payments.endpoint_rate()) == (25, 10)
    paybook.is_set_up = False
    assert (payments.call_rate(), payments.endpoint_rate()) == (100, 25)
    with settings.override(mollie_call_rate=40):
        mollie = payments.external_provider("mollie")
        assert (mollie.call_rate(), mollie.endpoint_rate()) == (40, 40)


def test_lists_are_of_all_providers_that_are_set_up(shop, paybook):
    shop.buy()
    assert [payment.provider for payment in payments.list_payments(0, shop.time.now + 1, None)] == ["stripe", "paybook"]
    paybook.is_set_up = False
    assert [payment.provider for payment in payments.list_payments(0, shop.time.now + 1, None)] == ["stripe"]


def test_a_provider_without_accounts_takes_no_money_of_a_promoters_account(shop, paybook):
    with pytest.raises(ProviderNotOffered, match="account at another provider"):
        payments.new_payment(5000, "USD", "paybook", account="acct_1", ticket_count=1)
    assert payments.new_payment(5000, "USD", "stripe", account="acct_1", ticket_count=1).account == "acct_1"
    assert [payment.provider for payment in payments.list_payments(0, 2000, "acct_1")] == []
