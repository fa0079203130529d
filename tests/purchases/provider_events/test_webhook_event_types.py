"""Each type of event that the webhook handles."""

from collections.abc import Callable

import pytest

from chalicelib.foundation import settings
from chalicelib.payments.providers.stripe_mapping import EVENT_TYPES
from tests.payment_pages import AUTHENTICATION_REQUIRED, DECLINED, REFUNDS_FAIL, REFUNDS_PENDING, VISA
from tests.stripe_shop import StripeShop

pytestmark = pytest.mark.usefixtures("threaded_store")

Cause = Callable[[StripeShop], object]  # makes Stripe create the event


def payment(card: str, outcome: str = "succeeded") -> Cause:
    return lambda shop: shop.pay(shop.open_checkout(), card, expect=outcome)


def cancelled_payment(shop: StripeShop) -> None:
    shop.dashboard.v1.payment_intents.cancel(shop.fetch_payment_intent(shop.open_checkout()).id)


def hosted_payment(shop: StripeShop) -> None:
    shop.pay(shop.open_checkout(page="hosted"))


def expired_page(shop: StripeShop) -> None:
    shop.dashboard.v1.checkout.sessions.expire(shop.fetch_hosted_page(shop.open_checkout(page="hosted")).id)


def bank_debit(*, fails: bool) -> Cause:
    def cause(shop: StripeShop) -> None:
        shop.fake.pay_session_by_bank(shop.fetch_hosted_page(shop.open_checkout(page="hosted")).id, fails=fails)
        shop.fake.complete_pending()

    return cause


def refund(card: str) -> Cause:
    def cause(shop: StripeShop) -> None:
        shop.refund_in_dashboard(shop.buy(card=card), 1000)
        shop.fake.complete_pending()

    return cause


def dispute(won: bool | None = None) -> Cause:
    """A dispute with evidence; open if `won` is None."""

    def cause(shop: StripeShop) -> None:
        dispute_id = shop.fake.create_dispute(shop.fetch_charge(shop.buy()).id)["id"]
        shop.dashboard.v1.disputes.update(dispute_id, {"evidence": {"uncategorized_text": "They came in."}})
        if won is not None:
            shop.fake.close_dispute(dispute_id, won=won)

    return cause


def restricted_account(shop: StripeShop) -> None:
    shop.fake.restrict_account(shop.connect_account())


def revoked_account(shop: StripeShop) -> None:
    shop.fake.revoke_access(shop.connect_account())


def returned_fee(shop: StripeShop) -> None:
    shop.connect_account()
    with settings.override(application_fee_cents=100):
        shop.buy()
    shop.return_fee_in_dashboard(50)


# Type -> what causes it, and the result that the webhook reports.
TYPES: dict[str, tuple[Cause, str]] = {
    "payment_intent.succeeded": (payment(VISA), "paid"),
    "payment_intent.payment_failed": (payment(DECLINED, "declined"), "paying"),
    "payment_intent.requires_action": (payment(AUTHENTICATION_REQUIRED, "requires_action"), "waiting"),
    "payment_intent.canceled": (cancelled_payment, "ended"),
    "checkout.session.completed": (hosted_payment, "paid"),
    "checkout.session.expired": (expired_page, "ended"),
    "checkout.session.async_payment_succeeded": (bank_debit(fails=False), "paid"),
    "checkout.session.async_payment_failed": (bank_debit(fails=True), "ended"),
    "charge.refunded": (refund(VISA), "refund_succeeded"),
    "refund.created": (refund(VISA), "refund_succeeded"),
    "refund.updated": (refund(REFUNDS_PENDING), "refund_succeeded"),
    "refund.failed": (refund(REFUNDS_FAIL), "refund_failed"),
    "charge.dispute.created": (dispute(), "dispute_open"),
    "charge.dispute.funds_withdrawn": (dispute(), "dispute_open"),
    "charge.dispute.updated": (dispute(), "dispute_open"),
    "charge.dispute.closed": (dispute(won=False), "dispute_lost"),
    "charge.dispute.funds_reinstated": (dispute(won=True), "dispute_won"),
    "account.updated": (restricted_account, "account_restricted"),
    "account.application.deauthorized": (revoked_account, "account_restricted"),
    "application_fee.refunded": (returned_fee, "fee_returned"),
}


def test_every_type_that_is_handled_is_tested():
    assert set(TYPES) == set(EVENT_TYPES)


def test_stripe_lists_all_types_in_one_request():
    """Reconciliation lists the events of these types, and Stripe takes 20 types at most."""
    assert len(EVENT_TYPES) <= 20


@pytest.mark.parametrize("event_type", TYPES)
def test_each_type_of_event_has_its_effect_once(shop, event_type):
    cause, result = TYPES[event_type]
    cause(shop)
    assert shop.post_newest_event(event_type) == result
    assert shop.post_newest_event(event_type) == "seen"


def test_other_types_are_ignored_without_asking_stripe(shop):
    shop.open_checkout()
    shop.fake.request_log.clear()
    assert shop.post_newest_event("payment_intent.created") == "ignored"
    assert shop.fake.request_log.counts == {}
