"""web/src/door/admission.ts: without a network, a device decides by the manifest as the API would."""

import pytest

from chalicelib.foundation import clock, settings
from chalicelib.tickets import qr
from tests import builders, javascript
from tests.checkin.conftest import Door

DECIDE = """
import { decide, decideExit, digest, readScan, countPeople, search } from "$WEB/src/door/admission.ts";
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const { manifest, text, count, now, uncounted, words, isOverride, isExit } = JSON.parse(line);
  const byDigest = new Map();
  for (const ticket of manifest.tickets) {
    byDigest.set(ticket.code_sha256, { ticket, guest: null });
    if (ticket.wallet_sha256) byDigest.set(ticket.wallet_sha256, { ticket, guest: null });
    for (const guest of ticket.guests) byDigest.set(guest.code_sha256, { ticket, guest });
  }
  if (words !== undefined) {
    console.log(JSON.stringify(search(manifest.tickets, words, 5).map(({ guest, ticket }) => guest?.id ?? ticket.id)));
  } else if (text === null) console.log(JSON.stringify(countPeople(manifest.event, manifest.tickets, uncounted, now)));
  else if (isExit) {
    const listed = byDigest.get(await digest(readScan(text).code)) ?? null;
    console.log(JSON.stringify(decideExit(manifest.event, listed, uncounted, count)));
  } else {
    const listed = byDigest.get(await digest(readScan(text).code)) ?? null;
    console.log(JSON.stringify(decide(manifest.event, listed, uncounted, count, now, isOverride)));
  }
}
"""


class Device:
    """A device with the manifest as it is now, and what came in by it since: (ticket, count)."""

    def __init__(self, door):
        self.door = door
        self.manifest = door.api.get(f"/events/{door.event_id}/manifest", query={"limit": "500"}, token=door.token).json
        self.uncounted = []

    def ask(self, **case):
        known = {"manifest": self.manifest, "uncounted": self.uncounted, "text": None, "now": self.door.time.now}
        [answer] = javascript.run_module(DECIDE, [known | case])
        return answer

    def decide(self, text, count=1, **case):
        return self.ask(text=text, count=count, now=self.door.time.now, **case)


def outcome(reply):
    return "admitted" if reply.status == 200 else reply.json["error"]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(-49, "wrong_day"), (-12, "admitted"), (2, "admitted"), (13, "event_over")],
)
def test_the_device_decides_like_the_api_at_any_time(api, time, hours, expected):
    door = Door(api, time, starts_at=clock.iso(time.now + max(1, -hours) * 3600))
    time.advance((max(1, -hours) + hours) * 3600)
    device = Device(door)
    decisions = [device.decide(text)["code"] for text in (door.tickets[0].code, f" {door.tickets[1].code.lower().replace('-', '')} ")]
    assert decisions == [outcome(door.scan(ticket.code)) for ticket in door.tickets] == [expected] * 2


def test_the_device_says_not_yet_on_the_right_day_like_the_api(api, time):
    door = Door(api, time, starts_at=clock.iso(time.now + 4 * 3600))
    with settings.override(doors_open_seconds=3600):
        assert Device(door).decide(door.tickets[0].code)["code"] == outcome(door.scan()) == "doors_not_open"


def test_the_device_decides_like_the_api_whatever_has_happened_to_a_ticket(door, time):
    used, refunded = door.tickets
    first = door.scan(used.code, gate="North").json["checkin"]
    builders.refund(door.api, door.order_id, tickets=[refunded.id])
    device = Device(door)
    for ticket in door.tickets:
        assert device.decide(ticket.code)["code"] == outcome(door.scan(ticket.code))
    assert device.decide(used.code)["first"] == {"at": first["at"], "count": 1, "gate": "North", "seat": None, "date": None}
    assert device.decide("7K3MX-0QWZ9-H4TRB-V81CD")["code"] == "not_listed"
    door.api.post(f"/events/{door.event_id}/cancel", json={}, token=builders.admin_token())
    assert Device(door).decide(used.code)["code"] in ("event_cancelled", "ticket_refunded")


