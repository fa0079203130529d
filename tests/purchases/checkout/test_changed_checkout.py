"""Going back from the payment: names and promo code are replaced, the tickets and their clock stay, and nobody pays twice."""

import pytest

from chalicelib.payments import service as payments
from chalicelib.promotions import management
from chalicelib.purchases import store
from tests import builders
from tests.payment_pages import RETURN_URL
from tests.simulation import faults


def change(shop, session, key, **fields):
    """The reply to a changed checkout."""
    body = {"page": session["page"], "success_url": RETURN_URL, "replace": True} | fields
    return builders.start_checkout(shop.api, "ada", session["id"], key=key, **body)


@pytest.fixture(params=["own", "hosted"])
def session(shop, request):
    """An open checkout of two tickets at $50 without a promo code; the event has the codes SAVE (10 % off) and FREE."""
    builders.create_promo_code(shop.api, shop.event_id, "SAVE", max_total_uses=1)
    builders.create_promo_code(shop.api, shop.event_id, "FREE", discount_value=100)
    return shop.open_checkout(page=request.param, success_url=RETURN_URL) | {"page": request.param}


def uses(shop, code="SAVE"):
    """(times used, times held) of a code."""
    stock = management.get_code(shop.event_id, code).uses
    return stock.sold, stock.held


def test_a_promo_code_gives_a_new_total_and_closes_the_earlier_payment(shop, session):
    changed = change(shop, session, "second", promo_code="save")
    assert (changed.status, changed.json["message"]) == (200, "The checkout has been changed.")
    reservation = changed.json["reservation"]
    assert (reservation["total_price_cents"], reservation["expires_at"]) == (9_000, session["reservation"]["expires_at"])
    shop.pay(session, expect="closed")
    shop.fake.deliver()  # also the event about the payment that was cancelled
    assert shop.purchase_state(session) == "paying"
    assert change(shop, session, "second", promo_code="save").json["payment"] == changed.json["payment"]
    shop.pay(changed.json | {"page": session["page"]})
    assert len(shop.confirm(session).json["tickets"]) == 2
    assert shop.received_and_kept() == (9_000, 9_000)
    assert uses(shop) == (1, 0)
    shop.assert_books_balance()


def test_a_code_can_be_tried_and_taken_back(shop, session):
    change(shop, session, "second", promo_code="SAVE")
    assert uses(shop) == (0, 1)
    path = f"/events/{shop.event_id}/reservations"
    assert shop.api.get(path, query={"promo_code": "SAVE"}, user="ada").json["total_price_cents"] == 9_000
    assert shop.api.get(path, query={"promo_code": "FREE"}, user="ada").json["total_price_cents"] == 0
    full = change(shop, session, "third").json
    assert (full["reservation"]["total_price_cents"], full["reservation"]["promo_code"], uses(shop)) == (10_000, None, (0, 0))
    shop.pay(full)  # a payment of its own, although it is for the same amount as the first
    assert len(shop.confirm(session).json["tickets"]) == 2
    assert shop.received_and_kept() == (10_000, 10_000)
    shop.assert_books_balance()


def test_other_names_keep_the_payment(shop, session):
    changed = change(shop, session, "second", attendees=[{"name": "Ada"}, {"name": "Bob"}]).json
    assert change(shop, session, "third", attendees=[{"name": "Ada"}, {"name": "Eve"}]).json["payment"] == changed["payment"]
    shop.pay(session)
    assert len(shop.confirm(session).json["tickets"]) == 2
    tickets = shop.api.get("/me/tickets", user="ada").json["tickets"]
    assert sorted(ticket["attendee"]["name"] for ticket in tickets) == ["Ada", "Eve"]


def test_a_code_for_everything_ends_the_payment(shop, session):
    changed = change(shop, session, "second", promo_code="FREE").json
    assert changed["payment"]["provider"] == "free"
    shop.pay(session, expect="closed")
    assert len(shop.confirm(session).json["tickets"]) == 2
    assert shop.received_and_kept() == (0, 0)


def test_what_was_paid_meanwhile_is_an_order_at_its_price(shop, session):
    shop.pay(session)
    refused = change(shop, session, "second", promo_code="SAVE")
    assert (refused.status, refused.json["error"]) == (409, "reservation_converted")
    assert len(shop.confirm(session).json["tickets"]) == 2
    assert (shop.received_and_kept(), uses(shop)) == ((10_000, 10_000), (0, 0))
    shop.assert_books_balance()


def test_a_wrong_code_leaves_the_payment_open(shop, session):
    assert change(shop, session, "second", promo_code="NOSUCH").json["error"] == "promo_code_invalid"
    shop.pay(session)
    assert len(shop.confirm(session).json["tickets"]) == 2


def test_without_the_word_a_later_call_changes_nothing(shop, session):
    reply = builders.start_checkout(shop.api, "ada", session["id"], key="second", promo_code="SAVE")
    assert reply.json["reservation"]["total_price_cents"] == 10_000
    shop.pay(session)
    assert len(shop.confirm(session).json["tickets"]) == 2


@pytest.mark.parametrize("number", range(1, 7))
def test_a_crash_while_changing_loses_neither_tickets_nor_money(shop, session, number):
    with faults.crash_after(number) as crash:
        change(shop, session, "second", promo_code="SAVE")
    shop.fake.deliver()
    assert crash.was_triggered
    again = change(shop, session, "second", promo_code="SAVE").json
    assert (again["reservation"]["total_price_cents"], shop.purchase_state(session)) == (9_000, "paying")
    shop.pay(again)
    assert len(shop.confirm(session).json["tickets"]) == 2
    assert shop.received_and_kept() == (9_000, 9_000)
    shop.time.advance(3600)
    builders.run_sweep()
    shop.assert_books_balance(recovered=True)


def test_the_event_about_the_cancelled_payment_may_be_faster_than_its_successor(shop, session, monkeypatch):
    cancel_payment = payments.cancel_payment

    def cancel_and_deliver(payment):
        monkeypatch.undo()
        cancelled = cancel_payment(payment)
        shop.fake.deliver()
        return cancelled

    monkeypatch.setattr(payments, "cancel_payment", cancel_and_deliver)
    changed = change(shop, session, "second", promo_code="SAVE").json
    assert (changed["reservation"]["total_price_cents"], shop.purchase_state(session)) == (9_000, "paying")


def test_a_simulated_payment_is_changed_too(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=10, price_cents=5_000)
    builders.create_promo_code(api, event_id, "SAVE")
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 1).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    changed = builders.start_checkout(api, "ada", reservation_id, key="second", replace=True, promo_code="SAVE").json
    assert changed["reservation"]["total_price_cents"] == 4_500
    assert builders.confirm(api, "ada", reservation_id).json["order"]["total_price_cents"] == 4_500
    assert [purchase.payment.number for purchase in store.scan_purchases()] == [2]
