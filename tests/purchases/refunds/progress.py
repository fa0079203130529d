"""How far a refund has come, and the time, faults and calls that move it on."""

from typing import Any

from chalicelib.purchases import store
from chalicelib.purchases.model import Refund
from tests import builders
from tests.stripe_shop import StripeShop

HOUR, DAY = 3600, 86_400


def load_refund(order_id: str, number: int = 0) -> Refund:
    purchase = store.load(order_id)
    assert purchase is not None
    return purchase.refunds[number]


def status_and_attempt(order_id: str, number: int = 0) -> tuple[str, int]:
    refund = load_refund(order_id, number)
    return refund.status, refund.attempt


def list_cases(shop: StripeShop) -> list[tuple[Any, ...]]:
    """(kind, id, status, next try) of the cases that admins see open."""
    return [(case["kind"], case["id"], case.get("status"), case["next_try_at"]) for case in shop.list_open_cases()]


def count_refund_calls(shop: StripeShop) -> int:
    """How many refunds Stripe was asked to make since the last count."""
    count = shop.fake.request_log.counts.get("POST /v1/refunds", 0)
    shop.fake.request_log.clear()
    return count


def advance_and_sweep(shop: StripeShop, seconds: int) -> None:
    shop.time.advance(seconds)
    builders.run_sweep()
    shop.fake.deliver()


def fail_next_refund_call(shop: StripeShop) -> None:
    """Stripe responds once with 500, and the SDK does not retry."""
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
