"""Comparisons with Stripe's books in tests, and the findings that they leave."""

from typing import Any

from chalicelib.ledger import money_cases
from chalicelib.reconciliation import compare
from chalicelib.reconciliation.compare import ReconciliationReport
from tests import store_calls
from tests.stripe_shop import StripeShop


def compare_last_hour(shop: StripeShop, **options: Any) -> ReconciliationReport:
    """Compare the hour until now, a second later."""
    shop.time.advance(1)
    with store_calls.made_by("reconcile"):
        return compare.compare_span(shop.time.now - 3600, shop.time.now, shop.time.now, **options)


def recheck(shop: StripeShop) -> dict[str, int]:
    """Compare the payments of open findings again. Returns the number of repairs by kind."""
    return compare.recheck_open_cases(money_cases.list_open_cases(), shop.time.now, shop.time.now)


def assert_no_differences(shop: StripeShop) -> None:
    """A comparison of the last hour repairs and finds nothing."""
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({}, {})


def buy_without_webhooks(shop: StripeShop, user: str = "ada", quantity: int = 2) -> dict[str, Any]:
    """The checkout session of a new order whose webhooks still wait."""
    session = shop.open_checkout(user, quantity)
    shop.pay(session)
    assert shop.confirm(session, user).status == 201
    return session


def pay_without_webhooks(shop: StripeShop, user: str = "ada", quantity: int = 1) -> dict[str, Any]:
    """Pay a checkout whose webhooks never come. Returns its session."""
    shop.lose_webhooks()
    session = shop.open_checkout(user, quantity)
    shop.pay(session)
    shop.fake.clear_webhook_rules()
    return session


def list_findings(shop: StripeShop) -> dict[str, str]:
    """Order id -> id of the finding that admins see."""
    return {case["order_id"]: case["id"] for case in shop.list_open_cases() if case["kind"] == "finding"}
