"""What many clients use at once: the stock of tiers, a buyer's limit, a promo code, tickets at the door, and the line of a waiting room.

Each class has the random calls of its clients, and a sequential model: which answers a call may get in a state, and the state after it. A
model says what the documentation promises (docs/concurrency.md), and no more.
"""

import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.foundation import clock as product_clock
from chalicelib.tickets.model import MAX_UNDONE
from tests import builders
from tests.client import Client, ClientReply
from tests.proof.clients import Caller, Clock, Shared
from tests.proof.linearizability import Operation
from tests.waiting_room import sale

EXPIRY_SECONDS = 400  # after which every reservation of now has expired
HOLD_SECONDS = 180
UNKNOWN = "unknown"  # the id of a reservation whose reply was lost


def expire(client: Caller, keys: Iterable[str]) -> None:
    """Let time pass until all reservations have expired, then run the sweep."""

    def pass_time() -> int:
        now = client.clock.advance(EXPIRY_SECONDS)
        builders.run_sweep()
        return now

    client.pass_time(list(keys), pass_time)


def read_reservation(reply: ClientReply) -> list[Any]:
    """Return "held", the id, and when it expires in epoch seconds."""
    return ["held", reply.json["id"], int(datetime.fromisoformat(reply.json["expires_at"]).timestamp())]


def pay(client: Caller, user: str, reservation_id: str) -> ClientReply:
    """Open the checkout and pay. Returns the reply to the payment, or to the checkout if it is refused."""
    opened = builders.start_checkout(client.api, user, reservation_id, key=reservation_id)
    return builders.confirm(client.api, user, reservation_id) if opened.status < 400 else opened


def pick(client: Caller, name: str) -> Any:
    """Remove a random entry from what the client knows under this name, and return it. Returns None if there is no entry."""
    known = client.mine.setdefault(name, [])
    return known.pop(client.random.randrange(len(known))) if known else None


class StockState(Struct, frozen=True):
    """A stock whose units are free, or held until a time as (id, quantity, expires_at), or gone.

    A request that began before time passed goes by the time `low`, another one by the time `high`. What has expired by `high` may be taken
    by others, so `free` may be as far below 0 as there are such units. `fresh` units came back within the last two seconds,
    `recent` of them since time last passed.
    """

    free: int
    held: frozenset[tuple[str, int, int]] = frozenset()
    fresh: int = 0
    recent: int = 0
    low: int = 0
    high: int = 0

    @property
    def takeable(self) -> int:
        return self.free + self.expired(self.high)

    @property
    def surely_free(self) -> int:
        return self.free - self.fresh

    def expired(self, time: int) -> int:
        return sum(quantity for _, quantity, expires_at in self.held if expires_at <= time)

    def find(self, hold_id: str) -> tuple[str, int, int] | None:
        return next((hold for hold in self.held if hold[0] == hold_id), None)

    def take(self, hold_id: str, quantity: int, expires_at: int) -> Iterable["StockState"]:
        if quantity <= self.takeable:
            yield replace(self, free=self.free - quantity, held=self.held | {(hold_id, quantity, expires_at)})

    def keep(self, hold_id: str) -> Iterable["StockState"]:
        """The units of a hold are gone for good."""
        hold = self.find(hold_id)
        if hold is not None and hold[2] > self.low:
            after = replace(self, held=self.held - {hold})
            if after.takeable >= 0:
                yield after

    def end(self, hold_id: str) -> "StockState":
        """The units of a hold come back, if it still holds them."""
        hold = self.find(hold_id)
        return self if hold is None else replace(self, held=self.held - {hold}).add(hold[1])

    def add(self, quantity: int) -> "StockState":
        return replace(self, free=self.free + quantity, fresh=self.fresh + quantity, recent=self.recent + quantity)

    def is_over(self, hold_id: str) -> bool:
        """Whether a request may find that this hold has ended."""
        hold = self.find(hold_id)
        return hold is None or hold[2] <= self.high

    def pass_time(self, now: int) -> "StockState":
        return replace(self, high=now, recent=0)

    def settle_time(self, now: int) -> "StockState":
        """No request goes by an earlier time any more, and the sweep has ended what had expired."""
        ended = frozenset(hold for hold in self.held if hold[2] <= now)
        after = replace(self, low=now, held=self.held - ended).add(self.expired(now))
        return replace(after, fresh=after.recent)


