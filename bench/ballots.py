"""`python -m bench.ballots`: a ballot with better odds and saved cards, from the registration to the last charge, through crashes.

For each ticket, 1.25 people have registered, with one to five numbers each, the first 2,500 of them through the API. While tickets are
offered and the first quarter of the winners is charged, runs of the allocator and of the sweep crash after the 1st, 10th, 100th ... call of
each kind to the store and to the provider. The provider forgets all idempotency keys. On a virtual clock, calls take the time that
`bench.cancellation` gives them. In the end, the people at the first places of the draw have one order and one payment each, and the
provider has deleted their cards. Nobody else has paid, and the provider keeps their cards for offers that may come. `verify` checks the
draw and all offers with nothing but the public documents.

Plays 3,000 winners, in two minutes of processor time, and computes the minutes for 100,000. `python -m bench.ballots <winners>` plays
another number.
"""

import io
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from bench.app_in_process import app_in_process
from bench.cancellation import PRICE_CENTS, START, RefundProvider, VirtualTime, provider_payment, total_minutes
from bench.measure import Bound, print_bounds
from chalicelib.accounts import store as accounts
from chalicelib.accounts.model import Account
from chalicelib.addons.waitlist import service as waitlist
from chalicelib.addons.waitlist import store as waitlists
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.payments.model import CardCheck, CheckoutPage, Payment, PaymentMetadata, ProviderPayment
from chalicelib.payments.providers import protocol
from chalicelib.purchases import queries, sweep
from chalicelib.waiting_room import entries, model, tokens, verify
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room import store as rooms
from tests.addons.waitlist import ballots, lines
from tests.client import Client
from tests.simulation.faults import Crash
from tests.simulation.interception import Listener, StoreCall, intercept

WINNERS = 100_000
PLAYED_WINNERS = 3_000
PEOPLE_PER_TICKET = 1.25
PEOPLE_WITH_API = 2500  # register through the API; the others use the services behind it, which takes less time
CRASHES_AT = frozenset(10**power for power in range(8))  # the numbers of the calls of a kind after which a run crashes
SHOP = "https://shop.test/events"


