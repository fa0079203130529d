"""Payments, refunds and disputes of one purchase at Stripe: the fake Stripe behind the real SDK, and its webhooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.store import scan_shards
from chalicelib.ledger import money_cases
from chalicelib.purchases import store
from chalicelib.purchases.hold_recovery import BANK_CHECK_SECONDS
from chalicelib.tickets import service as tickets
from devtools.stripe.fake import PUBLISHABLE_KEY
from tests import builders, invariants, shops
from tests.addons.waitlist import ballots, lines
from tests.bootstrap.conftest import ticket
from tests.mollie_shop import open_mollie_shop
from tests.payment_pages import BANK_FAILS, BANK_SUCCEEDS, VISA
from tests.proof.harness import Flow
from tests.proof.scenes import StoredScene, open_app
from tests.simulation.moments import Moment
from tests.stripe_shop import open_shop
from tests.waiting_room.sale import create_sale


class PaymentScene(StoredScene):
    """A purchase of two tickets with its payment, refunds and disputes at the fake Stripe. `id` is the reservation's id."""

    def __init__(self, shop):
        super().__init__(shop.api, shop.time)
        self.shop, self.session, self.resale_id, self.room_id = shop, None, "", ""
        self.id = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]

    def start_checkout(self):
        reply = builders.start_checkout(self.shop.api, "ada", self.id, key=self.id)
        self.session = reply.json
        return reply

    def start_hosted_checkout(self):
        reply = self.shop.request_checkout(self.id, page="hosted")
        self.session = reply.json
        return reply

    def change_price_at_stripe(self):
        """Reserve a tier that has another price at Stripe than in the catalog."""
        self.shop.sell_tiers(ticket("floor"))
        self.shop.fake.add_price("price_floor", unit_amount=4000, currency="usd", name="Floor")
        self.id = builders.reserve(self.shop.api, "ada", "fest", "floor", 2).json["id"]

    def open_room_for_cards(self):
        self.room_id, _ = create_sale(self.shop.api, self.shop.time, entry="payment_card")

    def check_card(self, card=VISA):
        with settings.override(checkout_page="own", stripe_publishable_key=self.shop.fake.publishable_key):
            return self.shop.api.post(f"/events/{self.room_id}/waiting-room/card", json={"card": card}, user="ada")

    def check_declined_card(self):
        return self.check_card("pm_card_visa_chargeDeclined")

    def pay(self):
        self.shop.pay(self.session)

    def debit_bank_account(self, account=BANK_SUCCEEDS):
        self.shop.pay(self.session, account, expect="processing")

    def debit_empty_account(self):
        self.debit_bank_account(BANK_FAILS)

    def let_bank_decide(self):
        self.shop.fake.complete_pending()

    def pay_in_dashboard(self):
        self.shop.pay_in_dashboard(self.id)

    def expire_page_in_dashboard(self):
        self.shop.dashboard.v1.checkout.sessions.expire(self.shop.fetch_hosted_page(self.session).id)

    def fail_bank_debit(self):
        self.shop.fake.pay_session_by_bank(self.shop.fetch_hosted_page(self.session).id, fails=True)
        self.deliver()
        self.shop.fake.complete_pending()

    def change_amount(self):
        self.shop.dashboard.v1.payment_intents.update(self.shop.fetch_payment_intent(self.session).id, {"amount": 100})

    def confirm(self):
        return self.shop.confirm(self.session)

    def deliver(self):
        self.shop.fake.deliver()

    def expire_hold(self):
        self.shop.time.advance(181)

    def sweep(self):
        builders.run_sweep()

    def leave_work(self):
        """Bob's checkout, which is unpaid, Cid's reservation, and a shard that a pause or resume did not reach."""
        self.shop.open_checkout("bob", 1)
        self.shop.reserve("cid", 1)
        inventory.set_open({self.shop.tier_id: 1}, False)

    def release(self):
        return self.shop.api.delete(f"/reservations/{self.id}", user="ada")

    def expire_despite_payment(self):
        self.shop.expire_without_asking_stripe(self.id)

    def sell_the_rest(self):
        """Bob buys most of the tickets that are left. Whenever the late payment is processed, there are too few."""
        session = self.shop.open_checkout("bob", 3)
        self.shop.pay(session)
        assert self.shop.confirm(session, "bob").status == 201

    def buy(self, card="pm_card_visa"):
        self.start_checkout()
        self.shop.pay(self.session, card)
        assert self.confirm().status == 201
        self.deliver()

    def buy_with_failing_refunds(self):
        self.buy("pm_card_refundFail")

    def refund(self, **fields):
        return builders.refund(self.shop.api, self.id, **fields)

    def refund_one_ticket(self):
        self.refund(key="one", tickets=[f"{self.id}-2"])

    def refund_during_outage(self):
        self.shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
        assert self.refund().json["refund"]["status"] == "due"

    def wait_a_minute(self):
        self.shop.time.advance(60)

    def wait_for_bank(self):
        self.deliver()
        self.shop.time.advance(10)

    def exhaust_retries(self):
        for seconds in (60, 10, 3600, 10, 86_400, 10):
            self.shop.time.advance(seconds)
            self.sweep()
            self.deliver()
        assert store.load(self.id).refunds[0].status == "failed"

    def cancel_event(self):
        return self.shop.api.post(f"/events/{self.shop.event_id}/cancel", json={}, token=builders.admin_token())

    def add_dates(self):
        """Ada's tickets are for Friday; the event then gets another date."""
        admin, starts_at = {"token": builders.admin_token()}, self.shop.time.now + 40 * 86_400
        dates = [{"id": name, "starts_at": clock.iso(starts_at + number * 86_400)} for number, name in enumerate(("friday", "saturday"))]
        assert self.shop.api.patch(f"/events/{self.shop.event_id}", json={"dates": dates[:1]}, **admin).status == 200
        assert self.shop.api.patch(f"/tiers/{self.shop.tier_id}", json={"date_ids": ["friday"]}, **admin).status == 200
        assert self.shop.api.patch(f"/events/{self.shop.event_id}", json={"dates": dates}, **admin).status == 200

    def cancel_date(self):
        return self.shop.api.post(f"/events/{self.shop.event_id}/cancel", json={"date_id": "friday"}, token=builders.admin_token())

    def retry_refund(self):
        [refund] = store.load(self.id).refunds
        return self.shop.api.post(f"/admin/orders/{self.id}/refunds/{refund.id}/retry", token=builders.admin_token())

    def dispute(self):
        self.dispute_id = self.shop.fake.create_dispute(self.shop.fetch_charge(self.id).id)["id"]

    def win_dispute(self):
        self.shop.fake.close_dispute(self.dispute_id, won=True)

    def lose_dispute(self):
        self.shop.fake.close_dispute(self.dispute_id, won=False)

    def refund_in_dashboard(self):
        self.shop.refund_in_dashboard(self.id, 10_000)

    def refund_part_in_dashboard(self):
        self.shop.refund_in_dashboard(self.id, 4000)

    def request_account(self):
        return self.shop.request_account_link()

    def remove_account(self):
        return self.shop.remove_account()

    def restrict_account(self):
        self.shop.fake.restrict_account(self.shop.account)

    def complete_account(self):
        self.shop.fake.complete_onboarding(self.shop.account)

    def allow_resale(self):
        """Reserve again, after the event allowed resale. The doors are open."""
        self.release()
        fields = {"returns": {"policy": "resale", "fee_percent": 10}, "starts_at": clock.iso(self.time.now + 43_200)}
        changed = self.shop.api.patch(f"/events/{self.shop.event_id}", json=fields, token=builders.admin_token())
        self.id = builders.reserve(self.shop.api, "ada", self.shop.event_id, self.shop.tier_id, 2).json["id"]
        return changed

    def offer_for_resale(self):
        return self.shop.api.post(f"/orders/{self.id}/resale", json={}, user="ada")

    def withdraw_from_resale(self):
        return self.shop.api.post(f"/orders/{self.id}/resale", json={"listed": False}, user="ada")

    def reserve_resale(self):
        """Bob reserves both tickets that Ada offers."""
        body = {"items": [{"tier_id": self.shop.tier_id, "quantity": 2, "resale_price_cents": 5000}]}
        reply = self.shop.api.post(f"/events/{self.shop.event_id}/reservations", json=body, user="bob")
        self.resale_id = reply.json["id"]
        return reply

    def start_resale_checkout(self):
        reply = self.shop.request_checkout(self.resale_id, "bob")
        self.session = reply.json
        return reply

    def confirm_resale(self):
        return self.shop.confirm(self.session, "bob")

    def refund_resale(self):
        return builders.refund(self.shop.api, self.resale_id)

    def expire_resale_despite_payment(self):
        self.shop.expire_without_asking_stripe(self.resale_id)

    def use_ticket(self):
        """Ada comes in with a ticket that Bob is paying for."""
        code = {"code": tickets.get_ticket(f"{self.id}-1").code}
        return self.shop.api.post("/checkin", json=code, token=builders.staff_token(self.shop.event_id))

    def snapshot(self):
        return Moment(self.time, self.shop.fake)

    ROUNDS = (60, 301, 301, 3600, 10, 86_400, 10, BANK_CHECK_SECONDS)

    def recover(self, seconds):
        """Holds expire, banks decide, the sweep runs, and Stripe sends unanswered webhooks again."""
        self.time.advance(seconds)
        builders.run_sweep()
        self.shop.fake.deliver()

    def check_recovered(self):
        builders.run_sweep()
        self.shop.assert_books_balance(recovered=True)
        self.shop.assert_closed_purchases_cannot_be_paid()

    def outcome(self):
        return {
            "orders": [_outcome_of(order_id) for order_id in (self.id, self.resale_id) if order_id],
            "stock": sorted((shard.sold, shard.available) for shard in scan_shards()),
            "at Stripe": self.shop.list_refunds(),
            "cases": sorted(case.kind for case in money_cases.list_open_cases()),
            "opened": [
                len(self.shop.fake.objects(kind, account=self.shop.account))
                for kind in ("checkout.session", "payment_intent", "setup_intent")
            ],
            "accounts": [(account.state, len(account.all_ids)) for account in catalog.load_current().accounts.values()],
            "fees": [(fee["amount"], fee["amount_refunded"]) for fee in self.shop.fake.objects("application_fee")],
            "audit": len(audit.list_entries(f"order#{self.id}")),
        }


