"""Random histories of buyers, managers, the door, schedules, crashes and the clock. A model predicts every reply and what is stored."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from itertools import count
from typing import Any

import hypothesis.core
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.foundation import settings as product_settings
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.model import CapacityInUse
from chalicelib.promotions import service as promotions
from chalicelib.purchases import store
from chalicelib.purchases.offers import WRITE_SECONDS
from chalicelib.tickets import seats
from chalicelib.tickets import service as tickets
from tests import builders, invariants, seeds, shops
from tests.addons.waitlist import lines
from tests.bootstrap import conftest as bootstrap
from tests.client import ClientReply
from tests.proof.history_model import HOLD_SECONDS, POOL, PURCHASE_LIMIT, USES_OF_BUYER, ShopModel, observe
from tests.simulation import faults

USERS = st.sampled_from(["ada", "bob", "eve"])
STATUSES = {200, 201, 400, 403, 404, 409, 410}
EVENT_SECONDS = 31 * 86_400
STEPS, CHECKED_STEPS = 50, 5  # of a history, and after how many of them all invariants are checked
MAX_PARTS = 10

Effect = Callable[[ShopModel, str], Any]  # changes the model; the text is the id of a purchase that the step created


def nothing(model: ShopModel, purchase_id: str) -> None:
    """The effect of a refused request."""


def crash_numbers(max_number):
    """The call after which the process crashes, mostly 0 for none, since histories that crash at every step get nowhere."""
    return st.one_of(st.just(0), st.just(0), st.integers(1, max_number))


class History(RuleBasedStateMachine):
    """Steps of buyers, guests, a manager, the door and the sweep. The model predicts each reply, and what is stored after the step."""

    def __init__(self, api, time, event_capacity):
        super().__init__()
        self.api, self.time = api, time
        self.resources = ExitStack()
        self.resources.enter_context(product_settings.override(doors_open_seconds=EVENT_SECONDS))
        self.shop = self.resources.enter_context(shops.isolated_shop(api, event_capacity))
        table = api.patch(f"/tiers/{self.shop.balcony}", json={"admits": 3}, token=builders.admin_token())
        assert table.status == 200, table.json
        uses = {"discount_value": 33, "max_total_uses": 3, "max_uses_per_donor": USES_OF_BUYER}
        builders.create_promo_code(api, self.shop.event_id, "SCARCE", **uses)
        builders.create_promo_code(api, self.shop.event_id, "FREE", discount_value=100, package_ids=[self.shop.balcony])
        capacities = {self.shop.floor: 10, self.shop.balcony: 4, "SCARCE": 3}
        capacities |= {} if event_capacity is None else {POOL: event_capacity}
        self.model = ShopModel(capacities, {self.shop.floor: 1, self.shop.balcony: 3})
        code = promotions.find_promo_code(self.shop.event_id, "SCARCE")
        self.stock_ids = {"SCARCE": code.stock_id, POOL: catalog.load_current().events[self.shop.event_id].pool_id}
        self.reservations: dict[str, str] = {}
        self.keys, self.steps = count(), count(1)

    def teardown(self):
        self.time.advance(400)
        self._run_sweep(0)
        invariants.check(self.time.now, recovered=True)
        if next(self.keys) % 2:
            self._cancel_event()
        self.resources.close()

    def _cancel_event(self):
        """Half of the histories end with the cancellation of the event, which refunds all orders."""
        assert self.api.post(f"/events/{self.shop.event_id}/cancel", token=builders.admin_token()).status == 200
        for _ in range(3):
            self.time.advance(400)
            builders.run_sweep()
        assert {purchase.state for purchase in store.scan_purchases()} <= {"refunded", "expired", "cancelled"}
        invariants.check(self.time.now, recovered=True)

    @property
    def now(self):
        return self.time.now

    def purchase_of(self, user):
        """Return the id of the user's last reservation, and what the model knows of it. The id is `none` if there is no reservation."""
        purchase_id = self.reservations.get(user, "none")
        return purchase_id, self.model.purchases.get(purchase_id)

    @rule(user=USERS, floor=st.integers(0, 4), balcony=st.integers(0, 3), crash=crash_numbers(6))
    def reserve(self, user, floor, balcony, crash):
        tiers = [self.shop.floor] * floor + [self.shop.balcony] * balcony

        def hold(model, purchase_id):
            for purchase in model.purchases.values():
                if purchase.user == user and purchase.has_lapsed(self.now):
                    purchase.state = "expired"
            model.hold(purchase_id, user, tiers, self.now + HOLD_SECONDS)

        if crash:
            self.model.leave_strays(tiers, None, self.now + HOLD_SECONDS)
        expected = self._expect_reservation(user, tiers, hold)
        reply = self._request(crash, lambda: self.shop.reserve(user, floor=floor, balcony=balcony), expected)
        if reply is not None and reply.status == 201:
            self.reservations[user] = reply.json["id"]

    def _expect_reservation(self, user, tiers, hold):
        if not tiers:
            return {400: nothing}
        if self.model.active(user, self.now) is not None:
            return {"active_reservation_exists": nothing}
        if self.model.is_paused:
            return {"event_paused": nothing}
        if len(tiers) > PURCHASE_LIMIT:
            return {"purchase_limit_exceeded": nothing}
        wanted = Counter([*tiers, *([POOL] * len(tiers) if POOL in self.model.capacities else [])])
        left = {stock: self.model.left(stock, self.now) for stock in wanted}
        expected = {"not_enough_tickets": nothing} if any(wanted[stock] > left[stock][0] for stock in wanted) or self.keeps_tickets else {}
        if all(wanted[stock] <= left[stock][1] for stock in wanted):
            is_allowed = self.model.bought(user) + len(tiers) <= PURCHASE_LIMIT
            expected |= {201: hold} if is_allowed else {"purchase_limit_exceeded": nothing}
        return expected

    keeps_tickets = False  # returned tickets are not kept for people who wait

    @rule(user=USERS, floor=st.integers(0, 4), balcony=st.integers(0, 3))
    def buy(self, user, floor, balcony):
        """Reserve, check out and confirm, since histories seldom have these steps in this order by chance."""
        self.reserve(user, floor, balcony, 0)
        self.start_checkout(user, None, 0)
        self.confirm(user, "success", 0)

    @precondition(lambda self: self.reservations)
    @rule(
        index=st.integers(0, 2), bits=st.integers(0, 7), return_seats=st.booleans(), fee=st.sampled_from([0, 100]), crash=crash_numbers(8)
    )
    def refund(self, index, bits, return_seats, fee, crash):
        """Refund tickets of an order, chosen by the bits of a number, also refunded ones; without an order, of a reservation."""
        orders = [purchase_id for purchase_id, purchase in self.model.purchases.items() if purchase.state in ("paid", "partially_refunded")]
        order_ids = sorted(orders or self.reservations.values())
        order_id = order_ids[index % len(order_ids)]
        numbers = {number for number in (1, 2, 3) if bits & 1 << number - 1}
        fields = {"key": str(next(self.keys)), "return_seats": return_seats, "fee_cents": fee}
        if numbers:
            fields["tickets"] = builders.ticket_ids(order_id, *sorted(numbers))
        order = self.model.purchases.get(order_id)
        if order is None or not order.was_order:
            expected = {404: nothing}
        elif not order.kept:
            expected = {"not_refundable": nothing}
        elif numbers - order.kept:
            expected = {"refund_invalid": nothing}
        else:
            expected = {201: lambda model, _: model.refund(order_id, numbers or set(order.kept), return_seats=return_seats)}
        self._request(crash, lambda: builders.refund(self.api, order_id, **fields), expected)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, code=st.sampled_from([None, None, "SCARCE", "SCARCE", "FREE"]), crash=crash_numbers(5))
    def start_checkout(self, user, code, crash):
        purchase_id, purchase = self.purchase_of(user)
        fields = {} if code is None else {"promo_code": code}
        if crash and purchase is not None:
            self.model.leave_strays([], code, purchase.expires_at)
        # With its own key, because another try may be without the code.
        send = lambda: builders.start_checkout(self.api, user, purchase_id, key=f"{purchase_id}{code}", **fields)  # noqa: E731
        self._request(crash, send, self._expect_checkout(user, purchase_id, purchase, code))

    def _expect_checkout(self, user, purchase_id, purchase, code):
        if purchase is None:
            return {404: nothing}
        if purchase.state == "held" and purchase.is_active(self.now):
            if code == "FREE" and self.shop.balcony not in purchase.tiers:
                return {"promo_code_not_applicable": nothing}
            if code == "SCARCE" and self.model.code_uses(user, code) >= USES_OF_BUYER:
                return {"promo_code_limit_reached": nothing}
            least, most = self.model.left(code, self.now) if code == "SCARCE" else (1, 1)
            opened = {201: lambda model, _: setattr(model.purchases[purchase_id], "state", "paying")}
            if code is not None:
                opened = {201: lambda model, _: model.open_with_code(purchase_id, code)}
            return ({} if most < 1 else opened) | ({} if least >= 1 else {"promo_code_used_up": nothing})
        if purchase.is_active(self.now):
            return {200: nothing, 201: nothing}
        # A repeated request gets the reply to the first one, whatever has happened since.
        ended = "reservation_converted" if purchase.was_order else "reservation_expired_or_invalid"
        return {ended: nothing} if purchase.state in ("held",) else {ended: nothing, 200: nothing, 201: nothing}

    @rule(most=st.integers(1, 5))
    def change_uses(self, most):
        path = f"/admin/events/{self.shop.event_id}/promo-codes/SCARCE"
        least_left, most_left = self.model.left("SCARCE", self.now)
        capacity = self.model.capacities["SCARCE"]
        expected = {} if most < capacity - most_left else {200: lambda model, _: model.capacities.update(SCARCE=most)}
        if most < capacity - least_left:
            expected |= {409: nothing}
        self._request(0, lambda: self.api.patch(path, json={"max_total_uses": most}, token=builders.admin_token()), expected)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, outcome=st.sampled_from(["success", "success", "decline", "fail"]), crash=crash_numbers(5))
    def confirm(self, user, outcome, crash):
        purchase_id, purchase = self.purchase_of(user)
        pay, decline = {201: lambda model, _: model.pay(purchase_id)}, {"payment_not_completed": nothing}
        cancel = dict.fromkeys((200, 201), lambda model, _: setattr(model.purchases[purchase_id], "state", "cancelled"))
        if purchase is None or (purchase.state == "held" and purchase.is_active(self.now)):
            expected = {404: nothing}
        elif purchase.is_active(self.now):
            expected = pay if outcome == "success" else decline if outcome == "decline" else cancel
            if purchase.code == "FREE":
                expected = {**pay, **expected}  # a free order needs no payment
        elif purchase.was_order:
            expected = {200: nothing, 201: nothing}
        else:
            expected = {200: nothing, 404: nothing, "reservation_expired_or_invalid": nothing}
        if crash and purchase is not None:
            self.model.leave_strays(purchase.tiers, purchase.code, purchase.expires_at)
        self._request(crash, lambda: builders.confirm(self.api, user, purchase_id, outcome), expected)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, crash=crash_numbers(4))
    def release(self, user, crash):
        purchase_id, purchase = self.purchase_of(user)
        if purchase is None:
            expected = {404: nothing}
        elif purchase.was_order:
            expected = {"reservation_converted": nothing}
        else:
            expected = {200: lambda model, _: model.cancel(purchase_id)}
        if crash and purchase is not None:
            self.model.leave_strays(purchase.tiers, purchase.code, purchase.expires_at)
        self._request(crash, lambda: self.api.delete(f"/reservations/{purchase_id}", user=user), expected)

    def ticket_of(self, user, number):
        """Return the id of a ticket of the user's last reservation, and what the model knows of it."""
        ticket_id = f"{self.purchase_of(user)[0]}-{number}"
        return ticket_id, self.model.tickets.get(ticket_id)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 3), is_upload=st.booleans(), crash=crash_numbers(2))
    def check_in(self, user, number, is_upload, crash):
        """Admit one person at the door, or by the upload of a device that was offline."""
        ticket_id, ticket = self.ticket_of(user, number)
        token = builders.admin_token()
        admit = lambda model, _: model.tickets[ticket_id].inside.append(None)  # noqa: E731
        if ticket is None:
            refusal = 404
        elif not ticket.is_valid:
            refusal = "ticket_refunded"
        else:
            refusal = "already_admitted" if len(ticket.inside) >= ticket.admits else None
        if is_upload:
            scan = {"id": str(next(self.keys)), "at": clock.iso(self.now), "ticket_id": ticket_id}
            send = lambda: self.api.post("/checkin/sync", json={"device": "offline", "scans": [scan]}, token=token)  # noqa: E731
            self._request(crash, send, {200: admit if refusal is None else nothing})
        else:
            send = lambda: self.api.post(f"/tickets/{ticket_id}/validate", token=token)  # noqa: E731
            self._request(crash, send, {200: admit} if refusal is None else {refusal: nothing})

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 3), crash=crash_numbers(2))
    def undo(self, user, number, crash):
        ticket_id, ticket = self.ticket_of(user, number)
        expected = {404: nothing} if ticket is None else {"not_checked_in": nothing}
        if ticket is not None and ticket.inside:
            expected = {200: lambda model, _: model.tickets[ticket_id].inside.pop()}
        self._request(crash, lambda: self.api.post(f"/tickets/{ticket_id}/undo", token=builders.admin_token()), expected)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 3), receiver=USERS, crash=crash_numbers(2))
    def transfer(self, user, number, receiver, crash):
        """A ticket of this user's order goes from its owner to the receiver."""
        ticket_id, ticket = self.ticket_of(user, number)
        owner = ticket.owner if ticket is not None else user
        if ticket is None:
            expected = {404: nothing}
        elif not ticket.is_valid:
            expected = {"ticket_void": nothing}
        else:
            expected = {"ticket_used": nothing} if ticket.inside else {200: nothing, 201: nothing}
        offered = self._request(0, lambda: self.api.post(f"/tickets/{ticket_id}/transfer", user=owner), expected)
        if offered.status in (200, 201):
            give = dict.fromkeys((200, 201), lambda model, _: setattr(model.tickets[ticket_id], "owner", receiver))
            accepted = {"transfer_to_self": nothing} if receiver == owner else give
            self._request(crash, lambda: self.api.post(f"/transfers/{offered.json['token']}/accept", user=receiver), accepted)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 4), seat=st.integers(1, 3), guest=st.sampled_from(["Gil", "Kim", None]), crash=crash_numbers(3))
    def name_guest(self, user, number, seat, guest, crash):
        """The owner of a ticket names somebody for a seat, or takes it back."""
        ticket_id, ticket = self.ticket_of(user, number)
        owner, path = ticket.owner if ticket is not None else user, f"/seats/{ticket_id}.{seat}/guest"
        if ticket is None or seat > ticket.admits:
            expected = {404: nothing}
        elif not ticket.is_valid:
            expected = {"ticket_void": nothing}
        else:
            expected = {"guest_admitted": nothing} if seat in ticket.inside else {200: nothing}
        if guest is None:
            self._request(crash, lambda: self.api.delete(path, user=owner), expected)
        else:
            self._request(crash, lambda: self.api.put(path, json={"name": guest}, user=owner), expected)

    def guest_of(self, user, number, index):
        """Return a guest of a ticket, and the ticket, or None if the ticket has no guests."""
        ticket = tickets.find_ticket(f"{self.purchase_of(user)[0]}-{number}")
        return (ticket.guests[index % len(ticket.guests)], ticket) if ticket is not None and ticket.guests else (None, None)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 4), index=st.integers(0, 2), crash=crash_numbers(2))
    def admit_guest(self, user, number, index, crash):
        """A guest of a ticket comes to the door with their own code."""
        guest, ticket = self.guest_of(user, number, index)
        if guest is None:
            return
        known = self.model.tickets[ticket.id]
        if not known.is_valid:
            expected = {"ticket_refunded": nothing}
        elif len(known.inside) >= known.admits or guest.seat in known.inside:
            expected = {"already_admitted": nothing}
        else:
            expected = {200: lambda model, _: model.tickets[ticket.id].inside.append(guest.seat)}
        self._request(crash, lambda: self.api.post("/checkin", json={"code": guest.code}, token=builders.admin_token()), expected)

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 4), index=st.integers(0, 2), crash=crash_numbers(3))
    def erase_guest(self, user, number, index, crash):
        """A guest gives the seat back and is erased."""
        guest, ticket = self.guest_of(user, number, index)
        if guest is not None:
            [seat] = seats.list_seats([(ticket, guest.seat)])
            self._request(crash, lambda: self.api.delete(f"/guests/{seat.token}"), {200: nothing, 404: nothing})

    @rule(crash=crash_numbers(8))
    def sweep(self, crash):
        self._run_sweep(crash)

    def _run_sweep(self, crash):
        self._request(crash, builders.run_sweep, {"done": lambda model, _: model.sweep(self.now)})

    @rule(paused=st.booleans())
    def pause(self, paused):
        path = f"/admin/events/{self.shop.event_id}/{'pause' if paused else 'resume'}"
        expected = {200: lambda model, _: setattr(model, "is_paused", paused)}
        self._request(0, lambda: self.api.post(path, token=builders.admin_token()), expected)

    @rule(price_cents=st.sampled_from([3000, 4500]))
    def change_price(self, price_cents):
        """Purchases keep their prices."""
        body, token = {"price_cents": price_cents}, builders.admin_token()
        self._request(0, lambda: self.api.patch(f"/tiers/{self.shop.balcony}", json=body, token=token), {200: nothing})

    @rule(seconds=st.sampled_from([1, 60, 181]))
    def wait(self, seconds):
        self.time.advance(seconds)

    @rule(max_quantity=st.integers(10, 20))
    def apply_file(self, max_quantity):
        """The bootstrap file of another event changes nothing of this one."""
        ticket = bootstrap.ticket("pass", "fest", max_quantity=max_quantity)
        tree = {"version": "1", "events": {"fest": bootstrap.event("fest")}, "ticket_types": {"pass": ticket}}
        rollout.apply(validate_tree(tree), "ann", self.now)

    @rule(capacity=st.integers(1, 20))
    def resize(self, capacity):
        least_left, most_left = self.model.left(self.shop.floor, self.now)
        before = self.model.capacities[self.shop.floor]
        try:
            resize_stock(self.shop.floor, 1, capacity)
        except CapacityInUse:
            assert capacity < before - least_left
        else:
            assert capacity >= before - most_left
            self.model.capacities[self.shop.floor] = capacity

    @invariant()
    def stored_data_is_as_predicted(self):
        """Compare with the model after each step. Checking all invariants takes several times as long, so that is done less often."""
        assert not (differences := self._differences(self.model)), "\n".join(differences)
        if next(self.steps) % CHECKED_STEPS == 0:
            invariants.check(self.now)

    def _differences(self, model, seen=None):
        return list(model.differences(seen or observe(self.shop.event_id), self.now, self.stock_ids))

    def _request(self, crash, send, expected):
        """Send a request, which must get an expected status or error, and change the model accordingly. Returns the reply.

        If the process crashes after call number `crash`, the reply is None, and any expected effect may have taken place.
        """
        if crash:
            self.model.interrupt_recovery(self.now)
            reply = None
            with faults.crash_after(crash) as fault:
                reply = send()
            if fault.was_triggered:
                self._follow_crash(expected)
                return None
        else:
            reply = send()
        status, error = (reply.status, reply.json.get("error")) if isinstance(reply, ClientReply) else ("done", None)
        effect = expected.get(error) or expected.get(status)
        assert effect is not None, f"{status} {error}, expected {list(expected)}"
        effect(self.model, reply.json.get("id", "") if isinstance(reply, ClientReply) else "")
        return reply

    def _follow_crash(self, expected):
        """Continue with a model that agrees with what is stored: with or without the effect of the request."""
        seen, tried = observe(self.shop.event_id), []
        created = next(iter(seen.purchases.keys() - self.model.purchases.keys()), "")
        for effect in (nothing, *expected.values()):
            model = deepcopy(self.model)
            effect(model, created)
            differences = self._differences(model, seen)
            if not differences:
                self.model = model
                return
            tried.append(differences)
        raise AssertionError(f"after a crash, none of these is so: {tried}")


