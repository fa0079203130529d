"""Every kind of fault at every store call of every flow, then recovery, then the invariants.

The tests are generated: each flow runs once to count its calls, then once for each of them and each kind of fault.
"""

import itertools
from contextlib import suppress
from copy import copy

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from chalicelib.tickets import seats
from chalicelib.tickets import service as tickets
from tests import builders, invariants, shops
from tests.faults.kinds import FAULTS
from tests.simulation import faults
from tests.simulation.interception import unobserved
from tests.simulation.moments import Moment

pytestmark = pytest.mark.usefixtures("threaded_store")

# Statuses that a fault of the store may lead to. Never 500, which stands for an error that nobody handles.
STATUSES = {200, 201, 409, 503}


class PurchaseFlow:
    """The steps of one buyer's purchase in a shop."""

    def __init__(self, api, time, shop):
        self.api, self.time, self.shop = api, time, shop
        self.id = self.token = self.checkin_id = self.code = ""

    def reserve(self):
        reply = self.shop.reserve("ada", floor=2, balcony=1, key="r")
        self.id = (reply.json or {}).get("id", "")
        return reply

    def order(self):
        reply = builders.order(self.api, "ada", self.shop.event_id, {self.shop.floor: 2, self.shop.balcony: 1}, key=self.shop.event_id)
        self.id = (reply.json or {}).get("order", {}).get("id", "")
        return reply

    def buy_package(self):
        body = {"package_id": self.shop.floor, "quantity": 3, "simulate": "success"}
        path, headers = f"/events/{self.shop.event_id}/tickets/purchase", {"Idempotency-Key": self.shop.event_id}
        reply = self.api.post(path, json=body, user="ada", headers=headers)
        self.id = (reply.json or {}).get("order_id", "")
        return reply

    def cancel(self):
        return self.api.post(f"/orders/{self.id}/cancel", user="ada")

    def start_checkout(self):
        return builders.start_checkout(self.api, "ada", self.id, key=self.id)

    def start_checkout_with_details(self):
        return builders.start_checkout(self.api, "ada", self.id, key=self.id, responses={"diet": "none"})

    def create_code(self):
        """A promo code that can be used once."""
        fields = {"code": "SAVE", "discount_type": "percentage", "discount_value": 33, "max_total_uses": 1, "max_uses_per_donor": 1}
        return self._manage_code("POST", "", fields, {"Idempotency-Key": self.shop.event_id})

    def change_code(self):
        return self._manage_code("PATCH", "/SAVE", {"discount_value": 20, "max_total_uses": 100})

    def delete_code(self):
        return self._manage_code("DELETE", "/SAVE")

    def _manage_code(self, method, path, body=None, headers=None):
        options = {} if body is None else {"json": body}
        token, headers = builders.admin_token(), headers or {}
        return self.api.request(method, f"/admin/events/{self.shop.event_id}/promo-codes{path}", token=token, headers=headers, **options)

    def start_checkout_with_code(self):
        return builders.start_checkout(self.api, "ada", self.id, key=self.id, promo_code="SAVE")

    def order_with_code(self):
        items = {self.shop.floor: 2, self.shop.balcony: 1}
        reply = builders.order(self.api, "ada", self.shop.event_id, items, key=self.shop.event_id, promo_code="SAVE")
        self.id = (reply.json or {}).get("order", {}).get("id", "")
        return reply

    def reserve_as_bob(self):
        return self.shop.reserve("bob", floor=1)

    def use_code_as_bob(self):
        """Another buyer wants the use that an expired checkout still holds."""
        with unobserved():
            reservation_id = self.api.get(f"/events/{self.shop.event_id}/reservations", user="bob").json["id"]
        return builders.start_checkout(self.api, "bob", reservation_id, key=reservation_id, promo_code="SAVE")

    def move_to_another_instance(self):
        """Another instance takes the next step, so it reads the purchase first."""
        store._copies.forget()

    def confirm(self):
        return builders.confirm(self.api, "ada", self.id)

    def decline(self):
        return builders.confirm(self.api, "ada", self.id, "fail")

    def decline_card(self):
        """Leaves the purchase as it is, so that it can still be paid."""
        assert builders.confirm(self.api, "ada", self.id, "decline").status == 409

    def check_in(self):
        with settings.override(doors_open_seconds=31 * 86_400):
            return self.api.post(f"/tickets/{self.id}-1/validate", token=builders.admin_token(), headers={"Idempotency-Key": self.id})

    def undo(self):
        """Names the check-in, so that a repetition finds it undone."""
        with unobserved():
            self.checkin_id = self.checkin_id or tickets.get_ticket(f"{self.id}-1").checkins[0].id
        return self.api.post(f"/tickets/{self.id}-1/undo", json={"checkin_id": self.checkin_id}, token=builders.admin_token())

    def name_guest(self, name="Bob"):
        return self.api.put(f"/seats/{self.id}-1.1/guest", json={"name": name}, user="ada")

    def name_another_guest(self):
        return self.name_guest("Eve")

    def remove_guest(self):
        return self.api.delete(f"/seats/{self.id}-1.1/guest", user="ada")

    def erase_guest(self):
        """The guest gives the seat back; who has done so has no link any more."""
        with unobserved():
            [seat] = seats.list_seats([(tickets.get_ticket(f"{self.id}-1"), 1)])
        return self.api.delete(f"/guests/{seat.token}") if seat.token else None

    def admit_guest(self):
        with unobserved():
            self.code = self.code or tickets.get_ticket(f"{self.id}-1").guests[0].code
        with settings.override(doors_open_seconds=31 * 86_400):
            headers = {"Idempotency-Key": self.id}
            return self.api.post("/checkin", json={"code": self.code}, token=builders.admin_token(), headers=headers)

    def offer(self):
        reply = self.api.post(f"/tickets/{self.id}-1/transfer", user="ada")
        self.token = (reply.json or {}).get("token", "")
        return reply

    def accept(self):
        return self.api.post(f"/transfers/{self.token}/accept", user="bob")

    def cancel_offer(self):
        return self.api.delete(f"/tickets/{self.id}-1/transfer", user="ada")

    def release(self):
        return self.api.delete(f"/reservations/{self.id}", user="ada")

    def expire_hold(self):
        self.time.advance(181)

    def sweep(self):
        with suppress(*dynamo.STORE_ERRORS):  # Lambda counts the error, and the next run comes in a minute
            builders.run_sweep()

    def reserve_as_another_buyer(self):
        """Another buyer wants the tickets that an expired reservation still holds."""
        return self.shop.reserve("bob", balcony=4)

    def run(self, steps):
        """Return the reply to the last step, or None."""
        reply = None
        for step in steps:
            reply = getattr(self, step)()
        return reply