def _outcome_of(order_id: str) -> Any:
    order = store.load(order_id)
    assert order is not None
    state = "unpaid" if order.state in ("expired", "cancelled") else order.state  # the buyer or the sweep may end it first
    return state, order.kept_tickets, [(refund.status, refund.amount_cents) for refund in order.refunds]


@contextmanager
def _open(time: Any, event_capacity: int | None = None) -> Iterator[PaymentScene]:
    """A purchase in a shop beside another shop."""
    with open_app() as api, shops.isolated_shop(api), open_shop(api, time, event_capacity, checkout_origins="https://shop.test") as shop:
        yield PaymentScene(shop)


@contextmanager
def _open_promoted(time: Any, *, is_connected: bool = False) -> Iterator[PaymentScene]:
    """A purchase of a promoter's tickets. If the promoter's account is connected, it takes the payment, and the operator gets a fee."""
    fee = {"application_fee_cents": 100, "application_fee_basis_points": 250}
    changes = {"checkout_origins": "https://shop.test", "connected_accounts": "standard", **fee}
    with open_app() as api, shops.isolated_shop(api), open_shop(api, time, **changes) as shop:
        if is_connected:
            shop.connect_account()
        else:
            shop.give_to_promoter()
        yield PaymentScene(shop)


@contextmanager
def _open_with_taxes(time: Any) -> Iterator[PaymentScene]:
    """A purchase of a promoter's tickets whose taxes Stripe calculates. Nobody has paid at this address before."""
    changes = {"connected_accounts": "standard", "checkout_page": "own", "stripe_publishable_key": PUBLISHABLE_KEY}
    with open_app() as api, shops.isolated_shop(api), open_shop(api, time, **changes) as shop:
        shop.connect_account()
        place = {"address": "1 Main Street", "city": "Denver", "postal_code": "80202", "region": "CO", "country": "US"}
        assert api.patch(f"/events/{shop.event_id}", json=place, token=builders.admin_token()).status == 200
        chosen = {"default_taxes": [], "automatic_tax": True}
        assert api.put("/promoters/pat/default-taxes", json=chosen, token=builders.admin_token()).status == 200
        yield PaymentScene(shop)


