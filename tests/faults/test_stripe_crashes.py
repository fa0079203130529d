"""A crash after every store call and every call to the provider, in each flow that money goes through; then the books balance."""

import contextlib

import pytest

from chalicelib.audit import service as audit
from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.payments.providers import stripe
from chalicelib.purchases.record import store
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.faults import worlds
from tests.purchases import stripe_shop
from tests.simulation import faults

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

# What is done again with the same key by whoever got no answer, or comes again as a webhook or with the next sweep.
GIVING_BACK = {
    "refund": (["buy"], "refund"),
    "refund of one ticket": (["buy"], "refund_one"),
    "refund of the rest": (["buy", "refund_one"], "refund"),
    "refund that fails": (["buy_failing", "refund", "bank_answers"], "deliver"),
    "refund that is due": (["buy", "refund_in_vain", "next_minute"], "sweep"),
    "refund tried again": (["buy_failing", "refund", "fail_for_good"], "retry"),
    "dispute": (["buy", "dispute"], "deliver"),
    "dispute won": (["buy", "dispute", "deliver", "win"], "deliver"),
    "dispute lost": (["buy", "dispute", "deliver", "lose"], "deliver"),
    "dispute won, with a refund that it kept back": (["buy", "refund_in_vain", "dispute", "deliver", "fail_for_good", "win"], "deliver"),
    "refund by hand": (["buy", "by_hand"], "deliver"),
    "refund by hand of some": (["buy", "by_hand_some"], "deliver"),
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
        self.shop.pay_by_hand(self.reserved)

    def expire_page(self):
        self.shop.dashboard.v1.checkout.sessions.expire(self.shop.page(self.session).id)

    def debit_failed(self):
        self.shop.fake.pay_session_by_bank(self.shop.page(self.session).id, fails=True)
        self.deliver()
        self.shop.fake.complete_pending()

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
        self.shop.expire_blindly(self.reserved)

    def compete(self):
        assert builders.reserve(self.shop.api, "bob", self.shop.event_id, self.shop.tier_id, 3).status == 201

    def buy(self, card="pm_card_visa"):
        self.begin()
        self.shop.pay(self.session, card)
        assert self.confirm().status == 201
        self.deliver()

    def buy_failing(self):
        self.buy("pm_card_refundFail")

    def refund(self, **fields):
        return builders.refund(self.shop.api, self.reserved, **fields)

    def refund_one(self):
        self.refund(key="one", tickets=[f"{self.reserved}-2"])

    def refund_in_vain(self):
        self.shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
        assert self.refund().json["refund"]["status"] == "due"

    def next_minute(self):
        self.shop.time.advance(60)

    def bank_answers(self):
        self.deliver()
        self.shop.time.advance(10)

    def fail_for_good(self):
        for seconds in (60, 10, 3600, 10, 86_400, 10):
            self.shop.time.advance(seconds)
            self.sweep()
            self.deliver()
        assert store.load(self.reserved).refunds[0].status == "failed"

    def retry(self):
        [refund] = store.load(self.reserved).refunds
        self.shop.api.post(f"/admin/orders/{self.reserved}/refunds/{refund.id}/retry", token=builders.admin_token())

    def dispute(self):
        self.is_disputed = self.shop.fake.create_dispute(self.shop.charge(self.reserved).id)["id"]

    def win(self):
        self.shop.fake.close_dispute(self.is_disputed, won=True)

    def lose(self):
        self.shop.fake.close_dispute(self.is_disputed, won=False)

    def by_hand(self):
        self.shop.refund_by_hand(self.reserved, 10_000)

    def by_hand_some(self):
        self.shop.refund_by_hand(self.reserved, 4000)


@contextlib.contextmanager
def provider_dies_after(number, monkeypatch):
    """The process dies when call `number` to the provider was answered; counts only, for 0."""
    made = []
    call = stripe._call

    def counted(act):
        answer = call(act)
        made.append(act)
        if len(made) == number:
            raise faults.Crash()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(stripe, "_call", counted)
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


def come_to_rest(sale, flow):
    """Who got no answer asks again; then everything that time brings: banks, webhooks, sweeps. How it has ended."""
    sale.shop.time.advance(31)
    getattr(sale, flow)()
    for seconds in (60, 301, 3600, 10, 86_400, 10):
        sale.shop.time.advance(seconds)
        builders.sweep()
        sale.shop.fake.deliver()
    stripe_shop.books_balance(sale.shop, recovered=True)
    order = store.load(sale.reserved)
    return {
        "order": (order.state, order.kept_tickets, [(one.status, one.amount_cents) for one in order.refunds]),
        "stock": [(shard.sold, shard.available) for shard in inventory.scan_shards()],
        "at Stripe": sale.shop.refunds(),
        "open": sorted(one.kind for one in cases.list_open()),
        "audit": len(audit.list_entries(f"order#{sale.reserved}")),
    }


@pytest.mark.parametrize("name", GIVING_BACK)
def test_what_goes_back_ends_as_if_nobody_had_died(api, time, monkeypatch, name):
    before, flow = GIVING_BACK[name]
    with prepared(api, time, before) as sale:
        with faults.calls() as made, provider_dies_after(0, monkeypatch) as asked:
            getattr(sale, flow)()
        expected = come_to_rest(sale, flow)
    for point in points(made, asked):
        with prepared(api, time, before) as sale:
            with dying(point, monkeypatch):
                getattr(sale, flow)()
            assert come_to_rest(sale, flow) == expected, point
