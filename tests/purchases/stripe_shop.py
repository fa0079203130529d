"""A shop whose payments Stripe takes: the local stand-in over HTTP, the real SDK on our side and in the buyer's browser."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import stripe
from msgspec.structs import replace

from bootstrap import rollout
from bootstrap.validation import validate_tree
from chalicelib import settings
from chalicelib.inventory import service as inventory
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store
from devtools.stripe.fake import FakeStripe
from tests import builders, invariants
from tests.bootstrap.conftest import event
from tests.client import Client, ClientReply
from tests.devtools.stripe.browser import visit
from tests.simulation import faults


class StripeShop:
    """`fake.deliver()` sends the webhooks that are due to our own route."""

    def __init__(self, api: Client, fake: FakeStripe, time) -> None:
        self.api, self.fake, self.time = api, fake, time
        self.browser, self.dashboard = _sdk(fake, fake.publishable_key), _sdk(fake, fake.api_key)
        fake.add_webhook_endpoint(self._receive)
        self.event_id, self.tier_id = builders.create_shop(api, capacity=4)

    def _receive(self, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            return self.webhook(body, headers).status
        except faults.Crash:
            return 502  # what API Gateway makes of a function that died

    def webhook(self, body: bytes, headers: Mapping[str, str]) -> ClientReply:
        signature = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
        return self.api.post("/webhooks/stripe", body=body, headers={"Content-Type": "application/json", "Stripe-Signature": signature})

    def apply(self, *tickets: dict, at_stripe: bool = True) -> None:
        """Sell tiers of a bootstrap file from now on; `at_stripe`: which has their prices, as they are in the file."""
        tree = {"version": "1", "events": {"fest": event("fest")}, "ticket_types": {one["id"]: one for one in tickets}}
        rollout.apply(validate_tree(tree), "test", self.time.now)
        for one in tickets:
            if at_stripe and one["stripe_price_id"]:
                self.fake.add_price(one["stripe_price_id"], unit_amount=one["price_cents"], currency=one["currency"], name=one["name"])
        self.event_id, self.tier_id = "fest", tickets[0]["id"]

    def begin(self, user: str = "ada", quantity: int = 2, **wish: str) -> dict:
        """A checkout that is open; `wish`: `page`, `success_url` and the like."""
        reserved = builders.reserve(self.api, user, self.event_id, self.tier_id, quantity)
        assert reserved.status == 201, reserved.json
        reply = self.ask(reserved.json["id"], user, **wish)
        assert reply.status == 201, reply.json
        return reply.json

    def ask(self, reservation_id: str, user: str = "ada", key: str = "", **wish: str) -> ClientReply:
        body = {"reservation_id": reservation_id, **wish}
        return self.api.post("/checkout/sessions", json=body, user=user, headers={"Idempotency-Key": key or reservation_id})

    def pay(self, session: dict, card: str = "pm_card_visa") -> object:
        """What the Payment Element does with the client secret."""
        params = {"client_secret": session["payment"]["client_secret"], "payment_method": card, "return_url": "https://shop.test/back"}
        return self.browser.v1.payment_intents.confirm(_reference(session), params)

    def buy(self, user: str = "ada", quantity: int = 2, card: str = "pm_card_visa") -> str:
        """An order, confirmed and with its webhooks delivered; its id."""
        session = self.begin(user, quantity)
        self.pay(session, card)
        assert self.confirm(session, user).status == 201
        self.fake.deliver()
        return str(session["id"])

    def charge(self, order_id: str) -> stripe.Charge:
        """The charge that the order was paid with, as the dashboard shows it."""
        payment = store.load(order_id).payment
        return next(one for one in self.dashboard.v1.charges.list({"payment_intent": payment.payment_intent_id}).data if one.paid)

    def refunds(self) -> list[tuple[int, str]]:
        """What Stripe has of refunds, oldest first: (cents, status)."""
        return [(one.amount, one.status) for one in reversed(self.dashboard.v1.refunds.list({"limit": 100}).data)]

    def refund_by_hand(self, order_id: str, cents: int) -> stripe.Refund:
        """Somebody makes a refund in the dashboard."""
        return self.dashboard.v1.refunds.create({"charge": self.charge(order_id).id, "amount": cents})

    def pay_by_hand(self, purchase_id: str, cents: int = 10_000) -> str:
        """Somebody takes money in the dashboard, with a purchase's metadata; the Payment Intent."""
        given = {"amount": cents, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        given |= {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
        metadata = {"purchase_id": purchase_id, "event_id": store.load(purchase_id).event_id, "namespace": settings.current().stage}
        return str(self.dashboard.v1.payment_intents.create({**given, "metadata": metadata}).id)

    def visit(self, session: dict, number: str = "4242 4242 4242 4242") -> tuple[int, str, str | None]:
        """A browser fills in the hosted page: status, what it says, and where it sends the buyer."""
        card = {"number": number, "expiry": "12/34", "cvc": "123", "name": "Ada", "email": "ada@example.com"}
        return visit(session["payment"]["url"], **card)

    def page(self, session: dict) -> stripe.checkout.Session:
        """The hosted page as the dashboard shows it."""
        return self.dashboard.v1.checkout.sessions.retrieve(store.load(session["id"]).payment.provider_id)

    def confirm(self, session: dict, user: str = "ada") -> ClientReply:
        return builders.confirm(self.api, user, session["id"], simulate=None)

    def expire_blindly(self, purchase_id: str) -> None:
        """As if expiry had looked at the provider a moment before the buyer paid."""
        self.time.advance(181)
        purchase = store.load(purchase_id)
        assert store.save(purchase, replace(purchase, state="expired", ended_at=self.time.now)) is not None
        inventory.release_holds(purchase.holds)

    def intent(self, session: dict) -> stripe.PaymentIntent:
        return self.dashboard.v1.payment_intents.retrieve(_reference(session))

    def succeeded(self, session: dict) -> str:
        """The id of the event that says so."""
        events = self.fake.events("payment_intent.succeeded")
        return next(event["id"] for event in events if event["data"]["object"]["id"] == _reference(session))

    def received_and_kept(self) -> tuple[int, int]:
        """Cents that came in, and cents that were not given back."""
        charges = self.dashboard.v1.charges.list({"limit": 100}).data
        received = sum(charge.amount_captured for charge in charges if charge.paid)
        taken = sum(one.amount for one in self.dashboard.v1.disputes.list({"limit": 100}).data if one.status != "won")
        return received, received - taken - sum(charge.amount_refunded for charge in charges)


@contextmanager
def opened(api: Client, time, **changes: str) -> Iterator[StripeShop]:
    """`changes`: settings that are not the usual ones."""
    with (
        FakeStripe(clock=lambda: float(time.now)) as fake,
        settings.override(stripe_api_key=fake.api_key, stripe_api_base=fake.url, stripe_webhook_secrets=fake.webhook_secret, **changes),
    ):
        yield StripeShop(api, fake, time)


def books_balance(shop: StripeShop, *, recovered: bool = False) -> None:
    """Every captured payment has an order or a refund: what Stripe kept for us is what our ledger says, and it is for tickets."""
    invariants.check(shop.time.now, recovered=recovered)
    every = [one for one in store.scan_purchases() if one.event_id == shop.event_id]
    received, kept = shop.received_and_kept()
    balance = sum(one.amount_cents for one in ledger.list_event_entries(shop.event_id) if one.provider == "stripe")
    assert kept == balance, f"{received} came in and {kept} was kept, but the ledger says {balance}"
    unsettled = [refund for one in every for refund in one.refunds if refund.status == "due"]
    assert not (recovered and unsettled), f"still due: {unsettled}"


def _reference(session: dict) -> str:
    return session["payment"]["client_secret"].partition("_secret_")[0]


def _sdk(fake: FakeStripe, key: str) -> stripe.StripeClient:
    http = stripe.RequestsClient(timeout=10)
    return stripe.StripeClient(
        key, base_addresses={"api": fake.url}, stripe_version=fake.api_version, http_client=http, max_network_retries=0
    )