class CardScene(PaymentScene):
    """A ballot with one ticket and cards. Ada and Bob have registered. `id` is Ada's entry."""

    ROUNDS = (60, 901, 3700, 72_000, 18_000)  # within a day, the provider knows its idempotency keys; the holds of offers last for a day

    def __init__(self, shop):
        StoredScene.__init__(self, shop.api, shop.time)
        self.shop, self.session, self.check_id, self.offer_id = shop, None, "", ""
        shop.event_id, shop.tier_id = ballots.create_ballot(shop.api, shop.time, capacity=1, ballot_cards="optional")
        ballots.register(shop.api, shop.event_id, "ada")
        self.id = lines.own(shop.api, "ada")[0]["id"]

    def save_card(self, card=VISA, check_id=None):
        body = {"max_cents": 5000, "card": card, "check_id": check_id}
        return self.shop.api.post(f"/waitlist/{self.id}/card", json=body, user="ada")

    def save_card_that_fails_later(self):
        return self.save_card("pm_card_chargeCustomerFail")

    def save_card_that_always_asks(self):
        self.check_id = self.save_card("pm_card_authenticationRequired").json["check_id"]
        self.shop.fake.authenticate(self.check_id, ok=True)

    def finish_card(self):
        return self.save_card(None, self.check_id)

    def draw(self):
        ballots.make_draw(self.shop.time)
        lines.run_allocator()
        self.offer_id = lines.own(self.shop.api, "ada")[0]["offer"]["id"]

    def withdraw(self):
        return self.shop.api.delete(f"/waitlist/{self.id}", user="ada")

    def start_checkout(self):
        reply = self.shop.request_checkout(self.offer_id)
        self.session = reply.json
        return reply

    def run_allocator(self):
        lines.run_allocator()

    def expire_hold(self):
        self.shop.time.advance(86_400 + 3600)

    def recover(self, seconds):
        super().recover(seconds)
        lines.run_allocator()

    def check_recovered(self):
        super().check_recovered()
        paid = [charge for charge in self.shop.fake.objects("charge") if charge["paid"]]
        assert len(paid) <= 1, f"{len(paid)} charges"
        owners = {case.purchase_id for case in money_cases.list_due("card", self.time.now + 100 * 86_400, 100)}
        assert {customer["metadata"]["owner"] for customer in self.shop.fake.objects("customer")} <= owners

    def outcome(self):
        [entry] = lines.own(self.shop.api, "ada")
        return {
            "entry": (entry["status"], entry["card"]),
            "stock": sorted((shard.sold, shard.available) for shard in scan_shards()),
            "charged": [charge["amount"] for charge in self.shop.fake.objects("charge") if charge["paid"]],
            "opened": [len(self.shop.fake.objects(kind)) for kind in ("payment_intent", "customer")],
        }


