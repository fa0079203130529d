"""Disputes: what becomes of tickets, seats and books while a bank decides, and when it has decided."""

import pytest
from msgspec.structs import replace

from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.payments.providers import stripe_mapping
from chalicelib.purchases.provider_events import apply as event_application
from chalicelib.purchases.record import store
from tests import builders

HOUR, DAY = 3600, 86_400


def order(order_id):
    return store.load(order_id)


def states(shop, order_id):
    return [one["state"] for one in shop.api.get(f"/orders/{order_id}", user="ada").json["tickets"]]


def stock():
    return [(shard.sold, shard.available) for shard in inventory.scan_shards()]


def open_matters(shop):
    found = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    return sorted(one["kind"] for one in found)


def dispute(shop, order_id, cents=None):
    made = shop.fake.create_dispute(shop.fetch_charge(order_id).id, amount=cents)
    shop.fake.deliver()
    shop.assert_books_balance()
    return made["id"]


def decide(shop, dispute_id, *, won):
    shop.fake.close_dispute(dispute_id, won=won)
    shop.fake.deliver()
    shop.assert_books_balance()


def entries(shop, order_id):
    return [(one.kind, one.amount_cents) for one in ledger.list_purchase_entries(shop.event_id, order_id) if one.kind.startswith("dispute")]


def test_while_it_is_open_the_tickets_are_frozen(shop):
    order_id = shop.buy()
    dispute(shop, order_id)
    assert (order(order_id).state, states(shop, order_id)) == ("paid", ["frozen", "frozen"])
    refused = shop.api.get(f"/tickets/{order_id}-1/qr", user="ada")
    assert (refused.status, refused.json["error"]) == (409, "ticket_frozen")
    assert [one["state"] for one in shop.api.get("/me/tickets", user="ada").json["tickets"]] == ["frozen", "frozen"]
    assert shop.api.get("/me/order", query={"event_id": shop.event_id}, user="ada").json["order"]["disputed"] is True
    assert (shop.received_and_kept(), open_matters(shop)) == ((10_000, 0), ["dispute"])
    path = f"/admin/reconciliation/{order_id}/{order(order_id).disputes[0].id}"
    assert shop.api.delete(path, token=builders.admin_token()).status == 404


def test_won_the_tickets_are_valid_again(shop):
    order_id = shop.buy()
    decide(shop, dispute(shop, order_id), won=True)
    assert (order(order_id).state, states(shop, order_id)) == ("paid", ["valid", "valid"])
    assert shop.api.get(f"/tickets/{order_id}-1/qr", user="ada").status == 200
    assert (shop.received_and_kept(), open_matters(shop)) == ((10_000, 10_000), [])
    assert entries(shop, order_id) == [("disputed", -10_000), ("dispute_won", 10_000)]
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"


def test_lost_the_tickets_are_void_and_their_seats_for_sale(shop):
    order_id = shop.buy()
    decide(shop, dispute(shop, order_id), won=False)
    assert (order(order_id).state, states(shop, order_id)) == ("refunded", ["void", "void"])
    assert shop.api.get(f"/tickets/{order_id}-1/qr", user="ada").status == 410
    assert (stock(), open_matters(shop)) == ([(0, 4)], [])
    assert entries(shop, order_id) == [("disputed", -10_000)]
    assert builders.refund(shop.api, order_id).json["error"] == "not_refundable"
    assert shop.buy("ada", 4)


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("order_of_news", ["as_created", "reversed", "shuffled"])
def test_events_in_any_order_and_number(shop, won, order_of_news):
    """Opened, withdrawn, closed and reinstated are told at once, each three times; what counts is how the dispute stands."""
    order_id = shop.buy()
    shop.fake.set_delivery_order(order_of_news, 7)
    shop.fake.duplicate_webhooks("charge.dispute.*", copies=3, times=9)
    made = shop.fake.create_dispute(shop.fetch_charge(order_id).id)
    shop.fake.close_dispute(made["id"], won=won)
    shop.fake.deliver()
    assert states(shop, order_id) == (["valid"] * 2 if won else ["void"] * 2)
    version = order(order_id).version
    for event in shop.fake.events("charge.dispute.*"):
        shop.fake.resend_event(event["id"])
    shop.fake.deliver()
    assert order(order_id).version == version


