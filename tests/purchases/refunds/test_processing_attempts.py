"""Two executions at one refund: whatever each of them believes, it is made once."""

from chalicelib.payments import service as payments
from chalicelib.purchases.record import store
from tests import builders


def test_who_read_an_attempt_before_it_was_refused_and_asks_for_it_after_makes_the_only_refund(shop):
    """The refusal was because of a dispute, which is won before the slow one wakes up."""
    session = shop.open_checkout(quantity=2)
    shop.pay(session)
    order = shop.confirm(session).json
    charge = shop.dashboard.v1.charges.list({"limit": 1}).data[0].id
    dispute = shop.fake.create_dispute(charge)  # whose webhook is late
    ticket = order["tickets"][0]["id"]
    refund = builders.refund(shop.api, session["id"], tickets=[ticket]).json["refund"]
    assert (refund["status"], refund["attempt"], refund["failure"]) == ("due", 2, "charge_disputed")
    shop.fake.close_dispute(dispute["id"], won=True)
    shop.time.advance(86_401)  # the provider has forgotten the key, and with it that it refused
    capture = store.load(session["id"]).payment.payment_intent_id
    payments.create_refund(session["id"], refund["id"], 1, capture, 5000, look_first=False)
    shop.fake.deliver()
    builders.run_sweep()
    assert [one.amount for one in shop.dashboard.v1.refunds.list({"limit": 9}).data] == [5000]
    assert store.load(session["id"]).find_refund(refund["id"]).status == "succeeded"
