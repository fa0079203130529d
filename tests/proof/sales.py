"""The races, and the scenes in which they happen: a tier with few tickets, a waitlist, and refunds at Stripe."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from chalicelib.addons.waitlist import store as waitlist
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.inventory.display import invalidate_figures
from chalicelib.inventory.store import new_shard, scan_shards
from chalicelib.purchases import offers
from tests import builders, invariants, shops
from tests.addons.waitlist import lines
from tests.proof.payments import PaymentScene
from tests.proof.races import Race
from tests.proof.scenes import StoredScene, open_app
from tests.simulation import faults
from tests.stripe_shop import open_shop

DAY = 86_400


class SaleScene(StoredScene):
    """People who want the last tickets of a tier with three shards, or of a small tier on the side. Their names are their user ids."""

    ROUNDS = (400, 0)

    def __init__(self, api, time, event_capacity=None):
        super().__init__(api, time)
        self.event_id = builders.create_event(api, capacity=event_capacity)
        self.tier = builders.create_tier(api, self.event_id, capacity=201)  # three shards
        self.side = builders.create_tier(api, self.event_id, "Side", capacity=1)
        self.ids: dict[str, str] = {}
        self.is_pooled = event_capacity is not None
        self.stock("4")

    def stock(self, *amounts):
        """Leave so many tickets in the shards of the tier."""
        options = {"sold": 0, "is_open": True, "is_pooled": self.is_pooled}
        amounts = map(int, (*amounts, "0", "0")[:3])
        dynamo.batch_put([new_shard(f"{self.tier}#{number}", capacity=amount, **options) for number, amount in enumerate(amounts)])
        invalidate_figures()
        self.warm_up()

    def warm_up(self):
        """Load the catalog into the cache, so that races are about the sale."""
        self.api.get(f"/events/{self.event_id}")

    def reserve(self, user, quantity="1", **options):
        body = {"tier_id": self.tier, "quantity": int(quantity)} | options
        return self._keep(user, self.api.post(f"/events/{self.event_id}/reservations", json=body, user=user))

    def reserve_with_key(self, user):
        return self._keep(user, builders.reserve_items(self.api, user, self.event_id, {self.tier: 1}, key="k"))

    def reserve_both(self, user, *tiers):
        return builders.reserve_items(self.api, user, self.event_id, dict.fromkeys([getattr(self, tier) for tier in tiers], 1))

    def reserve_side(self, user):
        return self.reserve_both(user, "side")

    def _keep(self, user, reply):
        if reply.status in (200, 201):
            self.ids = self.ids | {user: reply.json["id"]}
        return reply

    def check_out(self, user, key="", **options):
        return builders.start_checkout(self.api, user, self.ids[user], key=key or self.ids[user], **options)

    def confirm(self, user):
        return builders.confirm(self.api, user, self.ids[user])

    def decline(self, user):
        return builders.confirm(self.api, user, self.ids[user], "fail")

    def crash_in_confirm(self, user):
        """The confirmation crashes before it converts the holds of the order."""
        with faults.crash_before(1, table="inventory"):
            self.confirm(user)

    def release(self, user):
        return self.api.delete(f"/reservations/{self.ids[user]}", user=user)

    def expire(self):
        self.time.advance(181)
        self.warm_up()

    def sweep(self):
        builders.run_sweep()

    def refund(self, user, *numbers, **options):
        """Refund these tickets of an order, or all that are left."""
        tickets = {"tickets": builders.ticket_ids(self.ids[user], *map(int, numbers))} if numbers else {}
        return builders.refund(self.api, self.ids[user], **({"key": f"r{numbers}"} | tickets | options))

    def refund_without_seats(self, user):
        return self.refund(user, return_seats=False)

    # What managers do.

    def pause(self):
        return self._manage("POST", f"/admin/events/{self.event_id}/pause")

    def resume(self):
        return self._manage("POST", f"/admin/events/{self.event_id}/resume")

    def resize(self, capacity):
        return self._manage("PATCH", f"/tiers/{self.side}", {"capacity": int(capacity)})

    def hold_back(self, quantity, seconds="60"):
        """Hold tickets on the side back, to be released later."""
        held_back = {"id": "fans", "reason": "box_office", "quantity": int(quantity), "release_at": clock.iso(self.time.now + int(seconds))}
        return self._manage("PATCH", f"/tiers/{self.side}", {"holdbacks": [held_back]})

    def sell_at_counter(self, sale):
        body = {"id": f"till/{sale}", "tier_id": self.side, "holdback_id": "fans", "quantity": 2, "price_cents": 5000, "method": "cash"}
        return self._manage("POST", f"/events/{self.event_id}/box-office-orders", body)

    def give_away(self, name):
        rows = [{"id": name, "name": name, "email": f"{name}@example.com", "quantity": 2}]
        return self._manage(
            "POST", f"/events/{self.event_id}/complimentary-orders", {"tier_id": self.side, "holdback_id": "fans", "rows": rows}
        )

    def pass_a_minute(self):
        self.time.advance(60)
        self.warm_up()

    def _manage(self, method, path, body=None):
        return self.api.request(method, path, token=builders.admin_token(), **({} if body is None else {"json": body}))

    # Promo codes.

    def create_code(self, uses="1"):
        builders.create_promo_code(self.api, self.event_id, max_total_uses=int(uses), max_uses_per_donor=1)

    def create_access_code(self, uses="1"):
        """Tickets of the tier need a code."""
        builders.create_promo_code(self.api, self.event_id, opens_package_ids=[self.tier], max_total_uses=int(uses), max_uses_per_donor=1)
        assert self._manage("PATCH", f"/tiers/{self.tier}", {"requires_code": True}).status == 200
        self.warm_up()

    def create_holdback_code(self):
        builders.create_promo_code(self.api, self.event_id, "FANS", opens_package_ids=[self.side], holdback_id="fans")
        self.warm_up()

    def check_out_with_code(self, user, key=""):
        return self.check_out(user, key, promo_code="SAVE")

    def reserve_with_code(self, user):
        return self.reserve(user, promo_code="SAVE")

    def reserve_held_back(self, user):
        return self.reserve(user, "2", tier_id=self.side, promo_code="FANS")

    def recover(self, seconds):
        self.time.advance(seconds)
        builders.run_sweep()

    def check_recovered(self):
        invariants.check(self.time.now, recovered=True)


class WaitlistScene(StoredScene):
    """The four tickets of a tier are sold to b0 ... b3, and people wait: w1 for one ticket, w2 for three, w3 and w4 for one."""

    ROUNDS = (max(offers.WRITE_SECONDS, waitlist.LEASE_SECONDS), 0)

    def __init__(self, api, time, shop):
        super().__init__(api, time)
        self.shop, self.event_id, self.tier_id, self.end = shop, shop.event_id, shop.balcony, None
        self.orders = [builders.create_order(api, (self.event_id, self.tier_id), 1, f"b{number}") for number in range(4)]
        time.advance(5)  # figures are no older than that
        self.entries = {user: self.join(user, quantity).json["id"] for user, quantity in (("w1", 1), ("w2", 3), ("w3", 1), ("w4", 1))}
        self.allocate()
        shop.warm_up()

    def join(self, user, quantity=1):
        return lines.join(self.api, user, self.event_id, quantity, tier_ids=[self.tier_id])

    def leave(self, *users):
        for user in users:
            reply = self.api.delete(f"/waitlist/{self.entries[user]}", user=user)
        return reply

    def leave_everywhere(self, user):
        """Leave with whatever entries the person has."""
        for entry in lines.own(self.api, user):
            self.api.delete(f"/waitlist/{entry['id']}", user=user)

    def notify(self, user):
        return self._manage(f"/waitlist/{self.entries[user]}/notify")

    def give_back(self, *numbers):
        for number in numbers:
            lines.give_back(self.api, self.orders[int(number)])

    def allocate(self):
        lines.run_allocator()

    def sweep(self):
        builders.run_sweep()

    def open_offer(self):
        builders.start_checkout(self.api, "w1", self._offer_id(), key=self._offer_id())

    def accept(self):
        return builders.confirm(self.api, "w1", self._offer_id())

    def _offer_id(self):
        return next(entry.purchase_id for entry in waitlist.scan_entries() if entry.user_id == "w1")

    def pass_a_day(self):
        self.time.advance(DAY)
        self.shop.warm_up()

    def pass_two_days(self):
        self.time.advance(2 * DAY)
        self.shop.warm_up()

    def pass_by(self):
        return builders.reserve(self.api, "passer-by", self.event_id, self.tier_id)

    def pause(self):
        return self._manage(f"/admin/events/{self.event_id}/pause")

    def cancel(self):
        return self._manage(f"/events/{self.event_id}/cancel")

    def _manage(self, path):
        return self.api.post(path, token=builders.admin_token())

    def recover(self, seconds):
        """What the sweep returns is offered, and what the allocator lets go is for everybody."""
        self.time.advance(seconds)
        builders.run_sweep()
        lines.run_allocator()

    def check_recovered(self):
        """No ticket is unused while a fitting party waits, and none is kept for nobody; when offers have ended, each hold has an owner."""
        [shard] = [shard for shard in scan_shards() if shard.stock_id == self.tier_id]
        places = waitlist.list_places(self.event_id)
        for place in places if shard.is_open else []:
            assert place.entry.quantity > shard.available, f"{place.entry.user_id} waits while {shard.available} tickets lie"
        assert places or not shard.is_kept, "tickets are kept for nobody"
        line = waitlist.find_line(self.event_id)
        entries = sorted((entry.user_id, entry.state) for entry in waitlist.scan_entries())
        self.end = super().outcome() | {"entries": entries, "line": line and (line.accepted, line.declined, line.expired)}
        del self.end["items"]["waitlist"]  # places are in lanes
        for _ in range(2):
            self.recover(DAY + 400)
        invariants.check(self.time.now, recovered=True)

    def outcome(self):
        return self.end


class RefundScene(PaymentScene):
    """Refunds and disputes of Ada's order, of which each webhook may come by itself."""

    def refund_ticket(self, number):
        return self.refund(key=number, tickets=builders.ticket_ids(self.id, int(number)))

    def lose_refund(self):
        """The answer of Stripe to a refund is lost."""
        self.shop.fake.fail_next_request("POST", "/v1/refunds", status=500, execute=True, should_retry=False)
        assert self.refund().json["refund"]["status"] == "due"

    def hear(self, kind):
        return self.shop.post_webhook(*self.shop.sign_newest_event(kind))