class Stock(Shared):
    """Tiers that sell out: their clients reserve, pay, release and refund, and reservations expire.

    Nothing is sold twice, and what comes back is for sale. A buyer may be refused for tickets that came back within the last two seconds
    (decision 20). Displayed figures promise less, so they are not in the history.
    """

    FREE = 6

    def open(self, api: Client, clock: Clock) -> dict[str, Any]:
        """Create a tier with one shard and a tier with three, in which most tickets are sold already."""
        event_id = builders.create_event(api, purchase_limit=200)
        one = builders.create_tier(api, event_id, capacity=self.FREE)
        three = builders.create_tier(api, event_id, "Many", capacity=150 + self.FREE + 5, per_user_limit=50)
        for buyer, quantity in enumerate((50, 50, 50, 5)):
            builders.create_order(api, (event_id, three), quantity, f"early-{buyer}")
        clock.advance(60)
        return {"event": event_id, "tiers": [one, three], "now": clock.now}

    def initial(self, shop: Mapping[str, Any]) -> dict[str, Any]:
        now = shop["now"]
        return {tier: StockState(self.FREE, low=now, high=now) for tier in shop["tiers"]}

    def read(self, shop: Mapping[str, Any], notes: Iterable[list[Any]]) -> list[Operation]:
        """Return the operations. A refusal by several shards also has the number of tickets that requests at the same time may have held.

        A request for several tickets may hold a part of them for a moment. Requests that are refused may therefore block each other.
        """
        history = super().read(shop, notes)
        _, three = shop["tiers"]
        reserves = [operation for operation in history if operation.key == three and operation.input[0] == "reserve"]
        refused = [operation for operation in reserves if operation.output == "not_enough_tickets"]
        others = [operation for operation in history if operation not in refused]
        return others + [replace(operation, output=("blocked", _held_at_once(operation, reserves))) for operation in refused]

    def act(self, client: Caller) -> None:
        choice = client.random.random()
        if client.is_first and choice < 0.1:
            expire(client, client.shop["tiers"])
        elif choice < 0.55 and (reservation := pick(client, "reservations")) is not None:
            self._finish(client, *reservation)
        elif choice < 0.62 and (order := pick(client, "orders")) is not None:
            tier, order_id, quantity = order
            client.call(tier, "refund", quantity, send=lambda: builders.refund(client.api, order_id))
        else:
            self._reserve(client, client.random.choice(client.shop["tiers"]), client.random.randint(1, 3))

    def _reserve(self, client: Caller, tier: str, quantity: int) -> None:
        user, event_id = client.new_name(), client.shop["event"]
        send = lambda: builders.reserve(client.api, user, event_id, tier, quantity)  # noqa: E731
        answer = client.call(tier, "reserve", quantity, send=send, read=read_reservation)
        if answer is not None and answer[0] == "held":
            client.mine.setdefault("reservations", []).append((tier, user, answer[1], quantity))

    def _finish(self, client: Caller, tier: str, user: str, reservation_id: str, quantity: int) -> None:
        if client.random.random() < 0.5:
            client.call(tier, "release", reservation_id, send=lambda: client.api.delete(f"/reservations/{reservation_id}", user=user))
        elif client.call(tier, "pay", reservation_id, send=lambda: pay(client, user, reservation_id)) == "ok":
            client.mine.setdefault("orders", []).append((tier, reservation_id, quantity))

    def step(self, state: StockState, call: Any, answer: Any) -> Iterable[StockState]:
        match call, answer:
            case ("reserve", quantity), ("held", reservation_id, expires_at):
                yield from state.take(reservation_id, quantity, expires_at)
            case ("reserve", quantity), None:  # a crash may leave a hold on some of the tickets
                for part, time in itertools.product(range(1, quantity + 1), {state.low, state.high}):
                    yield from state.take(f"lost-{len(state.held)}", part, time + HOLD_SECONDS)
            case ("reserve", quantity), "not_enough_tickets" if state.surely_free < quantity:
                yield state
            case ("reserve", quantity), ("blocked", held) if state.surely_free - held < quantity:
                yield replace(state, fresh=state.fresh + quantity - 1, recent=state.recent + quantity - 1)
            case ("reserve", quantity), "reservation_expired_or_invalid":  # so slow that it had expired
                yield replace(state, fresh=state.fresh + quantity, recent=state.recent + quantity)
            case ("pay", reservation_id), "ok" | None:
                yield from state.keep(reservation_id)
            case ("pay", reservation_id), "reservation_expired_or_invalid" if state.is_over(reservation_id):
                yield state.end(reservation_id)
            case ("release", reservation_id), "ok" | None:
                yield state.end(reservation_id)
            case ("refund", quantity), "ok" | None:
                yield state.add(quantity)
            case ("time passes", now), _:
                yield state.pass_time(now)
            case ("time has passed", now), _ if state.high >= now:
                yield state.settle_time(now)


