"""The manifest: a device that has it can scan without a network, keeps it up to date, and could forge nothing if it were stolen."""

from datetime import datetime
from hashlib import sha256

import msgspec
import pytest

from chalicelib.checkin.manifest import OVERLAP_SECONDS
from chalicelib.foundation import clock, settings
from chalicelib.tickets import service as tickets
from tests import builders, invariants, stripe_shop
from tests.checkin.conftest import Door
from tests.purchases.test_resale import Market


@pytest.fixture(autouse=True)
def _names_may_be_changed():
    with settings.override(attendee_lock_seconds=0):
        yield


def read(door, status=200, **query):
    reply = door.api.get(f"/events/{door.event_id}/manifest", query=query, token=door.token)
    assert reply.status == status, reply.json
    return reply.json


def read_all(door, limit=500, **query):
    """All pages: the tickets by id, as a device keeps them, and the last page."""
    page = read(door, limit=str(limit), **query)
    known = {ticket["id"]: ticket for ticket in page["tickets"]}
    while page["next_cursor"] is not None:
        page = read(door, limit=str(limit), cursor=page["next_cursor"])
        known |= {ticket["id"]: ticket for ticket in page["tickets"]}
    return known, page


class Device:
    """A scanner without a network: it knows the manifest, and lets in whom that allows."""

    def __init__(self, door, name):
        self.door, self.name = door, name
        self.tickets, self.as_of = {}, None
        self.scans = []
        self.update()

    def update(self):
        changed, page = read_all(self.door, **({"since": self.as_of} if self.as_of else {}))
        self.tickets |= changed
        self.as_of = page["as_of"]
        return set(changed)

    def scan(self, code):
        """Return whether the device would admit somebody."""
        digest = sha256(code.encode()).hexdigest()
        ticket = next((ticket for ticket in self.tickets.values() if ticket["code_sha256"] == digest), None)
        if ticket is None or ticket["state"] != "valid" or ticket["admitted"] >= ticket["admits"]:
            return False
        ticket["admitted"] += 1
        self.scans.append({"id": str(len(self.scans)), "at": clock.iso(self.door.time.now), "code": code})
        return True

    def sync(self):
        return [scan["outcome"] for scan in self.door.sync(self.name, *self.scans).json["scans"]]


def test_a_manifest_has_what_a_door_needs_and_nothing_to_misuse(door):
    ticket = door.ticket
    attendee = {"name": "Ada", "email": "ada@example.com"}
    assert door.api.patch(f"/tickets/{ticket.id}", json={"attendee": attendee}, user=ticket.owner_id).status == 200
    manifest = read(door)
    [shown] = [shown for shown in manifest["tickets"] if shown["id"] == ticket.id]
    assert shown == {
        "id": ticket.id,
        "number": None,
        "code_sha256": sha256(ticket.code.encode()).hexdigest(),
        "state": "valid",
        "void_reason": None,
        "tier_id": door.tier_id,
        "tier_name": "Floor",
        "attendee_name": "Ada",
        "admits": 1,
        "admitted": 0,
        "checkins": [],
        "guests": [],
    }
    assert manifest["event"] == {
        "id": door.event_id,
        "name": manifest["event"]["name"],
        "timezone": "UTC",
        "starts_at": clock.iso(door.time.now + 3600),
        "doors_open_at": clock.iso(door.time.now + 3600 - settings.current().doors_open_seconds),
        "doors_close_at": manifest["event"]["doors_close_at"],
        "cancelled": False,
        "allows_reentry": False,
        "dates": [],
    }
    secrets = (ticket.code, ticket.qr_sig, f'"{ticket.owner_id}"', "ada@example.com")  # a digest may contain "ada" by chance
    text = door.api.get(f"/events/{door.event_id}/manifest", token=door.token).body.decode()
    assert [secret for secret in secrets if secret in text] == []