@contextmanager
def _open(time: Any, event_capacity: int | None = None) -> Iterator[SaleScene]:
    with open_app() as api, shops.isolated_shop(api):
        yield SaleScene(api, time, event_capacity)


@contextmanager
def _open_waitlist(time: Any) -> Iterator[WaitlistScene]:
    with open_app() as api, shops.isolated_shop(api) as shop:
        yield WaitlistScene(api, time, shop)


@contextmanager
def _open_refunds(time: Any) -> Iterator[RefundScene]:
    with open_app() as api, shops.isolated_shop(api), open_shop(api, time, checkout_origins="https://shop.test") as shop:
        yield RefundScene(shop)


_HELD = ["reserve ada 2"]
_PAYING = [*_HELD, "check_out ada"]
_SOLD = ["reserve ada 3", "check_out ada", "confirm ada"]
_CRASHED = ["reserve ada 3", "check_out ada", "crash_in_confirm ada", "expire"]
_BOX_OFFICE = ["resize 9", "hold_back 4", "create_holdback_code"]

# name -> (the steps before, the steps that people make at once)
_SALES: dict[str, tuple[list[str], list[str]]] = {
    "two reserves of one buyer": ([], ["reserve ada", "reserve ada"]),
    "two reserves of a buyer whose hold expired": (["reserve ada", "expire"], ["reserve ada", "reserve ada"]),
    "two reserves with one key": ([], ["reserve_with_key ada", "reserve_with_key ada"]),
    "three buyers of the last ticket": (["stock 1"], ["reserve ada", "reserve bob", "reserve eve"]),
    "a buyer and a sweep of tickets that have expired": (["stock 2", "reserve old 2", "expire"], ["reserve ada 2", "sweep"]),
    "two buyers and a sweep of tickets that have expired": (
        ["stock 2", "reserve old 2", "expire"],
        ["reserve ada", "reserve bob 2", "sweep"],
    ),
    "confirm and the end of the hold": (_PAYING, ["confirm ada", "expire,sweep"]),
    "confirm and release": (_PAYING, ["confirm ada", "release ada"]),
    "two confirms": (_PAYING, ["confirm ada", "confirm ada"]),
    "confirm, release and sweep": (_PAYING, ["confirm ada", "release ada", "expire,sweep"]),
    "confirm, decline and release": (_PAYING, ["confirm ada", "decline ada", "release ada"]),
    "two buyers of three tickets in three shards": (["stock 1 1 1"], ["reserve ada 2", "reserve bob 2"]),
    "two buyers of four tickets in three shards": (["stock 1 1 2"], ["reserve ada 2", "reserve bob 2"]),
    "two buyers of all tickets in three shards": (["stock 1 1 1"], ["reserve ada 3", "reserve bob 3"]),
    "two buyers of six tickets in three shards": (["stock 2 2 2"], ["reserve ada 3", "reserve bob 3"]),
    "three buyers of three tickets in three shards": (["stock 1 1 1"], ["reserve ada 1", "reserve bob 2", "reserve eve 3"]),
    "two tiers in opposite orders": (["stock 1"], ["reserve_both ada tier side", "reserve_both bob side tier"]),
    "pause and reserve": ([], ["pause", "reserve ada"]),
    "pause, resume and sweep": ([], ["pause", "resume", "sweep"]),
    "two sweeps": ([*_HELD, "reserve bob 2", "check_out bob", "expire"], ["sweep", "sweep"]),
    "two resizes and a buyer": (["resize 3"], ["resize 1", "resize 2", "reserve_side ada"]),
    "hold tickets back while two people want them": (["resize 2"], ["hold_back 1 0", "reserve_side ada", "reserve_side bob"]),
    "release tickets while two people want them": (["resize 1", "hold_back 1", "pass_a_minute"], ["sweep", "sweep", "reserve_side ada"]),
    "a code, a guest list and the box office want one holdback": (
        _BOX_OFFICE,
        ["reserve_held_back ada", "give_away cid", "sell_at_counter 1"],
    ),
    "a code, the box office and the release of a holdback": (
        [*_BOX_OFFICE, "pass_a_minute"],
        ["reserve_held_back ada", "sell_at_counter 1", "sweep"],
    ),
    "two checkouts with a promo code": (["create_code", *_HELD], ["check_out_with_code ada 1", "check_out_with_code ada 2"]),
    "two buyers of the last use of a promo code": (
        ["create_code", "reserve ada", "reserve bob"],
        ["check_out_with_code ada", "check_out_with_code bob"],
    ),
    "two buyers of the last use of an access code": (["create_access_code"], ["reserve_with_code ada", "reserve_with_code bob"]),
    "the only use is paid while its buyer wants another": (
        ["create_access_code 9", "reserve_with_code ada", "check_out ada"],
        ["confirm ada", "reserve_with_code ada"],
    ),
    "two refunds and a sweep that converts": (_CRASHED, ["refund ada 1 2", "refund ada 2 3", "sweep"]),
    "a refund without seats and a sweep that converts": (_CRASHED, ["refund_without_seats ada", "sweep"]),
    "two refunds with one key": (_SOLD, ["refund ada 1", "refund ada 1"]),
    "three refunds of one order": (_SOLD, ["refund ada 1 2", "refund ada 2 3", "refund ada"]),
    "a refund and two buyers of its seats": (["stock 3", *_SOLD], ["refund ada 1 3", "reserve bob 2", "reserve eve 2"]),
}