@contextmanager
def _open_with_cards(time: Any) -> Iterator[CardScene]:
    with (
        open_app() as api,
        shops.isolated_shop(api),
        open_shop(api, time, checkout_page="own") as shop,
        settings.override(stripe_publishable_key=shop.fake.publishable_key),
    ):
        yield CardScene(shop)


CARD_STEPS = {
    "save a card": ([], "save_card"),
    "save another card": (["save_card"], "save_card_that_fails_later"),
    "save a card that its owner has confirmed": (["save_card_that_always_asks"], "finish_card"),
    "withdraw with a card": (["save_card"], "withdraw"),
    "delete a saved card": (["save_card", "withdraw"], "sweep"),
    "charge a saved card": (["save_card", "draw"], "sweep"),
    "hear of a charge": (["save_card", "draw", "sweep"], "deliver"),
    "record a charge": (["save_card", "draw", "sweep", "deliver"], "run_allocator"),
    "charge a card that its bank declines": (["save_card_that_fails_later", "draw"], "sweep"),
    "charge a card whose owner must confirm": (["save_card_that_always_asks", "finish_card", "draw"], "sweep"),
    "pay after the card was declined": (["save_card_that_fails_later", "draw", "sweep"], "start_checkout"),
    "expire after the card was declined": (["save_card_that_fails_later", "draw", "sweep", "expire_hold"], "sweep"),
    "decline while the card is charged": (["save_card", "draw"], "withdraw"),
}