class WaitlistHistory(History):
    """Histories of a shop whose balcony was sold out at the beginning, and of people who wait for what comes back."""

    keeps_tickets = True

    def __init__(self, api, time, event_capacity):
        super().__init__(api, time, event_capacity)
        for user in ("eve", "zoe"):
            order_id = self.reservations[user] = builders.create_order(api, (self.shop.event_id, self.shop.balcony), 2, user)
            self.model.hold(order_id, user, [self.shop.balcony] * 2, self.now)
            self.model.pay(order_id)
        time.advance(5)  # figures are no older than that

    @rule(user=USERS, quantity=st.integers(1, 3), floor_too=st.booleans(), crash=crash_numbers(6))
    def join(self, user, quantity, floor_too, crash):
        tier_ids = [self.shop.balcony, self.shop.floor][: 1 + floor_too]
        send = lambda: lines.join(self.api, user, self.shop.event_id, quantity, tier_ids=tier_ids)  # noqa: E731
        self._request(crash, send, dict.fromkeys((200, 201, 400, 403, 409), nothing))

    @rule(user=USERS, crash=crash_numbers(6))
    def leave_line(self, user, crash):
        """Lose the place, or give the offer back."""
        for entry in lines.own(self.api, user):
            offer_id = entry["offer"]["id"] if entry["status"] == "offered" else ""
            offer = self.model.purchases.get(offer_id)
            if crash and offer is not None:
                self.model.leave_strays(offer.tiers, offer.code, offer.expires_at)
            leave = (lambda model, _, offer_id=offer_id: model.cancel(offer_id)) if offer is not None else nothing
            send = lambda entry=entry: self.api.delete(f"/waitlist/{entry['id']}", user=user)  # noqa: E731
            self._request(crash, send, {200: leave, 409: nothing})

    @rule(crash=crash_numbers(16))
    def allocate(self, crash):
        self._offer(crash, lines.run_allocator)

    @rule(user=USERS, crash=crash_numbers(8))
    def offer_by_hand(self, user, crash):
        for entry in lines.own(self.api, user):
            path = f"/waitlist/{entry['id']}/notify"
            self._offer(crash, lambda path=path: self.api.post(path, token=builders.admin_token()))

    def _offer(self, crash, send):
        """The model learns of new offers. From then on, they are reservations: paid, left to expire or released by the rules for all."""

        def adopt(model, _):
            for purchase in store.scan_purchases():
                if purchase.id not in model.purchases and purchase.waitlist_entry_id is not None:
                    tiers = [line.tier_id for line in purchase.lines for _ in range(line.quantity)]
                    model.hold(purchase.id, purchase.user_id, tiers, purchase.expires_at)

        if crash:
            everything = [self.shop.floor] * 3 * len(self.model.entries) + [self.shop.balcony] * 3 * len(self.model.entries)
            self.model.leave_strays(everything, None, self.now + WRITE_SECONDS)
        self._request(crash, send, {"done": adopt, 200: adopt, 403: adopt, 409: adopt})
        for user in ("ada", "bob", "eve"):
            offered = [entry["offer"]["id"] for entry in lines.own(self.api, user) if entry["status"] == "offered"]
            self.reservations |= dict.fromkeys([user], *offered) if offered else {}

    @rule(keeps=st.booleans())
    def change_what_is_kept(self, keeps):
        path, fields = f"/events/{self.shop.event_id}", {"waitlist": {"keeps_tickets": keeps}}
        self._request(0, lambda: self.api.patch(path, json=fields, token=builders.admin_token()), {200: nothing})

    def teardown(self):
        self.time.advance(86_400)  # no offer is open any more
        for _ in range(2):
            self._run_sweep(0)
            lines.run_allocator()
        super().teardown()