# The same for an event of three tickets over both tiers.
_POOLED: dict[str, tuple[list[str], list[str]]] = {
    "three buyers of three tickets of two tiers": ([], ["reserve ada 2", "reserve bob 2", "reserve_side eve"]),
    "a refund, a sweep and a buyer of another tier": (
        [*_SOLD[:2], "confirm ada"],
        ["refund ada 1", "reserve_side bob", "sweep"],
    ),
    "a sweep and two buyers of another tier": (["reserve old 3", "expire"], ["reserve_side ada", "reserve bob 2", "sweep"]),
}

_OFFERED = ["give_back 0", "allocate", "open_offer"]

_WAITLISTS: dict[str, tuple[list[str], list[str]]] = {
    "two allocators": (["give_back 0 1"], ["allocate", "allocate"]),
    "a ticket comes back while two are on public sale": (
        ["leave w1 w3 w4", "give_back 0 1", "allocate"],
        ["give_back 2", "pass_by", "join w5", "allocate"],
    ),
    "an allocator and a manager offer one ticket": (["give_back 0"], ["allocate", "notify w4"]),
    "an allocator and a manager offer to one person": (["give_back 0 1"], ["allocate", "notify w1"]),
    "an allocator while the first leaves": (["give_back 0"], ["allocate", "leave w1"]),
    "two allocators while an offer is accepted": (_OFFERED, ["allocate", "accept", "allocate"]),
    "two allocators while an offer is declined": (_OFFERED, ["allocate", "leave w1", "allocate"]),
    "two allocators while an offer expires": ([*_OFFERED, "pass_two_days"], ["allocate", "sweep", "allocate"]),
    "an offer is accepted as it expires": ([*_OFFERED, "pass_a_day"], ["accept", "sweep", "allocate"]),
    "an allocator, a refund and a passer-by": ([], ["allocate", "give_back 0", "pass_by"]),
    "an allocator and a pause": (["give_back 0"], ["allocate", "pause"]),
    "an allocator and the cancellation of the event": (["give_back 0"], ["allocate", "cancel"]),
    "an allocator while the last leaves and another joins": (["leave w2 w3 w4"], ["allocate", "leave w1", "join w5"]),
    "join and leave on two devices": (["leave w1 w2 w3 w4"], ["join w5", "leave_everywhere w5,allocate"]),
    "join on two devices": ([], ["join w5", "join w5", "allocate"]),
}