class MollieScene(StoredScene):
    """A purchase of two tickets that is paid at the fake Mollie. `id` is the reservation's id."""

    ROUNDS = (60, 301, 301, 3600, 10, 86_400, 10)

    def __init__(self, shop):
        super().__init__(shop.api, shop.time)
        self.shop, self.id = shop, shop.reserve()

    def start_checkout(self):
        return self.shop.request_checkout(self.id)

    def pay(self):
        self.shop.finish(self.id)

    def confirm(self):
        return self.shop.confirm(self.id)

    def deliver(self):
        self.shop.fake.deliver()

    def expire_hold(self):
        self.time.advance(181)

    def sweep(self):
        builders.run_sweep()

    def buy(self):
        self.start_checkout()
        self.pay()
        self.deliver()

    def refund(self):
        return builders.refund(self.api, self.id)

    def refund_in_dashboard(self):
        self.shop.fake.refund(self.shop.payment_id(self.id), 10_000)
        self.shop.fake.finish_refund(self.shop.fake.objects["refunds"][0]["id"], "refunded")

    def charge_back(self):
        self.shop.fake.charge_back(self.shop.payment_id(self.id), 10_000)

    def snapshot(self):
        return Moment(self.time, self.shop.fake)

    def recover(self, seconds):
        """Holds and payments expire, the sweep runs, and Mollie sends unanswered webhooks again."""
        self.time.advance(seconds)
        self.shop.fake.expire()
        builders.run_sweep()
        self.shop.fake.deliver()

    def check_recovered(self):
        builders.run_sweep()
        self.shop.assert_books_balance()
        invariants.check(self.time.now, recovered=True)

    def outcome(self):
        return {
            "order": _outcome_of(self.id),
            "stock": sorted((shard.sold, shard.available) for shard in scan_shards()),
            "kept at Mollie": self.shop.kept(),
            "payments": [payment["status"] for payment in self.shop.fake.objects["payments"]],
            "cases": sorted(case.kind for case in money_cases.list_open_cases()),
        }


@contextmanager
def _open_mollie(time: Any) -> Iterator[MollieScene]:
    with open_app() as api, shops.isolated_shop(api), open_mollie_shop(api, time) as shop:
        yield MollieScene(shop)


MOLLIE_STEPS: dict[str, tuple[list[str], str]] = {
    "checkout": ([], "start_checkout"),
    "confirm": (["start_checkout", "pay"], "confirm"),
    "webhook": (["start_checkout", "pay"], "deliver"),
    "expire paid": (["start_checkout", "pay", "expire_hold"], "sweep"),
    "refund": (["buy"], "refund"),
    "refund in the dashboard": (["buy", "refund_in_dashboard"], "deliver"),
    "chargeback": (["buy", "charge_back"], "deliver"),
}