class _Crashes(Listener):
    """While `is_on`, the run crashes after the 1st, 10th, 100th ... call of each kind to the store and to the provider.

    Calls of a kind have the same operation and the same tables. No later call of a crashed run reaches the store or the provider.
    """

    rank = 30

    def __init__(self) -> None:
        self.is_on, self.count = False, 0
        self.kinds = Counter[str]()
        self._is_crashed = False

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run a function of the shop, which may crash."""
        with intercept(self), suppress(Crash):
            yield
        self._is_crashed = False

    def before(self, call: StoreCall | None = None) -> None:  # noqa: ARG002
        if self._is_crashed:
            raise Crash

    def after(self, call: StoreCall) -> None:
        if self.is_on:  # reading the tables of a call takes time
            self.after_call(f"{call.operation} {' '.join(call.tables)}")

    def after_call(self, kind: str) -> None:
        if not self.is_on:
            return
        self.kinds[kind] += 1
        if self.kinds[kind] in CRASHES_AT:
            self.count += 1
            self._is_crashed = True
            raise Crash


class _CardProvider(RefundProvider):
    """Stripe with saved cards, without idempotency keys: each call opens another payment. A payment takes money only once."""

    def __init__(self, virtual: VirtualTime, crashes: _Crashes) -> None:
        super().__init__(virtual)
        self._crashes = crashes
        self._opened: dict[str, str] = {}  # the purchase of each payment
        self.charged = set[str]()  # payments
        self.deleted = set[str]()  # customers

    def check_card(self, card: str, owner: str, account: str | None, customer_id: str | None = None) -> CardCheck:  # noqa: ARG002
        return CardCheck(id=card, status="confirmed", owner=owner, fingerprint=owner, customer_id=customer_id, method_id=card)

    def create_customer(self, owner: str, account: str | None) -> str:  # noqa: ARG002
        return f"cus_{owner}"

    def delete_customer(self, customer_id: str, account: str | None) -> None:  # noqa: ARG002
        with self._call("delete_customer"):
            self.deleted.add(customer_id)

    def open_payment(self, payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment:  # noqa: ARG002
        with self._call("open_payment"):
            provider_id = f"pi_{len(self._opened)}"
            self._opened[provider_id] = metadata.purchase_id
            return self._payment(provider_id)

    def charge_card(self, payment: Payment, method_id: str) -> ProviderPayment:  # noqa: ARG002
        with self._call("charge_card"):
            assert payment.provider_id is not None
            self.charged.add(payment.provider_id)
            return self._payment(payment.provider_id)

    def fetch_payment_by_id(self, provider_id: str, account: str | None) -> ProviderPayment:  # noqa: ARG002
        return self._payment(provider_id)

    def charged_purchases(self) -> list[str]:
        """Return the purchase of each payment that took money."""
        return [self._opened[provider_id] for provider_id in self.charged]

    def _payment(self, provider_id: str) -> ProviderPayment:
        received = PRICE_CENTS if provider_id in self.charged else 0
        return replace(provider_payment(provider_id, PRICE_CENTS, received), purchase_id=self._opened[provider_id])

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        self._crashes.before()
        self.call(name)
        yield
        self._crashes.after_call(name)


def charge_winners(winners: int) -> list[int]:
    """Draw a ballot, and run the allocator and the sweep each minute until all are charged. Returns the charges of each whole run."""
    virtual, crashes, runs, minutes = VirtualTime(), _Crashes(), list[int](), 0
    provider: Any = _CardProvider(virtual, crashes)
    shop = settings.override(checkout_page="own", stripe_publishable_key="pk_test_bench")
    with app_in_process() as api, clock.override(virtual.now), mock.patch.dict(protocol.EXTERNAL, {"stripe": provider}), shop:
        time, rules = SimpleNamespace(now=int(virtual.now())), {"entry": "account", "better_odds": True}
        event_id, _ = ballots.create_ballot(api, time, capacity=winners, ballot_cards="required", **rules)
        people = [f"person-{number}" for number in range(round(winners * PEOPLE_PER_TICKET))]
        for number, user in enumerate(people):
            _create_person(event_id, user, lost_ballots=number % entries.MAX_WEIGHT)
            _register_with_card(api if number < PEOPLE_WITH_API else None, event_id, user)
        commitment = api.get(f"/events/{event_id}/waiting-room/state").json["commitment"]
        virtual.waited += ballots.DAYS
        while len(provider.charged) < winners:
            minutes += 1
            virtual.wait_until(START + ballots.DAYS + 3600 + 60 * minutes)
            crashes.is_on = len(provider.charged) < winners // 4
            before = len(provider.charged)
            with virtual.simulated(), crashes.run():
                lines.run_allocator()
            with virtual.simulated(), crashes.run():
                sweep.run_sweep(clock.now())
                runs += [charges] if (charges := len(provider.charged) - before) else []
        while len(provider.deleted) < winners:  # finishes what a crash has left, and deletes the cards of paid offers
            minutes += 1
            assert minutes < winners + 1000, "the provider keeps the cards of people who have paid"
            virtual.wait_until(START + ballots.DAYS + 3600 + 60 * minutes)
            with virtual.simulated():
                lines.run_allocator()
                sweep.run_sweep(clock.now())
        orders = {purchase.id: purchase.user_id for purchase in queries.scan_purchases() if purchase.was_order}
        draw = waiting_room.find_draw(event_id, int(virtual.now()))
        drawn = {entry.user_id: entry.draw_number for entry in waitlists.scan_entries() if entry.draw_number is not None}
        first = set(sorted(people, key=lambda user: drawn[user].position(draw) or 0)[:winners])
        assert sorted(orders.values()) == sorted(first)
        assert sorted(provider.charged_purchases()) == sorted(orders)
        assert provider.deleted == {f"cus_{entry.id}" for entry in waitlists.scan_entries() if entry.user_id in first}
        _verify(api, event_id, commitment, winners)
    shares = [Counter(drawn[user].weight for user in group) for group in (people, first)]
    print(f"{winners:,} winners, all charged once, through {crashes.count} crashes after {len(crashes.kinds)} kinds of calls")
    print(f"charges of whole runs of the sweep: {runs}")
    print(
        "won, by how many numbers they had:",
        ", ".join(f"{number}: {shares[1][number] / count:.0%}" for number, count in sorted(shares[0].items())),
    )
    return runs


def _create_person(event_id: str, user: str, lost_ballots: int) -> None:
    """Create an account whose address has lost this many ballots of the promoter."""
    email = f"{user}@example.com"
    account = Account(user_id=user, email=email, roles=("user",), created_at=START, verified_at=START)
    dynamo.transact(accounts.create_items(account, "no hash"))
    series = model.series_of(catalog.load_current().events[event_id])
    assert series is not None
    key = tokens.address_key(series, email)
    for number in range(lost_ballots):
        rooms.record_loss(model.OddsKey(key, user), f"{START - number}.{number:08}", START)


def _register_with_card(api: Client | None, event_id: str, user: str) -> None:
    if api is None:
        now = clock.now()
        place = waiting_room.join(event_id, user, lambda: None, lambda _: False, now)
        joined = waitlist.join_waitlist(user, waitlist.JoinRequest(event_id, token=str(place.view.token)), now)
        waitlist.save_card(user, joined.own.entry.id, "pm_card_visa", PRICE_CENTS, now)
        return
    ballots.register(api, event_id, user)
    [entry] = lines.own(api, user)
    body = {"card": "pm_card_visa", "max_cents": PRICE_CENTS}
    assert api.post(f"/waitlist/{entry['id']}/card", json=body, user=user).status == 200


def _verify(api: Client, event_id: str, commitment: str, winners: int) -> None:
    """Run `verify.pyz` as anybody can, with the addresses of the public documents."""

    def load(address: str) -> dict[str, Any]:
        parts = urlsplit(address)
        reply = api.get(parts.path, query=dict(parse_qsl(parts.query)))
        assert reply.status == 200, reply.json
        return dict(reply.json)

    public = f"{SHOP}/{event_id}"
    root = load(f"{public}/waiting-room/proof")["entries"]["root"]
    noted = ["--commitment", commitment, "--root", root]
    addresses = [f"{public}/waiting-room/proof", "--entries", f"{public}/waiting-room/entries", "--ballot", f"{public}/ballot"]
    found = io.StringIO()
    with mock.patch.object(verify, "_load_document", load), redirect_stdout(found):
        code = verify.main([*addresses, *noted])
    print(found.getvalue())
    assert code == verify.EXIT_OK, "verify finds no fault"
    assert f"{winners} places were offered tickets" in found.getvalue()


def take_bounds(winners: int = PLAYED_WINNERS) -> Iterator[Bound]:
    runs = charge_winners(winners)
    yield Bound(f"minutes to charge {WINNERS:,} winners, computed from {winners:,} of them", total_minutes(WINNERS, runs), "min", 180)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds(*map(int, sys.argv[1:]))))