@pytest.mark.parametrize(
    ("cents", "after", "state"),
    [
        (1, ["valid", "valid", "void"], "partially_refunded"),
        (5000, ["valid", "valid", "void"], "partially_refunded"),
        (5001, ["valid", "void", "void"], "partially_refunded"),
        (15_000, ["void", "void", "void"], "refunded"),
    ],
)
def test_a_smaller_one_that_is_lost_takes_the_fewest_tickets_that_cost_as_much(shop, cents, after, state):
    order_id = shop.buy(quantity=3)
    made = dispute(shop, order_id, cents)
    assert states(shop, order_id) == ["frozen"] * 3
    decide(shop, made, won=False)
    assert (order(order_id).state, states(shop, order_id)) == (state, after)
    assert stock() == [(after.count("valid"), 4 - after.count("valid"))]
    found = [one.details["kept_cents"] for one in cases.list_open() if one.purchase_id == order_id]
    assert found == ([after.count("void") * 5000 - cents] if cents % 5000 else [])


def test_free_tickets_go_with_an_order_that_was_lost_as_a_whole(shop):
    companion = builders.create_tier(shop.api, shop.event_id, "Companion", price_cents=0)
    items = [{"tier_id": companion, "quantity": 1}, {"tier_id": shop.tier_id, "quantity": 1}]
    reserved = shop.api.post(f"/events/{shop.event_id}/reservations", json={"items": items}, user="ada").json["id"]
    session = shop.request_checkout(reserved).json
    shop.pay(session)
    shop.confirm(session)
    decide(shop, dispute(shop, reserved), won=False)
    assert (order(reserved).state, states(shop, reserved)) == ("refunded", ["void", "void"])


@pytest.mark.parametrize(("won", "after"), [(True, ["void", "valid", "valid"]), (False, ["void", "void", "void"])])
def test_one_about_an_order_of_which_some_was_refunded(shop, won, after):
    order_id = shop.buy(quantity=3)
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"])
    made = dispute(shop, order_id, 10_000)
    assert states(shop, order_id) == ["void", "frozen", "frozen"]
    decide(shop, made, won=won)
    assert states(shop, order_id) == after
    assert shop.received_and_kept() == (15_000, 10_000 if won else 0)


@pytest.mark.parametrize("won", [True, False])
def test_one_about_an_order_that_was_refunded_is_written_down_and_no_more(shop, won):
    order_id = shop.buy()
    builders.refund(shop.api, order_id)
    before = stock()
    made = dispute(shop, order_id)
    assert (states(shop, order_id), open_matters(shop)) == (["void", "void"], ["dispute"])
    decide(shop, made, won=won)
    assert (order(order_id).state, states(shop, order_id), stock()) == ("refunded", ["void", "void"], before)
    assert shop.received_and_kept() == (10_000, 0 if won else -10_000)


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [
        (True, True, ["valid", "valid", "valid"]),
        (True, False, ["valid", "valid", "void"]),
        (False, True, ["valid", "valid", "void"]),
        (False, False, ["valid", "void", "void"]),
    ],
)
def test_of_two_the_last_one_decides_whether_the_tickets_thaw(shop, first, second, after):
    order_id = shop.buy(quantity=3)
    one, two = dispute(shop, order_id, 5000), dispute(shop, order_id, 4000)
    decide(shop, one, won=first)
    assert "valid" not in states(shop, order_id)
    assert builders.refund(shop.api, order_id).json["error"] == "order_disputed"
    decide(shop, two, won=second)
    assert states(shop, order_id) == after


@pytest.mark.parametrize("verdict", [None, True, False])
def test_one_about_a_purchase_whose_success_nobody_told_us(shop, verdict):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.drop_webhooks("*", times=100)
    shop.fake.deliver()
    shop.time.advance(181)
    made = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    if verdict is not None:
        shop.fake.close_dispute(made["id"], won=verdict)
    shop.fake.resend_event(shop.fake.events("charge.dispute.created")[0]["id"])
    shop.fake.deliver()
    assert states(shop, session["id"]) == [{None: "frozen", True: "valid", False: "void"}[verdict]] * 2


def test_one_about_late_money_that_could_not_be_given_back(shop):
    """The tickets are gone, and Stripe refuses the refund while the dispute is open: it is made when that is won."""
    session = shop.open_checkout()
    shop.pay(session)
    purchase = order(session["id"])
    shop.time.advance(181)
    assert store.save(purchase, replace(purchase, state="expired", ended_at=shop.time.now)) is not None
    inventory.release_holds(purchase.holds)
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 4)
    shop.fake.drop_webhooks("payment_intent.*", times=100)
    made = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    shop.fake.deliver()
    [refund] = order(session["id"]).refunds
    assert (order(session["id"]).state, refund.status, refund.failure) == ("refunded", "due", "charge_disputed")
    decide(shop, made["id"], won=True)
    shop.time.advance(HOUR)
    builders.run_sweep()
    assert (shop.list_refunds(), open_matters(shop)) == ([(10_000, "succeeded")], [])


