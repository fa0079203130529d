"""A door to stand at: an event that begins soon, and staff with browsers."""

import pytest

from chalicelib.foundation import clock, settings
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.browser.door_staff import DoorStaff

EVENT = "Night of the Proms"


class Door:
    """The door of an event that starts in an hour, with tickets of one person and of three."""

    def __init__(self, api, time) -> None:
        self.api, self.time = api, time
        times = {"starts_at": clock.iso(time.now + 3600), "on_sale_at": clock.iso(time.now - 3600)}
        self.event_id = builders.create_event(api, EVENT, **times)
        self.tier_id = builders.create_tier(api, self.event_id)
        self.table_id = builders.create_tier(api, self.event_id, "Table", admits=3)

    def sell(self, user="ada", quantity=1, name=None, tier_id=None):
        """Tickets, the first of which has a name on it."""
        order_id = builders.create_order(self.api, (self.event_id, tier_id or self.tier_id), quantity, user)
        ids = builders.ticket_ids(order_id, *range(1, quantity + 1))
        if name:
            named = self.api.patch(f"/tickets/{ids[0]}", json={"attendee": {"name": name}}, user=user)
            assert named.status == 200, named.json
        return [tickets.get_ticket(ticket_id) for ticket_id in ids]

    def admitted(self, ticket):
        return tickets.get_ticket(ticket.id).inside_count


@pytest.fixture
def door(server, api, time):
    with settings.override(attendee_lock_seconds=0):
        yield Door(api, time)
    invariants.check(time.now)


@pytest.fixture
def new_staff(door, api, new_buyer, mailbox):
    """Opens a browser for staff with an open door."""

    def open_door(gate="North", email="door@example.com", **options) -> DoorStaff:
        staff = DoorStaff(new_buyer(**options).page, api, door.event_id, mailbox)
        staff.sign_in(email)
        staff.open_door(gate)
        return staff

    return open_door
