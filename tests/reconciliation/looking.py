"""Looks at our books and Stripe's in tests: what gets lost before, and what is seen after."""

from msgspec.structs import replace

from chalicelib.inventory import service as inventory
from chalicelib.purchases.record import store
from chalicelib.reconciliation import comparison
from tests import builders


def state(session):
    return store.load(session["id"]).state


def deaf(shop):
    """From now on no webhook ever comes."""
    shop.fake.drop_webhooks(times=10_000)


def look(shop, *, back=3600, **how):
    """Compare the last hour, a second later."""
    shop.time.advance(1)
    return comparison.compare(shop.time.now - back, shop.time.now, shop.time.now, **how)


def bought(shop, user="ada", quantity=2):
    session = shop.open_checkout(user, quantity)
    shop.pay(session)
    assert shop.confirm(session, user).status == 201
    return session


def over(shop, session, how="expired"):
    """It ended while the provider was not to be reached for the look, and the payment came in."""
    shop.time.advance(181)
    purchase = store.load(session["id"])
    assert store.save(purchase, replace(purchase, state=how, ended_at=shop.time.now)) is not None
    inventory.release_holds(purchase.holds)


def shown(shop):
    """What admins see that only a person can put right: order -> difference."""
    reply = shop.api.get("/admin/reconciliation", token=builders.admin_token())
    return {one["order_id"]: one["id"] for one in reply.json["open"] if one["kind"] == "finding"}


def again_is_quiet(shop):
    """Once is enough: the same look again changes nothing."""
    report = look(shop)
    assert (report.repaired, report.findings) == ({}, {})


def paid(shop, purchase_id, stage=None, amount=10000):
    """A payment that names a purchase, made past our checkout; its id. Without a `stage` ("") it names nothing."""
    metadata = {} if stage == "" else shop.payment_metadata(purchase_id) | ({"namespace": stage} if stage else {})
    return shop.pay_in_dashboard(purchase_id, amount, metadata)
