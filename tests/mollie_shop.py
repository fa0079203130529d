"""A shop that takes payments through Mollie: the official client calls the fake Mollie over HTTP, whose webhooks come to the app."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from chalicelib.purchases import store
from chalicelib.reconciliation import compare
from devtools.mollie import FORM, FakeMollie
from tests import builders, invariants
from tests.client import Client, ClientReply
from tests.simulation import faults

SECRETS = "first-secret-of-the-webhooks-of-mollie, second-secret-of-the-webhooks-of-mollie"
WEBHOOK = "https://api.shop.test/api/v1/webhooks/mollie"


class MollieShop:
    """A shop that sells one tier of 4 tickets at 50.00. `fake.deliver()` sends the due webhooks to the app."""

    def __init__(self, api: Client, fake: FakeMollie, time: Any) -> None:
        self.api, self.fake, self.time = api, fake, time
        fake.send = self.post_webhook
        self.event_id, self.tier_id = builders.create_shop(api, capacity=4)

    def post_webhook(self, address: str, body: bytes) -> int:
        try:
            return self.send(address, body).status
        except faults.Crash:
            return 502

    def send(self, address: str, body: bytes) -> ClientReply:
        url = urlsplit(address)
        return self.api.post(f"/webhooks/mollie?{url.query}", body=body, headers={"Content-Type": FORM})

    def reserve(self, user: str = "ada", quantity: int = 2) -> str:
        reply = builders.reserve(self.api, user, self.event_id, self.tier_id, quantity)
        assert reply.status == 201, reply.json
        return str(reply.json["id"])

    def request_checkout(self, reservation_id: str, user: str = "ada", **fields: Any) -> ClientReply:
        return builders.start_checkout(self.api, user, reservation_id, key=reservation_id, **fields)

    def open(self, user: str = "ada", quantity: int = 2) -> str:
        """Open a checkout. Returns the id of the purchase."""
        reply = self.request_checkout(self.reserve(user, quantity), user)
        assert reply.status == 201, reply.json
        assert reply.json["payment"]["url"].startswith(self.fake.url)
        return str(reply.json["id"])

    def payment_id(self, purchase_id: str) -> str:
        payment = store.load(purchase_id).payment
        return str(payment.provider_id)

    def finish(self, purchase_id: str, status: str = "paid") -> None:
        self.fake.finish(self.payment_id(purchase_id), status)

    def buy(self, user: str = "ada", quantity: int = 2) -> str:
        purchase_id = self.open(user, quantity)
        self.finish(purchase_id)
        assert self.fake.deliver() == [200]
        return purchase_id

    def state(self, purchase_id: str) -> str:
        return store.load(purchase_id).state

    def confirm(self, purchase_id: str, user: str = "ada") -> ClientReply:
        return builders.confirm(self.api, user, purchase_id, simulate=None)

    def kept(self) -> int:
        """Return what the account kept of all payments, in cents."""
        received = [self._cents(found) for found in self.fake.objects["payments"] if found["status"] == "paid"]
        refunded = [self._cents(found) for found in self.fake.objects["refunds"] if found["status"] not in ("failed", "canceled")]
        taken = [self._cents(found) for found in self.fake.objects["chargebacks"] if found["reversedAt"] is None]
        return sum(received) - sum(refunded) - sum(taken)

    @staticmethod
    def _cents(found: dict[str, Any]) -> int:
        return int(found["amount"]["value"].replace(".", ""))

    def assert_books_balance(self) -> None:
        invariants.check(self.time.now)
        assert self.kept() == sum(entry.amount_cents for entry in ledger.list_event_entries(self.event_id) if entry.provider == "mollie")

    def compare(self) -> compare.ReconciliationReport:
        """Compare the last hour, which a second ago ended."""
        self.time.advance(1)
        return compare.compare_span(self.time.now - 3600, self.time.now, self.time.now)


@contextmanager
def open_mollie_shop(api: Client, time: Any) -> Iterator[MollieShop]:
    with (
        FakeMollie(clock=lambda: float(time.now)) as fake,
        settings.override(
            mollie_api_key=fake.api_key,
            mollie_api_base=fake.url,
            mollie_webhook_secrets=SECRETS,
            mollie_webhook_url=WEBHOOK,
            checkout_origins="https://shop.test",
        ),
    ):
        yield MollieShop(api, fake, time)