def _held_at_once(refused: Operation, reserves: Iterable[Operation]) -> int:
    """Return how many tickets other requests may have held while this one was answered."""
    others = [other for other in reserves if other is not refused and other.start <= refused.end]
    return sum(other.input[1] for other in others if other.end is None or other.end >= refused.start)


class PromoCode(Shared):
    """Codes with few uses: checkouts hold a use, which is paid, given back or expires. A manager changes how many uses there are."""

    CODES, USES = ("SCARCE", "RARE"), 4

    def open(self, api: Client, clock: Clock) -> dict[str, Any]:
        event_id = builders.create_event(api)
        for code in self.CODES:
            builders.create_promo_code(api, event_id, code, max_total_uses=self.USES)
        return {"event": event_id, "tier": builders.create_tier(api, event_id, capacity=1000), "now": clock.now}

    def initial(self, shop: Mapping[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(self.CODES, (self.USES, StockState(self.USES, low=shop["now"], high=shop["now"])))

    def act(self, client: Caller) -> None:
        code, choice = client.random.choice(self.CODES), client.random.random()
        if client.is_first and choice < 0.1:
            expire(client, self.CODES)
        elif client.is_first and choice < 0.4:
            uses = client.random.randint(1, 12)
            path = f"/admin/events/{client.shop['event']}/promo-codes/{code}"
            body, token = {"max_total_uses": uses}, builders.admin_token()
            client.call(code, "resize", uses, send=lambda: client.api.patch(path, json=body, token=token))
        elif choice < 0.5 and (checkout := pick(client, code)) is not None:
            user, purchase_id = checkout
            outcome = client.random.choice(["success", "fail", "fail"])
            client.call(code, outcome, purchase_id, send=lambda: builders.confirm(client.api, user, purchase_id, outcome))
        else:
            self._check_out(client, code, client.new_name())

    def _check_out(self, client: Caller, code: str, user: str) -> None:
        reserved = builders.reserve(client.api, user, client.shop["event"], client.shop["tier"])
        if reserved.status != 201:
            return  # it was so slow that it had expired
        _, purchase_id, expires_at = read_reservation(reserved)
        send = lambda: builders.start_checkout(client.api, user, purchase_id, key=purchase_id, promo_code=code)  # noqa: E731
        if client.call(code, "use", purchase_id, expires_at, send=send) == "ok":
            client.mine.setdefault(code, []).append((user, purchase_id))

    def step(self, state: Any, call: Any, answer: Any) -> Iterable[Any]:
        uses, stock = state
        if call[0] != "resize":
            return ((uses, after) for after in self._step(stock, call, answer))
        after = replace(stock, free=stock.free + call[1] - uses)
        if answer in ("ok", None):
            return [(call[1], after)] if after.takeable >= 0 else []
        is_refused = answer == "promo_code_changing" or (answer == "max_total_uses_too_small" and after.surely_free < 0)
        return [state] if is_refused else []

    def _step(self, stock: StockState, call: Any, answer: Any) -> Iterable[StockState]:
        match call, answer:
            case ("use", purchase_id, expires_at), "ok" | None:
                yield from stock.take(purchase_id, 1, expires_at)
            case ("use", *_), "promo_code_used_up" if stock.surely_free < 1:
                yield stock
            case ("use", *_), "reservation_expired_or_invalid":  # it may have held a use for a moment
                yield replace(stock, fresh=stock.fresh + 1, recent=stock.recent + 1)
            case ("success", purchase_id), "ok" | None:
                yield from stock.keep(purchase_id)
            case ("fail", purchase_id), "ok" | None:
                yield stock.end(purchase_id)
            case ("success" | "fail", purchase_id), "reservation_expired_or_invalid" if stock.is_over(purchase_id):
                yield stock.end(purchase_id)
            case ("time passes", now), _:
                yield stock.pass_time(now)
            case ("time has passed", now), _ if stock.high >= now:
                yield replace(stock.settle_time(now), fresh=0)  # a checkout recovers expired uses before it refuses a code


class BuyerState(Struct, frozen=True):
    """A buyer's purchases for an event: the active one as (id, quantity, expires_at), the orders, and the ids of refunded orders.

    A request that began before time passed goes by the time `low`, another one by the time `high`.
    """

    active: tuple[str, int, int] | None = None
    orders: frozenset[tuple[str, int]] = frozenset()
    refunded: frozenset[str] = frozenset()
    low: int = 0
    high: int = 0

    @property
    def bought(self) -> int:
        return sum(quantity for _, quantity in self.orders)

    @property
    def may_reserve(self) -> bool:
        return self.active is None or self.active[2] <= self.high

    @property
    def is_active(self) -> bool:
        return self.active is not None and self.active[2] > self.low

    def is_order(self, purchase_id: str) -> bool:
        return purchase_id in self.refunded or any(order_id == purchase_id for order_id, _ in self.orders)

    def may_name(self, purchase_id: str) -> bool:
        """Whether the active purchase may have this id."""
        return self.active is not None and self.active[0] in (purchase_id, UNKNOWN) and not self.is_order(purchase_id)

    def has_ended(self, purchase_id: str) -> bool:
        """Whether a request may find that the purchase with this id has ended without an order."""
        return not self.is_order(purchase_id) and (self.active is None or self.active[0] != purchase_id or self.active[2] <= self.high)


class Limit(Shared):
    """Buyers who use several devices at once: none has two active reservations, or more tickets than the limit of the event."""

    BUYERS, LIMIT = ("ada", "bob"), 4

    def open(self, api: Client, clock: Clock) -> dict[str, Any]:
        event_id = builders.create_event(api, purchase_limit=self.LIMIT)
        return {"event": event_id, "tier": builders.create_tier(api, event_id, capacity=80), "now": clock.now}

    def initial(self, shop: Mapping[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(self.BUYERS, BuyerState(low=shop["now"], high=shop["now"]))

    def act(self, client: Caller) -> None:
        buyer, choice = client.random.choice(self.BUYERS), client.random.random()
        known = client.mine.setdefault(buyer, [])
        if client.is_first and choice < 0.1:
            expire(client, self.BUYERS)
        elif known and choice < 0.6:
            self._use(client, buyer, client.random.choice(known[-3:]))
        else:
            self._reserve(client, buyer, client.random.randint(1, 3), known)

    def _reserve(self, client: Caller, buyer: str, quantity: int, known: list[str]) -> None:
        def send() -> ClientReply:
            reply = builders.reserve(client.api, buyer, client.shop["event"], client.shop["tier"], quantity)
            known.extend(reply.json[name] for name in ("id", "reservation_id") if name in reply.json)
            return reply

        client.call(buyer, "reserve", quantity, send=send, read=read_reservation)

    def _use(self, client: Caller, buyer: str, purchase_id: str) -> None:
        calls = {
            "pay": lambda: pay(client, buyer, purchase_id),
            "release": lambda: client.api.delete(f"/reservations/{purchase_id}", user=buyer),
            "refund": lambda: builders.refund(client.api, purchase_id, key=client.new_name()),
        }
        name = client.random.choice(["pay", "pay", "release", "refund"])
        client.call(buyer, name, purchase_id, send=calls[name])

    def step(self, state: BuyerState, call: Any, answer: Any) -> Iterable[BuyerState]:
        match call, answer:
            case ("reserve", quantity), ("held", purchase_id, expires_at) if state.may_reserve and state.bought + quantity <= self.LIMIT:
                yield replace(state, active=(purchase_id, quantity, expires_at))
            case ("reserve", quantity), None if state.may_reserve and state.bought + quantity <= self.LIMIT:
                for time in {state.low, state.high}:
                    yield replace(state, active=(UNKNOWN, quantity, time + HOLD_SECONDS))
            case ("reserve", _), "reservation_expired_or_invalid":  # so slow that it had expired
                yield state
            case ("reserve", _), "active_reservation_exists" if state.is_active:
                yield state
            case ("reserve", quantity), "purchase_limit_exceeded" if state.may_reserve and state.bought + quantity > self.LIMIT:
                yield replace(state, active=None)
            case ("pay", purchase_id), "ok" | None:
                if state.may_name(purchase_id) and state.is_active:
                    yield replace(state, active=None, orders=state.orders | {(purchase_id, state.active[1])})
                if state.is_order(purchase_id) and answer:
                    yield state
            case ("pay" | "release", purchase_id), "reservation_converted" if state.is_order(purchase_id):
                yield state
            case ("pay", purchase_id), "reservation_expired_or_invalid" if state.has_ended(purchase_id):
                yield replace(state, active=None) if state.may_name(purchase_id) and state.may_reserve else state
            case ("release", purchase_id), "ok" | None:
                if state.may_name(purchase_id):
                    yield replace(state, active=None)
                if state.has_ended(purchase_id) and answer:
                    yield state
            case ("refund", order_id), "ok" | None:
                rest = frozenset(order for order in state.orders if order[0] != order_id)
                if rest != state.orders:
                    yield replace(state, orders=rest, refunded=state.refunded | {order_id})
            case ("refund", order_id), "not_refundable" | "order_not_found" if all(order_id != order for order, _ in state.orders):
                yield state
            case ("time passes", now), _:
                yield replace(state, high=now)
            case ("time has passed", now), _ if state.high >= now:
                yield replace(state, low=now, active=state.active if state.active and state.active[2] > now else None)


class TicketState(Struct, frozen=True):
    """A ticket at the door: the scans that let somebody in, the last scans that were undone, and whether it was refunded."""

    inside: frozenset[str] = frozenset()
    undone: tuple[str, ...] = ()
    is_void: bool = False


class Door(Shared):
    """Tickets for two people each, which several scanners scan and undo, also as uploads of devices that were offline."""

    TICKETS, ADMITS = 4, 2

    def open(self, api: Client, clock: Clock) -> dict[str, Any]:
        start = product_clock.iso(clock.now + 3600)
        event_id = builders.create_event(api, starts_at=start)
        tier_id = builders.create_tier(api, event_id, admits=self.ADMITS)
        order_id = builders.create_order(api, (event_id, tier_id), self.TICKETS)
        return {"event": event_id, "order": order_id, "tickets": builders.ticket_ids(order_id, *range(1, self.TICKETS + 1))}

    def initial(self, shop: Mapping[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(shop["tickets"], TicketState())

    def act(self, client: Caller) -> None:
        ticket_id, choice = client.random.choice(client.shop["tickets"]), client.random.random()
        scans, token = client.mine.setdefault(ticket_id, []), builders.staff_token(client.shop["event"])
        if client.is_first and choice < 0.02:
            order_id, key = client.shop["order"], client.new_name()
            client.call(ticket_id, "refund", send=lambda: builders.refund(client.api, order_id, key=key, tickets=[ticket_id]))
        elif scans and choice < 0.35:
            scan_id, path = client.random.choice(scans), f"/tickets/{ticket_id}/undo"
            body = {"checkin_id": f"{client.name}/{scan_id}"}
            client.call(ticket_id, "undo", f"{client.name}/{scan_id}", send=lambda: client.api.post(path, json=body, token=token))
        else:
            scan_id = client.random.choice(scans) if scans and choice < 0.45 else client.new_name()
            scans.append(scan_id)
            send, read = (self._scan, _read_scan) if choice < 0.8 else (self._upload, _read_upload)
            client.call(ticket_id, "scan", f"{client.name}/{scan_id}", send=lambda: send(client, ticket_id, scan_id, token), read=read)

    def _scan(self, client: Caller, ticket_id: str, scan_id: str, token: str) -> ClientReply:
        return client.api.post(f"/tickets/{ticket_id}/validate", json={"device": client.name, "scan_id": scan_id}, token=token)

    def _upload(self, client: Caller, ticket_id: str, scan_id: str, token: str) -> ClientReply:
        scan = {"id": scan_id, "at": product_clock.iso(client.clock.now), "ticket_id": ticket_id}
        return client.api.post("/checkin/sync", json={"device": client.name, "scans": [scan]}, token=token)

    def step(self, state: TicketState, call: Any, answer: Any) -> Iterable[TicketState]:
        match call, answer:
            case ("scan", scan_id), "repeated" if scan_id in state.inside:
                yield state
            case ("scan", scan_id), "scan_undone" if scan_id in state.undone:
                yield state
            case ("scan", scan_id), _ if scan_id in state.inside or scan_id in state.undone:
                return
            case ("scan", scan_id), "admitted" | None if not state.is_void and len(state.inside) < self.ADMITS:
                yield replace(state, inside=state.inside | {scan_id})
            case ("scan", _), "already_admitted" if not state.is_void and len(state.inside) >= self.ADMITS:
                yield state
            case ("scan", _), "ticket_refunded" if state.is_void:
                yield state
            case ("undo", scan_id), "ok" | None if scan_id in state.inside:
                yield replace(state, inside=state.inside - {scan_id}, undone=(*state.undone, scan_id)[-MAX_UNDONE:])
            case ("undo", scan_id), "not_checked_in" | None if scan_id not in state.inside:
                known = scan_id in state.undone
                yield state if known else replace(state, undone=(*state.undone, scan_id)[-MAX_UNDONE:])
            case ("refund",), "ok" | None if not state.is_void:
                yield replace(state, is_void=True)
            case ("refund",), "refund_invalid" | "not_refundable" if state.is_void:
                yield state


def _read_scan(reply: ClientReply) -> str:
    return "repeated" if reply.json["repeated"] else "admitted"


def _read_upload(reply: ClientReply) -> str:
    """Return the outcome of the only scan. A conflict is a ticket whose people are all in."""
    [scan] = reply.json["scans"]
    return {"conflict": "already_admitted", "refused": scan["error"]}.get(scan["outcome"], scan["outcome"])


MANY_DEVICES = "devices-"  # how the names of people begin who join on several devices


class Line(Shared):
    """People who join a waiting room after its opening. Each position is later than all that were given before.

    A join that crashed, or a person who joins twice at once, leaves a position empty, so positions need not follow each other.
    """

    LINES = 3

    def open(self, api: Client, clock: Clock) -> dict[str, Any]:
        event_ids = [sale.create_sale(api, clock, f"Drop {number}")[0] for number in range(self.LINES)]
        clock.advance(sale.SECONDS_TO_OPENING)
        for event_id in event_ids:
            api.get(f"/events/{event_id}/waiting-room/state")
        return {"events": event_ids}

    def initial(self, shop: Mapping[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(shop["events"], (0, frozenset()))

    def act(self, client: Caller) -> None:
        """Join as somebody new, or as one of a few people who use several devices. Only somebody new crashes, and does not join again."""
        event_id, is_new = client.random.choice(client.shop["events"]), client.random.random() < 0.8
        person = client.new_name() if is_new else f"{MANY_DEVICES}{client.random.randrange(6)}"
        send = lambda: client.api.post(f"/events/{event_id}/waiting-room/join", user=person)  # noqa: E731
        client.call(event_id, "join", person, send=send, read=lambda reply: reply.json["position"], can_crash=is_new)

    def step(self, state: Any, call: Any, answer: Any) -> Iterable[Any]:
        last, places = state
        (_, person), known = call, dict(places)
        if answer is None and person not in known and person.startswith(MANY_DEVICES):
            yield last, places | {(person, (last,))}  # a later position, which the next join of this person shows
        elif answer is not None and isinstance(given := known.get(person), tuple):
            if answer > given[0] and answer not in known.values():
                yield max(last, answer), places - {(person, given)} | {(person, answer)}
        elif answer is not None and (given == answer or (given is None and answer > last)):
            yield max(last, answer), places | {(person, answer)}


SHARED: dict[str, Shared] = {"stock": Stock(), "limit": Limit(), "promo code": PromoCode(), "door": Door(), "line": Line()}