# name -> (the steps before, the step that a fault breaks)
STEPS: dict[str, tuple[list[str], str]] = {
    "have a card checked": (["open_room_for_cards"], "check_card"),
    "have a declined card checked": (["open_room_for_cards"], "check_declined_card"),
    "checkout": ([], "start_checkout"),
    "confirm": (["start_checkout", "pay"], "confirm"),
    "webhook": (["start_checkout", "pay"], "deliver"),
    "expire unpaid": (["start_checkout", "expire_hold"], "sweep"),
    "expire paid": (["start_checkout", "pay", "expire_hold"], "sweep"),
    "expire while the bank decides": (["start_checkout", "expire_hold", "debit_bank_account"], "sweep"),
    "the bank pays late": (["start_checkout", "expire_hold", "debit_bank_account", "sweep", "let_bank_decide"], "deliver"),
    "the bank declines late": (["start_checkout", "expire_hold", "debit_empty_account", "sweep", "let_bank_decide"], "deliver"),
    "a sweep of everything": (["buy", "refund_during_outage", "leave_work", "expire_hold"], "sweep"),
    "release": (["start_checkout"], "release"),
    "late, with stock": (["start_checkout", "pay", "expire_despite_payment"], "deliver"),
    "late, sold out": (["start_checkout", "pay", "expire_despite_payment", "sell_the_rest"], "deliver"),
    "another amount": (["start_checkout", "change_amount", "pay"], "deliver"),
    "hosted, checkout": ([], "start_hosted_checkout"),
    "hosted, price differs at Stripe": (["change_price_at_stripe"], "start_hosted_checkout"),
    "hosted, confirm": (["start_hosted_checkout", "pay"], "confirm"),
    "hosted, webhook": (["start_hosted_checkout", "pay"], "deliver"),
    "hosted, expire unpaid": (["start_hosted_checkout", "expire_hold"], "sweep"),
    "hosted, expired in the dashboard": (["start_hosted_checkout", "expire_page_in_dashboard"], "deliver"),
    "hosted, bank debit failed": (["start_hosted_checkout", "fail_bank_debit"], "deliver"),
    "hosted, paid again in the dashboard": (["start_hosted_checkout", "pay", "confirm", "deliver", "pay_in_dashboard"], "deliver"),
}

# Steps that are repeated after a crash: by the client with the same key, by the provider's webhook or by the next sweep.
REFUND_STEPS: dict[str, tuple[list[str], str]] = {
    "refund": (["buy"], "refund"),
    "refund of one ticket": (["buy"], "refund_one_ticket"),
    "refund of the rest": (["buy", "refund_one_ticket"], "refund"),
    "refund fails at the bank": (["buy_with_failing_refunds", "refund", "wait_for_bank"], "deliver"),
    "refund that is due": (["buy", "refund_during_outage", "wait_a_minute"], "sweep"),
    "refund retried by an admin": (["buy_with_failing_refunds", "refund", "exhaust_retries"], "retry_refund"),
    "dispute": (["buy", "dispute"], "deliver"),
    "dispute won": (["buy", "dispute", "deliver", "win_dispute"], "deliver"),
    "dispute lost": (["buy", "dispute", "deliver", "lose_dispute"], "deliver"),
    "dispute won, with a refund that it blocked": (
        ["buy", "refund_during_outage", "dispute", "deliver", "exhaust_retries", "win_dispute"],
        "deliver",
    ),
    "cancel an event": (["buy"], "cancel_event"),
    "cancel an event, in a sweep": (["buy", "cancel_event"], "sweep"),
    "cancel a date": (["add_dates", "buy"], "cancel_date"),
    "cancel a date, in a sweep": (["add_dates", "buy", "cancel_date"], "sweep"),
    "refund in the dashboard": (["buy", "refund_in_dashboard"], "deliver"),
    "partial refund in the dashboard": (["buy", "refund_part_in_dashboard"], "deliver"),
}

