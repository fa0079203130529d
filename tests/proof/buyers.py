"""What buyers do with reservations, orders, promo codes, tickets and guests, paid with the simulated provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from chalicelib.foundation import memory, settings
from chalicelib.inventory.store import scan_shards
from chalicelib.promotions import service as promotions
from chalicelib.purchases import store
from chalicelib.tickets import seats
from chalicelib.tickets import service as tickets
from tests import builders, engines, invariants, shops
from tests.proof.harness import Flow
from tests.proof.scenes import StoredScene, open_app
from tests.purchases import bank_transfers
from tests.simulation import faults
from tests.simulation.interception import unobserved


class BuyerScene(StoredScene):
    """A buyer of three tickets on two tiers, and those whom they meet: another buyer, guests, the door, and a manager."""

    def __init__(self, api, time, shop):
        super().__init__(api, time)
        self.shop = shop
        self.id = self.token = self.checkin_id = self.code = ""

    def reserve(self):
        reply = self.shop.reserve("ada", floor=2, balcony=1, key="r")
        self.id = (reply.json or {}).get("id", "")
        return reply

    def reserve_last(self, key="r"):
        """Reserve all tickets of a tier. A buyer who holds them hears of this reservation, and never that the tickets are sold out.

        While another instance processes the same request, the buyer hears of that.
        """
        with unobserved():
            held = self.api.get(f"/events/{self.shop.event_id}/reservations", user="ada").json.get("id")
        reply = self.shop.reserve("ada", balcony=4, key=key)
        named = reply.json and (reply.json.get("id") or reply.json.get("reservation_id"))
        is_later = reply.status >= 500 or reply.json.get("error") == "request_in_flight"
        assert held is None or is_later or named == held, (held, reply.json)
        return reply

    def reserve_last_without_key(self):
        return self.reserve_last(key="")

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

    def create_holdback_code(self):
        """An access code for tickets that both tiers hold back."""
        for tier_id, quantity in ((self.shop.floor, 3 if self.shop.event_capacity else 4), (self.shop.balcony, 2)):
            holdbacks = [{"id": "fans", "reason": "presale", "quantity": quantity}]
            assert self.api.patch(f"/tiers/{tier_id}", json={"holdbacks": holdbacks}, token=builders.admin_token()).status == 200
        self.shop.warm_up()
        fields = {"code": "SAVE", "opens_package_ids": [self.shop.floor, self.shop.balcony], "holdback_id": "fans"}
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
            reservation_id = self.api.get(f"/events/{self.shop.event_id}/reservations", user="bob").json.get("id", "")
        return builders.start_checkout(self.api, "bob", reservation_id, key=reservation_id, promo_code="SAVE")

    def move_to_another_instance(self):
        """Another instance takes the next step, so it reads the purchase first."""
        store._copies.forget()

    def confirm(self):
        return builders.confirm(self.api, "ada", self.id)

    def crash_in_confirm(self, number=1):
        with faults.crash_after(number):
            self.confirm()

    def crash_later_in_confirm(self):
        self.crash_in_confirm(2)

    def crash_at_the_end_of_confirm(self):
        self.crash_in_confirm(3)

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
        """The guest gives the seat back. After that, the guest has no link."""
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
        builders.run_sweep()

    def reserve_as_another_buyer(self):
        """Another buyer wants the tickets that an expired reservation still holds."""
        return self.shop.reserve("bob", balcony=4)

    ROUNDS = (200, 0)

    def recover(self, seconds):
        self.time.advance(seconds)
        builders.run_sweep()

    def check_recovered(self):
        assert builders.run_sweep()["holds_over"] == 0
        assert {shard.held for shard in scan_shards()} == {0}
        assert all(purchase.state in ("paid", "expired", "cancelled") for purchase in store.scan_purchases())
        invariants.check(self.time.now, recovered=True)

    def outcome(self):
        orders = [purchase for purchase in store.scan_purchases() if purchase.was_order]
        issued = [ticket for order in orders for ticket in tickets.load_purchase_tickets(order.id, order.quantity)]
        return {
            "orders": sorted((order.state, order.user_id, order.quantity, order.promo_code) for order in orders),
            "tickets": sorted((ticket.number, ticket.state, ticket.owner_id, len(ticket.checkins)) for ticket in issued),
            "guests": sorted((ticket.number, guest.seat, guest.name) for ticket in issued for guest in ticket.guests),
            "codes": sorted((code.code, code.discount_value, code.capacity) for code in promotions.scan_codes()),
            "stock": sorted((shard.sold, shard.available) for shard in scan_shards()),
        }


class TransferScene(StoredScene):
    """A company that pays for tickets by bank transfer, and the manager who records what the bank statement says."""

    ROUNDS = (300, 8 * 86_400)

    def __init__(self, api, time, shop):
        super().__init__(api, time)
        self.shop = shop
        self.id = self.text = ""

    def order(self):
        body = {"event_id": self.shop[0], "items": [{"tier_id": self.shop[1], "quantity": 2}]}
        body |= {"promo_code": "FIRMS", "provider": "bank_transfer"}
        reply = self.api.post("/orders", json=body, user="ada", headers={"Idempotency-Key": self.shop[0]})
        order = (reply.json or {}).get("order", {})
        self.id, self.text = order.get("id", ""), order.get("number", "")
        return reply

    def record(self, *amounts):
        rows = [{"reference": self.text, "amount_cents": amount, "date": "2026-06-02"} for amount in amounts or (10000,)]
        return self.api.post(f"/events/{self.shop[0]}/bank-transfers", json={"rows": rows}, **bank_transfers.manager())

    def record_a_part(self):
        return self.record(6000)

    def record_the_rest(self):
        return self.record(6000, 4000)

    def record_too_much(self):
        return self.record(10500)

    def send_back(self):
        return self.record(-500)

    def cancel(self):
        return self.api.post(f"/events/{self.shop[0]}/bank-transfers/{self.id}/cancel", **bank_transfers.manager())

    def refund(self):
        return builders.refund(self.api, self.id, key=self.id)

    def pass_a_week(self):
        self.time.advance(7 * 86_400 + 1)

    def sweep(self):
        builders.run_sweep()

    def recover(self, seconds):
        self.time.advance(seconds)
        builders.run_sweep()

    def check_recovered(self):
        invariants.check(self.time.now, recovered=True)

    def outcome(self):
        orders = self.api.get(f"/events/{self.shop[0]}/bank-transfers", **bank_transfers.manager()).json["orders"]
        return {
            "orders": [bank_transfers.shown(order) for order in orders],
            "stock": sorted((shard.sold, shard.available) for shard in scan_shards()),
        }


@contextmanager
def _open_transfers(time: Any) -> Iterator[TransferScene]:
    with open_app() as api, engines.fresh_stage():
        yield TransferScene(api, time, bank_transfers.create_shop(api))
    memory.forget_everything()


@contextmanager
def _open(time: Any, event_capacity: int | None = None) -> Iterator[BuyerScene]:
    with open_app() as api, shops.isolated_shop(api, event_capacity) as shop:
        yield BuyerScene(api, time, shop)


# name -> (the steps before, the step that a fault breaks)
STEPS: dict[str, tuple[list[str], str]] = {
    "reserve": ([], "reserve"),
    "release": (["reserve"], "release"),
    "order": ([], "order"),
    "cancel an order": (["order"], "cancel"),
    "buy a package": ([], "buy_package"),
    "checkout": (["reserve"], "start_checkout"),
    "checkout on another instance": (["reserve", "move_to_another_instance"], "start_checkout"),
    "confirm": (["reserve", "start_checkout"], "confirm"),
    "confirm on another instance": (["reserve", "start_checkout", "move_to_another_instance"], "confirm"),
    "checkout with details": (["reserve"], "start_checkout_with_details"),
    "confirm with details": (["reserve", "start_checkout_with_details"], "confirm"),
    "check in": (["reserve", "start_checkout", "confirm"], "check_in"),
    "undo a check-in": (["reserve", "start_checkout", "confirm", "check_in"], "undo"),
    "name a guest": (["reserve", "start_checkout", "confirm"], "name_guest"),
    "give a seat to another guest": (["reserve", "start_checkout", "confirm", "name_guest"], "name_another_guest"),
    "take a seat back": (["reserve", "start_checkout", "confirm", "name_guest"], "remove_guest"),
    "give a seat back": (["reserve", "start_checkout", "confirm", "name_guest"], "erase_guest"),
    "admit a guest": (["reserve", "start_checkout", "confirm", "name_guest"], "admit_guest"),
    "accept a ticket with a guest": (["reserve", "start_checkout", "confirm", "name_guest", "offer"], "accept"),
    "offer a ticket": (["reserve", "start_checkout", "confirm"], "offer"),
    "accept a ticket": (["reserve", "start_checkout", "confirm", "offer"], "accept"),
    "cancel an offer": (["reserve", "start_checkout", "confirm", "offer"], "cancel_offer"),
    "decline": (["reserve", "start_checkout"], "decline"),
    "confirm after a declined card": (["reserve", "start_checkout", "decline_card"], "confirm"),
    "expire in a sweep": (["reserve", "expire_hold"], "sweep"),
    "expire in a sweep, paying": (["reserve", "start_checkout", "expire_hold"], "sweep"),
    "recover from a crash of a confirm": (["reserve", "start_checkout", "crash_in_confirm", "expire_hold"], "sweep"),
    "recover from a later crash of a confirm": (["reserve", "start_checkout", "crash_later_in_confirm", "expire_hold"], "sweep"),
    "recover from a crash at the end of a confirm": (["reserve", "start_checkout", "crash_at_the_end_of_confirm", "expire_hold"], "sweep"),
    "expire for another buyer": (["reserve", "expire_hold"], "reserve_as_another_buyer"),
    "confirm too late": (["reserve", "start_checkout", "expire_hold"], "confirm"),
    "reserve again after the hold expired": (["reserve", "expire_hold"], "reserve"),
    "create a promo code": ([], "create_code"),
    "change a promo code": (["create_code"], "change_code"),
    "delete a promo code": (["create_code"], "delete_code"),
    "order with a promo code": (["create_code"], "order_with_code"),
    "checkout with a promo code": (["create_code", "reserve"], "start_checkout_with_code"),
    "confirm with a promo code": (["create_code", "reserve", "start_checkout_with_code"], "confirm"),
    "decline with a promo code": (["create_code", "reserve", "start_checkout_with_code"], "decline"),
    "expire with a promo code": (["create_code", "reserve", "start_checkout_with_code", "expire_hold"], "sweep"),
    "order from a holdback": (["create_holdback_code"], "order_with_code"),
    "confirm an order from a holdback": (["create_holdback_code", "order_with_code"], "confirm"),
    "expire an order from a holdback": (["create_holdback_code", "order_with_code", "expire_hold"], "sweep"),
    "take an expired use": (["create_code", "reserve", "start_checkout_with_code", "expire_hold", "reserve_as_bob"], "use_code_as_bob"),
}

# The same for an event of five tickets over both tiers, of which one buyer has three: what is held in a tier is held in the pool too.
POOLED = (
    *("reserve", "release", "order", "confirm", "decline", "confirm too late"),
    *(
        "order from a holdback",
        "confirm an order from a holdback",
        "expire in a sweep",
        "expire in a sweep, paying",
        "expire for another buyer",
        "reserve again after the hold expired",
    ),
)

# A repeated step finds too few tickets until the holds of the crashed step expire.
_NEEDS_MOST_TICKETS = {"reserve", "order", "order from a holdback", "reserve again after the hold expired", "expire for another buyer"}

FLOWS = {name: Flow(_open, before, step) for name, (before, step) in STEPS.items()}
FLOWS |= {
    name: Flow(_open_transfers, before, step)
    for name, (before, step) in {
        "order by bank transfer": ([], "order"),
        "record a transfer": (["order"], "record"),
        "record a part of the price": (["order"], "record_a_part"),
        "record the rest of the price": (["order", "record_a_part"], "record_the_rest"),
        "record too much": (["order"], "record_too_much"),
        "record money that was sent back": (["order", "record_too_much"], "send_back"),
        "cancel an order by bank transfer": (["order"], "cancel"),
        "cancel an order of which a part was paid": (["order", "record_a_part"], "cancel"),
        "record a late transfer": (["order", "pass_a_week", "sweep"], "record"),
        "expire an order of which a part was paid": (["order", "record_a_part", "pass_a_week"], "sweep"),
        "refund a transfer": (["order", "record"], "refund"),
    }.items()
}
# The tickets of a crashed step are sold out until their hold expires, unless the buyer got a reservation.
FLOWS["give a seat back"] = Flow(_open, *STEPS["give a seat back"], also={404})  # the guest has no link any more
FLOWS["reserve the last tickets"] = Flow(_open, [], "reserve_last", also={409})
FLOWS["reserve the last tickets without a key"] = Flow(_open, [], "reserve_last_without_key", also={409})
FLOWS |= {
    f"{name}, event capacity": Flow(partial(_open, event_capacity=5), *STEPS[name], name not in _NEEDS_MOST_TICKETS) for name in POOLED
}
