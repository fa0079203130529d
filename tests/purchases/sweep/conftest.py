"""Stripe in which each call takes 0.8 seconds of a virtual clock, and many bank debits that are under way."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from msgspec.structs import replace

from chalicelib.foundation import ids, settings
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.store import scan_shards
from chalicelib.payments.model import Payment
from chalicelib.payments.providers import stripe
from chalicelib.purchases import store
from chalicelib.purchases.model import LineItem, Purchase
from devtools.stripe import account_state
from tests import builders
from tests.payment_pages import BANK_SUCCEEDS
from tests.stripe_shop import StripeShop

CALL_SECONDS = 0.8


@pytest.fixture
def slow_stripe(shop, time, monkeypatch) -> Iterator[None]:
    """Each call of the shop to Stripe takes 0.8 s, one call at a time. Banks take weeks; webhooks are lost."""
    monkeypatch.setattr(account_state, "OUTCOME_DELAY_SECONDS", 30 * 86_400)
    shop.lose_webhooks()
    original, lock = stripe.call, threading.Lock()

    def call(operation: Callable[..., Any], *arguments: Any) -> Any:
        with lock:
            time.now += CALL_SECONDS
        return original(operation, *arguments)

    with mock.patch.object(stripe, "call", call), settings.override(stripe_call_rate=1):
        yield
        time.now = int(time.now) + 1


def create_debits(shop: StripeShop, count: int, event_id: str | None = None) -> list[str]:
    """So many checkouts of one ticket whose bank debits are under way, by default of the shop's event. Returns their ids."""
    chosen = event_id or shop.event_id
    tier_id = builders.create_tier(shop.api, chosen, "Stand", capacity=count)
    shards = [shard.id for shard in scan_shards() if shard.id.startswith(f"{tier_id}#")]
    return [_create_debit(shop, chosen, tier_id, len(shards), f"debit-{number}") for number in range(count)]


def _create_debit(shop: StripeShop, event_id: str, tier_id: str, shards: int, user_id: str) -> str:
    now = int(shop.time.now)
    purchase_id = ids.new_id()
    holds = hold_tickets(HoldRequest(tier_id, shards, 1, purchase_id, now + 180, now))
    purchase = Purchase(
        id=purchase_id,
        user_id=user_id,
        event_id=event_id,
        state="held",
        version=1,
        lines=[LineItem(tier_id, "Stand", 1, 5000, 1, holds)],
        currency="USD",
        created_at=now,
        expires_at=now + 180,
    )
    store.create(purchase, 6)
    payment: Any = {"amount": 5000, "currency": "usd", "payment_method": BANK_SUCCEEDS, "confirm": True}
    payment |= {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    intent = shop.dashboard.v1.payment_intents.create({**payment, "metadata": shop.payment_metadata(purchase_id)})
    assert intent.status == "processing"
    store.save(purchase, replace(purchase, state="paying", payment=Payment("stripe", "open", 5000, "USD", intent.id), checkout_at=now))
    return purchase_id
