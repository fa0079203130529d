"""Rows of purchases in the store."""

from chalicelib.purchases import store
from tests import builders


def test_expired_purchases_are_deleted_after_30_days_and_orders_are_not(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id)
    builders.reserve(api, "bob", event_id, tier_id)
    time.advance(180)
    builders.run_sweep()
    rows = {row.state: row.ttl for row in store.PurchaseRow.scan()}
    assert rows == {"paid": None, "expired": time.now + 30 * 86_400}
