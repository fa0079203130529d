"""Payments with a promo code, in time and late: charged, refunded and booked is what was frozen, and uses are counted once."""

import pytest

from chalicelib.promotions import management
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.payment_pages import on_either_page


@pytest.fixture
def code(shop):
    return builders.create_promo_code(shop.api, shop.event_id, discount_value=25, max_total_uses=1)


def uses(shop):
    stock = management.get_code(shop.event_id, "SAVE").uses
    return stock.sold, stock.held


def pay_and_expire(shop, **options):
    session = shop.open_checkout(promo_code="SAVE", **options)
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    return session


@on_either_page
def test_the_provider_takes_the_price_with_the_discount_taken_off(shop, code, page):
    session = shop.open_checkout(page=page, promo_code="SAVE")
    shop.pay(session)
    assert shop.confirm(session).json["order"]["total_price_cents"] == 7500
    shop.fake.deliver()
    assert (shop.received_and_kept(), uses(shop)) == ((7500, 7500), (1, 0))
    builders.refund(shop.api, session["id"], tickets=builders.ticket_ids(session["id"], 1))
    shop.fake.deliver()
    assert (shop.received_and_kept(), uses(shop)) == ((7500, 3750), (1, 0))


def test_the_hosted_page_shows_tickets_with_a_discount_at_their_own_price(shop):
    shop.sell_tiers(ticket("fest-pass", price_cents=3333, stripe_price_id="price_pass"))
    builders.create_promo_code(shop.api, "fest", discount_type="fixed_amount", discount_value=0.01)
    session = shop.open_checkout(page="hosted", promo_code="SAVE")
    shop.pay(session)
    shop.fake.deliver()
    assert shop.received_and_kept() == (6665, 6665)


@on_either_page
def test_a_late_payment_takes_its_use_again(shop, code, page):
    session = pay_and_expire(shop, page=page)
    assert uses(shop) == (0, 0)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept(), uses(shop)) == ("paid", (7500, 7500), (1, 0))


def test_a_late_payment_is_refunded_when_no_use_is_left(shop, code):
    session = pay_and_expire(shop)
    shop.open_checkout("bob", 1, promo_code="SAVE")
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept(), uses(shop)) == ("refunded", (7500, 0), (0, 1))


def test_a_late_payment_is_refunded_if_its_code_was_recreated(shop, code):
    session = pay_and_expire(shop)
    path = f"/admin/events/{shop.event_id}/promo-codes"
    assert shop.api.delete(f"{path}/SAVE", token=builders.admin_token()).json["deleted"]
    builders.create_promo_code(shop.api, shop.event_id, discount_value=1)
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept(), uses(shop)) == ("refunded", (7500, 0), (0, 0))


def test_a_late_payment_is_taken_although_its_code_was_deactivated_since(shop, code):
    session = pay_and_expire(shop)
    path = f"/admin/events/{shop.event_id}/promo-codes/SAVE"
    assert shop.api.patch(path, json={"is_active": False}, token=builders.admin_token()).status == 200
    shop.fake.deliver()
    assert (shop.purchase_state(session), uses(shop)) == ("paid", (1, 0))


@pytest.mark.parametrize(("most", "state"), [(1, "refunded"), (2, "paid")])
def test_a_late_payment_counts_the_uses_of_its_buyer_since_then(shop, most, state):
    builders.create_promo_code(shop.api, shop.event_id, discount_value=25, max_uses_per_donor=most)
    session = pay_and_expire(shop, quantity=1)
    other = shop.open_checkout(quantity=1, promo_code="SAVE")
    shop.pay(other)
    assert shop.confirm(other).status == 201
    shop.fake.deliver()
    assert (shop.purchase_state(session), uses(shop)) == (state, (most, 0))


def test_a_lost_dispute_takes_tickets_worth_what_they_cost_and_not_the_use(shop, code):
    session = shop.open_checkout(promo_code="SAVE")
    order_id = session["id"]
    shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.deliver()
    shop.close_dispute(shop.create_dispute(order_id, 3750), won=False)
    tickets = shop.api.get(f"/orders/{order_id}", user="ada").json["tickets"]
    assert ([ticket["state"] for ticket in tickets], uses(shop)) == (["valid", "void"], (1, 0))