def test_a_page_ends_before_it_is_too_large_for_lambda(api, time):
    """Every seat of large tables has a guest with a long name: 500 such tickets would be 25 MB."""
    door = Door(api, time, quantity=1)
    large = builders.create_tier(api, door.event_id, "Large", capacity=100, admits=100)
    orders = [builders.create_order(api, (door.event_id, large), 4, user=f"host-{number}") for number in range(8)]
    ids = {f"{order_id}-{number}" for order_id in orders for number in range(1, 5)}
    for ticket_id in ids:
        builders.name_all_guests(ticket_id)
    page = read(door, limit="500")
    assert (len(msgspec.json.encode(page)) < 1_000_000, len(page["tickets"]) > 10, page["next_cursor"] is not None) == (True, True, True)
    known, _ = read_all(door)
    assert known.keys() == ids | {door.ticket.id}


def test_a_manifest_shows_past_check_ins_and_why_a_ticket_is_void(door):
    door.scan(gate="North")
    refund(door, 1)
    [used], [void] = ([shown for shown in read(door)["tickets"] if shown["id"] == ticket.id] for ticket in door.tickets)
    assert used["checkins"] == [{"at": clock.iso(door.time.now), "count": 1, "gate": "North", "seat": None, "date": None}]
    assert (void["state"], void["void_reason"], void["checkins"]) == ("void", "refunded", [])


def test_two_devices_without_a_network_and_then_their_scans(door):
    north, south = Device(door, "north"), Device(door, "south")
    first, second = (ticket.code for ticket in door.tickets)
    assert [north.scan(first), north.scan(first), south.scan(second), south.scan(first)] == [True, False, True, True]
    assert not north.scan("7K3MX-0QWZ9-H4TRB-V81CD")
    assert (north.sync(), south.sync()) == (["admitted"], ["admitted", "conflict"])
    assert [duplicate.device for duplicate in door.ticket.duplicates] == ["south"]
    assert north.update() == south.update() == {ticket.id for ticket in door.tickets}
    assert not north.scan(second), "it knows what the other one has let in"
    assert north.sync() == ["repeated"]


def check_in(door, number):
    door.scan(door.tickets[number].code)


def refund(door, number):
    builders.refund(door.api, door.order_id, tickets=[door.tickets[number].id])


def transfer(door, number):
    ticket = door.tickets[number]
    token = door.api.post(f"/tickets/{ticket.id}/transfer", user=ticket.owner_id).json["token"]
    assert door.api.post(f"/transfers/{token}/accept", user="bob").status == 201


def rename(door, number):
    ticket = door.tickets[number]
    assert door.api.patch(f"/tickets/{ticket.id}", json={"attendee": {"name": "Eve"}}, user=ticket.owner_id).status == 200


@pytest.mark.parametrize("change", [check_in, refund, transfer, rename])
def test_a_device_gets_what_has_changed_and_nothing_else(door, time, change):
    time.advance(OVERLAP_SECONDS + 1)  # since the tickets were sold
    device = Device(door, "north")
    time.advance(1)
    change(door, 1)
    before = dict(device.tickets)
    assert device.update() == {door.tickets[1].id}
    assert device.tickets[door.tickets[1].id] != before[door.tickets[1].id]
    time.advance(OVERLAP_SECONDS + 1)
    device.update()
    assert device.update() == set()


def test_an_undo_is_listed_as_a_change(door, time):
    door.scan()
    time.advance(OVERLAP_SECONDS + 1)
    device = Device(door, "north")
    time.advance(1)
    door.undo()
    assert device.update() == {door.ticket.id}
    assert device.scan(door.ticket.code)


def test_a_ticket_that_is_sold_later_is_a_change(door, time):
    time.advance(OVERLAP_SECONDS + 1)
    device = Device(door, "north")
    order_id = builders.create_order(door.api, (door.event_id, door.tier_id), 1, user="late")
    assert device.update() == {f"{order_id}-1"}


