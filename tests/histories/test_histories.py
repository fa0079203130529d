"""Random histories of buyers, admins, schedules, crashes and the clock; the invariants hold after each step."""

from contextlib import ExitStack
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chalicelib.foundation import settings as product_settings
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.model import CapacityInUse
from chalicelib.purchases import store
from chalicelib.tickets import seats
from chalicelib.tickets import service as tickets
from tests import builders, invariants, seeds, shops
from tests.addons.waitlist import lines
from tests.client import ClientReply
from tests.simulation import faults

USERS = st.sampled_from(["ada", "bob", "eve"])
STATUSES = {200, 201, 400, 403, 404, 409, 410}


def crash_numbers(max_number):
    """The call after which the process crashes, mostly 0 for none, since histories that crash at every step get nowhere."""
    return st.one_of(st.just(0), st.just(0), st.integers(1, max_number))


class History(RuleBasedStateMachine):
    def __init__(self, api, time, event_capacity):
        super().__init__()
        self.api, self.time = api, time
        self.resources = ExitStack()
        self.resources.enter_context(product_settings.override(doors_open_seconds=31 * 86_400))
        self.shop = self.resources.enter_context(shops.isolated_shop(api, event_capacity))
        table = api.patch(f"/tiers/{self.shop.balcony}", json={"admits": 3}, token=builders.admin_token())
        assert table.status == 200, table.json
        builders.create_promo_code(api, self.shop.event_id, "SCARCE", discount_value=33, max_total_uses=3, max_uses_per_donor=2)
        builders.create_promo_code(api, self.shop.event_id, "FREE", discount_value=100, package_ids=[self.shop.balcony])
        self.reservations: dict[str, str] = {}
        self.keys = count()

    def teardown(self):
        self.time.advance(400)
        builders.run_sweep()
        invariants.check(self.time.now, recovered=True)
        self.resources.close()

    def _check_status(self, reply):
        assert reply.status in STATUSES, reply.json

    @rule(user=USERS, floor=st.integers(0, 4), balcony=st.integers(0, 3), crash=crash_numbers(6))
    def reserve(self, user, floor, balcony, crash):
        reply = self._request(crash, lambda: self.shop.reserve(user, floor=floor, balcony=balcony))
        if reply is not None and reply.status == 201:
            self.reservations[user] = reply.json["id"]

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
        order_ids = [purchase.id for purchase in store.scan_purchases() if purchase.is_order] or list(self.reservations.values())
        order_id = sorted(order_ids)[index % len(order_ids)]
        numbers = [number for number in (1, 2, 3) if bits & 1 << number - 1]
        fields = {"key": str(next(self.keys)), "return_seats": return_seats, "fee_cents": fee}
        if numbers:
            fields["tickets"] = builders.ticket_ids(order_id, *numbers)
        self._request(crash, lambda: builders.refund(self.api, order_id, **fields))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, code=st.sampled_from([None, None, "SCARCE", "SCARCE", "FREE"]), crash=crash_numbers(5))
    def start_checkout(self, user, code, crash):
        reservation_id = self.reservations.get(user, "none")
        fields = {} if code is None else {"promo_code": code}
        # With its own key, because another try may be without the code.
        self._request(crash, lambda: builders.start_checkout(self.api, user, reservation_id, key=f"{reservation_id}{code}", **fields))

    @rule(most=st.integers(1, 5))
    def change_uses(self, most):
        path = f"/admin/events/{self.shop.event_id}/promo-codes/SCARCE"
        self._check_status(self.api.patch(path, json={"max_total_uses": most}, token=builders.admin_token()))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, outcome=st.sampled_from(["success", "success", "decline", "fail"]), crash=crash_numbers(5))
    def confirm(self, user, outcome, crash):
        self._request(crash, lambda: builders.confirm(self.api, user, self.reservations.get(user, "none"), outcome))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, crash=crash_numbers(4))
    def release(self, user, crash):
        self._request(crash, lambda: self.api.delete(f"/reservations/{self.reservations.get(user, 'none')}", user=user))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 3), crash=crash_numbers(2))
    def check_in(self, user, number, crash):
        path = f"/tickets/{self.reservations.get(user, 'none')}-{number}/validate"
        self._request(crash, lambda: self.api.post(path, token=builders.admin_token()))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 3), crash=crash_numbers(2))
    def undo(self, user, number, crash):
        path = f"/tickets/{self.reservations.get(user, 'none')}-{number}/undo"
        self._request(crash, lambda: self.api.post(path, token=builders.admin_token()))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 3), receiver=USERS, crash=crash_numbers(2))
    def transfer(self, user, number, receiver, crash):
        """A ticket of this user's order goes from its owner to the receiver."""
        ticket = tickets.find_ticket(f"{self.reservations.get(user, 'none')}-{number}")
        owner = ticket.owner_id if ticket is not None else user
        offered = self.api.post(f"/tickets/{self.reservations.get(user, 'none')}-{number}/transfer", user=owner)
        self._check_status(offered)
        if offered.status in (200, 201):
            self._request(crash, lambda: self.api.post(f"/transfers/{offered.json['token']}/accept", user=receiver))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 4), seat=st.integers(1, 3), guest=st.sampled_from(["Gil", "Kim", None]), crash=crash_numbers(3))
    def name_guest(self, user, number, seat, guest, crash):
        """The owner of a ticket names somebody for a seat, or takes it back."""
        ticket_id = f"{self.reservations.get(user, 'none')}-{number}"
        ticket = tickets.find_ticket(ticket_id)
        owner, path = ticket.owner_id if ticket is not None else user, f"/seats/{ticket_id}.{seat}/guest"
        if guest is None:
            self._request(crash, lambda: self.api.delete(path, user=owner))
        else:
            self._request(crash, lambda: self.api.put(path, json={"name": guest}, user=owner))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 4), index=st.integers(0, 2), crash=crash_numbers(2))
    def admit_guest(self, user, number, index, crash):
        """A guest of a ticket comes to the door with their own code."""
        ticket = tickets.find_ticket(f"{self.reservations.get(user, 'none')}-{number}")
        if ticket is not None and ticket.guests:
            code = ticket.guests[index % len(ticket.guests)].code
            self._request(crash, lambda: self.api.post("/checkin", json={"code": code}, token=builders.admin_token()))

    @precondition(lambda self: self.reservations)
    @rule(user=USERS, number=st.integers(1, 4), index=st.integers(0, 2), crash=crash_numbers(3))
    def erase_guest(self, user, number, index, crash):
        """A guest gives the seat back and is erased."""
        ticket = tickets.find_ticket(f"{self.reservations.get(user, 'none')}-{number}")
        if ticket is not None and ticket.guests:
            guest = ticket.guests[index % len(ticket.guests)]
            [seat] = seats.list_seats([(ticket, guest.seat)])
            self._request(crash, lambda: self.api.delete(f"/guests/{seat.token}"))

    @rule(crash=crash_numbers(8))
    def sweep(self, crash):
        self._request(crash, builders.run_sweep)

    @rule(paused=st.booleans())
    def pause(self, paused):
        action = "pause" if paused else "resume"
        self._check_status(self.api.post(f"/admin/events/{self.shop.event_id}/{action}", token=builders.admin_token()))

    @rule(seconds=st.sampled_from([1, 60, 181]))
    def wait(self, seconds):
        self.time.advance(seconds)

    @rule(capacity=st.integers(1, 20))
    def resize(self, capacity):
        try:
            resize_stock(self.shop.floor, 1, capacity)
        except CapacityInUse:
            return

    @invariant()
    def all_invariants_hold(self):
        invariants.check(self.time.now)

    def _request(self, crash, send):
        """Send a request; its reply, None if the process crashes after call number `crash`."""
        if crash:
            with faults.crash_after(crash):
                send()
            return None
        reply = send()
        if isinstance(reply, ClientReply):
            self._check_status(reply)
        return reply