# Bob pays for tickets that Ada has bought and offers for resale, and Ada gets a refund.
_OFFER = ["allow_resale", "buy", "offer_for_resale"]
_PAY = [*_OFFER, "reserve_resale", "start_resale_checkout", "pay"]
RESALE_STEPS: dict[str, tuple[list[str], str]] = {
    "offer for resale": (["allow_resale", "buy"], "offer_for_resale"),
    "withdraw from resale": (_OFFER, "withdraw_from_resale"),
    "resale, checkout": ([*_OFFER, "reserve_resale"], "start_resale_checkout"),
    "resale, confirm": (_PAY, "confirm_resale"),
    "resale, webhook": (_PAY, "deliver"),
    "resale, expire paid": ([*_PAY, "expire_hold"], "sweep"),
    "resale, late": ([*_PAY, "expire_resale_despite_payment"], "deliver"),
    "resale, late and withdrawn": ([*_PAY, "expire_resale_despite_payment", "withdraw_from_resale"], "deliver"),
    "resale, ticket used": ([*_PAY, "use_ticket"], "deliver"),
    "resale, refund of the seller": ([*_PAY, "confirm_resale", "wait_a_minute"], "sweep"),
    "resale, refund of the buyer": ([*_PAY, "confirm_resale", "wait_a_minute", "sweep", "deliver"], "refund_resale"),
}

# The same for an event of three tickets over all tiers: whatever is held, sold or given back in the tier is so in the pool too.
POOLED = ("webhook", "expire unpaid", "expire paid", "release", "late, with stock", "late, sold out", "another amount")
POOLED_REFUNDS = ("refund", "refund of the rest", "refund that is due", "dispute won", "dispute lost", "refund in the dashboard")

# The same on a promoter's own account.
ON_ACCOUNT = ("checkout", "confirm", "webhook", "expire unpaid", "expire paid", "late, with stock", "late, sold out", "another amount")
ON_ACCOUNT += ("hosted, checkout", "hosted, webhook", "refund", "refund of the rest", "refund fails at the bank", "refund that is due")
ON_ACCOUNT += ("dispute won", "dispute lost", "cancel an event, in a sweep", "refund in the dashboard")
ACCOUNT_STEPS: dict[str, tuple[list[str], str]] = {
    "the account is restricted": (["start_checkout", "restrict_account"], "deliver"),
    "the restriction is lifted": (["start_checkout", "restrict_account", "deliver", "complete_account"], "deliver"),
    "refund on a removed account": (["buy", "remove_account"], "refund"),
    "remove an account": (["buy"], "remove_account"),
}

# The same with taxes that Stripe calculates.
WITH_TAXES = ("checkout", "confirm", "refund of the rest")

_CANNOT_BE_SOLD = {"hosted, price differs at Stripe": {503}}  # until the prices agree

FLOWS = {
    f"Stripe: {name}": Flow(_open, before, step, also=_CANNOT_BE_SOLD.get(name, frozenset()))
    for name, (before, step) in (STEPS | REFUND_STEPS | RESALE_STEPS).items()
}
FLOWS |= {
    f"Stripe: {name}, event capacity": Flow(partial(_open, event_capacity=3), *(STEPS | REFUND_STEPS)[name])
    for name in POOLED + POOLED_REFUNDS
}
FLOWS |= {
    f"Stripe: {name}, on an account": Flow(partial(_open_promoted, is_connected=True), *(STEPS | REFUND_STEPS | ACCOUNT_STEPS)[name])
    for name in (*ON_ACCOUNT, *ACCOUNT_STEPS)
}
FLOWS |= {f"Stripe: {name}, with calculated taxes": Flow(_open_with_taxes, *(STEPS | REFUND_STEPS)[name]) for name in WITH_TAXES}
FLOWS["Stripe: connect an account"] = Flow(_open_promoted, [], "request_account")
FLOWS |= {f"Stripe: {name}": Flow(_open_with_cards, before, step) for name, (before, step) in CARD_STEPS.items()}
FLOWS |= {f"Mollie: {name}": Flow(_open_mollie, before, step) for name, (before, step) in MOLLIE_STEPS.items()}
