"""A crash after every store call and every call to the provider, in each flow that money goes through; then the books balance."""

import contextlib

import pytest
from msgspec.structs import replace

from chalicelib.inventory import service as inventory
from chalicelib.payments import stripe_api
from chalicelib.purchases import store
from tests import builders
from tests.bed import faults
from tests.faults import worlds
from tests.purchases import stripe_shop

FLOWS = {
    "checkout": ([], "begin"),
    "confirm": (["begin", "pay"], "confirm"),
    "webhook": (["begin", "pay"], "deliver"),
    "expire unpaid": (["begin", "lapse"], "sweep"),
    "expire paid": (["begin", "pay", "lapse"], "sweep"),
    "release": (["begin"], "release"),
    "late, with stock": (["begin", "pay", "expire_blindly"], "deliver"),
    "late, sold out": (["begin", "pay", "expire_blindly", "compete"], "deliver"),
    "another amount": (["begin", "change", "pay"], "deliver"),
}


class Sale:
    def __init__(self, shop):
        self.shop, self.session = shop, None
        self.reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]

    def begin(self):
        reply = builders.begin(self.shop.api, "ada", self.reserved, key=self.reserved)
        self.session = reply.json

    def pay(self):
        self.shop.pay(self.session)

    def change(self):
        self.shop.dashboard.v1.payment_intents.update(self.shop.intent(self.session).id, {"amount": 100})

    def confirm(self):
        return self.shop.confirm(self.session)

    def deliver(self):
        self.shop.fake.deliver()

    def lapse(self):
        self.shop.time.advance(181)

    def sweep(self):
        builders.sweep()

    def release(self):
        self.shop.api.delete(f"/reservations/{self.reserved}", user="ada")

    def expire_blindly(self):
        """As if expiry had looked at the provider a moment before the buyer paid."""
        self.lapse()
        purchase = store.load(self.reserved)
        assert not isinstance(store.move(purchase, replace(purchase, state="expired", ended_at=self.shop.time.now)), str)
        inventory.end_holds("release", purchase.holds)

    def compete(self):
        assert builders.reserve(self.shop.api, "bob", self.shop.event_id, self.shop.tier_id, 3).status == 201


@contextlib.contextmanager
def provider_dies_after(number, monkeypatch):
    """The process dies when call `number` to the provider was answered; counts only, for 0."""
    made = []
    call = stripe_api._call

    def counted(act):
        answer = call(act)
        made.append(act)
        if len(made) == number:
            raise faults.Crash()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(stripe_api, "_call", counted)
        with contextlib.suppress(faults.Crash):
            yield made


@contextlib.contextmanager
def prepared(api, time, before):
    with worlds.fresh(api), stripe_shop.opened(api, time) as shop:
        sale = Sale(shop)
        for step in before:
            getattr(sale, step)()
        yield sale


def recover(sale):
    """What happens anyway: holds end, the sweep runs, and Stripe sends again what was not answered."""
    for _ in range(3):
        sale.shop.time.advance(301)
        builders.sweep()
        sale.shop.fake.deliver()
    builders.sweep()


@pytest.mark.parametrize("name", FLOWS)
def test_the_books_balance_after_a_crash_anywhere(api, time, monkeypatch, name):
    before, flow = FLOWS[name]
    with prepared(api, time, before) as sale:
        with faults.calls() as made, provider_dies_after(0, monkeypatch) as asked:
            getattr(sale, flow)()
        points = [("store", number) for number in range(1, len(list(made)) + 1)]
        points += [("provider", number) for number in range(1, len(asked) + 1)]
    assert len(asked) >= 1
    for where, number in points:
        with prepared(api, time, before) as sale:
            dying = faults.crash_after(number) if where == "store" else provider_dies_after(number, monkeypatch)
            with dying:
                getattr(sale, flow)()
            recover(sale)
            stripe_shop.books_balance(sale.shop, recovered=True)