# name -> (the steps before, which succeed; the steps that the fault breaks)
FLOWS = {
    "reserve": ([], ["reserve"]),
    "release": (["reserve"], ["release"]),
    "order": ([], ["order"]),
    "cancel an order": (["order"], ["cancel"]),
    "buy a package": ([], ["buy_package"]),
    "checkout": (["reserve"], ["start_checkout"]),
    "checkout on another instance": (["reserve", "move_to_another_instance"], ["start_checkout"]),
    "confirm": (["reserve", "start_checkout"], ["confirm"]),
    "confirm on another instance": (["reserve", "start_checkout", "move_to_another_instance"], ["confirm"]),
    "checkout with details": (["reserve"], ["start_checkout_with_details"]),
    "confirm with details": (["reserve", "start_checkout_with_details"], ["confirm"]),
    "check in": (["reserve", "start_checkout", "confirm"], ["check_in"]),
    "undo a check-in": (["reserve", "start_checkout", "confirm", "check_in"], ["undo"]),
    "name a guest": (["reserve", "start_checkout", "confirm"], ["name_guest"]),
    "give a seat to another guest": (["reserve", "start_checkout", "confirm", "name_guest"], ["name_another_guest"]),
    "take a seat back": (["reserve", "start_checkout", "confirm", "name_guest"], ["remove_guest"]),
    "give a seat back": (["reserve", "start_checkout", "confirm", "name_guest"], ["erase_guest"]),
    "admit a guest": (["reserve", "start_checkout", "confirm", "name_guest"], ["admit_guest"]),
    "accept a ticket with a guest": (["reserve", "start_checkout", "confirm", "name_guest", "offer"], ["accept"]),
    "offer a ticket": (["reserve", "start_checkout", "confirm"], ["offer"]),
    "accept a ticket": (["reserve", "start_checkout", "confirm", "offer"], ["accept"]),
    "cancel an offer": (["reserve", "start_checkout", "confirm", "offer"], ["cancel_offer"]),
    "decline": (["reserve", "start_checkout"], ["decline"]),
    "confirm after a declined card": (["reserve", "start_checkout", "decline_card"], ["confirm"]),
    "expire in a sweep": (["reserve", "expire_hold"], ["sweep"]),
    "expire in a sweep, paying": (["reserve", "start_checkout", "expire_hold"], ["sweep"]),
    "expire for another buyer": (["reserve", "expire_hold"], ["reserve_as_another_buyer"]),
    "confirm too late": (["reserve", "start_checkout", "expire_hold"], ["confirm"]),
    "reserve again after the hold expired": (["reserve", "expire_hold"], ["reserve"]),
}

WITH_CODE = {
    "create a promo code": ([], ["create_code"]),
    "change a promo code": (["create_code"], ["change_code"]),
    "delete a promo code": (["create_code"], ["delete_code"]),
    "order with a promo code": (["create_code"], ["order_with_code"]),
    "checkout with a promo code": (["create_code", "reserve"], ["start_checkout_with_code"]),
    "confirm with a promo code": (["create_code", "reserve", "start_checkout_with_code"], ["confirm"]),
    "decline with a promo code": (["create_code", "reserve", "start_checkout_with_code"], ["decline"]),
    "expire with a promo code": (["create_code", "reserve", "start_checkout_with_code", "expire_hold"], ["sweep"]),
    "take an expired use": (["create_code", "reserve", "start_checkout_with_code", "expire_hold", "reserve_as_bob"], ["use_code_as_bob"]),
}
FLOWS |= WITH_CODE