def test_a_disputed_ticket_is_frozen(shop: stripe_shop.StripeShop):
    order_id = shop.buy("ada", 1)
    manifest = lambda: shop.api.get(f"/events/{shop.event_id}/manifest", token=builders.admin_token()).json["tickets"]  # noqa: E731
    assert [ticket["state"] for ticket in manifest()] == ["valid"]
    shop.fake.create_dispute(shop.fetch_charge(order_id).id, "fraudulent")
    shop.fake.deliver()
    assert [ticket["state"] for ticket in manifest()] == ["frozen"]


def test_a_manifest_is_read_page_by_page_while_tickets_change(api, time):
    door = Door(api, time, quantity=4)
    first = read(door, limit="1")
    seen = first["tickets"][0]["id"]
    time.advance(1)
    door.scan(next(ticket.code for ticket in door.tickets if ticket.id == seen))
    known, cursor = {seen: first["tickets"][0]}, first["next_cursor"]
    while cursor is not None:
        page = read(door, limit="1", cursor=cursor)
        assert page["as_of"] == first["as_of"] == clock.iso(time.now - 1 - OVERLAP_SECONDS)
        known |= {ticket["id"]: ticket for ticket in page["tickets"]}
        cursor = page["next_cursor"]
    assert len(known) == 4
    assert known[seen]["admitted"] == 1, "the change came on a later page"


def test_a_change_that_was_written_late_with_an_earlier_time_is_not_missed(door, time):
    """Its request began before the manifest was read, or the clock of its instance is slow."""
    time.advance(OVERLAP_SECONDS + 1)
    device = Device(door, "north")
    with clock.override(lambda: float(time.now - OVERLAP_SECONDS + 1)):
        assert door.scan().status == 200
    assert device.update() == {door.ticket.id}


def test_an_event_without_tickets_has_an_empty_manifest(api, time):
    event_id = builders.create_event(api)
    manifest = api.get(f"/events/{event_id}/manifest", token=builders.admin_token()).json
    assert (manifest["tickets"], manifest["next_cursor"]) == ([], None)
    assert datetime.fromisoformat(manifest["as_of"]).timestamp() == time.now - OVERLAP_SECONDS


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-06-01T12:00:00"}, "since"),
        ({"since": "0001-01-01T00:00:00Z"}, "since"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "WzEsIiJd"}, "cursor"),  # [1,""]
        ({"cursor": "Wy0xLCIxIl0"}, "cursor"),  # [-1,"1"]
        ({"limit": "501"}, "limit"),
    ],
)
def test_a_page_that_cannot_be_is_refused(door, query, path):
    assert read(door, 400, **query)["path"] == path


def test_ten_thousand_tickets_have_less_than_four_megabytes(door):
    assert door.scan(gate="North").status == 200
    megabytes = len(msgspec.json.encode(read(door)["tickets"])) / len(door.tickets) * 10_000 / 1e6
    assert megabytes < 4


def test_a_device_without_a_network_learns_late_that_a_ticket_was_resold(api, time):
    market = Market(api, time)
    door = Door.__new__(Door)
    door.api, door.time, door.event_id = api, time, market.event_id
    sold, device = market.offered_by("ada", 2), Device(door, "north")
    bought = market.take("bob")
    first, second = (tickets.get_ticket(ticket_id).code for ticket_id in (f"{sold}-1", f"{sold}-2"))
    new = tickets.get_ticket(f"{bought}-1").code
    assert [device.scan(first), device.scan(new), device.scan(second)] == [True, False, True]
    assert [scan["error"] for scan in door.sync("north", *device.scans).json["scans"]] == ["ticket_refunded", None]
    assert device.update() == {f"{sold}-1", f"{sold}-2", f"{bought}-1"}
    assert [device.scan(first), device.scan(new)] == [False, True]
    assert market.listed(sold) == []
    builders.run_sweep()
    invariants.check(time.now)
