"""What people at the door see, from signing in to what came of scans without a network."""

from collections.abc import Callable, Iterator

from playwright.sync_api import expect

from chalicelib.foundation import clock, settings
from tests import builders
from tests.browser.door_staff import DoorStaff

NAMES = ["Ada Lovelace", "Grace Hopper", "Mary Seacole"]

DoorTour = Callable[[DoorStaff], Iterator[str]]


def entering(staff: DoorStaff) -> Iterator[str]:
    staff.page.goto("/door")
    expect(staff.page.get_by_role("heading", name="Sign in to work at the door")).to_be_visible()
    yield "stranger"
    staff.sign_in()
    expect(staff.page.get_by_label("Event", exact=True)).to_be_visible()
    yield "setup"
    staff.page.route("**/manifest*", lambda request: request.abort())
    staff.page.get_by_label("Gate", exact=True).fill("North")
    staff.press("Open the door")
    expect(staff.page.get_by_role("alert")).to_contain_text("the door cannot open without the list")
    yield "without_its_list"
    staff.page.unroute("**/manifest*")
    other_tab = staff.page.context.new_page()
    staff.page.goto("/account")
    other_tab.goto("/door")
    expect(other_tab.get_by_label("Event", exact=True)).to_be_visible()
    staff.page.goto("/door")
    expect(staff.page.get_by_role("heading", name="The door is open in another tab")).to_be_visible()
    yield "other_tab"


def without_work(staff: DoorStaff) -> Iterator[str]:
    staff.sign_in(is_invited=False)
    expect(staff.page.get_by_role("heading", name="You are not assigned to any event yet")).to_be_visible()
    yield "nothing"


def scanning(staff: DoorStaff) -> Iterator[str]:
    order_id = builders.create_order(staff.api, _shop(staff), 4)
    ids = builders.ticket_ids(order_id, 1, 2, 3, 4)
    with settings.override(attendee_lock_seconds=0):
        for ticket_id, name in zip(ids, NAMES, strict=False):
            staff.api.patch(f"/tickets/{ticket_id}", json={"attendee": {"name": name}}, user="ada")
    builders.refund(staff.api, order_id, tickets=[ids[3]])
    codes = staff.codes(ids)
    elsewhere = builders.create_order(staff.api, builders.create_shop(staff.api), 1, "bob")
    staff.sign_in()
    staff.open_door()
    yield "open"
    staff.type(codes[0])
    staff.see_verdict("Come in", "1 of 4 in")
    yield "admitted"
    staff.search("a")
    expect(staff.page.locator(".door-search li")).to_have_count(3)
    yield "search"
    staff.page.get_by_label("Code, name or number").fill("")
    staff.press("All 3 more")
    staff.see_verdict("Come in", "4 of 4 in")
    staff.type(codes[0])
    staff.see_verdict("Already in")
    yield "again"
    staff.type(codes[3])
    staff.see_verdict("Refunded")
    yield "void"
    staff.type(*staff.codes(builders.ticket_ids(elsewhere, 1)))
    staff.see_verdict("Wrong event")
    yield "elsewhere"
    staff.type("7K3MX-0QWZ9-H4TRB-V81CD")
    staff.see_verdict("Unknown")
    expect(staff.page.locator(".verdict-void")).to_have_count(1)
    yield "unknown"
    staff.press("Start the camera")
    expect(staff.page.get_by_text("This device has no camera.")).to_be_visible()
    staff.lose_network()
    staff.type(codes[1])
    staff.see_verdict("Come in", "Decided offline, from this device's list.")
    staff.press("Leave the door and delete the list")
    staff.page.get_by_text("Not sent yet: 1 scan.").wait_for()
    yield "offline"
    staff.admit_elsewhere(codes[1], gate="South", count="all")
    staff.find_network()
    staff.press("Next")
    expect(staff.page.get_by_role("region", name="Check these people")).to_contain_text("gate South")
    yield "conflict"


def reentry(staff: DoorStaff) -> Iterator[str]:
    shop = _shop(staff)
    fields = {"allows_reentry": True, "doors_minutes": 60}
    assert staff.api.patch(f"/events/{shop[0]}", json=fields, token=builders.admin_token()).status == 200
    [code] = staff.codes(builders.ticket_ids(builders.create_order(staff.api, shop, 1), 1))
    staff.admit_elsewhere(code, gate="South", count="all")
    staff.sign_in()
    staff.open_door()
    staff.press("Scan people out")
    yield "exits"
    staff.type(code)
    staff.see_verdict("Out", "Scanning people out")
    yield "out"
    staff.type("7K3MX-0QWZ9-H4TRB-V81CD")
    staff.see_verdict("Unknown", "Scanning people out")
    staff.page.locator(".door-rows").get_by_role("button", name="Undo").click()
    staff.see_verdict("Undone")
    yield "undone"


def too_early(staff: DoorStaff) -> Iterator[str]:
    shop = _shop(staff, starts_at=clock.iso(clock.now() + 2 * 86_400))
    [code] = staff.codes(builders.ticket_ids(builders.create_order(staff.api, shop, 1), 1))
    staff.sign_in()
    staff.open_door()
    staff.type(code)
    staff.see_verdict("Wrong day", "The doors open on")
    yield "early"


def without_session(staff: DoorStaff) -> Iterator[str]:
    builders.create_order(staff.api, _shop(staff), 1)
    staff.sign_in()
    staff.open_door()
    staff.page.context.clear_cookies()
    staff.page.reload()
    staff.see_state("Signed out")
    staff.type("7K3MX-0QWZ9-H4TRB-V81CD")
    staff.see_verdict("Not on the list")
    yield "signed_out"
    staff.sign_in("bob@example.com", is_invited=False)
    expect(staff.page.get_by_role("heading", name="Your account is not assigned to this event")).to_be_visible()
    yield "locked"


def _shop(staff: DoorStaff, **fields: object) -> tuple[str, str]:
    times = {"starts_at": clock.iso(clock.now() + 3600), "on_sale_at": clock.iso(clock.now() - 3600)} | fields
    staff.event_id = builders.create_event(staff.api, "Rivalry Cup: The Final", venue="Bayline Center", **times)
    return staff.event_id, builders.create_tier(staff.api, staff.event_id, "Table", admits=4)


TOURS: list[DoorTour] = [entering, without_work, scanning, reentry, too_early, without_session]
