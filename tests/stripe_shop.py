"""A shop with payments by the fake Stripe. The shop and the buyer's browser call the fake with the real SDK, without a connection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests
import stripe
from msgspec.structs import replace
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.foundation import settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.store import scan_shards
from chalicelib.ledger import service as ledger
from chalicelib.purchases import store
from chalicelib.purchases.model import ACTIVE_STATES, Purchase
from devtools.stripe.fake import CONNECT_WEBHOOK_SECRET, FakeStripe
from devtools.stripe.prices import WHOLE_UNITS
from devtools.stripe.request_handler import StripeRequest
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket
from tests.client import Client, ClientReply
from tests.payment_pages import VISA, is_hosted, pay_on_hosted_page, pay_with_element, payment_intent_id
from tests.simulation import faults

_find_adapter = requests.Session.get_adapter


class StripeShop:
    """A shop that sells one tier of 4 tickets at 50.00. `fake.deliver()` sends the webhooks that are due to the app's own route.

    `browser` is Stripe's SDK with the publishable key, `dashboard` with the secret key. Cards are given as Stripe's test payment methods.
    After `connect_account`, the event is a promoter's, and both act for the promoter's account, whose id is `account`.
    """

    def __init__(self, api: Client, fake: FakeStripe, time: Any, event_capacity: int | None = None) -> None:
        self.api, self.fake, self.time = api, fake, time
        self.account: str | None = None
        self.browser, self.dashboard = sdk_client(fake, fake.publishable_key), sdk_client(fake, fake.api_key)
        fake.add_webhook_endpoint(self._receive_webhook)
        self.event_id, self.tier_id = builders.create_shop(api, event_capacity=event_capacity, capacity=4)

    # The catalog.

    def sell_tiers(self, *tickets: dict[str, Any], at_stripe: bool = True) -> None:
        """Sell the ticket types of a bootstrap file from now on. With `at_stripe`, the fake Stripe has the prices of the file."""
        tree = {"version": "1", "events": {"fest": event("fest")}, "ticket_types": {entry["id"]: entry for entry in tickets}}
        rollout.apply(validate_tree(tree), "test", self.time.now)
        for entry in tickets:
            if at_stripe and entry["stripe_price_id"]:
                self.fake.add_price(
                    entry["stripe_price_id"], unit_amount=entry["price_cents"], currency=entry["currency"], name=entry["name"]
                )
        self.event_id, self.tier_id = "fest", tickets[0]["id"]

    def cancel_event(self) -> None:
        """Apply the bootstrap file of `sell_tiers` again, with its event cancelled."""
        tickets = {tier.id: ticket(tier.id) for tier in catalog.load_current().event_tiers("fest")}
        tree = {"version": "1", "events": {"fest": event("fest", status="cancelled")}, "ticket_types": tickets}
        rollout.apply(validate_tree(tree), "test", self.time.now)

    # The promoter's account.

    def request_account_link(self, promoter: str = "pat") -> ClientReply:
        return self.api.post(f"/promoters/{promoter}/payment-account", token=builders.token(promoter, "promoter"))

    def show_account(self, promoter: str = "pat") -> dict[str, Any]:
        """Return the account as the promoter sees it."""
        return dict(self.api.get(f"/promoters/{promoter}/payment-account", token=builders.token(promoter, "promoter")).json)

    def remove_account(self, promoter: str = "pat") -> ClientReply:
        return self.api.delete(f"/promoters/{promoter}/payment-account", token=builders.admin_token())

    def give_to_promoter(self, promoter: str = "pat") -> None:
        """Make the event one of this verified promoter, whose account's webhooks arrive."""
        admin, profile = {"token": builders.admin_token()}, {"name": "Pat", "verified": True}
        assert self.api.put(f"/promoters/{promoter}", json=profile, **admin).status == 200
        assert self.api.patch(f"/events/{self.event_id}", json={"promoter_id": promoter}, **admin).status == 200
        self.fake.add_webhook_endpoint(self._receive_webhook, name="connected accounts", connect=True)

    def start_onboarding(self, promoter: str = "pat") -> str:
        """Make the event one of this promoter, and create the promoter's account. Returns the account's id."""
        self.give_to_promoter(promoter)
        with settings.override(connected_accounts="standard"):
            assert self.request_account_link(promoter).status == 200
        return catalog.load_current().accounts[promoter].id

    def connect_account(self, promoter: str = "pat") -> str:
        """Make the event one of this promoter, whose account takes the payments from now on. Returns the account's id."""
        self.account = self.start_onboarding(promoter)
        self.fake.complete_onboarding(self.account)
        self.fake.deliver()
        self.browser = sdk_client(self.fake, self.fake.publishable_key, self.account)
        self.dashboard = sdk_client(self.fake, self.fake.api_key, self.account)
        return self.account

    # Actions of buyers.

    def reserve(self, user: str = "ada", quantity: int = 2) -> str:
        """Reserve tickets. Returns the id of the reservation."""
        reply = builders.reserve(self.api, user, self.event_id, self.tier_id, quantity)
        assert reply.status == 201, reply.json
        return str(reply.json["id"])

    def request_checkout(self, reservation_id: str, user: str = "ada", key: str = "", **options: Any) -> ClientReply:
        body = {"reservation_id": reservation_id, **options}
        return self.api.post("/checkout/sessions", json=body, user=user, headers={"Idempotency-Key": key or reservation_id})

    def open_checkout(self, user: str = "ada", quantity: int = 2, **options: str) -> dict[str, Any]:
        """Reserve tickets and open a checkout session. Returns the session. `options` are fields of the request, such as `page`."""
        reply = self.request_checkout(self.reserve(user, quantity), user, **options)
        assert reply.status == 201, reply.json
        return dict(reply.json)

    def pay(self, session: dict[str, Any], card: str = VISA, expect: str = "succeeded") -> str | None:
        """Pay on the page of the checkout session. `expect`: "succeeded", "requires_action", "declined" or "closed".

        Returns the address to which the hosted page sends the buyer (which may be 3D Secure), None for the shop's own page.
        """
        if is_hosted(session):
            outcome, address = pay_on_hosted_page(self.fake.url, session, card)
        else:
            outcome, address = pay_with_element(self.browser, session, card), None
        assert outcome == expect, f"{outcome}, {address}"
        return address

    def confirm(self, session: dict[str, Any], user: str = "ada") -> ClientReply:
        return builders.confirm(self.api, user, session["id"], simulate=None)

    def buy(self, user: str = "ada", quantity: int = 2, card: str = VISA) -> str:
        """Buy tickets, confirm the checkout and deliver the webhooks. Returns the id of the order."""
        session = self.open_checkout(user, quantity)
        self.pay(session, card)
        assert self.confirm(session, user).status == 201
        self.fake.deliver()
        return str(session["id"])

    # Actions of the shop's staff and of banks.

    def pay_in_dashboard(self, purchase_id: str, cents: int = 10_000, metadata: dict[str, str] | None = None) -> str:
        """Charge money in Stripe's dashboard, by default with the purchase's metadata. Returns the id of the Payment Intent."""
        payment = {"amount": cents, "currency": "usd", "payment_method": VISA, "confirm": True}
        payment |= {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
        metadata = self.payment_metadata(purchase_id) if metadata is None else metadata
        return str(self.dashboard.v1.payment_intents.create({**payment, "metadata": metadata}).id)

    def payment_metadata(self, purchase_id: str) -> dict[str, str]:
        """Return the metadata that the app gives to a purchase's payment."""
        current, ids = settings.current(), {"purchase_id": purchase_id, "event_id": self.event_id, "user_id": "ada"}
        return {**ids, "namespace": current.provider_namespace, "region": current.region}

    def return_fee_in_dashboard(self, cents: int) -> None:
        """Give the promoter a part of the newest fee back, as the operator can in Stripe's dashboard."""
        [newest, *_] = sdk_client(self.fake, self.fake.api_key).v1.application_fees.list().data
        sdk_client(self.fake, self.fake.api_key).v1.application_fees.refunds.create(newest.id, {"amount": cents})

    def refund_in_dashboard(self, order_id: str, cents: int) -> stripe.Refund:
        return self.dashboard.v1.refunds.create({"charge": self.fetch_charge(order_id).id, "amount": cents})

    def create_dispute(self, order_id: str, cents: int | None = None) -> str:
        """Dispute all or `cents` of the order's payment, as the buyer's bank, and deliver the webhooks. Returns the id of the dispute."""
        dispute = self.fake.create_dispute(self.fetch_charge(order_id).id, amount=cents)
        self.fake.deliver()
        self.assert_books_balance()
        return str(dispute["id"])

    def close_dispute(self, dispute_id: str, *, won: bool) -> None:
        """Decide the dispute, as the bank, and deliver the webhooks."""
        self.fake.close_dispute(dispute_id, won=won)
        self.fake.deliver()
        self.assert_books_balance()

    def list_open_cases(self) -> list[dict[str, Any]]:
        """Return the open cases as admins see them."""
        return list(self.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"])

    def open_case_kinds(self) -> list[str]:
        return sorted(case["kind"] for case in self.list_open_cases())

    def close_case(self, order_id: str, case_id: str) -> ClientReply:
        return self.api.delete(f"/admin/reconciliation/{order_id}/{case_id}", token=builders.admin_token())

    def retry_refund(self, order_id: str, refund_id: str) -> ClientReply:
        return self.api.post(f"/admin/orders/{order_id}/refunds/{refund_id}/retry", token=builders.admin_token())

    def fetch_order(self, order_id: str) -> dict[str, Any]:
        """Return the order as admins see it."""
        return dict(self.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json)

    # Webhooks.

    def post_webhook(self, body: bytes, headers: Mapping[str, str]) -> ClientReply:
        return post_webhook(self.api, body, headers)

    def post_newest_event(self, event_type: str) -> str:
        """Post only the newest event of this type to the app's webhook. Returns the result that the app reports."""
        reply = self.post_webhook(*self.sign_newest_event(event_type))
        assert reply.status == 200, reply.json
        return str(reply.json["received"])

    def sign_newest_event(self, event_type: str) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a delivery of the newest event of this type."""
        account = None if event_type.startswith("application_fee.") else self.account  # fees are the platform's
        return self.fake.signed_delivery(self.fake.events(event_type, account=account)[-1]["id"])

    def lose_webhooks(self) -> None:
        """Lose all webhooks from now on."""
        self.fake.drop_webhooks(times=10_000)

    def _receive_webhook(self, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            return self.post_webhook(body, headers).status
        except faults.Crash:
            return 502  # API Gateway's reply when a function has died

    # The state of the store.

    def load_purchase(self, purchase_id: str) -> Purchase:
        purchase = store.load(purchase_id)
        assert purchase is not None
        return purchase

    def purchase_state(self, session: dict[str, Any]) -> str:
        return self.load_purchase(session["id"]).state

    def ticket_states(self, order_id: str, user: str = "ada") -> list[str]:
        """Return the states of an order's tickets as the buyer sees them."""
        return [ticket["state"] for ticket in self.api.get(f"/orders/{order_id}", user=user).json["tickets"]]

    def available_tickets(self) -> int:
        stock_id = catalog.load_current().tiers[self.tier_id].stock_id
        return sum(shard.available for shard in scan_shards() if shard.id.rpartition("#")[0] == stock_id)

    def expire_without_asking_stripe(self, purchase_id: str) -> None:
        """Expire a purchase as if the app had checked the payment at Stripe just before the buyer paid."""
        self.time.advance(181)
        self.end_without_asking_stripe(purchase_id, "expired")

    def end_without_asking_stripe(self, purchase_id: str, state: Any) -> None:
        purchase = self.load_purchase(purchase_id)
        store.save(purchase, replace(purchase, state=state, ended_at=self.time.now))
        assert self.load_purchase(purchase_id).state == state
        inventory.release_holds(purchase.holds)

    # The state of Stripe.

    def fetch_payment_intent(self, session: dict[str, Any]) -> stripe.PaymentIntent:
        """Return the session's Payment Intent, of the shop's own page or of the hosted page."""
        if is_hosted(session):
            return self.dashboard.v1.payment_intents.retrieve(str(self.fetch_hosted_page(session).payment_intent))
        return self.dashboard.v1.payment_intents.retrieve(payment_intent_id(session))

    def fetch_hosted_page(self, session: dict[str, Any]) -> stripe.checkout.Session:
        """Return Stripe's Checkout Session, which is the hosted page."""
        payment = self.load_purchase(session["id"]).payment
        assert payment is not None
        return self.dashboard.v1.checkout.sessions.retrieve(str(payment.provider_id))

    def is_payment_closed(self, session: dict[str, Any]) -> bool:
        """Whether the payment can no longer be paid, because it was cancelled or its hosted page has expired."""
        if is_hosted(session):
            return self.fetch_hosted_page(session).status == "expired"
        return self.fetch_payment_intent(session).status == "canceled"

    def fetch_charge(self, order_id: str) -> stripe.Charge:
        """Return the charge that paid the order."""
        payment = self.load_purchase(order_id).payment
        assert payment is not None
        charges = self.dashboard.v1.charges.list({"payment_intent": str(payment.payment_intent_id)}).data
        return next(charge for charge in charges if charge.paid)

    def list_refunds(self) -> list[tuple[int, str]]:
        """Return all refunds at Stripe, oldest first, as (cents, status)."""
        return [(refund.amount, refund.status) for refund in reversed(self.dashboard.v1.refunds.list({"limit": 100}).data)]

    def succeeded_event_id(self, session: dict[str, Any]) -> str:
        """Return the id of the event that reports a payment on the shop's own page."""
        events = self.fake.events("payment_intent.succeeded", account=self.account)
        return next(event["id"] for event in events if event["data"]["object"]["id"] == payment_intent_id(session))

    def received_and_kept(self) -> tuple[int, int]:
        return received_and_kept(self.fake, self.account)

    # Assertions for the end of a test.

    def assert_books_balance(self, *, recovered: bool = False) -> None:
        """Assert the invariants, and that Stripe kept exactly what the ledger says. `recovered` also asserts that no refund is due."""
        invariants.check(self.time.now, recovered=recovered)
        received, kept = self.received_and_kept()
        entries = [entry for entry in ledger.list_event_entries(self.event_id) if entry.provider == "stripe"]
        balance = sum(entry.amount_cents for entry in entries if entry.account == self.account)
        assert kept == balance, f"{received} was paid and {kept} was kept, but the ledger says {balance}"
        if self.account is not None:
            at_stripe = [fee for fee in self.fake.objects("application_fee") if fee["account"] == self.account]
            fees = sum(totals.fee_cents for totals in ledger.statement(self.event_id) if totals.account == self.account)
            units = 100 if at_stripe and at_stripe[0]["currency"] in WHOLE_UNITS else 1
            assert fees == sum(fee["amount"] - fee["amount_refunded"] for fee in at_stripe) // units
        purchases = [purchase for purchase in store.scan_purchases() if purchase.event_id == self.event_id]
        due = [refund for purchase in purchases for refund in purchase.refunds if refund.status == "due"]
        assert not (recovered and due), f"still due: {due}"

    def assert_closed_purchases_cannot_be_paid(self) -> None:
        """Assert that no hosted page is open for a purchase that is no longer active."""
        pages = [page for account in {None, self.account} for page in self.fake.objects("checkout.session", account=account)]
        open_pages = {page["id"] for page in pages if page["status"] == "open"}
        ended = [purchase for purchase in store.scan_purchases() if purchase.state not in ACTIVE_STATES and purchase.payment]
        assert [purchase.id for purchase in ended if purchase.payment and purchase.payment.provider_id in open_pages] == []


@contextmanager
def open_shop(api: Client, time: Any, event_capacity: int | None = None, **changes: Any) -> Iterator[StripeShop]:
    """Open a shop with its own fake Stripe. `changes` are settings that differ from the tests' defaults."""
    with FakeStripe(clock=lambda: float(time.now)) as fake, without_http(fake):
        secrets = f"{fake.webhook_secret},{CONNECT_WEBHOOK_SECRET}"
        with settings.override(stripe_api_key=fake.api_key, stripe_api_base=fake.url, stripe_webhook_secrets=secrets, **changes):
            yield StripeShop(api, fake, time, event_capacity)


class _InProcess(BaseAdapter):
    """Passes the requests of the SDK's HTTP clients to a fake Stripe in this process."""

    def __init__(self, fake: FakeStripe) -> None:
        super().__init__()
        self._fake = fake

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url, body = urlsplit(str(request.url)), request.body or ""
        form = body.decode() if isinstance(body, bytes) else str(body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self._fake.handle(StripeRequest(str(request.method), url.path, form or url.query, headers))
        if answer.lost:
            kind = requests.ReadTimeout if answer.lost == "hang" else requests.ConnectionError
            raise kind(f"the answer to {request.method} {url.path} is lost", request=request)
        response = requests.Response()
        response.status_code, response._content = answer.status, answer.body.encode()
        response.url, response.request, response.headers = str(request.url), request, CaseInsensitiveDict(answer.headers)
        return response

    def close(self) -> None:
        """Do nothing: there are no connections."""


def post_webhook(api: Client, body: bytes, headers: Mapping[str, str]) -> ClientReply:
    signature = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
    return api.post("/webhooks/stripe", body=body, headers={"Content-Type": "application/json", "Stripe-Signature": signature})


def received_and_kept(fake: FakeStripe, account: str | None = None) -> tuple[int, int]:
    """Return the cents that were paid on an account, and the part of them that was neither refunded nor taken by a dispute.

    All payments have the same currency.
    """
    charges = fake.objects("charge", account=account)  # through Stripe's SDK, this took a quarter of the time of these tests
    received = sum(charge["amount_captured"] for charge in charges if charge["paid"])
    moved = sum(moved["amount"] for dispute in fake.objects("dispute", account=account) for moved in dispute["balance_transactions"])
    kept = received + moved - sum(charge["amount_refunded"] for charge in charges)
    units = 100 if charges and charges[0]["currency"] in WHOLE_UNITS else 1
    return received // units, kept // units


@contextmanager
def without_http(fake: FakeStripe) -> Iterator[None]:
    """Pass what the SDK requests of the fake to it without a connection, which takes most of a request's time."""
    in_process = _InProcess(fake)

    def get_adapter(session: requests.Session, url: str) -> BaseAdapter:
        return in_process if url.startswith(f"{fake.url}/") else _find_adapter(session, url)

    with mock.patch.object(requests.Session, "get_adapter", get_adapter):
        yield


@contextmanager
def over_http() -> Iterator[None]:
    """Within `without_http`, let the SDK call the fake over HTTP all the same, for tests of connections that break."""
    with mock.patch.object(requests.Session, "get_adapter", _find_adapter):
        yield


def sdk_client(fake: FakeStripe, key: str, account: str | None = None) -> stripe.StripeClient:
    http = stripe.RequestsClient(timeout=60)
    return stripe.StripeClient(
        key,
        stripe_account=account,
        base_addresses={"api": fake.url},
        stripe_version=fake.api_version,
        http_client=http,
        max_network_retries=0,
    )
