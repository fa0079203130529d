"""A door: an event that starts in an hour, with a paid order."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.foundation import clock
from chalicelib.tickets import service as tickets
from tests import builders, invariants


class Door:
    """The door of an event at which the user `door` works; `admits` people come in with each ticket, and `returns` is its policy."""

    def __init__(self, api, time, quantity=2, admits=1, returns=None, **fields):
        self.api, self.time = api, time
        fields = {"starts_at": clock.iso(time.now + 3600), "on_sale_at": clock.iso(time.now - 3600)} | fields
        self.event_id = builders.create_event(api, **fields)
        if returns is not None:
            assert api.patch(f"/events/{self.event_id}", json={"returns": returns}, token=builders.admin_token()).status == 200
        self.tier_id = builders.create_tier(api, self.event_id, admits=admits)
        self.order_id = builders.create_order(api, (self.event_id, self.tier_id), quantity)
        self.tickets = [tickets.get_ticket(f"{self.order_id}-{number}") for number in range(1, quantity + 1)]

    @property
    def token(self):
        return builders.staff_token(self.event_id)

    @property
    def ticket(self):
        """The first ticket, as it is now."""
        return tickets.get_ticket(self.tickets[0].id)

    def scan(self, code=None, *, token=None, key="", **fields):
        body = {"code": code or self.tickets[0].code} | fields
        return self.api.post("/checkin", json=body, token=token or self.token, headers={"Idempotency-Key": key} if key else {})

    def refusal(self, *arguments, **fields):
        """(status, code) of a scan that is refused."""
        reply = self.scan(*arguments, **fields)
        assert reply.status >= 400, reply.json
        return reply.status, reply.json["error"]

    def undo(self, **fields):
        return self.api.post(f"/tickets/{self.tickets[0].id}/undo", json=fields, token=self.token)

    def sync(self, device, *scans):
        return self.api.post("/checkin/sync", json={"device": device, "scans": list(scans)}, token=self.token)

    def offline_scan(self, scan_id, minutes=0, **fields):
        """A scan of the first ticket as a device keeps it, so many minutes from now."""
        return {"id": scan_id, "at": clock.iso(self.time.now + minutes * 60), "code": self.tickets[0].code} | fields

    def audited(self):
        return [entry.action for entry in reversed(audit.list_entries(f"ticket#{self.tickets[0].id}"))]


@pytest.fixture
def door(api, time):
    yield Door(api, time)
    invariants.check(time.now)


@pytest.fixture
def table(api, time):
    """The door of an event whose tickets admit four people each."""
    yield Door(api, time, quantity=1, admits=4)
    invariants.check(time.now)
