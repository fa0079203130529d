"""Rows of purchases in the store."""

import pytest
from msgspec.structs import replace

from chalicelib.dynamodb import dynamo
from chalicelib.purchases import store
from chalicelib.purchases.model import LatePayment, Purchase
from chalicelib.purchases.store import BuyerRow
from tests import builders
from tests.transactions import is_refused


def test_expired_purchases_are_deleted_after_30_days_and_orders_are_not(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id)
    builders.reserve(api, "bob", event_id, tier_id)
    time.advance(180)
    builders.run_sweep()
    rows = {row.state: row.ttl for row in store.PurchaseRow.scan()}
    assert rows == {"paid": None, "expired": time.now + 30 * 86_400}


# What each write refuses, by its condition alone: callers usually read first, and ask for nothing that would be refused.


@pytest.fixture
def shop(api) -> tuple[str, str]:
    return builders.create_shop(api, capacity=20)


@pytest.fixture
def held(api, shop) -> Purchase:
    """A reservation of Ada's, as it was read before others wrote to it."""
    return load(builders.reserve(api, "ada", *shop, 2).json["id"])


@pytest.fixture
def order(api, shop) -> Purchase:
    """An order of Ada's."""
    return load(builders.buy(api, "ada", *shop, 2).json["order"]["id"])


def load(purchase_id: str) -> Purchase:
    purchase = store.load(purchase_id)
    assert purchase is not None
    return purchase


def change_record(purchase: Purchase, **values) -> None:
    dynamo.update_now(BuyerRow(purchase.user_id, purchase.event_id), BuyerRow.set_or_remove(values))


def test_no_purchase_is_written_over_another(api, held):
    api.delete(f"/reservations/{held.id}", user="ada")  # from now on, the record would allow it
    with pytest.raises(store.CreateConflict):
        store.create(held, limit=6)


def test_nobody_has_two_active_purchases(held):
    with pytest.raises(store.CreateConflict):
        store.create(replace(held, id="another"), limit=6)


def test_nobody_buys_more_than_the_limit(order):
    with pytest.raises(store.CreateConflict):
        store.create(replace(order, id="another", state="held", payment=None), limit=3)


def test_a_pass_buys_one_order(held):
    """The pass counts once the order is paid, and again once the order is refunded."""
    change_record(held, active_id=None)
    with_pass = replace(held, id="first", pass_id="pass", version=1)
    store.create(with_pass, limit=6)
    paid = store.save(with_pass, replace(with_pass, state="paid"))
    with pytest.raises(store.CreateConflict):
        store.create(replace(with_pass, id="second"), limit=6)
    store.save(paid, replace(paid, state="refunded"))
    store.create(replace(with_pass, id="second"), limit=6)


def test_a_change_to_an_outdated_purchase_is_refused(held):
    store.save(held, replace(held, language="es"))
    with pytest.raises(store.Conflict):
        store.save(held, replace(held, language="en"))  # changes the purchase alone
    with pytest.raises(store.Conflict):
        store.save(held, replace(held, state="cancelled"))  # and the buyer's record


def test_an_ended_purchase_is_no_longer_active(held):
    store.save(held, replace(held, state="cancelled"))
    record = store.load_buyer(held.user_id, held.event_id)
    assert (record.active_id, record.active_quantity) == (None, 0)


def test_a_purchase_that_the_record_does_not_name_as_active_is_left_alone(held):
    change_record(held, active_id="another")
    with pytest.raises(store.Conflict):
        store.save(held, replace(held, state="cancelled"))


def test_an_order_that_the_record_does_not_name_is_left_alone(order):
    change_record(order, orders=None)
    with pytest.raises(store.Conflict):
        store.save(order, replace(order, state="refunded"))


def test_a_late_payment_is_refused_if_a_promo_code_was_used_since(held):
    ended = store.save(held, replace(held, state="expired"))
    change_record(held, promo_uses={"SAVE#another"})
    with pytest.raises(store.LimitReached):
        store.save(ended, replace(ended, state="paid"), late=LatePayment(limit=6, promo_uses=0))


def test_an_outdated_purchase_is_not_moved(held):
    store.save(held, replace(held, language="es"))
    with pytest.raises(store.Conflict):
        store.move_to_user(held, "bob", (), ())


def test_a_purchase_that_the_guests_record_does_not_name_is_not_moved(held):
    change_record(held, active_id="another")
    with pytest.raises(store.Conflict):
        store.move_to_user(held, "bob", (), ())


def test_no_second_active_purchase_is_moved_to_a_user(api, shop, held):
    builders.reserve(api, "bob", *shop)
    with pytest.raises(store.Conflict):
        store.move_to_user(held, "bob", (), ())


def test_a_written_purchase_gets_no_tombstone(held):
    with pytest.raises(store.Conflict):
        store.put_tombstone(held.id, held.expires_at)


def test_an_imported_order_is_written_once(order):
    imported = replace(order, id="imported", user_id="importer")
    assert not is_refused(*store.create_order_items(imported))
    row, record = store.create_order_items(replace(imported, id="another"))
    assert is_refused(record)  # the importer has a record
    assert is_refused(store.create_order_items(imported)[0])
    assert not is_refused(row)


def test_an_attempt_is_repeated_with_the_current_purchase(held):
    changed = store.save(held, replace(held, language="es"))
    assert (
        store.retry_on_conflict(held, lambda current: store.save(current, replace(current, language="en"))).version == changed.version + 1
    )