_DISPUTED = ["refund_ticket 1", "hear charge.dispute.created", "hear charge.dispute.funds_withdrawn"]
_REFUNDS: dict[str, tuple[list[str], list[str]]] = {
    "a refund and a dispute": (["buy", "dispute"], _DISPUTED),
    "a refund and a dispute that was won": (["buy", "dispute", "win_dispute"], _DISPUTED),
    "a refund and a dispute that was lost": (["buy", "dispute", "lose_dispute"], _DISPUTED),
    "a sweep and an admin make a refund": (["buy", "refund_during_outage", "wait_a_minute"], ["sweep", "retry_refund"]),
    "a sweep, an admin and a webhook find a refund": (
        ["buy", "lose_refund", "wait_a_minute"],
        ["sweep", "retry_refund", "hear refund.created"],
    ),
}

_FEW = {"not_enough_tickets"}
# Requests that take parts of their tickets from several stocks may block each other. A manager may find tickets held for an offer that is
# not yet written.
_BLOCKING = {
    "three buyers of three tickets in three shards": _FEW,
    "three buyers of three tickets of two tiers, event capacity": _FEW,
    "waitlist: an allocator and a manager offer to one person": _FEW,
}

_RACES = {name: (_open, *steps) for name, steps in _SALES.items()}
_RACES |= {f"{name}, event capacity": (partial(_open, event_capacity=3), *steps) for name, steps in _POOLED.items()}
_RACES |= {f"waitlist: {name}": (_open_waitlist, *steps) for name, steps in _WAITLISTS.items()}
_RACES |= {f"Stripe: {name}": (_open_refunds, *steps) for name, steps in _REFUNDS.items()}

RACES = {name: Race(*race, also=_BLOCKING.get(name, frozenset())) for name, race in _RACES.items()}
