"""Ada, who gives a ticket away."""

import pytest

from tests import builders, invariants
from tests.checkin.conftest import Door


class Sender(Door):
    """Ada, who gives her first ticket away."""

    def offer(self, user="ada"):
        return self.api.post(f"/tickets/{self.tickets[0].id}/transfer", user=user)

    def token_of_offer(self):
        reply = self.offer()
        assert reply.status == 201, reply.json
        return reply.json["token"]

    def accept(self, token, user="bob", **body):
        return self.api.post(f"/transfers/{token}/accept", user=user, **({"json": body} if body else {}))

    def preview(self, token):
        return self.api.post("/transfers/preview", json={"token": token})

    def cancel(self, user="ada"):
        return self.api.delete(f"/tickets/{self.tickets[0].id}/transfer", user=user)

    def wallet(self, user):
        return [ticket["id"] for ticket in self.api.get("/me/tickets", user=user).json["tickets"]]

    def refund(self):
        return builders.refund(self.api, self.order_id, tickets=[self.tickets[0].id])


@pytest.fixture
def sender(api, time):
    yield Sender(api, time)
    invariants.check(time.now)