def test_a_table_admits_people_up_to_its_size_also_by_guest_codes(table, time):
    [ticket] = table.tickets
    with settings.override(attendee_lock_seconds=0):
        named = table.api.put(f"/seats/{ticket.id}.2/guest", json={"name": "Bob Núñez"}, user=ticket.owner_id)
    assert named.status == 200, named.json
    guest = table.ticket.guest_of(2)
    device = Device(table)
    assert device.decide(ticket.code, "all") == {"code": "admitted", "count": 4, "seat": None, "first": None, "date": None}
    assert device.decide(ticket.code, 5)["code"] == "too_many_people"
    assert device.ask(words="nunez bob") == [f"{ticket.id}.2"]
    came_in = {"ticketId": ticket.id, "at": time.now, "gate": "South"}
    device.uncounted = [came_in | {"seat": 2, "count": 1}]
    assert device.decide(guest.code)["code"] == "already_admitted"
    assert device.decide(ticket.code, "all")["count"] == 3
    device.uncounted += [came_in | {"seat": None, "count": 3}]
    assert device.decide(ticket.code) | {"first": None} == {
        "code": "already_admitted",
        "count": 0,
        "seat": None,
        "first": None,
        "date": None,
    }
    assert device.ask() == {"expected": 4, "admitted": 4, "gates": [["South", 4]]}


def test_codes_are_read_as_the_server_reads_them(door):
    code = door.tickets[0].code
    device = Device(door)
    for text in (code, code.lower(), code.replace("0", "O").replace("1", "l"), f"FG1:{door.tickets[0].id}:{code}:k1.signature"):
        assert device.decide(text)["code"] == "admitted", text
    assert device.decide("their:code")["code"] == "not_listed"


def test_the_device_admits_with_the_fixed_part_of_a_wallets_code(door):
    text = qr.rotating_text(door.tickets[0], "12345678")
    assert Device(door).decide(text)["code"] == "not_listed"
    with settings.override(google_wallet_issuer="1"):
        assert Device(door).decide(text)["code"] == "admitted"
        assert Device(door).decide(text.replace(":1234", "x:1234"))["code"] == "not_listed"


@pytest.mark.parametrize("hours", [-49, -1, 13])
def test_the_device_overrides_what_the_api_does(api, time, hours):
    door = Door(api, time, quantity=3, starts_at=clock.iso(time.now + max(1, -hours) * 3600))
    used, refunded, _ = door.tickets
    door.scan(used.code, override_reason="Early")
    builders.refund(api, door.order_id, tickets=[refunded.id])
    time.advance((max(1, -hours) + hours) * 3600)
    device = Device(door)
    decisions = [device.decide(ticket.code, isOverride=True)["code"] for ticket in door.tickets]
    assert decisions == [outcome(door.scan(ticket.code, override_reason="Please")) for ticket in door.tickets]
    assert decisions == (["event_over", "ticket_refunded", "event_over"] if hours > 0 else ["admitted", "ticket_refunded", "admitted"])


@pytest.mark.slow
def test_the_device_lets_people_out_and_in_again_like_the_api(table, time):
    [ticket] = table.tickets
    assert table.api.patch(f"/events/{table.event_id}", json={"allows_reentry": True}, token=builders.admin_token()).status == 200
    with settings.override(attendee_lock_seconds=0):
        assert table.api.put(f"/seats/{ticket.id}.2/guest", json={"name": "Bob"}, user=ticket.owner_id).status == 200
    guest = table.ticket.guest_of(2)
    # who scans, how many, and in which direction
    scans = [
        (ticket.code, 1, "out"),
        (ticket.code, 2, "in"),
        (guest.code, 1, "out"),
        (guest.code, 1, "in"),
        (guest.code, 1, "in"),
        (ticket.code, 2, "out"),
        (guest.code, 1, "out"),
        (ticket.code, "all", "out"),
        (ticket.code, "all", "out"),
        (guest.code, 1, "in"),
        (ticket.code, "all", "in"),
        (ticket.code, 1, "in"),
    ]
    offline = Device(table)
    codes = []
    for code, count, direction in scans:
        fresh = Device(table).decide(code, count, isExit=direction == "out")
        unsent = offline.decide(code, count, isExit=direction == "out")
        reply = table.scan(code, count=count, direction=direction, gate=direction)
        codes.append(unsent["code"])
        assert fresh["code"] == unsent["code"]
        assert fresh["code"].replace("exited", "admitted") == outcome(reply)
        if unsent["count"]:
            checkin = reply.json["checkin"]
            assert (abs(checkin["count"]), checkin["seat"]) == (unsent["count"], unsent["seat"]) == (fresh["count"], fresh["seat"])
            signed = {"count": checkin["count"], "seat": unsent["seat"], "at": time.now, "gate": direction}
            offline.uncounted.append({"ticketId": ticket.id} | signed)
        assert offline.ask() == Device(table).ask()
    assert codes == [
        "not_checked_in",
        "admitted",
        "exited",
        "admitted",
        "already_admitted",
        "not_checked_in",
        "exited",
        "exited",
        "not_checked_in",
        "admitted",
        "admitted",
        "already_admitted",
    ]
    assert offline.ask() == {"expected": 4, "admitted": 4, "gates": [["in", 4]]}