@pytest.fixture
def run_histories(api, time, threaded_store, request, monkeypatch):
    """Return a function that runs random histories of a machine. Each part has its own histories. A complete run counts their steps."""

    def run(machine, event_capacity, part, phases=tuple(Phase)):
        monkeypatch.setattr(hypothesis.core, "global_force_seed", seeds.first * MAX_PARTS + part)
        machines, histories = [], 50 if request.config.option.proof == "all" else 15

        def start():
            machines.append(machine(api, time, event_capacity))
            return machines[-1]

        number = seeds.count(histories)
        chosen = settings(max_examples=number, stateful_step_count=STEPS, phases=phases, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(start, settings=chosen)
        request.node.user_properties.append(("steps", sum(next(history.steps) - 2 for history in machines)))

    return run


@pytest.mark.parametrize("part", range(6))
@pytest.mark.parametrize("event_capacity", [None, 9])
def test_histories_agree_with_the_model(run_histories, event_capacity, part):
    """Runs on the local store, which is several times as fast as moto and allows that many more histories."""
    run_histories(History, event_capacity, part)


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("event_capacity", [None, 9])
def test_histories_with_a_waitlist_agree_with_the_model(run_histories, event_capacity, part):
    run_histories(WaitlistHistory, event_capacity, part)


def test_the_model_refuses_a_shop_with_a_mistake(run_histories):
    """A lower purchase limit breaks no invariant. It is found without shortening the history, which takes longer."""
    with (
        product_settings.override(event_purchase_limit=PURCHASE_LIMIT - 1),
        pytest.raises(AssertionError, match="limit_exceeded, expected"),
    ):
        run_histories(History, None, 0, phases=[Phase.generate])