def test_a_refund_is_not_taken_on_while_one_is_open(shop):
    order_id = shop.buy()
    made = dispute(shop, order_id)
    refused = builders.refund(shop.api, order_id)
    assert (refused.status, refused.json["error"]) == (409, "order_disputed")
    assert (states(shop, order_id), shop.list_refunds()) == (["frozen", "frozen"], [])
    decide(shop, made, won=True)
    assert builders.refund(shop.api, order_id).status == 201


def refused_refund(shop, tickets=None):
    """A refund that is due while Stripe is out of order, and then refused because of a dispute, for good."""
    order_id = shop.buy()
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    builders.refund(shop.api, order_id, **({"tickets": [f"{order_id}-{number}" for number in tickets]} if tickets else {}))
    made = dispute(shop, order_id)
    for seconds in (60, HOUR, DAY):
        assert order(order_id).refunds[0].status == "due"
        shop.time.advance(seconds)
        builders.run_sweep()
        shop.assert_books_balance()
    assert (order(order_id).refunds[0].status, order(order_id).refunds[0].failure) == ("failed", "charge_disputed")
    assert open_matters(shop) == ["dispute", "refund"]
    return order_id, made


@pytest.mark.parametrize("tickets", [None, [1]])
def test_a_refund_that_a_dispute_kept_back_is_made_when_that_is_won(shop, tickets):
    order_id, made = refused_refund(shop, tickets)
    decide(shop, made, won=True)
    shop.time.advance(60)
    builders.run_sweep()
    shop.assert_books_balance()
    assert shop.list_refunds() == [(5000 if tickets else 10_000, "succeeded")]
    assert open_matters(shop) == []
    assert states(shop, order_id) == ["void", "valid" if tickets else "void"]


@pytest.mark.parametrize("tickets", [None, [1]])
def test_a_refund_that_a_lost_dispute_made_pointless_stays_visible_until_a_person_closes_it(shop, tickets):
    order_id, made = refused_refund(shop, tickets)
    decide(shop, made, won=False)
    shop.time.advance(DAY)
    builders.run_sweep()
    assert (open_matters(shop), shop.list_refunds()) == (["refund"], [])
    assert (shop.received_and_kept(), states(shop, order_id)) == ((10_000, 0), ["void", "void"])
    assert shop.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["balance_cents"] == 0
    path = f"/admin/reconciliation/{order_id}/{order(order_id).refunds[0].id}"
    assert shop.api.delete(path, token=builders.admin_token()).status == 200
    assert open_matters(shop) == []


def test_one_about_a_second_payment_leaves_the_tickets_alone(shop):
    order_id = shop.buy()
    other = shop.pay_in_dashboard(order_id)
    shop.fake.deliver()
    made = shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(other).latest_charge)
    shop.fake.deliver()
    assert (states(shop, order_id), open_matters(shop)) == (["valid", "valid"], ["dispute"])
    assert builders.refund(shop.api, order_id, tickets=[f"{order_id}-2"]).status == 201
    decide(shop, made["id"], won=False)
    assert (order(order_id).state, states(shop, order_id)) == ("partially_refunded", ["valid", "void"])
    assert open_matters(shop) == []


def test_an_inquiry_takes_no_money_and_changes_nothing(shop, monkeypatch):
    order_id = shop.buy()
    monkeypatch.setitem(stripe_mapping._DISPUTE_STATUS, "needs_response", None)
    made = shop.fake.create_dispute(shop.fetch_charge(order_id).id)
    shop.fake.deliver()
    assert (states(shop, order_id), open_matters(shop), entries(shop, order_id)) == (["valid", "valid"], [], [])
    shop.fake.close_dispute(made["id"], won=True)
    shop.fake.deliver()


@pytest.mark.parametrize("won", [True, False])
def test_a_look_from_before_the_decision_changes_nothing(shop, won):
    """A webhook that fetched the dispute and was slow meets an order to which it is decided."""
    order_id = shop.buy()
    made = dispute(shop, order_id)
    seen = payments.fetch_dispute(made)
    decide(shop, made, won=won)
    after = event_application.apply_dispute(seen, shop.time.now)
    assert (after.changed, states(shop, order_id), open_matters(shop)) == (False, ["valid" if won else "void"] * 2, [])
