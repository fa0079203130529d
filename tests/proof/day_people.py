"""The people of a simulated day: buyers of each event, promoters, and the doors. Each is a generator with random numbers of its own.

A person yields the seconds for which they wait, or a request, and then receives the reply, None if the server crashed.
"""

import random
from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

from msgspec import Struct

from tests import builders
from tests.addons.waitlist import lines
from tests.client import Client, ClientReply
from tests.payment_pages import DECLINED, VISA

HOUR = 3600.0

Request = tuple[str, Callable[[], Any]]
Person = Generator[float | Request, ClientReply | None, None]

# Event -> the share of the buyers who want it, and the share of those buyers for whom it has tickets.
SHARES = {"plain": (0.3, 1.5), "drop": (0.3, 1.2), "code": (0.12, 1.5), "free": (0.1, 1.5), "small": (0.08, 0.7), "cancelled": (0.1, 1.5)}
STAFF = ("promoter", "bootstrap")


class People(Struct):
    """The people at the events of a day of `seconds`. `drop_at` is the second at which the waiting room opens."""

    api: Client
    seconds: float
    drop_at: float
    capacity: int  # to which promoters enlarge an event
    pay: Callable[[dict[str, Any], str], None]  # pays a checkout session with a card
    send: Callable[[str, Request, Callable[[ClientReply | None], None]], None]  # sends a request beside the person's own
    events: dict[str, tuple[str, str]] = {}  # name -> ids of the event and its tier

    def person(self, name: str, seed: int) -> Person:
        """Return the person whose name is `<event or kind of staff>-<number>`."""
        kind, _, _ = name.rpartition("-")
        numbers = random.Random(f"{seed} {name}")
        return self._staff(kind, numbers) if kind in STAFF else self._buyer(name, kind, numbers)

    def _buyer(self, user: str, event: str, numbers: random.Random) -> Person:
        event_id, tier_id = self.events[event]
        as_buyer: dict[str, Any] = {"user": user}
        if event == "drop":
            yield numbers.uniform(self.drop_at - 600, self.drop_at + 600)
        elif event == "small":
            yield numbers.uniform(0, self.seconds * 0.7)
        else:
            yield numbers.uniform(0, self.seconds * 0.95)
        if event != "drop" and numbers.random() < 0.25:  # a guest's token lasts a quarter of an hour, and the line may take longer
            guest = yield from self._ask("guest", lambda: self.api.post("/auth/guest"), numbers)
            if guest is None or guest.status >= 300:
                return
            as_buyer = {"token": guest.json["access_token"]}
        yield "browse", lambda: self.api.get(f"/events/{event_id}")
        extra: dict[str, Any] = {}
        if event == "drop":
            token = yield from self._wait_in_line(event_id, as_buyer, numbers)
            if not token:
                return
            extra = {"token": token}
        body = {"tier_id": tier_id, "quantity": numbers.choice((1, 1, 2)), **extra}
        path = f"/events/{event_id}/reservations"
        reserved = yield from self._ask("reserve", lambda: self.api.post(path, json=body, **as_buyer), numbers)
        if reserved is None:
            return
        if reserved.status != 201:
            if event == "small" and "user" in as_buyer:
                yield from self._wait_on_waitlist(user, event_id, numbers)
            return
        yield from self._check_out(user, event, str(reserved.json["id"]), as_buyer, numbers)

    def _wait_in_line(self, event_id: str, as_buyer: dict[str, Any], numbers: random.Random) -> Generator[Any, Any, str]:
        room = f"/events/{event_id}/waiting-room"
        joined = yield from self._ask("join", lambda: self.api.post(f"{room}/join", **as_buyer), numbers)
        if joined is None or joined.status != 200:
            return ""
        token = str(joined.json["token"])
        for _ in range(60):
            yield numbers.uniform(20, 90)
            status = yield "status", lambda: self.api.get(f"{room}/status", query={"token": token})
            if status is not None and status.status == 200 and status.json["can_enter"]:
                return token
            if numbers.random() < 0.005:
                return ""
        return ""

    def _check_out(self, user: str, event: str, reservation_id: str, as_buyer: dict[str, Any], numbers: random.Random) -> Person:
        yield numbers.uniform(2, 40)
        chance = numbers.random()
        if chance < 0.03:
            return
        if chance < 0.05:
            yield "release", lambda: self.api.delete(f"/reservations/{reservation_id}", **as_buyer)
            return
        fields = {"reservation_id": reservation_id}
        if event == "code" and numbers.random() < 0.6:
            fields["promo_code"] = "SAVE"
        if "token" in as_buyer:
            fields["customer_email"] = f"{user}@example.com"
        send = {"json": fields, "headers": {"Idempotency-Key": reservation_id}, **as_buyer}
        opened = yield from self._ask("checkout", lambda: self.api.post("/checkout/sessions", **send), numbers)
        if opened is None or opened.status != 201:
            return
        session = dict(opened.json)
        yield numbers.uniform(3, 60)
        if event != "free":
            chance = numbers.random()
            if chance < 0.05:
                return
            if chance < 0.1:
                yield numbers.uniform(170, 400)  # pays late
            if numbers.random() < 0.08:
                self.pay(session, DECLINED)
                yield numbers.uniform(5, 20)
            self.pay(session, VISA)
            if numbers.random() < 0.25:
                yield numbers.uniform(100, 400)  # closes the page, and the webhook reports the payment
        confirmed = yield from self._ask(
            "confirm", lambda: self.api.post("/checkout/confirm", json={"checkout_id": session["id"]}, **as_buyer), numbers
        )
        if confirmed is not None and confirmed.status in (200, 201):
            yield from self._use_tickets(user, session["id"], as_buyer, numbers)

    def _use_tickets(self, user: str, order_id: str, as_buyer: dict[str, Any], numbers: random.Random) -> Person:
        yield numbers.uniform(60, min(2 * HOUR, self.seconds / 4))
        chance, ticket = numbers.random(), f"{order_id}-1"
        if chance < 0.08 and "user" in as_buyer:
            offered = yield from self._ask("transfer", lambda: self.api.post(f"/tickets/{ticket}/transfer", user=user), numbers)
            if offered is not None and offered.status in (200, 201):
                token = offered.json["token"]
                yield numbers.uniform(5, HOUR)
                yield from self._ask("accept", lambda: self.api.post(f"/transfers/{token}/accept", user=f"{user}-friend"), numbers)
        elif chance < 0.13:
            yield from self._ask("refund", lambda: builders.refund(self.api, order_id, key=order_id), numbers)
        elif chance < 0.45:
            yield from self._enter(ticket, numbers)

    def _enter(self, ticket: str, numbers: random.Random) -> Person:
        """Two doors scan the ticket, often at the same time."""
        path, admissions = f"/tickets/{ticket}/validate", Counter[int]()

        def scan(door: int) -> Request:
            headers = {"Idempotency-Key": f"{ticket}-{door}"}
            return "scan", lambda: self.api.post(path, token=builders.admin_token(), headers=headers)

        if numbers.random() < 0.3:
            self.send(f"door {ticket}", scan(2), lambda reply: admissions.update([reply.status] if reply is not None else []))
        reply = yield scan(1)
        admissions.update([reply.status] if reply is not None else [])
        yield 60.0
        assert admissions[200] + admissions[201] <= 1, f"two doors admitted one ticket: {admissions}"

    def _wait_on_waitlist(self, user: str, event_id: str, numbers: random.Random) -> Person:
        joined = yield from self._ask("wait", lambda: lines.join(self.api, user, event_id), numbers)
        if joined is None or joined.status != 201:
            return
        for _ in range(100):
            yield numbers.uniform(200, 900)
            own = yield "waitlist", lambda: self.api.get("/waitlist", user=user)
            if own is None or own.status != 200 or not own.json["entries"]:
                continue
            entry = own.json["entries"][0]
            if entry["status"] == "offered":
                yield from self._check_out(user, "small", entry["offer"]["id"], {"user": user}, numbers)
                return
            if numbers.random() < 0.01:
                path = f"/waitlist/{entry['id']}"
                yield "leave", lambda path=path: self.api.delete(path, user=user)
                return

    def _staff(self, kind: str, numbers: random.Random) -> Person:
        yield numbers.uniform(0, self.seconds)
        if kind == "bootstrap":
            yield "bootstrap", lambda: builders.create_promoted_shop("pat")
            return
        event_id, tier_id = self.events[numbers.choice(["plain", "code", "free"])]
        admin, path = {"token": builders.admin_token()}, f"/admin/events/{event_id}"
        yield "edit", lambda: self.api.patch(f"/events/{event_id}", json={"name": f"Night {numbers.randrange(100)}"}, **admin)
        yield "resize", lambda: self.api.patch(f"/tiers/{tier_id}", json={"capacity": self.capacity}, **admin)
        yield "pause", lambda: self.api.post(f"{path}/pause", **admin)
        yield numbers.uniform(10, 300)
        yield from self._ask("resume", lambda: self.api.post(f"{path}/resume", **admin), numbers)

    def _ask(self, name: str, call: Callable[[], ClientReply], numbers: random.Random) -> Generator[Any, Any, ClientReply | None]:
        """Send a request, and send it again when the server crashed, is busy or is still working on it."""
        reply: ClientReply | None = None
        for _ in range(8):
            reply = yield name, call
            if reply is not None and reply.status != 503 and not (reply.status == 409 and "retry" in str(reply.headers).lower()):
                return reply
            yield numbers.uniform(8, 40)
        return reply