# The same for an event of five tickets over both tiers, of which one buyer has three: what is held in a tier is held in the pool too.
POOLED = {
    f"{name}, event capacity": FLOWS[name]
    for name in (
        *("reserve", "release", "order", "confirm", "decline", "confirm too late"),
        *("expire in a sweep", "expire in a sweep, paying", "expire for another buyer", "reserve again after the hold expired"),
    )
}
FLOWS |= POOLED

REPEATABLE = [
    "decline",
    "release",
    "reserve",
    "order",
    "buy a package",
    "cancel an order",
    "check in",
    "name a guest",
    "give a seat to another guest",
    "take a seat back",
    "admit a guest",
    "offer a ticket",
    "accept a ticket",
    "cancel an offer",
    "order with a promo code",
    "checkout with a promo code",
    "confirm with a promo code",
    "take an expired use",
    "create a promo code",
    "change a promo code",
]
BOTH_INSTANCES = ["checkout", "checkout on another instance", "confirm", "confirm on another instance"]


def flows_to_break(api, time, name, shop):
    """For each call of a flow: its number, and the flow with the steps before it done, in the shop as it was then."""
    before, steps = FLOWS[name]
    flow = PurchaseFlow(api, time, shop)
    reply = flow.run(before)
    assert reply is None or reply.status in (200, 201), reply.json
    moment = Moment(time)
    with faults.record_calls() as calls:
        copy(flow).run(steps)
    assert len(calls) >= 1
    for number in range(1, len(calls) + 1):
        moment.return_to()
        yield number, copy(flow), steps


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", FAULTS)
def test_recovery_repairs_a_fault_at_any_call(api, time, name, kind):
    with shops.isolated_shop(api, 5 if name in POOLED else None) as shop:
        for number, flow, steps in flows_to_break(api, time, name, shop):
            reply = None
            with FAULTS[kind](number) as fault:
                reply = flow.run(steps)
            assert fault.was_triggered
            assert reply is None or reply.status in STATUSES, (number, reply.json)
            invariants.check(time.now)
            _recover(time)
            _check_nothing_is_held()
            invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("name", [*BOTH_INSTANCES, *REPEATABLE])
@pytest.mark.parametrize("kind", ["crash before the answer", "throttled", "timeout of the answer", "repeated by the SDK"])
def test_after_a_fault_a_client_that_tries_again_succeeds(api, time, name, kind):
    with shops.isolated_shop(api) as shop:
        for number, flow, steps in flows_to_break(api, time, name, shop):
            purchase_id = flow.id
            with FAULTS[kind](number):
                flow.run(steps)
            flow.id = purchase_id or flow.id
            time.advance(31)  # the lock of the crashed execution ends
            reply = flow.run(steps)
            assert reply.status in (200, 201), (number, reply.json)
            if name.startswith("confirm"):
                assert len(reply.json["tickets"]) == 3
            invariants.check(time.now)
            _recover(time)
            invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("has_key", [True, False], ids=["with the key", "without a key"])
def test_the_holder_of_the_last_tickets_never_gets_sold_out(api, time, kind, has_key):
    with shops.isolated_shop(api) as shop:
        moment = Moment(time)
        with faults.record_calls() as calls:
            shop.reserve("ada", balcony=4, key="r")
        for number in range(1, len(calls) + 1):
            moment.return_to()
            with FAULTS[kind](number):
                shop.reserve("ada", balcony=4, key="r")
            time.advance(31)  # the lock of the crashed execution ends
            held = api.get(f"/events/{shop.event_id}/reservations", user="ada").json.get("id")
            again = shop.reserve("ada", balcony=4, key="r" if has_key else "")
            if held is not None:
                named = again.json.get("id") if has_key else again.json.get("reservation_id")
                assert named == held, (number, again.json)
            invariants.check(time.now)


def test_a_crash_of_the_recovery_itself_is_recovered(api, time):
    with shops.isolated_shop(api) as shop:
        flow = PurchaseFlow(api, time, shop)
        flow.run(["reserve", "start_checkout"])
        moment = Moment(time)
        for first, second in itertools.product(range(1, 4), range(1, 5)):
            moment.return_to()
            with faults.crash_after(first):
                flow.confirm()
            time.advance(181)
            with faults.crash_after(second):
                flow.sweep()
            invariants.check(time.now)
            _recover(time)
            invariants.check(time.now, recovered=True)


def _recover(time):
    time.advance(200)
    builders.run_sweep()
    assert builders.run_sweep()["holds_over"] == 0


def _check_nothing_is_held():
    assert {shard.held for shard in scan_shards()} == {0}
    assert all(purchase.state in ("paid", "expired", "cancelled") for purchase in store.scan_purchases())
