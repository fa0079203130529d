"""A drop while somebody watches it: its opening, its buyers, and the figures that follow them."""

from chalicelib.foundation import clock
from tests import builders
from tests.browser.managers import Manager

SECONDS_TO_OPENING = 600


class Drop:
    """A drop of a manager's with 400 tickets: it lets in `wave_size` people every ten seconds."""

    def __init__(self, manager: Manager, wave_size: int = 4, *, ballot: bool = False) -> None:
        self.api, self.time = manager.api, manager.time
        event = {
            "name": "Nova Lights: Afterglow Tour",
            "venue": "The Paramount Hall",
            "timezone": "America/Denver",
            "starts_at": clock.iso(self.time.now + 60 * 86_400),
            "on_sale_at": clock.iso(self.time.now + SECONDS_TO_OPENING),
            "waiting_room": {"enabled": True, "wave_size": wave_size, "wave_seconds": 10, "pass_seconds": 300, "ballot": ballot},
        }
        self.event_id = self._create(manager, "/events", event)
        tier = {
            "name": "Front rows",
            "price_cents": 8950,
            "capacity": 400,
            "currency": "USD",
            "included_fee": {"cents": 450},
            "tax": {"percent": "8.875"},
        }
        self.tier_id = self._create(manager, f"/events/{self.event_id}/tiers", tier)
        manager.publish(self.event_id)
        self.tokens: dict[str, str] = {}

    def _create(self, manager: Manager, path: str, body: dict[str, object]) -> str:
        reply = self.api.post(path, json=body, token=manager.token)
        assert reply.status == 201, reply.json
        return str(reply.json["id"])

    def join(self, count: int) -> None:
        """Let so many buyers join."""
        for number in range(len(self.tokens), len(self.tokens) + count):
            reply = self.api.post(f"/events/{self.event_id}/waiting-room/join", user=f"buyer{number}")
            self.tokens[f"buyer{number}"] = reply.json["token"]

    def open(self) -> None:
        self.time.advance(SECONDS_TO_OPENING)
        self.api.get(f"/events/{self.event_id}/waiting-room/state")

    def buy(self, most: int) -> list[str]:
        """Let buyers who are in reserve two tickets each and pay, `most` of them. Returns the ids of their orders."""
        orders: list[str] = []
        for user, token in list(self.tokens.items()):
            if len(orders) == most:
                break
            reserved = self.reserve(user, token)
            if reserved is not None:
                builders.start_checkout(self.api, user, reserved, key=reserved)
                orders.append(builders.confirm(self.api, user, reserved).json["order"]["id"])
                del self.tokens[user]
        return orders

    def decline_card(self) -> None:
        """Let an admitted buyer reserve, and decline their card."""
        for user, token in self.tokens.items():
            if reserved := self.reserve(user, token):
                builders.start_checkout(self.api, user, reserved, key=reserved)
                builders.confirm(self.api, user, reserved, "fail")
                return

    def reserve(self, user: str, token: str) -> str | None:
        """Return the id of the reservation, or None for a refused buyer."""
        body = {"tier_id": self.tier_id, "quantity": 2, "token": token}
        reply = self.api.post(f"/events/{self.event_id}/reservations", json=body, user=user)
        return str(reply.json["id"]) if reply.status == 201 else None

    def refused(self) -> str:
        """Return why a buyer who waits or is admitted cannot reserve now."""
        user, token = next(iter(self.tokens.items()))
        body = {"tier_id": self.tier_id, "quantity": 1, "token": token}
        return str(self.api.post(f"/events/{self.event_id}/reservations", json=body, user=user).json["error"])
