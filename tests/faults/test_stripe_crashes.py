"""A crash after every store call and every call to the provider, in each flow that money goes through; then the books balance."""

import contextlib

import pytest
from msgspec.structs import replace

from chalicelib.inventory import service as inventory
from chalicelib.payments import stripe_api
from chalicelib.purchases import store
from tests import builders
from tests.bed import faults
from tests.bootstrap.conftest import ticket
from tests.faults import worlds
from tests.purchases import stripe_shop

pytestmark = pytest.mark.usefixtures("threaded_store")

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
    "hosted, checkout": ([], "begin_hosted"),
    "hosted, other prices": (["misprice"], "begin_hosted"),
    "hosted, confirm": (["begin_hosted", "pay"], "confirm"),
    "hosted, webhook": (["begin_hosted", "pay"], "deliver"),
    "hosted, expire unpaid": (["begin_hosted", "lapse"], "sweep"),
    "hosted, expired by hand": (["begin_hosted", "expire_page"], "deliver"),
    "hosted, debit failed": (["begin_hosted", "debit_failed"], "deliver"),
    "hosted, paid again by hand": (["begin_hosted", "pay", "confirm", "deliver", "pay_by_hand"], "deliver"),
}


class Sale:
    def __init__(self, shop):
        self.shop, self.session = shop, None
        self.reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]

    def begin(self):
        reply = builders.begin(self.shop.api, "ada", self.reserved, key=self.reserved)
        self.session = reply.json

    def begin_hosted(self):
        self.session = self.shop.ask(self.reserved, page="hosted").json

    def misprice(self):
        """Of the tier that is reserved now, Stripe has another price."""
        self.shop.apply(ticket("floor"))
        self.shop.fake.add_price("price_floor", unit_amount=4000, currency="usd", name="Floor")
        self.reserved = builders.reserve(self.shop.api, "ada", "fest", "floor", 2).json["id"]

    def pay(self):
        (self.shop.visit if "url" in self.session["payment"] else self.shop.pay)(self.session)

    def pay_by_hand(self):
        self.shop.pay_by_hand(self.session)

    def expire_page(self):
        self.shop.dashboard.v1.checkout.sessions.expire(self.shop.page(self.session).id)

    def debit_failed(self):
        self.shop.fake.pay_by_bank(self.shop.page(self.session).id, fails=True)
        self.deliver()
        self.shop.fake.settle()

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
    with worlds.fresh(api), stripe_shop.opened(api, time, checkout_origins="https://shop.test") as shop:
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


def points(made, asked):
    """Where a run can die: after each store call, and after each answer of the provider."""
    return [("store", number) for number in range(1, len(list(made)) + 1)] + [("provider", number) for number in range(1, len(asked) + 1)]


def dying(point, monkeypatch):
    where, number = point
    return faults.crash_after(number) if where == "store" else provider_dies_after(number, monkeypatch)


@pytest.mark.parametrize("name", FLOWS)
def test_the_books_balance_after_a_crash_anywhere(api, time, monkeypatch, name):
    before, flow = FLOWS[name]
    with prepared(api, time, before) as sale, faults.calls() as made, provider_dies_after(0, monkeypatch) as asked:
        getattr(sale, flow)()
    assert len(asked) >= 1
    for point in points(made, asked):
        with prepared(api, time, before) as sale:
            with dying(point, monkeypatch):
                getattr(sale, flow)()
            recover(sale)
            stripe_shop.books_balance(sale.shop, recovered=True)


def test_a_buyer_who_asks_again_after_any_crash_pays_on_the_one_page_that_there_is(api, time, monkeypatch):
    with prepared(api, time, []) as sale, faults.calls() as made, provider_dies_after(0, monkeypatch) as asked:
        sale.begin_hosted()
    for point in points(made, asked):
        with prepared(api, time, []) as sale:
            with dying(point, monkeypatch):
                sale.begin_hosted()
            time.advance(31)  # the key of the dead request is free again
            sale.begin_hosted()
            sale.pay()
            assert sale.confirm().status == 201
            assert len(sale.shop.dashboard.v1.checkout.sessions.list().data) == 1
            stripe_shop.books_balance(sale.shop)