class WaitlistHistory(History):
    """Histories of a shop whose balcony was sold out at the beginning, and of people who wait for what comes back."""

    def __init__(self, api, time, event_capacity):
        super().__init__(api, time, event_capacity)
        for user in ("eve", "zoe"):
            self.reservations[user] = builders.create_order(api, (self.shop.event_id, self.shop.balcony), 2, user)
        time.advance(5)  # figures are no older than that

    @rule(user=USERS, quantity=st.integers(1, 3), floor_too=st.booleans(), crash=crash_numbers(6))
    def join(self, user, quantity, floor_too, crash):
        tier_ids = [self.shop.balcony, self.shop.floor][: 1 + floor_too]
        self._request(crash, lambda: lines.join(self.api, user, self.shop.event_id, quantity, tier_ids=tier_ids))

    @rule(user=USERS, crash=crash_numbers(6))
    def leave_line(self, user, crash):
        """Lose the place, or give the offer back."""
        for entry in lines.own(self.api, user):
            self._request(crash, lambda entry=entry: self.api.delete(f"/waitlist/{entry['id']}", user=user))

    @rule(crash=crash_numbers(16))
    def allocate(self, crash):
        self._request(crash, lines.run_allocator)
        for user in ("ada", "bob", "eve"):  # from here on an offer is a reservation: paid, left to expire or released by the rules for all
            offered = [entry["offer"]["id"] for entry in lines.own(self.api, user) if entry["status"] == "offered"]
            self.reservations |= dict.fromkeys([user], *offered) if offered else {}

    @rule(user=USERS, crash=crash_numbers(8))
    def offer_by_hand(self, user, crash):
        for entry in lines.own(self.api, user):
            path = f"/waitlist/{entry['id']}/notify"
            self._request(crash, lambda path=path: self.api.post(path, token=builders.admin_token()))

    @rule(keeps=st.booleans())
    def change_what_is_kept(self, keeps):
        path, fields = f"/events/{self.shop.event_id}", {"waitlist": {"keeps_tickets": keeps}}
        self._check_status(self.api.patch(path, json=fields, token=builders.admin_token()))

    def teardown(self):
        self.time.advance(86_400)  # no offer is open any more
        for _ in range(2):
            builders.run_sweep()
            lines.run_allocator()
        super().teardown()


@pytest.mark.parametrize("event_capacity", [None, 9])
def test_random_histories_with_offers_keep_the_invariants(api, time, threaded_store, event_capacity):
    run_histories(lambda: WaitlistHistory(api, time, event_capacity), 20)


@pytest.mark.parametrize(("event_capacity", "histories"), [(None, 40), (9, 20)])
def test_random_histories_keep_the_invariants(api, time, threaded_store, event_capacity, histories):
    """Runs on the local store, which is several times as fast as moto and allows that many more histories."""
    run_histories(lambda: History(api, time, event_capacity), histories)


def run_histories(start, histories):
    run_state_machine_as_test(
        start,
        settings=settings(
            max_examples=seeds.count(histories),
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
