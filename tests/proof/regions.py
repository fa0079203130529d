"""A region takes over while changes of the other region are missing, or when these changes arrive at last."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil
from typing import Any
from unittest import mock

from msgspec.structs import replace

from chalicelib.catalog.model import RegionClaim
from chalicelib.catalog.snapshots import LEASE_SECONDS, claim_sales
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import memory, settings
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.purchases import store
from chalicelib.purchases.store import BuyerRow, PurchaseRow
from chalicelib.tickets.store import TicketRow
from infra import region
from tests import builders, shops
from tests.proof.harness import Flow
from tests.proof.payments import PaymentScene
from tests.proof.scenes import open_app
from tests.stripe_shop import open_shop

OTHER, WITNESS = "eu-west-1", "eu-west-3"


class RegionScene(PaymentScene):
    """The store of the region that takes over, and the fake Stripe. Questions to another region are answered from this store too."""

    def lose_checkout(self):
        dynamo.update_now(PurchaseRow(self.id), [PurchaseRow.state.set("held"), PurchaseRow.payment.remove()])

    def lose_end(self):
        """Lose that the purchase was paid, but not its tickets."""
        payment = replace(self.shop.load_purchase(self.id).payment, status="open", payment_intent_id=None)
        unpaid = {"state": "paying", "ended_at": None, "confirmed_at": None, "payment": payment}
        dynamo.update_now(PurchaseRow(self.id), PurchaseRow.set_or_remove(unpaid))

    def lose_tickets(self):
        dynamo.batch_delete(map(TicketRow, builders.ticket_ids(self.id, 1, 2)))

    def lose_purchase(self):
        """Lose the purchase and its buyer's record. Its hold has arrived."""
        purchase = store.load(self.id)
        dynamo.batch_delete([PurchaseRow(self.id)])
        dynamo.batch_delete([BuyerRow(purchase.user_id, purchase.event_id)])

    def lose_region(self):
        """From now on, the other region has the lease, and does not answer."""
        here = settings.current().region
        claim_sales([here], RegionClaim(here, 1, 0), 0)
        claim_sales([here], RegionClaim(OTHER, 2, 0), self.time.now + LEASE_SECONDS)
        memory.forget_everything()

    def fail_over(self):
        with suppress(region.RegionError, ProviderUnavailable):
            region.take_over(wait=lambda seconds: self.time.advance(ceil(seconds)))


@contextmanager
def _open(time: Any) -> Iterator[RegionScene]:
    here = settings.current().region
    with (
        open_app() as api,
        shops.isolated_shop(api),
        mock.patch.object(dynamo, "client_of", return_value=dynamo.client()),
        settings.override(regions=f"{here},{OTHER},{WITNESS}"),
    ):
        claim_sales([here], RegionClaim(here, 1, 0), time.now + 86_400)
        memory.forget_everything()
        with open_shop(api, time) as shop:
            yield RegionScene(shop)


STEPS = {
    "fail over, nothing is lost": ["buy"],
    "fail over, a checkout is lost": ["start_checkout", "pay", "lose_checkout"],
    "fail over, a purchase is lost": ["start_checkout", "pay", "lose_purchase"],
    "fail over, a payment is lost": ["buy", "lose_end"],
    "fail over, tickets are lost": ["buy", "lose_tickets"],
    "fail back, the other region has refunded an order": ["buy", "refund_in_dashboard"],
}
FLOWS = {
    name: Flow(_open, [*before, "lose_region"], "fail_over", is_finished_by_client=True, is_alone=True) for name, before in STEPS.items()
}
